import CNetlink
import Glibc
import HiveNet
import Testing

/// One packet that must not arrive, and everything that keeps it away.
struct Attack {
    let name: String
    /// Who sends.
    let agent: TwoAgents.Known
    let frame: [UInt8]
    /// Tells the packet from every other one.
    let mark: [UInt8]
    /// Where it would arrive.
    let receiver: Socket
    /// The layers of which each alone keeps it away.
    let layers: [TwoAgents.Layer]
    /// The count that grows, or nil where nothing counts.
    var reason: String?
    /// What else has to be out of the way for the control: settings of the host that stop it as well.
    var clear: () throws -> Void = {}
}

extension TwoAgents {
    /// Fires an attack: with every layer in place, with each layer alone, and with none of them. Only the last arrives.
    ///
    /// That the packet was sent is a fact: it is seen on the host's end of the agent's link. That it does not arrive is one
    /// too: the kernel is done with it before anybody looks, see `settle`.
    func fire(_ attack: Attack, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let before = try attack.reason.map { try lab.blocked(attack.agent.name)[$0] ?? 0 } ?? 0
        #expect(
            try !arrives(attack), "\(attack.name): arrived, with every layer in place",
            sourceLocation: sourceLocation)
        if let reason = attack.reason {
            let after = try lab.blocked(attack.agent.name)[reason] ?? 0
            #expect(
                after > before, "\(attack.name): was not counted as \(reason)", sourceLocation: sourceLocation
            )
        }
        // Threat 30: bridged frames pass the IP hooks too.
        if try lab.setBridgeNetfilter(true) {
            #expect(
                try !arrives(attack), "\(attack.name): arrived, with br_netfilter",
                sourceLocation: sourceLocation)
            try lab.setBridgeNetfilter(false)
        }
        for layer in attack.layers where attack.layers.count > 1 {
            try attack.clear()
            for other in attack.layers where other != layer { try disable(other) }
            #expect(
                try !arrives(attack), "\(attack.name): \(layer) alone did not stop it",
                sourceLocation: sourceLocation)
            try lab.apply()
        }
        try attack.clear()
        for layer in attack.layers { try disable(layer) }
        #expect(
            try arrives(attack), "\(attack.name): the control did not arrive either",
            sourceLocation: sourceLocation)
        try lab.apply()
    }

    /// Whether it arrives as things are now.
    func arrives(_ attack: Attack) throws -> Bool {
        let port = attack.agent.link
        let tap = try lab.host { try Socket.packet(port) }
        // What came late from a control, an answer that quotes it for instance.
        while attack.receiver.receive(milliseconds: 0) != nil {}
        try send(attack.frame, as: attack.agent)
        guard tap.receives(attack.mark, milliseconds: 1000) else {
            throw LabError("\(attack.name): the packet did not even leave the agent")
        }
        try settle(attack.agent)
        return attack.receiver.receives(attack.mark, milliseconds: 0)
    }

    // MARK: Receivers

    /// A UDP socket of the host, for every address.
    func hostUDP(_ port: UInt16, ipv6: Bool = false) throws -> Socket {
        try lab.host { try Socket.udp(Endpoint(address: ipv6 ? "::" : "0.0.0.0", port: port)) }
    }

    /// Sees every packet of an IP protocol that the host takes for its own, behind the input hook.
    func hostRaw(_ number: Int32, ipv6: Bool = false) throws -> Socket {
        try lab.host { try Socket(ipv6 ? AF_INET6 : AF_INET, Int32(SOCK_RAW.rawValue), number) }
    }

    /// Sees every frame that the bridge hands to the host.
    func hostBridge() throws -> Socket { try lab.host { try Socket.packet("hive0") } }

    /// Sees every frame that an agent gets.
    func wire(_ agent: Known) throws -> Socket { try lab.agent(agent.name) { try Socket.packet("eth0") } }

    // MARK: Single attacks, for the same packet now and later

    private func attack(_ name: String, at receiver: Socket, _ frame: ([UInt8]) -> [UInt8]) -> Attack {
        let mark = Self.mark(name)
        return Attack(
            name: name, agent: alpha, frame: frame(mark), mark: mark, receiver: receiver, layers: [])
    }

    func udpToHost() throws -> Attack {
        attack("to the host", at: try hostUDP(7025)) { udp4(alpha, to: Self.gateway4, port: 7025, $0) }
    }

    func taggedToHost() throws -> Attack {
        attack("tagged", at: try hostBridge()) {
            udp4(alpha, to: Self.gateway4, port: 7025, tags: [(Packet.vlanType, 0)], $0)
        }
    }

    func udpToPeer() throws -> Attack {
        attack("to the other", at: try wire(beta)) {
            udp4(alpha, to: beta.address4, port: 7025, mac: beta.mac, $0)
        }
    }

    /// To the Ethernet address of the port itself.
    func udpToPort() throws -> Attack {
        let port = MACAddress(bits: 0x6e76 << 32 | UInt64(alpha.address4.bits))
        return attack("to the port", at: try hostUDP(7025)) {
            udp4(alpha, to: Self.gateway4, port: 7025, mac: port, $0)
        }
    }

    func loopback() throws -> Attack {
        attack("to 127.0.0.1", at: try hostUDP(7026)) {
            udp4(alpha, to: IPv4Address(literal: "127.0.0.1"), port: 7026, $0)
        }
    }

    func foreignMAC() throws -> Attack {
        attack("from a foreign MAC", at: try hostUDP(7025)) {
            udp4(
                alpha, to: Self.gateway4, port: 7025, sourceMAC: MACAddress(literal: "02:00:00:00:00:99"), $0)
        }
    }
}
