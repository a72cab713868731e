/// A command, declared once: what parses its arguments also writes its help, and later its manual page and
/// its shell completion.
///
/// A command reads what was given by the keys that declaring returns, so that a name is written only once:
/// ```swift
/// var command = Command("add", "Add an agent")
/// let name = command.argument("NAME", .text, "the agent's name")
/// let port = command.option("web-port", "N", .integer(1...65535), "the port of its web page")
/// command.action = { values, console in
///     try add(values[name], port: values[port])
///     return .ok
/// }
/// ```
public struct Command {
    public typealias Action = (Values, Console) throws -> ExitCode

    /// The word that calls it, such as `apply`.
    public let name: String
    /// One line without a full stop, in the imperative.
    public let abstract: String
    /// Paragraphs, separated by an empty line. They are filled to the width of the page; a line that starts
    /// with blanks is kept as it is.
    public var discussion = ""
    public private(set) var arguments: [Argument] = []
    public private(set) var options: [Option] = []
    /// Sets of options of which one at most may be given.
    public private(set) var exclusions: [[String]] = []
    public private(set) var examples: [Example] = []
    public private(set) var exits: [Exit] = []
    public private(set) var variables: [Variable] = []
    /// The commands below. A command has either these or an action of its own.
    public private(set) var subcommands: [Command] = []
    /// The subcommand that no argument at all stands for; nil: the help.
    public var defaultSubcommand: String?
    public var action: Action?

    /// A call that a reader can copy, and what it is for.
    public struct Example {
        public let purpose: String
        public let line: String
    }

    /// An exit code that the command ends with, and what it then means.
    public struct Exit {
        public let code: ExitCode
        public let meaning: String
    }

    /// An environment variable that is not the equivalent of an option.
    public struct Variable {
        public let name: String
        public let summary: String
    }

    public init(_ name: String, _ abstract: String) {
        self.name = name
        self.abstract = abstract
    }

    // MARK: Declaring

    /// Declares a positional argument that has to be given.
    public mutating func argument<Value>(
        _ name: String, _ syntax: Syntax<Value>, _ summary: String
    ) -> Key<Value> {
        arguments.append(Argument(name: name, count: .one, summary: summary, syntax: syntax) { $0 })
        return Key(name: name, absent: nil)
    }

    /// Declares a positional argument that may be left out; only others like it can follow.
    public mutating func optionalArgument<Value>(
        _ name: String, _ syntax: Syntax<Value>, _ summary: String
    ) -> Key<Value?> {
        arguments.append(
            Argument(name: name, count: .optional, summary: summary, syntax: syntax) { $0 as Value? })
        return Key(name: name, absent: .some(nil))
    }

    /// Declares a last positional argument that may be given any number of times.
    public mutating func arguments<Value>(
        _ name: String, _ syntax: Syntax<Value>, _ summary: String
    ) -> Key<[Value]> {
        arguments.append(Argument(name: name, count: .any, summary: summary, syntax: syntax) { $0 })
        return Key(name: name, absent: [])
    }

    /// Declares an option without a value: `--json`.
    public mutating func flag(_ name: String, short: Character? = nil, _ summary: String) -> Key<Bool> {
        let option = Option(name: name, short: short, summary: summary)
        options.append(option)
        return Key(name: option.spelling, absent: false)
    }

    /// Declares an option with a value: `--web-port N`, `--web-port=N`.
    /// - Parameter environment: the variable that is read when the option is not given.
    public mutating func option<Value>(
        _ name: String, _ valueName: String, _ syntax: Syntax<Value>, environment: String? = nil,
        _ summary: String
    ) -> Key<Value?> {
        let option = Option(
            name: name, valueName: valueName, summary: summary, environment: environment, syntax: syntax
        ) { $0 as Value? }
        options.append(option)
        return Key(name: option.spelling, absent: .some(nil))
    }

    /// Declares an option with a value that has a default.
    public mutating func option<Value>(
        _ name: String, _ valueName: String, _ syntax: Syntax<Value>, default: Value,
        environment: String? = nil,
        _ summary: String
    ) -> Key<Value> {
        let option = Option(
            name: name, valueName: valueName, summary: summary, defaultText: syntax.spell(`default`),
            environment: environment, syntax: syntax
        ) { $0 }
        options.append(option)
        return Key(name: option.spelling, absent: `default`)
    }

    /// Declares an option with a value that can be given any number of times.
    public mutating func options<Value>(
        _ name: String, _ valueName: String, _ syntax: Syntax<Value>, _ summary: String
    ) -> Key<[Value]> {
        let option = Option(
            name: name, valueName: valueName, summary: summary, environment: nil, repeats: true,
            syntax: syntax
        ) { $0 }
        options.append(option)
        return Key(name: option.spelling, absent: [])
    }

    /// Of two options one at most may be given.
    public mutating func exclusive<A, B>(_ first: Key<A>, _ second: Key<B>) {
        exclusions.append([first.name, second.name])
    }

    public mutating func example(_ purpose: String, _ line: String) {
        examples.append(Example(purpose: purpose, line: line))
    }

    public mutating func exit(_ code: ExitCode, _ meaning: String) {
        exits.append(Exit(code: code, meaning: meaning))
    }

    public mutating func variable(_ name: String, _ summary: String) {
        variables.append(Variable(name: name, summary: summary))
    }

    public mutating func add(_ subcommand: Command) { subcommands.append(subcommand) }

    // MARK: Asking

    public func subcommand(_ name: String) -> Command? { subcommands.first { $0.name == name } }

    /// The option that is spelled so, `--json` or `-h`.
    func option(spelled spelling: String) -> Option? {
        options.first { $0.spelling == spelling || $0.short.map { "-\($0)" } == spelling }
    }
}

/// What a command reads a value by. Declaring makes it, nothing else does.
public struct Key<Value> {
    /// As messages write it: `--web-port` or `NAME`.
    let name: String
    /// What is read when nothing was given; nil: the parser has seen to it that something was.
    let absent: Value?
}
