/// What `HostNetwork.verify` found out. Encoded as JSON, it is what `hivectl net verify --json` prints.
public struct Verification: Codable, Sendable {
    /// Where probes go: a column of the report.
    public enum Target: String, Codable, Sendable, CaseIterable, CodingKeyRepresentable {
        /// The host, at all of its addresses, by ports that nobody listens on, and by protocols that have none.
        case host
        /// What really listens on the host.
        case listeners
        /// Every other agent.
        case agents
        /// Outside, where the egress policy does not let it go.
        case denied
        /// Outside, where the egress policy lets it go.
        case allowed
        /// The agent's web page, from the host.
        case web
    }

    /// What became of a probe, from good to bad.
    public enum Outcome: String, Codable, Sendable, CaseIterable, Comparable {
        /// Forbidden, did not arrive, and was counted by a rule of ours.
        case blocked
        /// Allowed, and the answer came back.
        case works
        /// Could not be tried, or its control did not arrive.
        case untested
        /// Forbidden and did not arrive, but no counter of ours moved: something else stopped it.
        case unexplained
        /// Allowed, and did not arrive, or no answer came back.
        case failed
        /// Forbidden, and arrived.
        case reached

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
        public static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }
    }

    /// What became of the probes of one agent to one target: numbers of probes.
    public struct Cell: Codable, Equatable, Sendable {
        public internal(set) var probes = 0
        public internal(set) var blocked = 0
        /// By counter, such as `inet hive host`. They add up to `blocked`.
        public internal(set) var by: [String: Int] = [:]
        public internal(set) var works = 0
        public internal(set) var untested = 0
        public internal(set) var unexplained = 0
        public internal(set) var failed = 0
        public internal(set) var reached = 0

        public init() {}

        /// The worst of them. Nil: nothing was tried.
        public var outcome: Outcome? {
            if reached > 0 { return .reached }
            if failed > 0 { return .failed }
            if unexplained > 0 { return .unexplained }
            if untested > 0 { return .untested }
            if works > 0 { return .works }
            return blocked > 0 ? .blocked : nil
        }
    }

    /// A probe that did not end as it should have, or could not be made, in words.
    public struct Incident: Codable, Equatable, Sendable {
        public var outcome: Outcome
        /// Nil: it is about all agents.
        public var agent: String?
        public var target: Target
        /// What was tried, whoever tried it. Nil: it is not about one probe.
        public var probe: String?
        /// Without its full stop.
        public var sentence: String
    }

    /// The same probes in a hive without a boundary: all should have arrived.
    public struct Controls: Codable, Equatable, Sendable {
        public internal(set) var probes = 0
        public internal(set) var arrived = 0
    }

    /// Counts up when a key changes its meaning or goes; new keys may come at any time.
    public internal(set) var version = 1
    /// Pairs of agents and addresses outside were chosen by it: the same again with the same seed.
    public internal(set) var seed: UInt64
    /// How long it took.
    public internal(set) var milliseconds = 0
    public internal(set) var controls = Controls()
    /// By agent.
    public internal(set) var agents: [String: [Target: Cell]] = [:]
    /// Everything that was not as it should be, and what could not be tested.
    public internal(set) var incidents: [Incident] = []
    /// What else there is to know: what was left out, and why.
    public internal(set) var notes: [String] = []
    /// What was looked at and needs no packets.
    public internal(set) var findings: [Finding] = []

    init(seed: UInt64) { self.seed = seed }

    /// Something forbidden arrived, something allowed does not work, or an alarm was found.
    public var isBreached: Bool {
        incidents.contains { $0.outcome >= .failed } || findings.contains { $0.severity == .alarm }
    }
    /// Nothing is known to be wrong, but not everything is proven.
    public var isIncomplete: Bool {
        incidents.contains { $0.outcome >= .untested } || findings.contains { $0.severity == .unproven }
    }

    /// All agents and targets together.
    public var total: Cell {
        var total = Cell()
        for cell in agents.values.flatMap(\.values) { total.add(cell) }
        return total
    }
}

extension Verification.Cell {
    mutating func add(_ other: Self) {
        probes += other.probes
        blocked += other.blocked
        by.merge(other.by, uniquingKeysWith: +)
        works += other.works
        untested += other.untested
        unexplained += other.unexplained
        failed += other.failed
        reached += other.reached
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same sequence for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
