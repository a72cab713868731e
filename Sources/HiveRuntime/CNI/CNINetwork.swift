internal import HiveCore
internal import HiveWatch
internal import HiveWire

/// What a runtime has on standard input for the plugin: the configuration of one network (CNI specification 1.1.0, section 1), and
/// what it adds itself.
struct CNINetwork {
    /// Those that are spoken here, the latest last.
    static let versions = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
    static let latest = "1.1.0"

    let version: String
    let name: String
    let configPath, statePath, socket: String
    /// Egress and web port of this network's containers.
    let settings: AgentSettings
    /// Handed back as it came.
    let dns: JSONValue
    /// The addresses of the result that ADD gave, without lengths. Nil: there is none.
    let previousAddresses: [String]?
    /// With GC: those that are to stay. Nil: the runtime names none.
    let valid: Set<Attachment>?

    /// What we know. What has a slash in it is the runtime's own, and whatever it may be (`cni.dev/valid-attachments`).
    static let keys = [
        "cniVersion", "cniVersions", "name", "type", "disableCheck", "disableGC", "loadOnlyInlinedPlugins",
        "plugins", "capabilities",
        "args", "runtimeConfig", "prevResult", "ipam", "dns", "config", "state", "socket", "egress", "web",
    ]

    /// The version that an answer is to be of, whatever else may be wrong.
    static func version(of input: JSONValue?) -> String {
        let asked = input?["cniVersion"]?.string ?? latest
        return versions.contains(asked) ? asked : latest
    }

    init(_ input: JSONValue, for verb: CNICall.Verb) throws(RuntimeFault) {
        guard let members = input.object else {
            throw RuntimeFault(.undecodable, "Standard input is not the configuration of a network")
        }
        version = members["cniVersion"]?.string ?? "0.2.0"
        guard Self.versions.contains(version) else {
            throw RuntimeFault(
                .version,
                "the configuration's cniVersion is \(quoted(version)), but hive-cni speaks \(Self.versions.joined(separator: ", "))"
            )
        }
        if verb == .check, ["0.3.0", "0.3.1"].contains(version) {
            throw RuntimeFault(
                .version, "CHECK is from 0.4.0 on, and the configuration's cniVersion is \(version)")
        }
        if [.gc, .status].contains(verb), version != "1.1.0" {
            throw RuntimeFault(
                .version,
                "\(verb.rawValue) is from 1.1.0 on, and the configuration's cniVersion is \(version)")
        }
        guard let name = members["name"]?.string, Attachment.isIdentifier(name) else {
            throw RuntimeFault(
                .configuration, "the configuration has no name, or not one that a network can have")
        }
        self.name = name
        configPath = try Self.path("config", members, Configuration.standardPath)
        statePath = try Self.path("state", members, Configuration.standardStateDirectory)
        socket = try Self.path("socket", members, ControlClient.standardPath)
        dns = members["dns"] ?? .object([:])
        previousAddresses = Self.addresses(members["prevResult"])
        valid = try Self.attachments(
            members["cni.dev/valid-attachments"] ?? members["cni.dev/attachments"], network: name)
        // What is only taken away has to be that, however wrong the rest has become meanwhile.
        guard ![.del, .gc].contains(verb) else {
            settings = AgentSettings()
            return
        }
        for (key, value) in members.sorted(by: { $0.key < $1.key }) where !key.contains("/") {
            guard Self.keys.contains(key) else {
                let hint = nearest(to: key, among: Self.keys).map { ": did you mean \(quoted($0))?" } ?? ""
                throw RuntimeFault(
                    .unsupportedField,
                    "hive-cni does not know \(quoted(key)) (\(value.shown))\(hint)")
            }
        }
        if let ipam = members["ipam"], !ipam.isEmpty {
            throw RuntimeFault(
                .unsupportedField,
                "ipam is \(ipam.shown), but addresses are leased by Hive: leave ipam out")
        }
        if verb == .add, let previous = members["prevResult"], !previous.isEmpty {
            throw RuntimeFault(
                .configuration,
                "hive-cni makes the link: it has to be the first plugin of its list, and there is a prevResult"
            )
        }
        settings = try Self.settings(members)
        guard dns.object != nil else { throw RuntimeFault(.configuration, "dns must be an object") }
    }

    private static func path(_ key: String, _ members: [String: JSONValue], _ standard: String)
        throws(RuntimeFault)
        -> String
    {
        guard let value = members[key] else { return standard }
        guard let path = value.string, path.hasPrefix("/"), !path.utf8.contains(0) else {
            throw RuntimeFault(
                .configuration, "\(key) is \(value.shown), but must be an absolute path")
        }
        return path
    }

    /// Read by whoever reads `agents.NAME` of `hive.json`, with the same words for what is wrong.
    private static func settings(_ members: [String: JSONValue]) throws(RuntimeFault) -> AgentSettings {
        var ours: [String: JSONValue] = [:]
        for key in ["egress", "web"] { ours[key] = members[key] }
        let settings: AgentSettings
        do {
            settings = try AgentSettings(text: JSONValue.text(ours), file: "the network's configuration")
        } catch { throw RuntimeFault(error) }
        guard settings.webSocket == nil else {
            throw RuntimeFault(
                .unsupportedField, "web.socket would be the same for all containers: write web.port")
        }
        return settings
    }

    private static func addresses(_ result: JSONValue?) -> [String]? {
        result?["ips"]?.array?.compactMap { entry in
            entry["address"]?.string?.split(separator: "/").first.map(String.init)
        }
    }

    private static func attachments(_ value: JSONValue?, network: String) throws(RuntimeFault) -> Set<
        Attachment
    >? {
        guard let value else { return nil }
        guard let entries = value.array else {
            throw RuntimeFault(.configuration, "cni.dev/valid-attachments must be a list")
        }
        var valid: Set<Attachment> = []
        for entry in entries {
            // What cannot be understood could be what has to stay.
            guard let container = entry["containerID"]?.string, let interface = entry["ifname"]?.string else {
                throw RuntimeFault(
                    .configuration,
                    "cni.dev/valid-attachments has \(entry.shown), but each must have containerID and ifname"
                )
            }
            valid.insert(Attachment(network: network, container: container, interface: interface))
        }
        return valid
    }
}
