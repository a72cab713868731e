internal import HiveCore
internal import HiveNet
internal import HiveWatch
internal import HiveWire

/// A network of podman's, whose options (`podman network create --opt KEY=VALUE`) say what its containers may reach.
struct NetavarkNetwork {
    let name: String
    let settings: AgentSettings
    let configPath, statePath, socket: String

    /// Lists are separated by commas.
    static let lists = ["allow", "deny", "host"]
    static let options = ["egress", "connections", "rate", "web-port", "config", "state", "socket"] + lists

    /// - Parameter isLeaving: its container only goes, whatever may have become of the network meanwhile.
    init(_ network: JSONValue, isLeaving: Bool = false) throws(RuntimeFault) {
        guard let name = network["name"]?.string, Attachment.isIdentifier(name) else {
            throw RuntimeFault(.configuration, "the network has no name, or not one that a network can have")
        }
        self.name = name
        var options: [String: String] = [:]
        for (key, value) in network["options"]?.object ?? [:] {
            guard Self.options.contains(key), let text = value.string else {
                if isLeaving { continue }
                let hint = nearest(to: key, among: Self.options).map { ": did you mean \(quoted($0))?" } ?? ""
                throw RuntimeFault(
                    .unsupportedField,
                    "there is no option \(quoted(key))\(hint.isEmpty ? "; there are \(Self.options.sorted().joined(separator: ", "))" : hint)"
                )
            }
            options[key] = text
        }
        func path(_ key: String, _ standard: String) throws(RuntimeFault) -> String {
            guard let path = options[key] else { return standard }
            guard path.hasPrefix("/"), !path.utf8.contains(0) else {
                throw RuntimeFault(.configuration, "\(key) is \(quoted(path)), but must be an absolute path")
            }
            return path
        }
        configPath = try path("config", Configuration.standardPath)
        statePath = try path("state", Configuration.standardStateDirectory)
        socket = try path("socket", ControlClient.standardPath)
        guard !isLeaving else {
            settings = AgentSettings()
            return
        }
        if let ipam = network["ipam_options"]?["driver"]?.string, !["", "host-local", "none"].contains(ipam) {
            throw RuntimeFault(
                .unsupportedField, "the ipam driver is \(quoted(ipam)), but addresses are leased by Hive")
        }
        settings = try Self.settings(options)
        if network["internal"]?.bool == true, settings.egress != .none {
            throw RuntimeFault(.configuration, "the network is internal, but its options let containers out")
        }
    }

    /// As `hive.json` would have it, so that the same is said of what is wrong.
    private static func settings(_ options: [String: String]) throws(RuntimeFault) -> AgentSettings {
        func number(_ key: String) throws(RuntimeFault) -> JSONValue? {
            guard let text = options[key] else { return nil }
            guard let number = Int64(text) else {
                throw RuntimeFault(.configuration, "\(key) is \(quoted(text)), but must be a whole number")
            }
            return .integer(number)
        }
        var policy: [String: JSONValue] = [:]
        for key in lists {
            policy[key] = options[key].map { text in
                .array(text.split(separator: ",").map { .string(String($0)) })
            }
        }
        policy["connections"] = try number("connections")
        policy["rate"] = options["rate"].map { .string($0) }
        var members: [String: JSONValue] = [:]
        if let egress = options["egress"] {
            guard policy.isEmpty else {
                throw RuntimeFault(
                    .configuration,
                    "egress and \(policy.keys.sorted().joined(separator: ", ")) cannot both be: one of them says what may be reached"
                )
            }
            members["egress"] = .string(egress)
        } else if !policy.isEmpty {
            members["egress"] = .object(policy)
        }
        if let port = try number("web-port") { members["web"] = .object(["port": port]) }
        do { return try AgentSettings(text: JSONValue.text(members), file: "the network's options") } catch {
            throw RuntimeFault(error)
        }
    }

    func session(_ note: @escaping (String) -> Void) -> Session {
        Session(configPath: configPath, state: StateDirectory(statePath), socket: socket, note: note)
    }
}

/// What netavark has on standard input for `setup` and `teardown`.
struct NetavarkCall {
    let network: NetavarkNetwork
    let container: String
    let containerName: String?
    private let link: String
    private let options: JSONValue
    private let ports: JSONValue

    init(_ input: JSONValue, isLeaving: Bool = false) throws(RuntimeFault) {
        guard let container = input["container_id"]?.string, Attachment.isIdentifier(container) else {
            throw RuntimeFault(
                .configuration, "there is no container_id, or not one that a container can have")
        }
        self.container = container
        containerName = input["container_name"]?.string
        network = try NetavarkNetwork(input["network"] ?? .null, isLeaving: isLeaving)
        options = input["network_options"] ?? .null
        link = options["interface_name"]?.string ?? Attaching.link
        ports = input["port_mappings"] ?? .null
    }

    var attachment: Attachment { Attachment(network: network.name, container: container, interface: link) }

    /// What setup makes of it.
    func settings() throws(RuntimeFault) -> AgentSettings {
        guard link == Attaching.link else { throw Attaching.refusal(ofLink: link) }
        guard ports.isEmpty else {
            throw RuntimeFault(
                .unsupportedField,
                "ports are to be published, but nobody connects to an agent except root and the gateway, at web-port: leave --publish out"
            )
        }
        if let mac = options["static_mac"]?.string { throw Attaching.refusal(ofMAC: mac) }
        var settings = network.settings
        for address in options["static_ips"]?.array ?? [] {
            try settings.take(address: address.string ?? JSONValue.text(address))
        }
        return settings
    }
}
