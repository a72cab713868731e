import Glibc
import HiveNet
import Testing

/// Threats 15 and 18: an agent that plays router, DHCP server or switch. Numbers are those of docs/threat-model.md.
@Suite struct ThreatControlTests {
    // MARK: 15

    /// To another agent, in frames that are addressed to it: nothing has to be flooded.
    @Test func offersAndRedirectsToAnotherAgent() throws {
        let hive = try TwoAgents()
        let (alpha, beta) = (hive.alpha, hive.beta)
        let wire = try hive.wire(beta)
        let mark = TwoAgents.mark("a better way")
        let router = IPv6Address(literal: "fe80::1")
        let about4 = Packet.ipv4(
            from: beta.address4, to: IPv4Address(literal: "11.1.1.1"), protocol: 17,
            Packet.udp(beta.address4, 4000, IPv4Address(literal: "11.1.1.1"), 53, mark))
        let redirect6 = Packet.redirect(
            from: router, to: beta.address6, gateway: alpha.address6,
            target: IPv6Address(literal: "2a11:1::1"),
            mac: alpha.mac)
        let packets: [(String, UInt16, [UInt8], [UInt8], String)] = [
            (
                "DHCP offer", Packet.ipv4Type,
                Packet.dhcpOffer(from: alpha.address4, offer: beta.address4, to: beta.mac, mark), mark, "peer"
            ),
            (
                "DHCP offer in the gateway's name", Packet.ipv4Type,
                Packet.dhcpOffer(from: TwoAgents.gateway4, offer: beta.address4, to: beta.mac, mark), mark,
                "spoof"
            ),
            (
                "DHCPv6 advertisement", Packet.ipv6Type,
                Packet.dhcpv6Advertise(from: alpha.address6, to: beta.address6, mark), mark, "peer"
            ),
            (
                "DHCPv6 advertisement from a link-local address", Packet.ipv6Type,
                Packet.dhcpv6Advertise(from: router, to: beta.address6, mark), mark, "spoof"
            ),
            (
                "redirect in the gateway's name", Packet.ipv4Type,
                Packet.redirect(
                    from: TwoAgents.gateway4, to: beta.address4, gateway: alpha.address4, about: about4),
                mark,
                "spoof"
            ),
            ("redirect by ICMPv6", Packet.ipv6Type, redirect6, redirect6, "spoof"),
        ]
        for (name, type, packet, mark, reason) in packets {
            try hive.fire(
                Attack(
                    name: name, agent: alpha,
                    frame: Packet.ethernet(to: beta.mac, from: alpha.mac, type: type, packet), mark: mark,
                    receiver: wire, layers: [.port, .bridgeTable], reason: reason))
        }
    }

    @Test func redirectsToTheHost() throws {
        let hive = try TwoAgents()
        let alpha = hive.alpha
        let mark = TwoAgents.mark("by way of me")
        let about = Packet.ipv4(
            from: TwoAgents.gateway4, to: hive.beta.address4, protocol: 17,
            Packet.udp(TwoAgents.gateway4, 4000, hive.beta.address4, 53, mark))
        try hive.fire(
            Attack(
                name: "redirect", agent: alpha,
                frame: Packet.ethernet(
                    to: TwoAgents.bridgeMAC, from: alpha.mac, type: Packet.ipv4Type,
                    Packet.redirect(
                        from: alpha.address4, to: TwoAgents.gateway4, gateway: alpha.address4, about: about)),
                mark: mark, receiver: try hive.hostRaw(Int32(IPPROTO_ICMP)),
                layers: [.early, .tracked, .input],
                reason: "host"))
    }

    // MARK: 18

    /// What switches and their ports say to each other, between agents. (Where nothing is said about it, the bridge passes on
    /// BPDUs, since it has no spanning tree of its own, but neither EAPOL nor LLDP: the control lets it.)
    @Test func whatSwitchesSay() throws {
        let hive = try TwoAgents()
        let wire = try hive.wire(hive.beta)
        let mark = TwoAgents.mark("I am a switch")
        func frame(_ last: UInt64, _ type: UInt16) -> [UInt8] {
            Packet.ethernet(
                to: MACAddress(bits: 0x0180_c200_0000 | last), from: hive.alpha.mac, type: type, mark)
        }
        let frames: [(String, [UInt8], String?)] = [
            ("BPDU", Packet.bpdu(from: hive.alpha.mac, mark), "spoof"),
            ("EAPOL", frame(3, Packet.eapolType), "spoof"),
            // No hook sees it: br_handle_frame() leaves it to whoever listens on the port.
            ("LLDP", frame(14, Packet.lldpType), nil),
        ]
        for (name, frame, reason) in frames {
            try hive.fire(
                Attack(
                    name: name, agent: hive.alpha, frame: frame, mark: mark, receiver: wire,
                    layers: [.port, .bridgeTable], reason: reason,
                    clear: { try hive.lab.ip("link set hive0 type bridge group_fwd_mask 0x4008") }))
        }
    }

