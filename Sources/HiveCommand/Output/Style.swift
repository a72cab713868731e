/// When output is coloured.
public enum ColorChoice: String, CaseIterable, Sendable {
    case auto, always, never
}

/// Colours and weights. They only underline what the words say as well.
public struct Style: Equatable, Sendable {
    public var isEnabled: Bool

    public init(isEnabled: Bool) { self.isEnabled = isEnabled }

    /// - Parameter variable: the environment; `NO_COLOR` (https://no-color.org) and `TERM=dumb` speak against
    ///   colour unless it was asked for.
    public init(_ choice: ColorChoice, isTerminal: Bool, variable: (String) -> String?) {
        isEnabled =
            switch choice {
            case .always: true
            case .never: false
            case .auto: isTerminal && (variable("NO_COLOR") ?? "").isEmpty && variable("TERM") != "dumb"
            }
    }

    /// The parameter of the terminal's SGR sequence (ECMA-48, 8.3.117).
    public enum Paint: Int, Sendable {
        case plain = 0
        case strong = 1
        case faint = 2
        case bad = 31
        case good = 32
        case notable = 33
    }

    public func paint(_ text: String, _ paint: Paint) -> String {
        guard isEnabled, paint != .plain, !text.isEmpty else { return text }
        return "\u{1b}[\(paint.rawValue)m\(text)\u{1b}[0m"
    }
}
