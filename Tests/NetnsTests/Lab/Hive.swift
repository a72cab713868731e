import Glibc
import HiveNet

/// A lab with two agents that are set up, and what the tests know about them.
struct TwoAgents {
    let lab: Lab
    let alpha: Known
    let beta: Known

    /// An agent as an attacker or a victim would know it.
    struct Known {
        let name: String
        let address4: IPv4Address
        let address6: IPv6Address
        var link: String { "hv-\(name)" }
        /// Locally administered, with the IPv4 address inside.
        var mac: MACAddress { MACAddress(bits: 0x6a76 << 32 | UInt64(address4.bits)) }

        func endpoint4(_ port: UInt16) -> Endpoint { Endpoint(address: "\(address4)", port: port) }
        func endpoint6(_ port: UInt16) -> Endpoint { Endpoint(address: "\(address6)", port: port) }
    }

    static let gateway4 = IPv4Address(literal: "10.77.0.1")
    static let gateway6 = IPv6Address(literal: "fd77:6869:7665::1")
    static let bridgeMAC = MACAddress(bits: 0x6276 << 32 | UInt64(gateway4.bits))
    static let web: UInt16 = 8080

    static let configuration = """
        { gateway: { user: "root" },
          agents: { alpha: { address4: "10.77.0.2", web: { port: 8080 }, egress: "internet" },
                    beta: { address4: "10.77.0.3", web: { port: 8080 } } } }
        """

    init(configuration: String = TwoAgents.configuration, outside: Bool = false) throws {
        lab = try Lab()
        // Off, so that the bridge's layers and those of IP can be told apart. `fire` tries every attack with it on as well.
        try lab.setBridgeNetfilter(false)
        if outside { try lab.makeOutside() }
        try lab.apply(configuration)
        for name in ["alpha", "beta"] { try lab.waitForLink("eth0", in: "hive-\(name)") }
        alpha = Known(
            name: "alpha", address4: IPv4Address(literal: "10.77.0.2"),
            address6: IPv6Address(literal: "fd77:6869:7665::2"))
        beta = Known(
            name: "beta", address4: IPv4Address(literal: "10.77.0.3"),
            address6: IPv6Address(literal: "fd77:6869:7665::3"))
    }

    // MARK: Sending

    /// Sends a frame from inside an agent, as its root with CAP_NET_RAW would.
    func send(_ frame: [UInt8], as agent: Known) throws {
        try lab.agent(agent.name) { try Socket.packet("eth0").send(frame: frame) }
    }

    /// A UDP packet from one agent's own addresses, to the bridge's MAC as a router, unless told otherwise.
    func udp4(
        _ agent: Known, to destination: IPv4Address, port: UInt16, mac: MACAddress = TwoAgents.bridgeMAC,
        source: IPv4Address? = nil, sourceMAC: MACAddress? = nil, tags: [(UInt16, UInt16)] = [],
        _ content: [UInt8]
    ) -> [UInt8] {
        let from = source ?? agent.address4
        return Packet.ethernet(
            to: mac, from: sourceMAC ?? agent.mac, type: Packet.ipv4Type, tags: tags,
            Packet.ipv4(
                from: from, to: destination, protocol: 17, Packet.udp(from, 4000, destination, port, content))
        )
    }

    func udp6(
        _ agent: Known, to destination: IPv6Address, port: UInt16, mac: MACAddress = TwoAgents.bridgeMAC,
        source: IPv6Address? = nil, sourceMAC: MACAddress? = nil, _ content: [UInt8]
    ) -> [UInt8] {
        let from = source ?? agent.address6
        return Packet.ethernet(
            to: mac, from: sourceMAC ?? agent.mac, type: Packet.ipv6Type,
            Packet.ipv6(
                from: from, to: destination, next: 17, Packet.udp(from, 4000, destination, port, content)))
    }

    // MARK: Layers

    /// The layers of the boundary that a test can take away, as an independent actor would.
    enum Layer: String, CaseIterable, CustomStringConvertible {
        case port, bridgeTable, early, tracked, input, forward, output

        var description: String { rawValue }
    }

    func disable(_ layers: Layer...) throws { for layer in layers { try disable(layer) } }

    func disable(_ layer: Layer) throws {
        switch layer {
        case .port:
            for agent in [alpha, beta] {
                try lab.must(
                    "bridge link set dev \(agent.link) isolated off learning on flood on mcast_flood on bcast_flood on locked off guard off"
                )
            }
        case .bridgeTable: try lab.nft("flush table bridge hive")
        case .early, .tracked, .input, .forward, .output:
            try lab.nft("flush chain inet hive \(layer.rawValue)")
        }
    }

    // MARK: Facts

    /// A test's own mark in a packet, so that no other traffic is taken for it.
    static func mark(_ text: String) -> [UInt8] { Array("hive-test:\(text)".utf8) }

    /// The counts of an agent grow: then a packet was dropped, and what did not arrive is not merely late.
    func expectBlocked(
        _ agent: Known, _ reason: String, by body: () throws -> Void
    ) throws -> Bool {
        let before = try lab.blocked(agent.name)[reason] ?? 0
        try body()
        for _ in 0..<50 {
            if try lab.blocked(agent.name)[reason] ?? 0 > before { return true }
            usleep(10_000)
        }
        return false
    }
}