    /// Somebody has switched spanning tree on: then the bridge itself takes BPDUs, past every hook (br_handle_frame(), br_stp_rcv()).
    /// The guard cuts off the port that they come from; without it the agent becomes the root of the tree.
    @Test func bpduWithSpanningTree() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        let bpdu = Packet.bpdu(from: hive.alpha.mac, TwoAgents.mark("I am the root"))
        // (Its priority is the best there is, so it would win by any Ethernet address.)
        func root() throws -> String {
            try lab.must("cat /run/lab/sys/class/net/hive0/bridge/root_id").stdout
        }
        func say() throws {
            try hive.send(bpdu, as: hive.alpha)
            try hive.settle(hive.alpha)
        }
        // sysfs shows the network namespace of whoever mounted it.
        try lab.must("mkdir /run/lab/sys")
        try lab.must("mount -t sysfs sysfs /run/lab/sys")
        let own = try root()
        try lab.ip("link set hive0 type bridge stp_state 1")
        // (Until the kernel has noticed that the link is up, its noticing switches the port on again: br_port_carrier_check().)
        try lab.waitForLink("hv-alpha")
        func isCutOff() throws -> Bool {
            try say()
            return try lab.must("bridge link show dev hv-alpha").stdout.contains("state disabled")
        }
        try wait { try !isCutOff() }
        #expect(try isCutOff())
        #expect(try root() == own)
        // It has cut off itself, and nobody else.
        #expect(try !lab.must("bridge link show dev hv-beta").stdout.contains("state disabled"))
        // The next apply takes the bridge off the spanning tree, and opens the port again.
        #expect(try lab.hivectl("net", "show").stdout.contains("hv-alpha (closed true -> false)"))
        try lab.apply()
        #expect(try lab.must("ip -d link show hive0").stdout.contains("stp_state 0"))
        #expect(try lab.must("bridge link show dev hv-alpha").stdout.contains("state forwarding"))
        #expect(try !lab.hivectl("net", "show").stdout.contains("DRIFT"))
        // The control.
        try lab.must("bridge link set dev hv-alpha guard off")
        try lab.ip("link set hive0 type bridge stp_state 1")
        try say()
        #expect(try root() != own, "control")
    }

    // MARK: 15, the settings

    /// With every rule gone the host still takes no redirect from an agent, since the bridge's settings say so.
    @Test func redirectsAreNotFollowed() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        let target = IPv4Address(literal: "11.9.9.9")
        // A route by way of alpha, so that alpha's word counts (ip_do_redirect()).
        try lab.ip("route add 11.9.9.9/32 via \(hive.alpha.address4) dev hive0")
        for layer in TwoAgents.Layer.allCases { try hive.disable(layer) }
        // About an echo reply: of other protocols a socket would have to know (icmp_err()).
        let about = Packet.ipv4(
            from: TwoAgents.gateway4, to: target, protocol: 1, Packet.icmp(type: 0, [0, 1, 0, 1]))
        let redirect = Packet.ethernet(
            to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.ipv4Type,
            Packet.redirect(
                from: hive.alpha.address4, to: TwoAgents.gateway4, gateway: hive.beta.address4, about: about))
        func way() throws -> String {
            try hive.send(redirect, as: hive.alpha)
            try hive.settle(hive.alpha)
            let route = try lab.must("ip route get 11.9.9.9")
            return route.stdout
        }
        #expect(try way().contains("via \(hive.alpha.address4)"))
        for link in ["all", "hive0"] {
            try lab.sysctl("ipv4/conf/\(link)/accept_redirects", "1")
            try lab.sysctl("ipv4/conf/\(link)/secure_redirects", "0")
        }
        #expect(try way().contains("via \(hive.beta.address4)"), "control")
    }
}
