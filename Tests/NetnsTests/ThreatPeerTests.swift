import CNetlink
import Glibc
import HiveNet
import Testing

/// Threats 12 to 17: reaching another agent, and lying about who one is.
@Suite struct ThreatPeerTests {
    // MARK: 12

    @Test func straightOverTheBridge() throws {
        let hive = try TwoAgents()
        let mark = TwoAgents.mark("over the bridge")
        let wire = try hive.wire(hive.beta)
        try hive.fire(
            Attack(
                name: "IPv4 to the other's MAC", agent: hive.alpha,
                frame: hive.udp4(hive.alpha, to: hive.beta.address4, port: 7012, mac: hive.beta.mac, mark),
                mark: mark,
                receiver: wire, layers: [.port, .bridgeTable], reason: "peer"))
        try hive.fire(
            Attack(
                name: "IPv6 to the other's MAC", agent: hive.alpha,
                frame: hive.udp6(hive.alpha, to: hive.beta.address6, port: 7012, mac: hive.beta.mac, mark),
                mark: mark,
                receiver: wire, layers: [.port, .bridgeTable], reason: "peer"))
    }

    // MARK: 13

    @Test func byTheHostAsRouter() throws {
        let hive = try TwoAgents(outside: true)
        let mark = TwoAgents.mark("through the host")
        let wire = try hive.wire(hive.beta)
        try hive.fire(
            Attack(
                name: "IPv4 by way of the host", agent: hive.alpha,
                frame: hive.udp4(hive.alpha, to: hive.beta.address4, port: 7013, mark), mark: mark,
                receiver: wire,
                layers: [.early, .forward], reason: "peer"))
        try hive.fire(
            Attack(
                name: "IPv6 by way of the host", agent: hive.alpha,
                frame: hive.udp6(hive.alpha, to: hive.beta.address6, port: 7013, mark), mark: mark,
                receiver: wire,
                layers: [.early, .forward], reason: "peer"))
    }

    // MARK: 14

    @Test func broadcastMulticastAndLinkLocal() throws {
        let hive = try TwoAgents()
        let mark = TwoAgents.mark("to all agents")
        let wire = try hive.wire(hive.beta)
        let attacks: [(String, [UInt8])] = [
            (
                "broadcast",
                hive.udp4(
                    hive.alpha, to: IPv4Address(literal: "255.255.255.255"), port: 7014,
                    mac: Packet.broadcast, mark)
            ),
            (
                "IPv4 multicast",
                hive.udp4(
                    hive.alpha, to: IPv4Address(literal: "224.0.0.251"), port: 5353,
                    mac: MACAddress(literal: "01:00:5e:00:00:fb"), mark)
            ),
            (
                "IPv6 multicast",
                hive.udp6(
                    hive.alpha, to: IPv6Address(literal: "ff02::1"), port: 5353,
                    mac: MACAddress(literal: "33:33:00:00:00:01"), mark)
            ),
            (
                "IPv6 link-local",
                hive.udp6(
                    hive.alpha, to: IPv6Address(literal: "fe80::6876:aff:fe4d:3"), port: 7014,
                    mac: hive.beta.mac,
                    source: IPv6Address(literal: "fe80::2"), mark)
            ),
        ]
        for (name, frame) in attacks {
            try hive.fire(
                Attack(
                    name: name, agent: hive.alpha, frame: frame, mark: mark, receiver: wire,
                    layers: [.port, .bridgeTable]))
        }
    }

