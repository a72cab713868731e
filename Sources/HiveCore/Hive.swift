public import HiveNet
import HiveWire

/// A hive as its configuration, its files of agents and its leases describe it: everything checked, every agent
/// with its addresses. Nothing is written until `leases` are saved.
public struct Hive: Sendable {
    public private(set) var configuration: Configuration
    /// All agents, those of the configuration, those made at run time and those of the roster, in the order of their names.
    public let agents: [NetworkSpec.Agent]
    /// The leases that go with `agents`. Save them before the kernel hears of an address.
    public let leases: Leases
    /// The unix sockets of agents' pages, by the agents that have one.
    public let webSockets: [String: String]
    /// What is written of each agent, by its name.
    public let settings: [String: AgentSettings]
    /// `leases` differ from what the state directory holds.
    public let leasesChanged: Bool

    private var added: [Declaration]
    private let roster: [String]
    private var savedLeases: Leases

    /// Reads everything and checks it.
    ///
    /// A missing configuration at the default path is no error when agents were made at run time: then all the
    /// defaults hold. Somebody who names a file means it.
    ///
    /// - Parameters:
    ///   - configPath: JSON5; see `Configuration`.
    ///   - explicit: the path was given on the command line or in the environment.
    ///   - canBeEmpty: a missing configuration and no agents are no error either: an agent is about to be added.
    ///   - roster: agents that a core daemon names. One that is declared too has the settings that are written there, the
    ///     others have default settings. Nil: those that `roster.json` remembers. Where the configuration has no roster, there are
    ///     none.
    /// - Throws: the first error, naming file, line, key and value.
    public static func load(
        configPath: String = Configuration.standardPath, explicit: Bool = false,
        stateDirectory: StateDirectory = StateDirectory(), canBeEmpty: Bool = false, roster: [String]? = nil
    ) throws(HiveError) -> Hive {
        let added = try stateDirectory.agents.declarations()
        let configuration: Configuration
        if explicit || DurableFile.exists(configPath) {
            configuration = try Configuration(path: configPath)
        } else {
            guard canBeEmpty || !added.isEmpty else {
                throw HiveError(
                    .configuration,
                    "there is no \(configPath): write one, for example { agents: { alpha: { web: { port: 8080 } } } }, "
                        + "or add an agent with: hivectl net add NAME")
            }
            configuration = Configuration(defaultsFor: configPath)
        }
        // Who runs without asking the daemon takes nobody's network away for that.
        var named: [String] = []
        if configuration.roster != nil {
            if let roster { named = roster } else { named = try Roster.load(stateDirectory).names }
        }
        return try Hive(
            configuration, added: added, leases: Leases.load(stateDirectory), roster: named)
    }

    /// - Parameters:
    ///   - added: the agents of the state directory.
    ///   - leases: as saved.
    ///   - roster: as `load` takes it.
    init(
        _ configuration: Configuration, added: [Declaration], leases: Leases, roster: [String] = []
    ) throws(HiveError) {
        self.configuration = configuration
        self.added = added
        self.roster = roster
        savedLeases = leases
        var declarations = configuration.agents + added
        for name in Set(roster).subtracting(declarations.map(\.name)) {
            declarations.append(try Declaration(ofRoster: name))
        }
        declarations.sort { $0.name < $1.name }
        let checks = HiveChecks(configuration: configuration, agents: declarations)
        try checks.names()
        try checks.count()
        try checks.policies()
        try checks.namespaces()
        try checks.containers()
        try checks.parents()
        try checks.egress()
        var addresses = try AddressPlan(configuration: configuration, agents: declarations)
        let (agents, newLeases) = try addresses.settle(leases)
        self.agents = agents
        webSockets = Dictionary(
            declarations.compactMap { agent in agent.settings.webSocket.map { (agent.name, $0) } },
            uniquingKeysWith: { first, _ in first })
        settings = Dictionary(
            declarations.map { ($0.name, $0.settings) }, uniquingKeysWith: { first, _ in first })
        self.leases = newLeases
        leasesChanged = newLeases != leases
    }

    /// Where an agent's settings are written: `FILE:LINE`. (Finding a line takes as long as the file is.)
    /// - Returns: nil if there is no such agent.
    public func place(of name: String) -> String? {
        guard settings[name] != nil else { return nil }
        let written = configuration.agents.first { $0.name == name } ?? added.first { $0.name == name }
        return written?.place() ?? (try? Declaration(ofRoster: name).place())
    }

    /// The hive with one agent more, as `AgentDirectory.add` would make it.
    ///
    /// - Throws: what would be wrong with it; `usage` for the name.
    public func adding(_ name: String, _ settings: AgentSettings, in directory: AgentDirectory)
        throws(HiveError) -> Hive
    {
        let declaration = try directory.declaration(name, settings, besides: configuration)
        return try Hive(configuration, added: added + [declaration], leases: savedLeases, roster: roster)
    }

    /// The hive without some of its agents that were made at run time; their leases are released.
    public func removing(_ names: Set<String>) throws(HiveError) -> Hive {
        try Hive(
            configuration, added: added.filter { !names.contains($0.name) }, leases: savedLeases,
            roster: roster)
    }

    /// An agent that was made at run time has no file any more.
    public func isRemoved(_ name: String, from directory: AgentDirectory) -> Bool {
        added.contains { $0.name == name } && !directory.holds(name)
    }

    /// The hive without those of its agents that were made at run time and have no file any more.
    public func withoutRemoved(from directory: AgentDirectory) throws(HiveError) -> Hive {
        try removing(Set(added.map(\.name).filter { !directory.holds($0) }))
    }

    /// The same without the text that it was read from: for whoever keeps it and has no question about it any more. Errors name no lines
    /// then.
    public var withoutText: Hive {
        var hive = self
        hive.configuration = configuration.withoutText
        hive.added = added.map(\.withoutText)
        hive.savedLeases = leases
        return hive
    }

    /// What the network has to be.
    ///
    /// - Parameter names: what the names in egress policies stand for.
    /// - Throws: when the configuration names a gateway user that the host does not have.
    public func spec(names: [String: ResolvedName] = [:]) throws(HiveError) -> NetworkSpec {
        var spec = try spec(userID: UserID.named)
        let mentioned = Set(self.names)
        spec.names = names.filter { mentioned.contains($0.key) }
        return spec
    }

    /// - Parameter userID: the id of a user of the host, nil when there is none of that name.
    func spec(userID: (String) throws(HiveError) -> UInt32?) throws(HiveError) -> NetworkSpec {
        let gateway = configuration.gateway
        let user = try userID(gateway.user)
        guard user != nil || !gateway.isExplicit else {
            throw configuration.source.error(
                "gateway.user", "is \(quoted(gateway.user)), but this host has no user of that name")
        }
        let network = configuration.network
        return NetworkSpec(
            bridge: network.bridge, interfacePrefix: network.interfacePrefix, subnet4: network.subnet4,
            subnet6: network.subnet6, mtu: network.mtu,
            // Root may connect anyway.
            gatewayUsers: user.map { $0 == 0 ? [] : [$0] } ?? [], agents: agents, logGroup: network.logGroup)
    }
}
