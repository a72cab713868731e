import CNetlink
import Foundation
import Glibc
import HiveNet
import Testing

/// Ways round the boundary, and round its comparison with what is wanted, that were found by attacking it.
@Suite struct WaysRoundTests {
    // MARK: What looks right and is not

    /// A dormant table has every rule, and does nothing.
    @Test func dormantTablesAreDrift() throws {
        let hive = try TwoAgents()
        let listener = try hive.lab.host { try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 7000)) }
        func connect() throws -> Socket.Connection {
            try hive.lab.agent("alpha") {
                try Socket.connect(Endpoint(address: "\(TwoAgents.gateway4)", port: 7000))
            }
        }
        for family in ["inet", "bridge"] { try hive.lab.nft("add table \(family) hive { flags dormant; }") }
        #expect(try connects { try connect() }, "control")
        #expect(try hive.lab.hivectl("net", "show").stdout.contains("dormant"))
        try hive.lab.apply()
        #expect(try connect() == .timedOut)
        withExtendedLifetime(listener) {}
    }

    @Test(arguments: ["egress4 { * : goto egress_internet }", "host { * }"])
    func catchAllElements(_ element: String) throws {
        let lab = try Lab()
        try lab.apply(TwoAgents.configuration)
        try lab.nft("add element inet hive \(element)")
        #expect(try lab.hivectl("net", "plan").status == 2)
        try lab.apply()
        #expect(try lab.apply().stdout.isEmpty)
        #expect(!(try lab.nft("list ruleset").stdout.contains("* ")))
    }

    @Test func theSameAddressWithAnotherLength() throws {
        let lab = try Lab()
        try lab.apply(TwoAgents.configuration)
        let before = try lab.must("ip -4 -o addr show dev hive0").stdout
        try lab.ip("addr add 10.77.0.1/24 dev hive0")
        try lab.apply()
        #expect(try lab.must("ip -4 -o addr show dev hive0").stdout == before)
    }

    @Test(arguments: ["hive0", "hv-alpha"]) func aSmallMTUByHand(_ link: String) throws {
        let lab = try Lab()
        try lab.apply(TwoAgents.configuration)
        let before = try lab.snapshot()
        try lab.ip("link set \(link) mtu 1000")
        try lab.apply()
        #expect(try lab.difference(from: before) == "")
    }

    @Test func aForeignLinkWithOurPrefix() throws {
        let lab = try Lab()
        try lab.ip("link add hv-foreign type bridge")
        try lab.write(configuration: TwoAgents.configuration)
        let result = try lab.hivectl("net", "apply")
        #expect(result.status == 78 && result.stderr.contains("network.interfacePrefix"), "\(result)")
        #expect(try lab.agents() == [])
    }

    @Test(arguments: ["route del 10.77.0.0/16 dev hive0", "-6 route del fd77:6869:7665::/64 dev hive0"])
    func theRouteToAgentsComesBack(_ command: String) throws {
        let lab = try Lab()
        try lab.apply(TwoAgents.configuration)
        let before = try lab.snapshot()
        try lab.ip(command)
        #expect(try lab.hivectl("net", "show").stdout.contains("to add: route"))
        try lab.apply()
        #expect(try lab.difference(from: before) == "")
    }

    @Test func aRouteThatLeadsNowhere() throws {
        let lab = try Lab()
        try lab.ip("route add unreachable 10.77.5.0/24")
        try lab.write(configuration: TwoAgents.configuration)
        let result = try lab.hivectl("net", "apply")
        #expect(result.status == 78 && result.stderr.contains("network.subnet4"), "\(result)")
    }

    // MARK: What an agent could do to others

    /// First fragments fill the room in which the host puts packets together, before any hook of IP sees them.
    @Test func noFragments() throws {
        let hive = try TwoAgents(outside: true)
        let bridge = try hive.lab.host { try Socket.packet("hive0") }
        let mark = TwoAgents.mark("a piece")
        let target = IPv4Address(literal: Lab.publicAddress4)
        for fragment: UInt16 in [0x2000, 0x0010, 0x2010] {
            let packet = Packet.ipv4(
                from: hive.alpha.address4, to: target, protocol: 17, fragment: fragment,
                Packet.udp(hive.alpha.address4, 4000, target, 53, mark))
            try hive.fire(
                Attack(
                    name: "IPv4 fragment \(fragment)", agent: hive.alpha,
                    frame: Packet.ethernet(
                        to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.ipv4Type, packet),
                    mark: mark, receiver: bridge, layers: [.bridgeTable], reason: "spoof"))
        }
        let target6 = IPv6Address(literal: Lab.publicAddress6)
        let segment = Packet.udp(hive.alpha.address6, 4000, target6, 53, mark)
        for (next, headers): (UInt8, [UInt8]) in [
            (44, Packet.fragment(next: 17, offset: 0, more: true)),
            (0, Packet.options(next: 44) + Packet.fragment(next: 17, offset: 0, more: true)),
            (60, Packet.options(next: 17)),
        ] {
            try hive.fire(
                Attack(
                    name: "IPv6 header \(next)", agent: hive.alpha,
                    frame: Packet.ethernet(
                        to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.ipv6Type,
                        Packet.ipv6(from: hive.alpha.address6, to: target6, next: next, headers + segment)),
                    mark: mark, receiver: bridge, layers: [.bridgeTable], reason: "spoof"))
        }
    }

    /// An ICMP error that names somebody else's connection does not get out. (Threat 21, in forward.)
    @Test func forgedErrorsDoNotGetOut() throws {
        let hive = try TwoAgents(outside: true)
        let mark = TwoAgents.mark("forged error")
        let target = try #require(IPv4Address(Lab.publicAddress4))
        // A connection of the host's own.
        let socket = try hive.lab.host { try Socket.udp(Endpoint(address: "11.0.0.1", port: 40002)) }
        socket.send(mark, to: Endpoint(address: Lab.publicAddress4, port: 53))
        let wire = try hive.lab.outside { try Socket.packet("eth0") }
        let embedded = Packet.ipv4(
            from: target, to: IPv4Address(literal: "11.0.0.1"), protocol: 17,
            Packet.udp(target, 53, IPv4Address(literal: "11.0.0.1"), 40002, mark))
        try hive.fire(
            Attack(
                name: "ICMP error outwards", agent: hive.alpha,
                frame: Packet.ethernet(
                    to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.ipv4Type,
                    Packet.ipv4(
                        from: hive.alpha.address4, to: target, protocol: 1,
                        Packet.icmp(type: 3, code: 4, [0, 0, 2, 0] + embedded))),
                mark: mark, receiver: wire, layers: [.forward], reason: "egress"))
    }

    /// The host's own packets from its address on the bridge stay as they are.
    @Test func onlyAgentsAreMasqueraded() throws {
        for isControl in [false, true] {
            let hive = try TwoAgents(outside: true)
            if isControl {
                try hive.lab.nft("add rule inet hive postrouting ip saddr 10.77.0.0/16 masquerade")
            }
            let server = try hive.lab.outside {
                try Socket.udp(Endpoint(address: Lab.publicAddress4, port: 7000))
            }
            let client = try hive.lab.host {
                try Socket.udp(Endpoint(address: "\(TwoAgents.gateway4)", port: 5001))
            }
            client.send(
                TwoAgents.mark("whose address"), to: Endpoint(address: Lab.publicAddress4, port: 7000))
            let seen = try server.sender().address
            #expect(seen == (isControl ? IPv4Address(literal: "11.0.0.1") : TwoAgents.gateway4))
        }
    }

    /// A flow that root began by UDP is not another user's to go on with, from the port that root has left.
    @Test(.enabled(if: ThreatOutsideTests.hasUsers, "only root of the machine has other users to try with"))
    func rootsFlowIsRoots() throws {
        let hive = try TwoAgents()
        let server = try hive.lab.agent("beta") { try Socket.udp(Endpoint(address: "0.0.0.0", port: 6000)) }
        let here = Endpoint(address: "\(TwoAgents.gateway4)", port: 5000)
        func send(_ content: String, as user: uid_t) throws -> Bool {
            try hive.lab.thread.run(in: "/proc/thread-self/ns/net") {
                setfsuid(user)
                guard setfsuid(user) == Int32(user) else { throw LabError("cannot become user \(user)") }
                return try Socket.udp(here).send(TwoAgents.mark(content), to: hive.beta.endpoint4(6000))
            }
        }
        #expect(try send("root", as: 0))
        #expect(server.receives(TwoAgents.mark("root"), milliseconds: 5000))
        // The output hook refuses it on the spot: the sender is told.
        #expect(try !send("another", as: 12345))
        #expect(!server.receives(TwoAgents.mark("another"), milliseconds: 50))
        try hive.disable(.output)
        #expect(try send("control", as: 12345))
        #expect(server.receives(TwoAgents.mark("control"), milliseconds: 5000))
    }

    /// An agent's packets leave from ephemeral ports, whatever port it sends from: so it takes none of the host's services.
    @Test(arguments: [UInt16(53), 4500])
    func noPortOfTheHosts(_ port: UInt16) throws {
        for isControl in [false, true] {
            let hive = try TwoAgents(outside: true)
            if isControl {
                try hive.lab.nft(
                    "flush chain inet hive share_address; add rule inet hive share_address masquerade")
            }
            let server = try hive.lab.outside {
                try Socket.udp(Endpoint(address: Lab.publicAddress4, port: 7000))
            }
            let agent = try hive.lab.agent("alpha") {
                try Socket.udp(Endpoint(address: "0.0.0.0", port: port))
            }
            agent.send(TwoAgents.mark("whose port"), to: Endpoint(address: Lab.publicAddress4, port: 7000))
            let seen = try server.sender().port
            // By an ordinary masquerade it keeps its port.
            #expect(isControl ? seen == port : (32768...60999).contains(seen), "\(seen)")
        }
    }
}

extension Socket {
    /// Where the next datagram comes from.
    fileprivate func sender() throws -> (address: IPv4Address, port: UInt16) {
        guard isReadable(milliseconds: 5000) else { throw LabError("nothing came") }
        var sender = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = withUnsafeMutablePointer(to: &sender) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &bytes, bytes.count, 0, $0, &length)
            }
        }
        guard count >= 0 else { throw LabError.last("receive") }
        return (
            IPv4Address(bits: UInt32(bigEndian: sender.sin_addr.s_addr)), UInt16(bigEndian: sender.sin_port)
        )
    }
}
