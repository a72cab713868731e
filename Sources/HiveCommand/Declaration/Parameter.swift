/// An option of a command: `--web-port N`, or a flag: `--json`.
public struct Option {
    /// Without the dashes.
    public let name: String
    public let short: Character?
    /// What help calls the value, such as `FILE` or `none|internet`; nil: the option is a flag.
    public let valueName: String?
    /// One line, lower case, without a full stop.
    public let summary: String
    public let defaultText: String?
    public let environment: String?
    /// It may be given more than once, each time with one value more.
    public let isRepeatable: Bool
    public let completion: Completion
    let expected: String
    let read: (String) -> Any?

    init(name: String, short: Character?, summary: String) {
        self.name = name
        self.short = short
        self.summary = summary
        valueName = nil
        defaultText = nil
        environment = nil
        isRepeatable = false
        completion = .nothing
        expected = ""
        read = { _ in true }
    }

    init<Value, Stored>(
        name: String, valueName: String, summary: String, defaultText: String? = nil, environment: String?,
        isRepeatable: Bool = false, syntax: Syntax<Value>, store: @escaping (Value) -> Stored
    ) {
        self.name = name
        self.valueName = valueName
        self.summary = summary
        self.defaultText = defaultText
        self.environment = environment
        self.isRepeatable = isRepeatable
        short = nil
        completion = syntax.completion
        expected = syntax.expected
        read = { text in syntax.read(text).map(store) }
    }

    /// As it is written on the command line, without a value.
    public var spelling: String { "--" + name }
    /// With its value: `--web-port N`.
    public var usage: String { valueName.map { "\(spelling) \($0)" } ?? spelling }
    /// In a call: `--allow DEST...` for one that may be repeated.
    var call: String { isRepeatable ? usage + "..." : usage }
}

/// A positional argument of a command.
public struct Argument {
    public enum Count { case one, optional, any }

    public let name: String
    public let count: Count
    public let summary: String
    public let completion: Completion
    let expected: String
    let read: (String) -> Any?

    init<Value, Stored>(
        name: String, count: Count, summary: String, syntax: Syntax<Value>, store: @escaping (Value) -> Stored
    ) {
        self.name = name
        self.count = count
        self.summary = summary
        completion = syntax.completion
        expected = syntax.expected
        read = { text in syntax.read(text).map(store) }
    }

    /// `NAME`, `[NAME]` or `[NAME…]`.
    public var usage: String {
        switch count {
        case .one: name
        case .optional: "[\(name)]"
        case .any: "[\(name)...]"
        }
    }
}

/// What a shell offers for a value.
public enum Completion: Equatable, Sendable {
    case nothing
    case words([String])
    case file
    case directory
    /// The names of agents that there are.
    case agents
}
