import CNetlink
import Glibc
import HiveNet
import Testing

/// Threats 31 to 33, and what policies say besides: who may go where. Arrival is seen on the far side of the host's uplink,
/// behind all hooks.
@Suite struct EgressTests {
    // MARK: Probes

    /// A packet that an agent sends outwards, and whether it may.
    struct Probe: CustomStringConvertible {
        let address: String
        let transport: Transport
        let port: UInt16
        let isAllowed: Bool
        var description: String { "\(address) \(port)/\(transport)" }

        init(_ address: String, _ service: String, _ isAllowed: Bool) throws {
            guard let service = PortRange(service) else { throw LabError("\(service) is no port") }
            self.init(address, service.transport, service.range.lowerBound, isAllowed)
        }

        init(_ address: String, _ transport: Transport, _ port: UInt16, _ isAllowed: Bool) {
            self.address = address
            self.transport = transport
            self.port = port
            self.isAllowed = isAllowed
        }
    }

    /// Sends all, waits until the kernel is done with them, and looks which arrived outside.
    static func arrivals(_ hive: TwoAgents, _ agent: TwoAgents.Known, _ probes: [Probe]) throws -> [Bool] {
        let wire = try hive.lab.outside { try Socket.packet("eth0") }
        wire.set(SOL_SOCKET, SO_RCVBUF, 1 << 22)
        // As many as surely fit into the queue of the sender's processor (net.core.netdev_max_backlog, 1000).
        var arrived = [Bool](repeating: false, count: probes.count)
        for start in stride(from: 0, to: probes.count, by: 100) {
            let portion = Array(probes[start..<min(start + 100, probes.count)].enumerated())
            try hive.lab.agent(agent.name) {
                let socket = try Socket.packet("eth0")
                for (index, probe) in portion {
                    try socket.send(frame: frame(hive, agent, probe, start + index))
                }
            }
            try hive.settle(agent)
            while let bytes = wire.receive(milliseconds: 0) {
                for (index, _) in portion where bytes.contains(sequence: mark(start + index)) {
                    arrived[start + index] = true
                }
            }
        }
        return arrived
    }

    private static func mark(_ index: Int) -> [UInt8] {
        TwoAgents.mark("egress") + Packet.be16(index) + [0xff]
    }

    private static func frame(
        _ hive: TwoAgents, _ agent: TwoAgents.Known, _ probe: Probe, _ index: Int
    ) throws -> [UInt8] {
        func packet<Address: IPAddress>(_ from: Address, _ to: Address) -> [UInt8] {
            // A port of its own for each: no two are of one connection.
            let source = UInt16(20_000 + index)
            return probe.transport == .udp
                ? Packet.udp(from, source, to, probe.port, mark(index))
                : Packet.tcp(from, source, to, probe.port, flags: 2, mark(index))
        }
        if let to = IPv4Address(probe.address) {
            return Packet.ethernet(
                to: TwoAgents.bridgeMAC, from: agent.mac, type: Packet.ipv4Type,
                Packet.ipv4(
                    from: agent.address4, to: to, protocol: probe.transport.number, packet(agent.address4, to)
                ))
        }
        let to = IPv6Address(literal: probe.address)
        return Packet.ethernet(
            to: TwoAgents.bridgeMAC, from: agent.mac, type: Packet.ipv6Type,
            Packet.ipv6(
                from: agent.address6, to: to, next: probe.transport.number, packet(agent.address6, to)))
    }

    static func configuration(alpha: String, beta: String = "'none'") -> String {
        """
        { gateway: { user: "nobody" },
          agents: { alpha: { address4: "10.77.0.2", web: { port: 8080 }, egress: \(alpha) },
                    beta: { address4: "10.77.0.3", web: { port: 8080 }, egress: \(beta) } } }
        """
    }

    static func check(
        _ hive: TwoAgents, _ probes: [Probe], _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let arrived = try arrivals(hive, hive.alpha, probes)
        for (probe, arrived) in zip(probes, arrived) where arrived != probe.isAllowed {
            Issue.record(
                "\(what): \(probe) \(arrived ? "arrived" : "did not arrive")", sourceLocation: sourceLocation)
        }
    }

    // MARK: 31, 33: lists