    @Test func askingForTheOther() throws {
        let hive = try TwoAgents()
        let wire = try hive.wire(hive.beta)
        let arp = Packet.arp(
            operation: 1, senderMAC: hive.alpha.mac, sender: hive.alpha.address4, target: hive.beta.address4)
        try hive.fire(
            Attack(
                name: "ARP", agent: hive.alpha,
                frame: Packet.ethernet(to: Packet.broadcast, from: hive.alpha.mac, type: Packet.arpType, arp),
                mark: arp,
                receiver: wire, layers: [.port, .bridgeTable], reason: "peer"))
        let group = IPv6Address(literal: "ff02::1:ff00:3")
        let solicit = Packet.neighbourSolicit(
            from: hive.alpha.address6, to: group, target: hive.beta.address6, source: hive.alpha.mac)
        try hive.fire(
            Attack(
                name: "ND", agent: hive.alpha,
                frame: Packet.ethernet(
                    to: MACAddress(literal: "33:33:ff:00:00:03"), from: hive.alpha.mac, type: Packet.ipv6Type,
                    solicit
                ),
                mark: solicit, receiver: wire, layers: [.port, .bridgeTable], reason: "peer"))
    }

    // MARK: 15

    @Test func falseSenders() throws {
        let hive = try TwoAgents()
        let mark = TwoAgents.mark("somebody else")
        let bridge = try hive.hostBridge()
        let other = MACAddress(literal: "02:00:00:00:00:99")
        // The locked port lets no other MAC through; the table no other address either.
        try hive.fire(
            Attack(
                name: "foreign MAC", agent: hive.alpha,
                frame: hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: 7015, sourceMAC: other, mark),
                mark: mark,
                receiver: bridge, layers: [.port, .bridgeTable]))
        try hive.fire(
            Attack(
                name: "the other agent's MAC", agent: hive.alpha,
                frame: hive.udp4(
                    hive.alpha, to: TwoAgents.gateway4, port: 7015, sourceMAC: hive.beta.mac, mark),
                mark: mark, receiver: bridge, layers: [.port, .bridgeTable]))
        let attacks: [(String, [UInt8])] = [
            (
                "the other agent's IPv4 address",
                hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: 7015, source: hive.beta.address4, mark)
            ),
            (
                "the gateway's IPv4 address",
                hive.udp4(hive.alpha, to: hive.beta.address4, port: 7015, source: TwoAgents.gateway4, mark)
            ),
            (
                "an IPv4 address from outside",
                hive.udp4(
                    hive.alpha, to: TwoAgents.gateway4, port: 7015, source: IPv4Address(literal: "8.8.8.8"),
                    mark)
            ),
            (
                "127.0.0.1 as sender",
                hive.udp4(
                    hive.alpha, to: TwoAgents.gateway4, port: 7015, source: IPv4Address(literal: "127.0.0.1"),
                    mark)
            ),
            (
                "the other agent's IPv6 address",
                hive.udp6(hive.alpha, to: TwoAgents.gateway6, port: 7015, source: hive.beta.address6, mark)
            ),
            (
                "a link-local address",
                hive.udp6(
                    hive.alpha, to: TwoAgents.gateway6, port: 7015, source: IPv6Address(literal: "fe80::2"),
                    mark)
            ),
        ]
        for (name, frame) in attacks {
            try hive.fire(
                Attack(
                    name: name, agent: hive.alpha, frame: frame, mark: mark, receiver: bridge,
                    layers: [.bridgeTable],
                    reason: "spoof"))
        }
    }

    @Test func falseClaims() throws {
        let hive = try TwoAgents()
        let bridge = try hive.hostBridge()
        let wire = try hive.wire(hive.beta)
        func arp(_ operation: UInt16, _ sender: IPv4Address, _ mac: MACAddress, _ target: IPv4Address)
            -> [UInt8]
        {
            Packet.arp(operation: operation, senderMAC: mac, sender: sender, target: target)
        }
        let (alpha, beta, gateway) = (hive.alpha.address4, hive.beta.address4, TwoAgents.gateway4)
        let claims: [(String, [UInt8])] = [
            ("ARP: I am the other agent", arp(2, beta, hive.alpha.mac, gateway)),
            ("ARP: I am the gateway", arp(2, gateway, hive.alpha.mac, beta)),
            ("ARP: I am at another MAC", arp(1, alpha, hive.beta.mac, gateway)),
        ]
        for (name, claim) in claims {
            try hive.fire(
                Attack(
                    name: name, agent: hive.alpha,
                    frame: Packet.ethernet(
                        to: Packet.broadcast, from: hive.alpha.mac, type: Packet.arpType, claim),
                    mark: claim, receiver: bridge, layers: [.bridgeTable], reason: "spoof"))
        }
        let all = IPv6Address(literal: "ff02::1")
        let allMAC = MACAddress(literal: "33:33:00:00:00:01")
        let adverts: [(String, [UInt8])] = [
            (
                "NA for the other agent",
                Packet.neighbourAdvert(
                    from: hive.alpha.address6, to: all, target: hive.beta.address6, mac: hive.alpha.mac)
            ),
            (
                "NA for the gateway",
                Packet.neighbourAdvert(
                    from: hive.alpha.address6, to: all, target: TwoAgents.gateway6, mac: hive.alpha.mac)
            ),
            ("RA", Packet.routerAdvert(from: hive.alpha.address6, source: hive.alpha.mac)),
            (
                "RA from a link-local address",
                Packet.routerAdvert(from: IPv6Address(literal: "fe80::2"), source: hive.alpha.mac)
            ),
        ]
        for (name, advert) in adverts {
            let frame = Packet.ethernet(to: allMAC, from: hive.alpha.mac, type: Packet.ipv6Type, advert)
            try hive.fire(
                Attack(
                    name: name, agent: hive.alpha, frame: frame, mark: advert, receiver: bridge,
                    layers: [.bridgeTable],
                    reason: "spoof"))
            try hive.fire(
                Attack(
                    name: "\(name), to agents", agent: hive.alpha, frame: frame, mark: advert, receiver: wire,
                    layers: [.port, .bridgeTable], reason: "spoof"))
        }
        let offer = hive.udp4(
            hive.alpha, to: IPv4Address(literal: "255.255.255.255"), port: 68, mac: Packet.broadcast,
            TwoAgents.mark("DHCP offer"))
        try hive.fire(
            Attack(
                name: "DHCP offer", agent: hive.alpha, frame: offer, mark: TwoAgents.mark("DHCP offer"),
                receiver: wire,
                layers: [.port, .bridgeTable]))
    }

    /// What an agent says changes nothing in the host's neighbour table, even where the table lets it say so.
    @Test func neighboursArePermanent() throws {
        let hive = try TwoAgents()
        try hive.disable(.port, .bridgeTable, .early, .tracked, .input)
        let claim = Packet.arp(
            operation: 2, senderMAC: hive.alpha.mac, sender: hive.beta.address4, target: TwoAgents.gateway4)
        let tap = try hive.hostBridge()
        try hive.send(
            Packet.ethernet(to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.arpType, claim),
            as: hive.alpha)
        #expect(tap.receives(claim))
        let entry = { try hive.lab.must("ip neigh show \(hive.beta.address4) dev hive0").stdout }
        #expect(try entry().contains("\(hive.beta.mac)"))
        // The control: an entry that is not permanent is changed by it. (Not within a second of the last change, usually.)
        try hive.lab.sysctl("ipv4/neigh/hive0/locktime", "0")
        try hive.lab.ip("neigh replace \(hive.beta.address4) lladdr \(hive.beta.mac) dev hive0 nud stale")
        try hive.send(
            Packet.ethernet(to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.arpType, claim),
            as: hive.alpha)
        #expect(tap.receives(claim))
        #expect(try entry().contains("\(hive.alpha.mac)"))
    }

    // MARK: 16

    /// (With the ICMPv6 header in the second fragment, the kernel itself refuses the first: RFC 8200, section 4.5,
    /// ipv6frag_thdr_truncated().)
    @Test func neighbourDiscoveryBehindExtensionHeaders() throws {
        let hive = try TwoAgents()
        let bridge = try hive.hostBridge()
        let all = IPv6Address(literal: "ff02::1")
        func behind(_ headers: [UInt8], next: UInt8, _ message: [UInt8]) -> [UInt8] {
            Packet.ethernet(
                to: MACAddress(literal: "33:33:00:00:00:01"), from: hive.alpha.mac, type: Packet.ipv6Type,
                Packet.ipv6(from: hive.alpha.address6, to: all, next: next, hopLimit: 255, headers + message))
        }
        let advert = Packet.icmpv6(
            from: hive.alpha.address6, to: all, type: 134, [64, 0, 7, 8] + [UInt8](repeating: 0, count: 8))
        let claim = Packet.icmpv6(
            from: hive.alpha.address6, to: all, type: 136,
            [0x20, 0, 0, 0] + hive.beta.address6.octets + [2, 1] + hive.alpha.mac.octets)
        for (name, message) in [("RA", advert), ("NA", claim)] {
            let options: UInt8 = 60, hopByHop: UInt8 = 0, fragment: UInt8 = 44
            for (how, next, headers) in [
                ("hop-by-hop options", hopByHop, Packet.options(next: 58)),
                ("destination options", options, Packet.options(next: 58)),
                ("both", hopByHop, Packet.options(next: options) + Packet.options(next: 58)),
                ("an atomic fragment", fragment, Packet.fragment(next: 58, offset: 0, more: false)),
                ("a first fragment", fragment, Packet.fragment(next: 58, offset: 0, more: true)),
            ] {
                try hive.fire(
                    Attack(
                        name: "\(name) behind \(how)", agent: hive.alpha,
                        frame: behind(headers, next: next, message),
                        mark: message, receiver: bridge, layers: [.bridgeTable], reason: "spoof"))
            }
        }
    }

    // MARK: 17

    @Test func otherKindsOfFrames() throws {
        let hive = try TwoAgents()
        let mark = TwoAgents.mark("another kind of frame")
        let bridge = try hive.hostBridge()
        let from = hive.alpha.address4
        let packet = Packet.ipv4(
            from: from, to: TwoAgents.gateway4, protocol: 17,
            Packet.udp(from, 4000, TwoAgents.gateway4, 7017, mark))
        func frame(_ type: UInt16, tags: [(UInt16, UInt16)] = [], _ payload: [UInt8]) -> [UInt8] {
            Packet.ethernet(to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: type, tags: tags, payload)
        }
        let snap: [UInt8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0]
        let frames: [(String, [UInt8])] = [
            ("VLAN 0", frame(0x0800, tags: [(0x8100, 0)], packet)),
            ("VLAN 5", frame(0x0800, tags: [(0x8100, 5)], packet)),
            ("QinQ 0", frame(0x0800, tags: [(0x88a8, 0), (0x8100, 0)], packet)),
            ("LLC/SNAP", frame(UInt16(packet.count + 8), snap + packet)),
            (
                "RARP",
                frame(
                    0x8035,
                    Packet.arp(operation: 3, senderMAC: hive.alpha.mac, sender: from, target: from) + mark)
            ),
            ("MPLS", frame(0x8847, [0, 0, 1, 64] + packet)),
            ("PPPoE", frame(0x8863, [0x11, 9, 0, 0, 0, 4, 1, 1, 0, 0] + mark)),
            ("an unknown ethertype", frame(0x9999, mark)),
        ]
        for (name, frame) in frames {
            try hive.fire(
                Attack(
                    name: name, agent: hive.alpha, frame: frame, mark: mark, receiver: bridge,
                    layers: [.bridgeTable],
                    reason: "spoof"))
        }
        // The tag of VLAN 0 means no VLAN: without the table, the packet in it would be the host's.
        for tags: [(UInt16, UInt16)] in [[(0x8100, 0)], [(0x88a8, 0)]] {
            try hive.fire(
                Attack(
                    name: "IP in VLAN 0, \(tags)", agent: hive.alpha,
                    frame: frame(0x0800, tags: tags, packet), mark: mark,
                    receiver: try hive.hostUDP(7017), layers: [.bridgeTable, .tracked, .input],
                    reason: "spoof"))
        }
    }
}
