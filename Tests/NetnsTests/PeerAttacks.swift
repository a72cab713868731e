import Glibc
import HiveNet

extension TwoAgents {
    /// Threats 12 to 18: what an agent sends to another one, and false senders and odd frames, to that one and to the host.
    func peerAttacks() throws -> [Attack] {
        let list = AttackList(self)
        let wire = try wire(beta), bridge = try hostBridge()
        let frames: [Layer] = [.port, .bridgeTable], routed: [Layer] = [.early, .forward]
        // 12
        list.add("UDP to the other's MAC", frames, "peer", at: wire) {
            self.udp4(alpha, to: beta.address4, port: 7012, mac: beta.mac, $0)
        }
        list.add("UDP to the other's MAC, IPv6", frames, "peer", at: wire) {
            self.udp6(alpha, to: beta.address6, port: 7012, mac: beta.mac, $0)
        }
        list.add("ICMP to the other's MAC", frames, "peer", at: wire) {
            list.ip4(1, to: beta.address4, mac: beta.mac, Packet.icmp(type: 8, [0, 1, 0, 1] + $0))
        }
        list.add("ICMPv6 to the other's MAC", frames, "peer", at: wire) {
            list.icmp6(128, to: beta.address6, mac: beta.mac, [0, 1, 0, 1] + $0)
        }
        // 13
        list.add("UDP by the host", routed, "peer", at: wire) {
            self.udp4(alpha, to: beta.address4, port: 7013, $0)
        }
        list.add("UDP by the host, IPv6", routed, "peer", at: wire) {
            self.udp6(alpha, to: beta.address6, port: 7013, $0)
        }
        list.add("SYN by the host", routed, "peer", at: wire) {
            list.tcp4(5000, Self.web, Packet.Flags.syn, at: beta.address4, $0)
        }
        list.add("SYN by the host, IPv6", routed, "peer", at: wire) {
            list.tcp6(5000, Self.web, Packet.Flags.syn, at: beta.address6, $0)
        }
        // 14
        for (address, mac) in [
            ("255.255.255.255", "ff:ff:ff:ff:ff:ff"), ("10.77.255.255", "ff:ff:ff:ff:ff:ff"),
            ("224.0.0.251", "01:00:5e:00:00:fb"),
        ] {
            list.add("to all agents, \(address)", frames, "host", at: wire) {
                self.udp4(
                    alpha, to: IPv4Address(literal: address), port: 5353, mac: MACAddress(literal: mac), $0)
            }
        }
        for (source, reason) in [(alpha.address6, "host"), (IPv6Address(literal: "fe80::2"), "spoof")] {
            list.add("to all agents, ff02::1 from \(source)", frames, reason, at: wire) {
                self.udp6(
                    alpha, to: IPv6Address(literal: "ff02::1"), port: 5353,
                    mac: MACAddress(literal: "33:33:00:00:00:01"), source: source, $0)
            }
        }
        list.add("link-local to link-local", frames, "spoof", at: wire) {
            self.udp6(
                alpha, to: IPv6Address(literal: "fe80::6876:aff:fe4d:3"), port: 7014, mac: beta.mac,
                source: IPv6Address(literal: "fe80::2"), $0)
        }
        addClaims(list, wire, bridge)
        addOffers(list, wire)
        addOddFrames(list, wire, bridge)
        addFalseSenders(list, wire, bridge)
        return list.attacks
    }