    @Test func aPolicyIsWhatItSays() throws {
        let policy = """
            { allow: ["203.0.113.0/24", "198.51.100.7:443/tcp", "[2001:db8::]/32:443/tcp", "internet:443/tcp",
                      "10.0.0.0/8:8000-8010/udp", "fd00:1::1"],
              deny: ["203.0.113.128/25:25/tcp", "11.1.1.1", "2a11:1::/64"] }
            """
        let hive = try TwoAgents(configuration: Self.configuration(alpha: policy), outside: true)
        let probes = try [
            Probe("203.0.113.1", "1/udp", true), Probe("203.0.113.255", "25/udp", true),
            Probe("203.0.113.127", "25/tcp", true), Probe("203.0.113.128", "25/tcp", false),
            Probe("203.0.113.255", "26/tcp", true), Probe("203.0.114.0", "1/udp", false),
            Probe("203.0.112.255", "1/udp", false), Probe("198.51.100.7", "443/tcp", true),
            Probe("198.51.100.7", "444/tcp", false), Probe("198.51.100.7", "443/udp", false),
            Probe("198.51.100.8", "443/tcp", false), Probe("2001:db8::1", "443/tcp", true),
            Probe("2001:db8:ffff::1", "443/tcp", true), Probe("2001:db8::1", "80/tcp", false),
            Probe("2001:db9::1", "443/tcp", true), Probe("2001:db9::1", "443/udp", false),
            Probe("11.1.1.2", "443/tcp", true), Probe("11.1.1.2", "80/tcp", false),
            Probe("11.1.1.1", "443/tcp", false), Probe("2a11:1::1", "443/tcp", false),
            Probe("2a11:1:0:1::1", "443/tcp", true), Probe("10.9.9.9", "8000/udp", true),
            Probe("10.9.9.9", "8010/udp", true), Probe("10.9.9.9", "8011/udp", false),
            Probe("10.9.9.9", "7999/udp", false), Probe("10.9.9.9", "443/tcp", false),
            Probe("fd00:1::1", "9/udp", true), Probe("fd00:1::2", "9/udp", false),
            Probe("169.254.169.254", "443/tcp", false), Probe("100.64.0.1", "443/tcp", false),
            Probe("192.168.1.1", "443/tcp", false), Probe("64:ff9b::a01:203", "443/tcp", false),
            Probe("2002:a01:203::1", "443/tcp", false),
        ]
        let denied = probes.count { !$0.isAllowed }
        let before = try hive.lab.blocked("alpha")["egress"] ?? 0
        try Self.check(hive, probes, "every layer")
        #expect(try hive.lab.blocked("alpha")["egress"] ?? 0 == before + denied)
        for (off, other) in [(TwoAgents.Layer.early, "forward"), (.forward, "early")] {
            try hive.disable(off)
            try Self.check(hive, probes, "\(other) alone")
            try hive.lab.apply()
        }
        // The control: everything arrives.
        try hive.disable(.early, .forward)
        #expect(try Self.arrivals(hive, hive.alpha, probes) == probes.map { _ in true })
    }

    /// "internet" is none of the ranges of the registries, at their first and last addresses, and all that lies between them.
    @Test func internetIsNoSpecialRange() throws {
        let hive = try TwoAgents(configuration: Self.configuration(alpha: "'internet'"), outside: true)
        // (0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/4 and 255.255.255.255 no kernel routes.)
        let special = [
            "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "169.254.0.0", "169.254.255.255",
            "172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.255", "192.0.2.0", "192.0.2.255",
            "192.31.196.0", "192.31.196.255", "192.52.193.0", "192.52.193.255", "192.88.99.0",
            "192.88.99.255", "192.168.0.0", "192.168.255.255", "192.175.48.0", "192.175.48.255", "198.18.0.0",
            "198.19.255.255", "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255", "240.0.0.0",
            "255.255.255.254", "100::1", "64:ff9b::a00:1", "64:ff9b:1::1", "1fff:ffff::1", "2001::1",
            "2001:1ff:ffff::1", "2001:db8::1", "2001:db8:ffff::1", "2002::1", "2002:a00:1::1",
            "2620:4f:8000::1", "3fff::1", "3fff:fff:ffff::1", "4000::1", "5f00::1", "fc00::1", "fdff::1",
        ]
        let ordinary = [
            "1.0.0.0", "9.255.255.255", "11.0.1.0", "100.63.255.255", "100.128.0.0", "169.253.255.255",
            "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "198.17.255.255",
            "198.20.0.0", "223.255.255.255", "2000::1", "2001:200::1", "2003::1", "2620:4f:8001::1",
            "3fff:1000::1", "3ffe::1",
        ]
        for (port, transport) in [(UInt16(443), Transport.tcp), (53, .udp)] {
            let probes =
                special.map { Probe($0, transport, port, false) }
                + ordinary.map { Probe($0, transport, port, true) }
            try Self.check(hive, probes, "internet")
        }
        try hive.disable(.early, .forward)
        try Self.check(hive, special.map { Probe($0, .udp, 53, true) }, "control")
    }

