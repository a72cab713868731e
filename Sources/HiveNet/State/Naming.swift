// How our objects are named and marked, so that they can be told from everybody else's.

extension NetworkSpec {
    // Locally administered addresses that say whose they are: an IPv4 address is unique in the hive, so these are too.
    // The first octet tells the three kinds apart, the second is a "v".

    /// The bridge's, fixed because a bridge otherwise takes the lowest of its ports'.
    var bridgeMAC: MACAddress { Self.mac(0x62, gateway4) }
    /// Of an agent's end of its pair.
    static func agentMAC(_ address: IPv4Address) -> MACAddress { mac(0x6a, address) }
    /// Of the host's end.
    static func portMAC(_ address: IPv4Address) -> MACAddress { mac(0x6e, address) }

    private static func mac(_ first: UInt64, _ address: IPv4Address) -> MACAddress {
        MACAddress(bits: first << 40 | 0x76 << 32 | UInt64(address.bits))
    }
}

/// The marks that we put on what is ours.
enum Mark {
    /// `IFLA_GROUP` of agents' host ends: "hive" in ASCII.
    static let group: UInt32 = 0x6869_7665
    /// Of host ends that are about to be deleted, together, by one request.
    static let condemnedGroup: UInt32 = group + 1
    /// `rtm_protocol` of our routes; free in iproute2's rt_protos. ("h")
    static let routeProtocol: UInt8 = 104

    static let bridgeAlias = "hive: bridge"

    /// The alias of an agent's host end: names the agent, and its namespace where that is somebody else's.
    static func portAlias(agent: String, _ namespace: NetworkSpec.Namespace) -> String {
        switch namespace {
        case .own: "hive: agent \(agent)"
        case .path(let path): "hive: agent \(agent) in \(path)"
        case .process(let id, _): "hive: agent \(agent) in /proc/\(id)/ns/net"
        }
    }

    /// The inverse: nil for an alias that is not ours.
    static func parse(portAlias alias: String) -> (agent: String, NetworkSpec.Namespace)? {
        let prefix = "hive: agent "
        guard alias.hasPrefix(prefix) else { return nil }
        let words = alias.dropFirst(prefix.count).split(separator: " ", maxSplits: 2)
        guard let agent = words.first else { return nil }
        guard words.count == 3, words[1] == "in" else {
            return words.count == 1 ? (String(agent), .own) : nil
        }
        let parts = words[2].split(separator: "/")
        if parts.count == 4, let id = Int32(parts[1]), words[2] == "/proc/\(id)/ns/net" {
            return (String(agent), .process(id))
        }
        return (String(agent), .path(String(words[2])))
    }
}

extension NetworkSpec.Namespace {
    /// The file that stands for the namespace.
    public func path(agent: String) -> String {
        switch self {
        case .own: "\(Self.directory)/hive-\(agent)"
        case .path(let path): path
        case .process(let id, _): "/proc/\(id)/ns/net"
        }
    }

    /// Where `ip netns` keeps its namespaces.
    static let directory = "/run/netns"
}

/// The link's name inside a namespace.
let insideName = "eth0"