    /// 14, 15, 16: questions and claims by ARP and ND, also behind other headers. Each is its own mark.
    private func addClaims(_ list: AttackList, _ wire: Socket, _ bridge: Socket) {
        func add(
            _ name: String, _ packet: [UInt8], _ reason: String, type: UInt16, to mac: String,
            host: Bool = true
        ) {
            let frame = Packet.ethernet(
                to: MACAddress(literal: mac), from: alpha.mac, type: type, packet)
            list.add("\(name), to agents", [.port, .bridgeTable], reason, at: wire, mark: packet) { _ in frame
            }
            if host { list.add(name, [.bridgeTable], reason, at: bridge, mark: packet) { _ in frame } }
        }
        func arp(_ operation: UInt16, _ sender: IPv4Address, _ mac: MACAddress, _ target: IPv4Address)
            -> [UInt8]
        {
            Packet.arp(operation: operation, senderMAC: mac, sender: sender, target: target)
        }
        let everybody = "ff:ff:ff:ff:ff:ff", nodes = "33:33:00:00:00:01",
            all = IPv6Address(literal: "ff02::1")
        let a = alpha, b = beta
        add(
            "ARP: who is the other?", arp(1, a.address4, a.mac, b.address4), "peer", type: Packet.arpType,
            to: everybody)
        add(
            "ARP: I am the other", arp(2, b.address4, a.mac, Self.gateway4), "spoof", type: Packet.arpType,
            to: everybody)
        add(
            "ARP: I am the gateway", arp(2, Self.gateway4, a.mac, b.address4), "spoof", type: Packet.arpType,
            to: everybody)
        add(
            "ARP: I am at another MAC", arp(1, a.address4, b.mac, Self.gateway4), "spoof",
            type: Packet.arpType, to: everybody)
        add(
            "ND: who is the other?",
            Packet.neighbourSolicit(
                from: a.address6, to: IPv6Address(literal: "ff02::1:ff00:3"), target: b.address6,
                source: a.mac),
            "peer", type: Packet.ipv6Type, to: "33:33:ff:00:00:03", host: false)
        for (whose, target) in [("the other", b.address6), ("the gateway", Self.gateway6)] {
            add(
                "ND: I am \(whose)",
                Packet.neighbourAdvert(from: a.address6, to: all, target: target, mac: a.mac),
                "spoof", type: Packet.ipv6Type, to: nodes)
        }
        for source in [a.address6, IPv6Address(literal: "fe80::2")] {
            add(
                "RA from \(source)", Packet.routerAdvert(from: source, source: a.mac), "spoof",
                type: Packet.ipv6Type,
                to: nodes)
        }
        let claims: [(String, UInt8, [UInt8])] = [
            ("RA", 134, [64, 0, 7, 8] + [UInt8](repeating: 0, count: 8)),
            ("NA", 136, [0x20, 0, 0, 0] + b.address6.octets + [2, 1] + a.mac.octets),
        ]
        for (name, type, rest) in claims {
            let message = Packet.icmpv6(from: a.address6, to: all, type: type, rest)
            let options: UInt8 = 60, hopByHop: UInt8 = 0, fragment: UInt8 = 44
            for (how, next, headers): (String, UInt8, [UInt8]) in [
                ("hop-by-hop options", hopByHop, Packet.options(next: 58)),
                ("destination options", options, Packet.options(next: 58)),
                ("both", hopByHop, Packet.options(next: options) + Packet.options(next: 58)),
                ("an atomic fragment", fragment, Packet.fragment(next: 58, offset: 0, more: false)),
                ("a first fragment", fragment, Packet.fragment(next: 58, offset: 0, more: true)),
            ] {
                add(
                    "\(name) behind \(how)",
                    Packet.ipv6(from: a.address6, to: all, next: next, hopLimit: 255, headers + message),
                    "spoof",
                    type: Packet.ipv6Type, to: nodes)
            }
        }
    }

    /// 15: offers and redirects in frames to the other agent, in one's own name and in the gateway's.
    private func addOffers(_ list: AttackList, _ wire: Socket) {
        let router = IPv6Address(literal: "fe80::1")
        func add(
            _ name: String, _ reason: String, type: UInt16 = Packet.ipv6Type, _ packet: ([UInt8]) -> [UInt8]
        ) {
            list.add("\(name), to an agent", [.port, .bridgeTable], reason, at: wire) {
                Packet.ethernet(to: beta.mac, from: alpha.mac, type: type, packet($0))
            }
        }
        for (server, reason) in [(alpha.address4, "peer"), (Self.gateway4, "spoof")] {
            add("DHCP offer from \(server)", reason, type: Packet.ipv4Type) {
                Packet.dhcpOffer(from: server, offer: beta.address4, to: beta.mac, $0)
            }
            add("ICMP redirect from \(server)", reason, type: Packet.ipv4Type) { mark in
                let public4 = IPv4Address(literal: Lab.publicAddress4)
                return Packet.redirect(
                    from: server, to: beta.address4, gateway: alpha.address4,
                    about: Packet.ipv4(
                        from: beta.address4, to: public4, protocol: 17,
                        Packet.udp(beta.address4, 4000, public4, 53, mark)))
            }
        }
        for (source, reason) in [(alpha.address6, "peer"), (router, "spoof")] {
            add("DHCPv6 advertisement from \(source)", reason) {
                Packet.dhcpv6Advertise(from: source, to: beta.address6, $0)
            }
            add("ICMPv6 redirect from \(source)", "spoof") {
                let rest =
                    [0, 0, 0, 0] + alpha.address6.octets + IPv6Address(literal: Lab.publicAddress6).octets + [
                        2, 1,
                    ]
                    + alpha.mac.octets + $0
                return Packet.ipv6(
                    from: source, to: beta.address6, next: 58, hopLimit: 255,
                    Packet.icmpv6(from: source, to: beta.address6, type: 137, rest))
            }
        }
    }