    /// The first and the last address there are, and ranges that end with them.
    @Test func edgesOfTheAddressSpace() throws {
        let all =
            #"{ allow: ["0.0.0.0/0", "::/0"], deny: ["254.0.0.0/8", "1.0.0.0/8", "[3000::]/4:53/udp"] }"#
        let hive = try TwoAgents(configuration: Self.configuration(alpha: all), outside: true)
        try Self.check(
            hive,
            [
                Probe("9.9.9.9", "1/tcp", true), Probe("10.9.9.9", "65535/udp", true),
                Probe("253.255.255.255", "1/udp", true), Probe("255.255.255.254", "1/udp", true),
                Probe("254.0.0.1", "1/udp", false), Probe("1.255.255.255", "1/udp", false),
                Probe("2.0.0.0", "1/udp", true), Probe("169.254.169.254", "80/tcp", true),
                Probe("fd00:1::1", "1/udp", true), Probe("3fff::1", "53/udp", false),
                Probe("3fff::1", "53/tcp", true), Probe("2fff::1", "53/udp", true),
            ], "everything but a few")
        let last =
            #"{ allow: ["255.255.255.254:1-65535/udp", "fe00::/7"], deny: ["255.0.0.0/9"] }"#
        try hive.lab.apply(Self.configuration(alpha: last))
        try Self.check(
            hive,
            [Probe("255.255.255.254", "1/udp", true), Probe("255.255.255.253", "1/udp", false)],
            "the last ones")
    }

