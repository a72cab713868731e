import CNetlink
import Glibc
import HiveNet
import Testing

/// Threats 1 to 8 and 18, 21: reaching the host. Numbers are those of docs/threat-model.md.
@Suite struct ThreatHostTests {
    // MARK: 1, 5

    @Test func tcpToTheBridgeAddress() throws {
        let hive = try TwoAgents()
        // Threat 5: these listen only after apply.
        let listeners = try hive.lab.host {
            try [
                Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 7000)),
                Socket.tcpListener(Endpoint(address: "::", port: 7000)),
            ]
        }
        for gateway in ["\(TwoAgents.gateway4)", "\(TwoAgents.gateway6)"] {
            let target = Endpoint(address: gateway, port: 7000)
            func connect() throws -> Socket.Connection {
                try hive.lab.agent("alpha") { try Socket.connect(target) }
            }
            var outcome: Socket.Connection?
            let isCounted = try hive.expectBlocked(hive.alpha, "host") { outcome = try connect() }
            #expect(isCounted && outcome == .timedOut)
            let layers: [TwoAgents.Layer] = [.early, .tracked, .input]
            for layer in layers {
                for other in layers where other != layer { try hive.disable(other) }
                #expect(try connect() == .timedOut, "\(layer) alone, \(target)")
                try hive.lab.apply()
            }
            try hive.disable(.early, .tracked, .input)
            // The host's answers are held back too, by the output chain: an agent starts nothing.
            #expect(try connects { try connect() }, "control, \(target)")
            try hive.lab.apply()
        }
        withExtendedLifetime(listeners) {}
    }

    @Test func udpToTheBridgeAddress() throws {
        let hive = try TwoAgents()
        let mark = TwoAgents.mark("udp to the bridge's address")
        try hive.fire(
            Attack(
                name: "UDP, IPv4", agent: hive.alpha,
                frame: hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: 7001, mark), mark: mark,
                receiver: try hive.hostUDP(7001), layers: [.tracked, .input], reason: "host"))
        try hive.fire(
            Attack(
                name: "UDP, IPv6", agent: hive.alpha,
                frame: hive.udp6(hive.alpha, to: TwoAgents.gateway6, port: 7001, mark), mark: mark,
                receiver: try hive.hostUDP(7001, ipv6: true), layers: [.tracked, .input], reason: "host"))
    }

    @Test(arguments: [UInt8(1), 2, 47, 50, 132, 136])
    func otherProtocolsToTheBridgeAddress(_ number: UInt8) throws {
        let hive = try TwoAgents()
        let mark = TwoAgents.mark("protocol \(number)")
        let payload =
            number == 1 ? Packet.icmp(type: 8, [0, 1, 0, 1] + mark) : [0, 1, 0, 2, 0, 0, 0, 0] + mark
        // IGMP is noise, which the bridge table drops without a count.
        try hive.fire(
            Attack(
                name: "protocol \(number)", agent: hive.alpha,
                frame: Packet.ethernet(
                    to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.ipv4Type,
                    Packet.ipv4(from: hive.alpha.address4, to: TwoAgents.gateway4, protocol: number, payload)),
                mark: mark, receiver: try hive.hostRaw(Int32(number)), layers: [.early, .tracked, .input],
                reason: "host"))
    }

    @Test func pingByIPv6() throws {
        let hive = try TwoAgents()
        let mark = TwoAgents.mark("ping6")
        let echo = Packet.icmpv6(
            from: hive.alpha.address6, to: TwoAgents.gateway6, type: 128, [0, 1, 0, 1] + mark)
        try hive.fire(
            Attack(
                name: "ICMPv6 echo", agent: hive.alpha,
                frame: Packet.ethernet(
                    to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.ipv6Type,
                    Packet.ipv6(from: hive.alpha.address6, to: TwoAgents.gateway6, next: 58, echo)),
                mark: mark, receiver: try hive.hostRaw(Int32(IPPROTO_ICMPV6), ipv6: true),
                layers: [.early, .tracked, .input],
                reason: "host"))
    }

    // MARK: 2, 8

    /// Any other address of the host, one that came after apply, and the uplink's, where a gateway may listen.
    @Test(arguments: ["9.9.9.9", "11.0.0.1"])
    func otherAddressesOfTheHost(_ address: String) throws {
        let hive = try TwoAgents(outside: true)
        try hive.lab.ip("addr add 9.9.9.9/32 dev lo")
        let listener = try hive.lab.host { try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 8420)) }
        func connect() throws -> Socket.Connection {
            try hive.lab.agent("alpha") { try Socket.connect(Endpoint(address: address, port: 8420)) }
        }
        var outcome: Socket.Connection?
        let isCounted = try hive.expectBlocked(hive.alpha, "host") { outcome = try connect() }
        #expect(isCounted && outcome == .timedOut)
        let layers: [TwoAgents.Layer] = [.early, .tracked, .input]
        for layer in layers {
            for other in layers where other != layer { try hive.disable(other) }
            #expect(try connect() == .timedOut, "\(layer) alone")
            try hive.lab.apply()
        }
        try hive.disable(.early, .tracked, .input)
        #expect(try connects { try connect() }, "control")
        withExtendedLifetime(listener) {}
    }

    // MARK: 3

    @Test func loopbackInARawFrame() throws {
        let hive = try TwoAgents()
        let mark = TwoAgents.mark("loopback")
        let target = IPv4Address(literal: "127.0.0.1")
        try hive.fire(
            Attack(
                name: "127.0.0.1 with route_localnet", agent: hive.alpha,
                frame: hive.udp4(hive.alpha, to: target, port: 7003, mark), mark: mark,
                receiver: try hive.hostUDP(7003), layers: [.early, .tracked, .input], reason: "host",
                clear: {
                    try hive.lab.sysctl("ipv4/conf/hive0/route_localnet", "1")
                    try hive.lab.sysctl("ipv4/conf/all/route_localnet", "1")
                }))
    }

    // MARK: 4

    @Test func linkLocalAddressOfTheHost() throws {
        let hive = try TwoAgents()
        let mark = TwoAgents.mark("link-local")
        let local = IPv6Address(literal: "fe80::1")
        // Given to the bridge by somebody: ours has none.
        let give = {
            _ = try hive.lab.run(["ip", "-6", "addr", "add", "fe80::1/64", "dev", "hive0", "nodad"])
        }
        try give()
        let receiver = try hive.hostUDP(7004, ipv6: true)
        try hive.fire(
            Attack(
                name: "fe80::1 from the leased address", agent: hive.alpha,
                frame: hive.udp6(hive.alpha, to: local, port: 7004, mark), mark: mark, receiver: receiver,
                layers: [.tracked, .input], reason: "host", clear: give))
        try give()
        try hive.fire(
            Attack(
                name: "fe80::1 from a link-local address", agent: hive.alpha,
                frame: hive.udp6(
                    hive.alpha, to: local, port: 7004, source: IPv6Address(literal: "fe80::2"), mark),
                mark: mark, receiver: receiver, layers: [.bridgeTable, .early, .tracked, .input],
                reason: "spoof", clear: give))
    }

    /// Without IPv6 in the configuration, and with IPv6 switched on later by somebody else.
    @Test func ipv6SwitchedOnAfterApply() throws {
        let hive = try TwoAgents(
            configuration: """
                { network: { subnet6: null }, gateway: { user: "root" },
                  agents: { alpha: { address4: "10.77.0.2" }, beta: { address4: "10.77.0.3" } } }
                """)
        let mark = TwoAgents.mark("late IPv6")
        let on = {
            try hive.lab.sysctl("ipv6/conf/hive0/disable_ipv6", "0")
            _ = try hive.lab.run(
                ["ip", "-6", "addr", "add", "\(TwoAgents.gateway6)/64", "dev", "hive0", "nodad"])
        }
        try hive.fire(
            Attack(
                name: "IPv6 where there was none", agent: hive.alpha,
                frame: hive.udp6(hive.alpha, to: TwoAgents.gateway6, port: 7005, mark), mark: mark,
                receiver: try hive.hostUDP(7005, ipv6: true),
                layers: [.bridgeTable, .early, .tracked, .input], reason: "spoof",
                clear: on))
    }

    // MARK: 6

    @Test func somebodyElsesDNAT() throws {
        let hive = try TwoAgents(outside: true)
        try hive.lab.nft(
            """
            add table ip foreign; add chain ip foreign pre { type nat hook prerouting priority dstnat; };
            add rule ip foreign pre meta l4proto { tcp, udp } th dport 9999 dnat to 10.77.0.3:8080
            """)
        let mark = TwoAgents.mark("published")
        let wire = try hive.wire(hive.beta)
        try hive.fire(
            Attack(
                name: "UDP to a published port", agent: hive.alpha,
                frame: hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: 9999, mark), mark: mark,
                receiver: wire,
                layers: [.tracked, .forward], reason: "host"))
        let from = hive.alpha.address4
        try hive.fire(
            Attack(
                name: "SYN to a published port", agent: hive.alpha,
                frame: Packet.ethernet(
                    to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.ipv4Type,
                    Packet.ipv4(
                        from: from, to: TwoAgents.gateway4, protocol: 6,
                        Packet.tcp(from, 5000, TwoAgents.gateway4, 9999, flags: Packet.Flags.syn, mark))),
                mark: mark, receiver: wire, layers: [.early, .tracked, .forward], reason: "host"))
    }

    // MARK: 7

    @Test func broadcastAndMulticast() throws {
        let hive = try TwoAgents()
        let mark = TwoAgents.mark("to everybody")
        let broadcast4 = try hive.hostUDP(7007)
        try hive.fire(
            Attack(
                name: "255.255.255.255", agent: hive.alpha,
                frame: hive.udp4(
                    hive.alpha, to: IPv4Address(literal: "255.255.255.255"), port: 7007,
                    mac: Packet.broadcast, mark),
                mark: mark, receiver: broadcast4, layers: [.early, .input], reason: "host"))
        try hive.fire(
            Attack(
                name: "the subnet's broadcast", agent: hive.alpha,
                frame: hive.udp4(
                    hive.alpha, to: IPv4Address(literal: "10.77.255.255"), port: 7007, mac: Packet.broadcast,
                    mark),
                mark: mark, receiver: broadcast4, layers: [.early, .input], reason: "host"))
        // mDNS, which the host has joined.
        let group4 = try hive.lab.host {
            let socket = try Socket.udp(Endpoint(address: "0.0.0.0", port: 5353))
            var request = ip_mreqn()
            inet_pton(AF_INET, "224.0.0.251", &request.imr_multiaddr)
            request.imr_ifindex = Int32(if_nametoindex("hive0"))
            setsockopt(
                socket.descriptor, Int32(IPPROTO_IP), IP_ADD_MEMBERSHIP, &request,
                socklen_t(MemoryLayout<ip_mreqn>.size))
            return socket
        }
        try hive.fire(
            Attack(
                name: "224.0.0.251", agent: hive.alpha,
                frame: hive.udp4(
                    hive.alpha, to: IPv4Address(literal: "224.0.0.251"), port: 5353,
                    mac: MACAddress(literal: "01:00:5e:00:00:fb"), mark),
                mark: mark, receiver: group4, layers: [.early, .input], reason: "host"))
        let group6 = try hive.lab.host {
            let socket = try Socket.udp(Endpoint(address: "::", port: 5353))
            var request = ipv6_mreq()
            inet_pton(AF_INET6, "ff02::fb", &request.ipv6mr_multiaddr)
            request.ipv6mr_interface = if_nametoindex("hive0")
            setsockopt(
                socket.descriptor, Int32(IPPROTO_IPV6), IPV6_ADD_MEMBERSHIP, &request,
                socklen_t(MemoryLayout<ipv6_mreq>.size))
            return socket
        }
        try hive.fire(
            Attack(
                name: "ff02::fb", agent: hive.alpha,
                frame: hive.udp6(
                    hive.alpha, to: IPv6Address(literal: "ff02::fb"), port: 5353,
                    mac: MACAddress(literal: "33:33:00:00:00:fb"), mark),
                mark: mark, receiver: group6, layers: [.early, .input], reason: "host"))
    }

    // MARK: 18

    /// Frames to 01:80:c2:00:00:0x are no bridge traffic: br_handle_frame() hands them to the port's own IP stack, those to
    /// …:0e without asking the bridge table.
    @Test(arguments: [UInt8(0x03), 0x0e])
    func ipToAReservedGroupAddress(_ last: UInt8) throws {
        let hive = try TwoAgents()
        let mark = TwoAgents.mark("beside the bridge")
        let group = MACAddress(bits: 0x0180_c200_0000 | UInt64(last))
        let isSeenByTheTable = last != 0x0e
        try hive.fire(
            Attack(
                name: "IP to \(group)", agent: hive.alpha,
                frame: hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: 7018, mac: group, mark),
                mark: mark,
                receiver: try hive.hostUDP(7018),
                layers: (isSeenByTheTable ? [.bridgeTable] : []) + [.early, .input],
                reason: isSeenByTheTable ? "spoof" : "host",
                clear: {
                    // A strict reverse path filter on the port stops it as well.
                    try hive.lab.sysctl("ipv4/conf/all/rp_filter", "0")
                    try hive.lab.sysctl("ipv4/conf/hv-alpha/rp_filter", "0")
                }))
    }

    // MARK: 21

    @Test func answersWithoutAQuestion() throws {
        let hive = try TwoAgents()
        let mark = TwoAgents.mark("no question")
        func frame(flags: UInt8) -> [UInt8] {
            Packet.ethernet(
                to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.ipv4Type,
                Packet.ipv4(
                    from: hive.alpha.address4, to: TwoAgents.gateway4, protocol: 6,
                    Packet.tcp(
                        hive.alpha.address4, TwoAgents.web, TwoAgents.gateway4, 40000, flags: flags,
                        acknowledgement: 1,
                        mark)))
        }
        let raw = try hive.hostRaw(Int32(IPPROTO_TCP))
        try hive.fire(
            Attack(
                name: "ACK from the web port", agent: hive.alpha,
                frame: frame(flags: Packet.Flags.ack | Packet.Flags.psh), mark: mark, receiver: raw,
                layers: [.tracked, .input],
                reason: "host"))
        try hive.fire(
            Attack(
                name: "SYN and ACK from the web port", agent: hive.alpha,
                frame: frame(flags: Packet.Flags.syn | Packet.Flags.ack), mark: mark, receiver: raw,
                layers: [.tracked, .input],
                reason: "host"))
        try hive.fire(
            Attack(
                name: "SYN from the web port", agent: hive.alpha, frame: frame(flags: Packet.Flags.syn),
                mark: mark,
                receiver: raw, layers: [.early, .tracked, .input], reason: "host"))
    }

    /// An ICMP error that names a connection of the host to another agent: connection tracking calls it related.
    @Test func forgedError() throws {
        let hive = try TwoAgents()
        let mark = TwoAgents.mark("forged error")
        let socket = try hive.hostUDP(40001)
        socket.send(mark, to: hive.beta.endpoint4(53))
        let embedded = Packet.ipv4(
            from: TwoAgents.gateway4, to: hive.beta.address4, protocol: 17,
            Packet.udp(TwoAgents.gateway4, 40001, hive.beta.address4, 53, mark))
        try hive.fire(
            Attack(
                name: "ICMP error", agent: hive.alpha,
                frame: Packet.ethernet(
                    to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.ipv4Type,
                    Packet.ipv4(
                        from: hive.alpha.address4, to: TwoAgents.gateway4, protocol: 1,
                        Packet.icmp(type: 3, code: 3, [0, 0, 0, 0] + embedded))),
                mark: mark, receiver: try hive.hostRaw(1), layers: [.early, .tracked, .input], reason: "host")
        )
    }
}
