/// What an agent may reach besides answering: destinations outside the host, services that the host offers it, and how much of
/// each. Agents with the same destinations share one chain and one pair of sets in the kernel.
public struct Egress: Hashable, Sendable {
    /// Outside the host. Never reaches, whatever is written: the host's own addresses, other agents, multicast, loopback.
    public var allow: [Destination]
    /// What of `allow` is not allowed after all.
    public var deny: [Destination]
    /// What the agent may ask of the host itself, at the bridge's own addresses and nowhere else.
    public var services: [Service]
    /// Connections that the agent has open at a time, both families together: entries of the host's connection table.
    public var connections: UInt32
    /// Bits per second, of IP packets, in each direction; nil for no limit.
    public var rate: UInt64?

    public init(
        allow: [Destination] = [], deny: [Destination] = [], services: [Service] = [],
        connections: UInt32 = Egress.standardConnections, rate: UInt64? = nil
    ) {
        self.allow = allow
        self.deny = deny
        self.services = services
        self.connections = connections
        self.rate = rate
    }

    /// Enough for a busy browser, and a thousand agents still fit into a large host's connection table.
    public static let standardConnections: UInt32 = 1024

    /// Nothing.
    public static let none = Egress()
    /// Every public address, masqueraded: nothing that the IANA special-purpose registries list, and none of the host's own.
    public static let internet = Egress(allow: [.internet])

    /// The names among the destinations, sorted.
    public var names: [String] {
        Set(allow.compactMap { if case .name(let name) = $0.place { name } else { nil } }).sorted()
    }

    /// What `show` and the rules call the destinations: `none`, `internet`, or `policy-` and a fingerprint of their text, in
    /// whatever order they were written.
    public var label: String {
        if allow.isEmpty { return "none" }
        if self.allow == Egress.internet.allow, deny.isEmpty { return "internet" }
        let text = [allow, deny].map { Set($0.map(\.description)).sorted().joined(separator: " ") }
        return "policy-" + fingerprint(text.joined(separator: " but ").utf8)
    }
}

/// A port of the host that agents may use: `53/udp`.
public struct Service: Hashable, Sendable, Comparable {
    public var transport: Transport
    /// 1 to 65535.
    public var port: UInt16

    public init(_ port: UInt16, _ transport: Transport) {
        self.port = port
        self.transport = transport
    }

    public static func < (left: Self, right: Self) -> Bool {
        (left.port, left.transport.rawValue) < (right.port, right.transport.rawValue)
    }
}

extension Service: LosslessStringConvertible {
    /// Reads `PORT/tcp` and `PORT/udp`.
    public init?(_ text: String) {
        guard let ports = PortRange(text), ports.range.count == 1 else { return nil }
        self.init(ports.range.lowerBound, ports.transport)
    }
    public var description: String { "\(port)/\(transport.rawValue)" }
}

/// The transport protocols that have ports, as far as a policy can name them.
public enum Transport: String, Hashable, Sendable, CaseIterable {
    case tcp, udp

    /// `IPPROTO_TCP`, `IPPROTO_UDP`.
    public var number: UInt8 { self == .tcp ? 6 : 17 }
}
