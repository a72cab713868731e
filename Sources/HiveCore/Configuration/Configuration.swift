import HiveWire

/// What `hive.json` says, each value checked by itself and with the defaults filled in. What agents have to
/// agree on among themselves (addresses, names of links, how many they are) `Hive` checks.
public struct Configuration: Sendable {
    /// Where the configuration is unless the command line or `HIVE_CONFIG` says otherwise.
    public static let standardPath = "/etc/hive/hive.json"
    /// Where agents made at run time and leases are kept unless the command line says otherwise.
    public static let standardStateDirectory = "/var/lib/hive"

    /// The path of the file, as it was given.
    public var file: String { source.file }
    /// There is such a file. If not, defaults hold.
    public let isWritten: Bool
    public let network: NetworkSettings
    public let gateway: GatewaySettings
    /// Nil when no other daemon is asked for agents.
    public let roster: RosterSettings?
    /// In the order of their names.
    private(set) var agents: [Declaration]
    private(set) var source: Source

    var withoutText: Configuration {
        var configuration = self
        configuration.agents = agents.map(\.withoutText)
        configuration.source = Source(file: file)
        return configuration
    }

    /// The settings of the agents in this file, by name.
    public var agentSettings: [String: AgentSettings] {
        Dictionary(agents.map { ($0.name, $0.settings) }) { first, _ in first }
    }

    /// Nothing but defaults, for a host where all agents are files of the state directory.
    ///
    /// - Parameter file: the path to name in messages.
    public init(defaultsFor file: String) {
        isWritten = false
        source = Source(file: file)
        network = NetworkSettings()
        gateway = GatewaySettings()
        roster = nil
        agents = []
    }

    /// Reads and checks a file.
    ///
    /// - Throws: the first error, naming file, line, key and value.
    public init(path: String) throws(HiveError) {
        let bytes: [UInt8]
        do throws(DurableFile.Failure) {
            bytes = try DurableFile.read(path)
        } catch {
            let kind = error.isMissing ? HiveError.Kind.configuration : error.error.kind
            throw HiveError(kind, error.error.description)
        }
        try self.init(text: bytes, file: path)
    }

    /// - Parameters:
    ///   - text: JSON5 in UTF-8.
    ///   - file: the path to name in messages.
    public init(text: [UInt8], file: String) throws(HiveError) {
        let root = try JSONParser.parse(text, file: file)
        isWritten = true
        source = Source(file: file, root: root)
        let hive = try JSONObject(root, in: source, knowing: ["network", "gateway", "roster", "agents"])
        network = try NetworkSettings(hive.object("network", knowing: NetworkSettings.keys))
        gateway = try GatewaySettings(hive.object("gateway", knowing: GatewaySettings.keys))
        roster = try hive.object("roster", knowing: RosterSettings.keys).map { object throws(HiveError) in
            try RosterSettings(object, in: hive)
        }

        var agents: [Declaration] = []
        if let object = try hive.object("agents", knowing: nil) {
            for name in object.keys {
                guard AgentName.isValid(name) else {
                    throw object.error(name, "is not a name for an agent: it must be \(AgentName.rule)")
                }
                if let entry = try object.object(name, knowing: AgentSettings.keys) {
                    agents.append(try Declaration(name: name, entry))
                }
            }
        }
        self.agents = agents
    }
}
