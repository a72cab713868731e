/// Something that was looked at, and what was found.
public struct Finding: Codable, Equatable, Sendable {
    public enum Severity: String, Codable, Sendable, Comparable {
        /// As it should be.
        case fine
        /// Worth knowing; the boundary holds.
        case warning
        /// Something may lead past the boundary, and cannot be looked into from here: not proven.
        case unproven
        /// The boundary does not hold, or what is allowed does not work.
        case alarm

        private var rank: Int {
            switch self {
            case .fine: 0
            case .warning: 1
            case .unproven: 2
            case .alarm: 3
            }
        }
        public static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }
    }

    public var severity: Severity
    /// What was looked at, in a word that does not change: `namespace`, `capabilities`, `links`, `sysctl`, `firewall`,
    /// `headroom`.
    public var check: String
    /// The agent that it is about, if it is about one.
    public var agent: String?
    /// A sentence without its full stop, that names the object and the value.
    public var sentence: String

    public init(_ severity: Severity, _ check: String, agent: String? = nil, _ sentence: String) {
        self.severity = severity
        self.check = check
        self.agent = agent
        self.sentence = sentence
    }
}
