/// What the arguments ask for.
enum Request {
    /// The commands from the root down to the one asked about.
    case help([Command])
    case version
    case run([Command], Values)
}

/// Reads the arguments of a process by a tree of commands.
///
/// Options are found in the command or in any above it, so `hivectl net plan --config FILE` means the same as
/// `hivectl --config FILE net plan`. `--` ends the options. A value never starts with `--`, unless it is
/// written with an equals sign: so a forgotten value is noticed, and `--help` is never mistaken for one.
struct Parser {
    let root: Command
    /// The word among some that another is nearest to.
    var suggest: (String, [String]) -> String? = { _, _ in nil }
    /// The environment.
    var variable: (String) -> String? = { _ in nil }

    static let help = "--help"
    static let version = "--version"

    func parse(_ tokens: [String]) throws -> Request {
        var path = [root]
        var values = Values()
        var words: [String] = []
        var rest = tokens[...]
        var optionsEnded = false
        // Whoever asks for help gets it, whatever else is wrong with the line.
        let asksForHelp = tokens.prefix { $0 != "--" }.contains { $0 == Parser.help || $0 == "-h" }

        while let token = rest.popFirst() {
            let command = path[path.count - 1]
            if optionsEnded && command.subcommands.isEmpty {
                words.append(token)
            } else if token == "--" {
                optionsEnded = true
            } else if token.hasPrefix("-") && token != "-" && !optionsEnded {
                do {
                    try take(option: token, from: &rest, for: path, into: &values)
                } catch  where asksForHelp {}
            } else if command.subcommands.isEmpty {
                words.append(token)
            } else if token == "help" {
                return .help(try descend(path, rest.filter { !$0.hasPrefix("-") }))
            } else {
                path = try descend(path, [token])
            }
        }
        if asksForHelp { return .help(path) }
        if values.given[Parser.version] != nil { return .version }
        if !path[path.count - 1].subcommands.isEmpty {
            guard let name = path[path.count - 1].defaultSubcommand else { return .help(path) }
            path = try descend(path, [name])
        }
        try take(words: words, for: path, into: &values)
        try check(path, &values)
        return .run(path, values)
    }

    /// Follows names of subcommands down from the last command of a path.
    func descend(_ path: [Command], _ names: some Sequence<String>) throws -> [Command] {
        var path = path
        for name in names {
            let command = path[path.count - 1]
            guard let next = command.subcommand(name) else {
                throw usage(
                    path, "'\(name)' is not a command of \(Parser.quoted(path)).",
                    nearest: suggest(name, command.subcommands.map(\.name)))
            }
            path.append(next)
        }
        return path
    }

    private func take(
        option token: String, from rest: inout ArraySlice<String>, for path: [Command],
        into values: inout Values
    ) throws {
        let parts = token.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        let declared = path.reversed().lazy.compactMap { $0.option(spelled: parts[0]) }.first
        guard let option = declared else {
            throw usage(
                path, "'\(parts[0])' is not an option of \(Parser.quoted(path)).",
                nearest: suggest(parts[0], path.flatMap(\.options).map(\.spelling)))
        }
        if !option.repeats, values.given[option.spelling] != nil {
            throw usage(path, "\(option.spelling) was given twice.")
        }
        guard option.valueName != nil else {
            if parts.count == 2 {
                throw usage(path, "\(option.spelling) takes no value, but got '\(parts[1])'.")
            }
            values.given[option.spelling] = true
            return
        }
        var text = parts.dropFirst().first
        if text == nil, let next = rest.first, !next.hasPrefix("--") { text = rest.popFirst() }
        guard let text else { throw usage(path, "\(option.spelling) needs a value: \(option.usage).") }
        let value = try value(text, of: option, named: option.spelling, path)
        guard option.repeats else {
            values.given[option.spelling] = value
            return
        }
        values.given[option.spelling] = (values.given[option.spelling] as? [Any] ?? []) + [value]
    }

    private func value(_ text: String, of option: Option, named name: String, _ path: [Command]) throws -> Any
    {
        if let value = option.read(text) { return value }
        var nearest: String?
        if case .words(let words) = option.completion { nearest = suggest(text, words) }
        throw usage(path, "The value '\(text)' of \(name) is not \(option.expected).", nearest: nearest)
    }

    private func take(words: [String], for path: [Command], into values: inout Values) throws {
        let command = path[path.count - 1]
        var words = words[...]
        for argument in command.arguments {
            var several: [Any] = []
            while let word = words.first, several.isEmpty || argument.count == .any {
                guard let value = argument.read(word) else {
                    throw usage(path, "The \(argument.name) '\(word)' is not \(argument.expected).")
                }
                several.append(value)
                words.removeFirst()
            }
            if argument.count == .any {
                if !several.isEmpty { values.given[argument.name] = several }
            } else if let value = several.first {
                values.given[argument.name] = value
            } else if argument.count == .one {
                throw usage(path, "\(Parser.quoted(path)) needs a \(argument.name).")
            }
        }
        if let extra = words.first {
            let count = command.arguments.count
            let most = count == 0 ? "no argument" : count == 1 ? "one argument" : "at most \(count) arguments"
            throw usage(path, "\(Parser.quoted(path)) takes \(most), and '\(extra)' is one too many.")
        }
    }

    /// What can be checked only when everything was read; then fills in the environment.
    private func check(_ path: [Command], _ values: inout Values) throws {
        for set in path.flatMap(\.exclusions) {
            let given = set.filter { values.given[$0] != nil }
            if given.count > 1 { throw usage(path, "\(given[0]) and \(given[1]) exclude each other.") }
        }
        for option in path.flatMap(\.options) where values.given[option.spelling] == nil {
            // A variable that is set to nothing counts as not set, as with NO_COLOR.
            guard let name = option.environment, let text = variable(name), !text.isEmpty else { continue }
            values.given[option.spelling] = try value(text, of: option, named: name, path)
        }
    }

    private func usage(_ path: [Command], _ sentence: String, nearest: String? = nil) -> Failure {
        let suggestion = nearest.map { " Did you mean '\($0)'?" } ?? ""
        return Failure(.usage, sentence + suggestion, "See '\(Parser.name(path)) \(Parser.help)'.")
    }

    /// The words that call a command: `hivectl net plan`.
    static func name(_ path: [Command]) -> String { path.map(\.name).joined(separator: " ") }
    private static func quoted(_ path: [Command]) -> String { "'\(name(path))'" }
}