    /// The host and the other agent are not outside, whatever the policy allows, and whenever they got their addresses.
    @Test func everythingIsNotTheHostNorAnotherAgent() throws {
        let hive = try TwoAgents(
            configuration: Self.configuration(alpha: #"{ allow: ["0.0.0.0/0", "::/0"] }"#), outside: true)
        try hive.lab.ip("addr add 9.9.9.9/32 dev lo")
        for address in ["9.9.9.9", "11.0.0.1", "10.77.0.1"] {
            let mark = TwoAgents.mark("to \(address)")
            try hive.fire(
                Attack(
                    name: address, agent: hive.alpha,
                    frame: hive.udp4(hive.alpha, to: IPv4Address(literal: address), port: 7009, mark),
                    mark: mark,
                    receiver: try hive.hostUDP(7009), layers: [.tracked, .input], reason: "host"))
        }
        let mark = TwoAgents.mark("to beta")
        try hive.fire(
            Attack(
                name: "beta", agent: hive.alpha,
                frame: hive.udp4(hive.alpha, to: hive.beta.address4, port: 1, mark),
                mark: mark, receiver: try hive.wire(hive.beta), layers: [.early, .forward], reason: "peer"))
    }

    /// Random policies against the entries looked at one by one; each is applied over the one before.
    @Test func randomPolicies() throws {
        let hive = try TwoAgents(configuration: Self.configuration(alpha: "'none'"), outside: true)
        var random = SeededGenerator(seed: 33)
        let places4 = [
            "0.0.0.0/0", "128.0.0.0/1", "11.0.0.0/8", "11.1.0.0/16", "11.1.1.1", "11.1.1.2", "internet",
            "12.0.0.0/8", "203.0.113.0/24", "203.0.113.128/25",
        ]
        let places6 = ["[::]/0", "[2a11:1::]/64", "[2a11:1::1]", "internet", "[fd00::]/8", "[2a11:1::2]/127"]
        let ports = ["", ":80/tcp", ":79-81/tcp", ":80/udp", ":1-65535/udp"]
        func list(_ places: [String], _ count: Int) -> Set<String> {
            Set(
                (0..<count).map { _ in
                    (places.randomElement(using: &random) ?? "") + (ports.randomElement(using: &random) ?? "")
                })
        }
        func quoted(_ list: [String]) -> String { list.map { "\"\($0)\"" }.joined(separator: ", ") }
        var counts = (allowed: 0, denied: 0)
        for _ in 0..<6 {
            let allow = list(places4, Int.random(in: 1...3, using: &random)).union(
                list(places6, Int.random(in: 0...2, using: &random))
            ).sorted()
            let deny = list(places4, Int.random(in: 0...2, using: &random)).union(
                list(places6, Int.random(in: 0...1, using: &random))
            ).sorted()
            let policy = "{ allow: [\(quoted(allow))]\(deny.isEmpty ? "" : ", deny: [\(quoted(deny))]") }"
            try hive.lab.apply(Self.configuration(alpha: policy, beta: "'internet'"))
            let entries = (
                try allow.map { try #require(Destination($0)) },
                try deny.map { try #require(Destination($0)) }
            )
            var probes: [Probe] = []
            for address in [
                "11.1.1.1", "11.1.1.2", "11.2.0.0", "12.0.0.1", "203.0.113.1", "203.0.113.200", "192.168.1.1",
            ]
                + ["2a11:1::1", "2a11:1::3", "2a11:2::1", "fd00:1::1"]
            {
                for transport in Transport.allCases {
                    for port in [UInt16(78), 79, 80, 82] {
                        let isAllowed =
                            entries.0.contains { Self.matches($0, address, transport, port) }
                            && !entries.1.contains { Self.matches($0, address, transport, port) }
                        if isAllowed { counts.allowed += 1 } else { counts.denied += 1 }
                        probes.append(Probe(address, transport, port, isAllowed))
                    }
                }
            }
            try Self.check(hive, probes, policy)
            #expect(try hive.lab.hivectl("net", "plan").status == 0)
        }
        #expect(counts.allowed > 50 && counts.denied > 50, "\(counts)")
    }

    /// One entry, as a person reads it.
    private static func matches(_ entry: Destination, _ text: String, _ transport: Transport, _ port: UInt16)
        -> Bool
    {
        if let ports = entry.ports, ports.transport != transport || !ports.range.contains(port) {
            return false
        }
        switch entry.place {
        case .network4(let prefix): return IPv4Address(text).map(prefix.contains) ?? false
        case .network6(let prefix): return IPv6Address(text).map(prefix.contains) ?? false
        // Of the probes' addresses these are special.
        case .internet: return !["203.0.113.", "192.168.", "fd00:"].contains { text.hasPrefix($0) }
        case .name: return false
        }
    }

    // MARK: 32

    /// Names are asked for at port 53: closed with no egress, to the host too; open where a policy says so.
    @Test func dnsIsClosedWithoutEgress() throws {
        let hive = try TwoAgents(configuration: Self.configuration(alpha: "'none'"), outside: true)
        func probes(_ isAllowed: Bool) throws -> [Probe] {
            try ["11.1.1.1", "2a11:1::1"].flatMap {
                [try Probe($0, "53/udp", isAllowed), try Probe($0, "53/tcp", isAllowed)]
            }
        }
        let mark = TwoAgents.mark("who is example.org")
        let resolver = try hive.hostUDP(53)
        try Self.check(hive, try probes(false), "none")
        try hive.send(hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: 53, mark), as: hive.alpha)
        try hive.settle(hive.alpha)
        #expect(!resolver.receives(mark, milliseconds: 0))
        try hive.lab.apply(Self.configuration(alpha: #"{ allow: ["11.1.1.1:53/udp"] }"#))
        try Self.check(
            hive, [Probe("11.1.1.1", "53/udp", true), Probe("11.1.1.1", "53/tcp", false)], "one resolver")
        try hive.lab.apply(Self.configuration(alpha: "'internet'"))
        try Self.check(hive, try probes(true), "control: internet")
        try hive.disable(.tracked, .input)
        try hive.send(hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: 53, mark), as: hive.alpha)
        try hive.settle(hive.alpha)
        #expect(resolver.receives(mark, milliseconds: 0), "control: the host's resolver")
    }
}
