import Foundation
import Glibc
import HiveNet
import Testing

/// What the kernel does with names in policies.
@Suite struct EgressNamesTests {
    private typealias Probe = EgressTests.Probe

    private func arrivals(_ hive: TwoAgents, _ probes: [(String, String)]) throws -> [Bool] {
        try EgressTests.arrivals(hive, hive.alpha, probes.map { try Probe($0.0, $0.1, true) })
    }

    /// From the name server's answer to the packet, and on to its next answer.
    @Test func aNameIsWhatItStandsFor() throws {
        let hive = try TwoAgents(configuration: EgressTests.configuration(alpha: "'none'"), outside: true)
        let server = try NameServer(hive.lab) { name, type in
            type == 1 ? .records([.a(name, "11.1.1.1", 900)]) : .records([.aaaa(name, "2a11:1::1", 800)])
        }
        defer { server.end() }
        let probes = [
            ("11.1.1.1", "443/tcp"), ("2a11:1::1", "443/tcp"), ("11.1.1.1", "80/tcp"),
            ("11.1.1.2", "443/tcp"),
            ("2a11:1::2", "443/tcp"), ("9.9.9.9", "53/udp"),
        ]
        #expect(try arrivals(hive, probes) == [false, false, false, false, false, false])
        let policy = EgressTests.configuration(
            alpha: #"{ allow: ["api.example.org:443/tcp", "9.9.9.9:53/udp"] }"#,
            beta: #"{ allow: ["9.9.9.9:53/udp", "api.example.org:443/tcp"] }"#)
        try hive.lab.apply(policy)
        #expect(try arrivals(hive, probes) == [true, true, false, false, false, true])
        // In the kernel for as long as it is good, and with its name.
        let listed = try hive.lab.nft("list table inet hive").stdout.split(separator: "\n")
        let element = try #require(listed.first { $0.contains("11.1.1.1 . tcp . 443") })
        #expect(element.contains("comment \"api.example.org\""))
        // For the shorter of the two families.
        #expect(element.contains("timeout 13m"), "\(element)")
        // Nothing is left to do, and nobody is asked again.
        #expect(!server.takeQuestions().isEmpty)
        let again = try hive.lab.apply()
        #expect(again.stdout == "" && server.takeQuestions().isEmpty)
        #expect(try hive.lab.hivectl("net", "show").stdout.contains("DRIFT") == false)
        // It moves: the old address is closed.
        server.zone = { name, type in type == 1 ? .records([.a(name, "11.1.1.2")]) : .records([]) }
        try hive.lab.must("rm \(Lab.state)/names.json")
        try hive.lab.apply()
        #expect(try arrivals(hive, probes) == [false, false, false, true, false, true])
        // It becomes one that cannot be: closed, and the rest of the policy holds.
        server.zone = { name, type in type == 1 ? .records([.a(name, "169.254.169.254")]) : .records([]) }
        try hive.lab.must("rm \(Lab.state)/names.json")
        let refused = try hive.lab.apply()
        #expect(refused.stderr.contains("api.example.org"))
        #expect(
            try arrivals(hive, probes + [("169.254.169.254", "443/tcp")])
                == [false, false, false, false, false, true, false])
    }

    /// The boundary does not wait for a name server that says nothing: it is there while apply still asks.
    @Test func theBoundaryComesBeforeTheAnswers() throws {
        let hive = try TwoAgents(configuration: EgressTests.configuration(alpha: "'none'"), outside: true)
        let server = try NameServer(hive.lab) { _, _ in .silence }
        defer { server.end() }
        try hive.lab.nft("flush ruleset")
        try hive.lab.write(
            configuration: EgressTests.configuration(
                alpha: #"{ allow: ["api.example.org:443/tcp", "9.9.9.9:53/udp"] }"#))
        let apply = try hive.lab.background(Lab.commandLine(["net", "apply"]))
        let deadline = ContinuousClock.now + .seconds(20)
        while server.takeQuestions().isEmpty, ContinuousClock.now < deadline { usleep(5_000) }
        #expect(apply.isRunning)
        #expect(
            try arrivals(hive, [("11.1.1.1", "443/tcp"), ("9.9.9.9", "53/udp"), ("12.0.0.1", "80/tcp")])
                == [false, true, false])
        #expect(apply.isRunning, "it was still asking")
        apply.end()
    }

    /// The kernel itself closes what nobody renews.
    @Test func whatExpiresIsClosed() throws {
        let hive = try TwoAgents(configuration: EgressTests.configuration(alpha: "'none'"), outside: true)
        let egress = Egress(allow: [try #require(Destination("api.example.org:443/tcp"))])
        /// As apply does it, with a lifetime shorter than apply would take.
        func apply(seconds: Int64) throws -> [String] {
            try hive.lab.host {
                let now = Int64(Date().timeIntervalSince1970)
                let spec = NetworkSpec(
                    bridge: "hive0", interfacePrefix: "hv-", subnet4: Prefix4(literal: "10.77.0.0/16"),
                    subnet6: Prefix6(literal: "fd77:6869:7665::/64"), mtu: 1500, gatewayUsers: [],
                    agents: [
                        NetworkSpec.Agent(
                            name: "alpha", address4: hive.alpha.address4, address6: hive.alpha.address6,
                            egress: egress)
                    ],
                    names: [
                        "api.example.org": ResolvedName(
                            addresses4: [IPv4Address(literal: "11.1.1.1")], addresses6: [], resolved: now,
                            expires: now + seconds)
                    ])
                var network = try HostNetwork()
                return try network.apply(spec).changes.map(\.description)
            }
        }
        _ = try apply(seconds: 2)
        #expect(try arrivals(hive, [("11.1.1.1", "443/tcp")]) == [true])
        let deadline = ContinuousClock.now + .seconds(20)
        while try hive.lab.nft("list table inet hive").stdout.contains("11.1.1.1 . tcp"),
            ContinuousClock.now < deadline
        {
            usleep(50_000)
        }
        #expect(try arrivals(hive, [("11.1.1.1", "443/tcp")]) == [false])
        // Asked for again, it is open again; and what is good for longer is renewed, not doubled.
        #expect(try apply(seconds: 200).contains { $0.hasPrefix("+ element inet hive allow4_") })
        #expect(try arrivals(hive, [("11.1.1.1", "443/tcp")]) == [true])
        #expect(try apply(seconds: 210).isEmpty)
        let renewed = try apply(seconds: 900)
        #expect(renewed.count == 1 && renewed[0].hasPrefix("~ element inet hive allow4_"), "\(renewed)")
        #expect(try hive.lab.nft("list table inet hive").stdout.contains("timeout 15m"))
        #expect(try arrivals(hive, [("11.1.1.1", "443/tcp")]) == [true])
    }
}
