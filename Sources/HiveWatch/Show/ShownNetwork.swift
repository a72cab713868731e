public import HiveCore
public import HiveNet
import HiveWire

/// What `net show` shows: what is, how it differs from what should be, and what was blocked.
public struct ShownNetwork: Codable, Sendable {
    /// Counts up when a key changes its meaning or goes; new keys may come at any time.
    public private(set) var version = 1
    /// The configuration that the kernel was compared with. Nil: there is none, or it is wrong.
    public let configuration: String?
    /// What `net apply` would change.
    public let drift: [ChangeReport.Item]
    /// Ways round the boundary that somebody has: alarms of `HostNetwork.auditWaysRound`.
    public let findings: [Finding]
    /// Sentences about the host's settings, and about what keeps the configuration from being applied.
    public let cautions: [String]
    public let network: NetworkState
    /// Agents whose namespaces could not be looked into, so that it is not known what is there. Nil: none.
    public let unreadable: [String]?
    /// Packets, by agent.
    public let blocked: [String: Blocked]
    /// Packets by reason, those of senders who are no agent included: keys such as `inet hive host`.
    public let blockedInAll: [String: UInt64]
    /// Since when these are counted, in seconds since 1970-01-01 UTC.
    public let since: Int64?
    /// By agent, as the configuration says.
    public let policies: [String: ShownPolicy]
    /// The names in these policies.
    public let names: [String: ShownName]
    /// The process that keeps all this as it should be. Nil: none does, or it was not asked.
    public var watcher: ShownWatcher?

    /// What is compared with what.
    public struct Sources {
        public var hive: Hive?
        public var spec: NetworkSpec?
        public var names: Names
        /// Sentences that come before all others.
        public var words: [String]

        public init(hive: Hive?, spec: NetworkSpec?, names: Names, words: [String]) {
            self.hive = hive
            self.spec = spec
            self.names = names
            self.words = words
        }
    }

    /// - Parameters:
    ///   - changes: that would make what is what should be.
    ///   - agent: only this one, or nil for all.
    /// - Throws: an explanation, where there is no such agent.
    public init(
        _ sources: Sources, _ observed: NetworkObservation, changes: [Change], findings: [Finding],
        agent: String?
    ) throws {
        var (words, changes, findings) = (sources.words, changes, findings)
        let now = Hive.now
        let spec = sources.spec
        if let spec, let hive = sources.hive {
            words += obstacles(to: spec, observed: observed).map {
                "Cannot be applied: \(hive.sentence(for: $0))."
            }
            words += HiveNet.cautions(about: spec, observed: observed)
            words += sources.names.cautions(about: hive.names, at: now)
        }
        var network = observed.state
        var closed = observed.host.closedNamespaces
        // The other end of such a link is not seen, and may well be there.
        changes.removeAll { change in
            guard let agent = change.agent, closed.contains(agent) else { return false }
            return change.object == "link" && network.agents[agent]?.port != nil
        }
        if let agent {
            closed.formIntersection([agent])
            let names = Set(network.agents.keys).union(spec?.agents.map(\.name) ?? [])
            guard names.contains(agent) else {
                let hint = nearest(to: agent, among: names.sorted()).map { " Did you mean '\($0)'?" } ?? ""
                throw Explanation.Thrown(
                    Explanation(ServiceError.usage, ["There is no agent '\(agent)'.\(hint)"]))
            }
            network.agents = network.agents.filter { $0.key == agent }
            network.boundary?.elements.removeAll { $0.agent != agent }
            changes.removeAll { $0.agent != nil && $0.agent != agent }
            findings.removeAll { $0.agent != nil && $0.agent != agent }
        }
        configuration = sources.hive?.configuration.file
        drift = ChangeReport(changes).changes
        self.findings = findings
        cautions = words
        self.network = network
        unreadable = closed.isEmpty ? nil : closed.sorted()
        blocked = observed.blocked.filter { agent == nil || $0.key == agent }
        blockedInAll = observed.blockedInAll
        since = observed.countsSince
        let agents = (spec?.agents ?? []).filter { agent == nil || $0.name == agent }
        policies = Dictionary(agents.map { ($0.name, ShownPolicy($0.egress)) }) { first, _ in first }
        names = Dictionary(
            Set(agents.flatMap(\.egress.names)).map { ($0, ShownName(sources.names.entries[$0], now: now)) }
        ) { first, _ in first }
    }
}

/// The state of the watcher, `hivectl net watch`.
public struct ShownWatcher: Codable, Sendable {
    /// Its process id.
    public var process: Int32
    /// Seconds since 1970-01-01 UTC.
    public var since: Double
    /// The kernel lets nobody but it change the tables.
    public var ownsTables: Bool
    /// As of its last look nothing was left to be done.
    public var holds: Bool
    /// Changes of somebody else's that it has put right.
    public var repairs: Int
    /// Agents that it has cut off, because somebody keeps undoing what it repairs.
    public var quarantined: [String]
    /// Why the configuration, as it is now, is not in force; then what was applied before is.
    public var refused: String?
    /// What it knows of the core daemon whose agents it follows. Nil: it follows none.
    public var roster: String?
}