    /// 17, 18: everything that is neither plain IP nor ARP.
    private func addOddFrames(_ list: AttackList, _ wire: Socket, _ bridge: Socket) {
        let snap: [UInt8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0]
        let vlan = Packet.vlanType, provider = Packet.providerType
        let kinds: [(String, UInt16?, [(UInt16, UInt16)], [UInt8])] = [
            ("VLAN 0", Packet.ipv4Type, [(vlan, 0)], []), ("VLAN 5", Packet.ipv4Type, [(vlan, 5)], []),
            ("QinQ 0", Packet.ipv4Type, [(provider, 0), (vlan, 0)], []), ("LLC/SNAP", nil, [], snap),
            ("RARP", 0x8035, [], []), ("MPLS", 0x8847, [], [0, 0, 1, 64]),
            ("PPPoE", 0x8863, [], [0x11, 9, 0, 0, 0, 4, 1, 1, 0, 0]), ("EtherCAT", 0x88a4, [], []),
            ("an experiment", Packet.localType, [], []), ("EAPOL in a plain frame", Packet.eapolType, [], []),
        ]
        for (name, type, tags, header) in kinds {
            for (target, mac, receiver) in [
                ("the host", Self.bridgeMAC, bridge), ("the other", beta.mac, wire),
            ] {
                list.add(
                    "\(name), to \(target)", receiver === wire ? [.port, .bridgeTable] : [.bridgeTable],
                    "spoof",
                    at: receiver
                ) {
                    let to = receiver === wire ? beta.address4 : Self.gateway4
                    let content =
                        header
                        + Packet.ipv4(
                            from: alpha.address4, to: to, protocol: 17,
                            Packet.udp(alpha.address4, 4000, to, 7017, $0))
                    return Packet.ethernet(
                        to: mac, from: alpha.mac, type: type ?? UInt16(content.count), tags: tags, content)
                }
            }
        }
        // The control has the bridge pass these on, which it does not do by itself, but for BPDUs.
        let passOn = { _ = try self.lab.ip("link set hive0 type bridge group_fwd_mask 0x4008") }
        list.add("BPDU", [.port, .bridgeTable], "spoof", at: wire) { Packet.bpdu(from: alpha.mac, $0) }
        for (name, last, type, reason): (String, UInt64, UInt16, String?) in [
            ("EAPOL", 3, Packet.eapolType, "spoof"),
            // No hook sees it: br_handle_frame() leaves it to whoever listens on the port.
            ("LLDP", 14, Packet.lldpType, nil),
        ] {
            list.add(name, [.port, .bridgeTable], reason, at: wire, clear: passOn) {
                Packet.ethernet(
                    to: MACAddress(bits: 0x0180_c200_0000 | last), from: alpha.mac, type: type, $0)
            }
        }
    }

    /// 15. The MACs last: without the port's layer the bridge learns from them, and sends the other's frames here.
    private func addFalseSenders(_ list: AttackList, _ wire: Socket, _ bridge: Socket) {
        for (target, mac, receiver, layers): (String, MACAddress, Socket, [Layer]) in [
            ("the host", Self.bridgeMAC, bridge, [.bridgeTable]),
            ("the other", beta.mac, wire, [.port, .bridgeTable]),
        ] {
            for text in ["\(beta.address4)", "\(Self.gateway4)", "8.8.8.8", "127.0.0.1"] {
                list.add("\(text) as sender, to \(target)", layers, "spoof", at: receiver) {
                    self.udp4(
                        alpha, to: Self.gateway4, port: 7015, mac: mac, source: IPv4Address(literal: text), $0
                    )
                }
            }
            for text in ["\(beta.address6)", "\(Self.gateway6)", "2a11:1::1", "fe80::2", "::1"] {
                list.add("\(text) as sender, to \(target)", layers, "spoof", at: receiver) {
                    self.udp6(
                        alpha, to: Self.gateway6, port: 7015, mac: mac, source: IPv6Address(literal: text), $0
                    )
                }
            }
        }
        for (name, mac) in [
            ("a foreign MAC", MACAddress(literal: "02:00:00:00:00:99")), ("the other's MAC", beta.mac),
        ] {
            // The locked port drops these before any hook; nothing counts them.
            list.add("\(name) as sender, to the host", [.port, .bridgeTable], nil, at: bridge) {
                self.udp4(alpha, to: Self.gateway4, port: 7015, sourceMAC: mac, $0)
            }
        }
    }
}
