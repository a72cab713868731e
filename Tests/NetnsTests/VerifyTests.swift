import Foundation
import Glibc
import HiveNet
import Testing

/// `hivectl net verify`: what it says of a hive that is as it should be, and of one with a hole in it. The holes are its own
/// controls: each opens what verify says is closed.
@Suite struct VerifyTests {
    /// The gateway is a user that a user namespace does not have, so that its part is tried where it can be.
    static let configuration = """
        { gateway: { user: "nobody" },
          agents: { alpha: { address4: "10.77.0.2", web: { port: 8080 }, egress: "internet" },
                    beta: { address4: "10.77.0.3", web: { port: 8080 } } } }
        """
    /// Where other users can be tried, nothing is left untested.
    static let good = ThreatOutsideTests.hasUsers ? Verified.holds : Verified.unproven

    // MARK: As it should be

    @Test func aGoodHiveHolds() throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        let listeners = try hive.lab.host {
            [
                try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 7000)),
                try Socket.tcpListener(Endpoint(address: "127.0.0.1", port: 7001)),
                try Socket.udp(Endpoint(address: "::", port: 7002)),
            ]
        }
        let verified = try hive.lab.verify()
        #expect(verified.status == Self.good, "\(verified)")
        #expect(verified.report.controls.arrived == verified.report.controls.probes)
        #expect(verified.report.controls.probes > 90)
        for agent in ["alpha", "beta"] {
            // The bridge's addresses, the uplink's, loopback: by three protocols each, and what has no ports.
            let host = verified.cell(agent, .host)
            #expect(host.blocked == host.probes && host.blocked >= 25, "\(agent): \(host)")
            // 7000; 7001 on loopback; 7002 by both families.
            #expect(verified.cell(agent, .listeners).blocked == 4, "\(agent): \(verified)")
            #expect(verified.cell(agent, .agents).blocked == 12, "\(agent): \(verified)")
            #expect(verified.cell(agent, .denied).blocked >= 30, "\(agent): \(verified)")
            #expect(verified.cell(agent, .denied).by.keys.contains("inet hive egress"))
            #expect(verified.cell(agent, .web).works == (ThreatOutsideTests.hasUsers ? 4 : 2), "\(verified)")
        }
        // TCP and UDP, IPv4 and IPv6.
        #expect(verified.cell("alpha", .allowed).works == 4, "\(verified)")
        #expect(verified.cell("beta", .allowed).probes == 0)
        if ThreatOutsideTests.hasUsers {
            #expect(verified.cell("alpha", .web).by == ["inet hive local": 2])
        }
        withExtendedLifetime(listeners) {}
    }

    /// One agent tries, and the other one is still a target.
    @Test func oneAgentTries() throws {
        let hive = try TwoAgents(configuration: Self.configuration)
        let verified = try hive.lab.verify("beta")
        #expect(Set(verified.report.agents.keys) == ["beta"])
        #expect(verified.cell("beta", .agents).blocked == 12)
        #expect(try hive.lab.hivectl("net", "verify", "bta").status == 64)
    }

    /// Bridged frames pass the IP hooks too.
    @Test(
        .enabled(
            if: access("/proc/sys/net/bridge/bridge-nf-call-iptables", F_OK) == 0,
            "this kernel has no br_netfilter, or it is not loaded"))
    func withBridgeNetfilter() throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        #expect(try hive.lab.setBridgeNetfilter(true))
        let verified = try hive.lab.verify()
        #expect(verified.status == Self.good, "\(verified)")
        // The control has it on as well.
        #expect(verified.report.controls.arrived == verified.report.controls.probes)
    }

    /// An agent that has brought its own namespace.
    @Test func somebodyElsesNamespace() throws {
        let lab = try Lab()
        try lab.ip("netns add mine")
        try lab.apply("{ agents: { alpha: { namespace: '/run/netns/mine' }, beta: {} } }")
        try lab.waitForLink("eth0", in: "mine")
        try lab.waitForLink("eth0", in: "hive-beta")
        let verified = try lab.verify()
        #expect(verified.status == Verified.holds, "\(verified)")
        #expect(verified.cell("alpha", .agents).blocked == 12)
    }

    /// In a hive without IPv6, IPv6 is tried all the same, from link-local addresses: somebody may have switched it on.
    @Test func withoutIPv6() throws {
        let lab = try Lab()
        try lab.apply(
            "{ network: { subnet6: null }, agents: { alpha: { address4: '10.77.0.2' }, beta: {} } }")
        for name in ["alpha", "beta"] { try lab.waitForLink("eth0", in: "hive-\(name)") }
        let verified = try lab.verify()
        #expect(verified.status == Verified.holds, "\(verified)")
        #expect(verified.cell("alpha", .agents).blocked == 8)
        let host = verified.cell("alpha", .host)
        #expect(host.by["bridge hive spoof"] == 2, "\(verified)")
        // The control: it is on, and no rule is in the way.
        try lab.sysctl("ipv6/conf/hive0/disable_ipv6", "0")
        try lab.ip("-6 addr add fd99::1/64 dev hive0 nodad")
        for chain in ["early", "tracked", "input"] { try lab.nft("flush chain inet hive \(chain)") }
        try lab.nft("flush table bridge hive")
        let open = try lab.verify()
        #expect(open.has(.reached, "fd99::1 (hive0) by UDP"), "\(open)")
    }

    /// The same seed chooses the same addresses.
    @Test func theSeedDecides() throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        try hive.disable(.early, .forward)
        func probes(_ arguments: String...) throws -> [String] {
            let result = try hive.lab.run(
                Lab.commandLine(["net", "verify", "alpha", "--json"] + arguments))
            return try JSONDecoder().decode(Verification.self, from: Data(result.stdout.utf8)).incidents
                .compactMap(\.probe)
        }
        let first = try probes("--seed", "11")
        #expect(first.count > 20)
        #expect(try first == probes("--seed", "11"))
        #expect(try first != probes("--seed", "12"))
    }

    // MARK: Holes

    struct Hole: CustomTestStringConvertible, Sendable {
        let layers: [TwoAgents.Layer]
        let reached: Set<Verification.Target>
        var testDescription: String { "\(layers)" }
    }

    static let holes = [
        Hole(layers: [.early, .tracked, .input], reached: [.host, .listeners]),
        // Broadcast to the host arrives at the other agent too.
        Hole(layers: [.port, .bridgeTable], reached: [.agents, .host]),
        Hole(layers: [.early, .forward], reached: [.agents, .denied]),
    ]

    /// What the layers keep apart arrives when they are gone, and verify says so, of every agent.
    @Test(arguments: holes) func aHoleIsSeen(_ hole: Hole) throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        let listener = try hive.lab.host { try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 7000)) }
        for layer in hole.layers { try hive.disable(layer) }
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.breached, "\(verified)")
        #expect(verified.reached == hole.reached, "\(verified)")
        for target in hole.reached {
            #expect(
                verified.cell("alpha", target).reached > 0 && verified.cell("beta", target).reached > 0,
                "\(target): \(verified)")
        }
        // And it is closed again.
        try hive.lab.apply()
        #expect(try hive.lab.verify().status == Self.good)
        withExtendedLifetime(listener) {}
    }

    @Test(.enabled(if: ThreatOutsideTests.hasUsers, "only root of the machine has other users to try with"))
    func aHoleForOtherUsersIsSeen() throws {
        try aHoleIsSeen(Hole(layers: [.output], reached: [.web]))
    }

    /// Each layer alone holds what it overlaps with: nothing arrives, whichever one is away.
    @Test(arguments: [TwoAgents.Layer.port, .bridgeTable, .early, .tracked, .input, .forward])
    func oneLayerLess(_ layer: TwoAgents.Layer) throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        try hive.disable(layer)
        let verified = try hive.lab.verify()
        #expect(verified.reached.isEmpty, "\(verified)")
        #expect(verified.status != Verified.breached, "\(verified)")
    }

    /// Nothing of ours in the kernel but the links.
    @Test func withoutRules() throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        try hive.lab.nft("delete table inet hive; delete table bridge hive")
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.breached)
        #expect(verified.reached.isSuperset(of: [.host, .agents, .denied]), "\(verified)")
    }

    // MARK: Other people's rules

    /// An accept and a DNAT of somebody else's change nothing.
    @Test func aForeignAccept() throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        let listener = try hive.lab.host { try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 9999)) }
        try hive.lab.nft(
            """
            add table inet foreign; add chain inet foreign inputs { type filter hook input priority -10; policy accept; };
            add rule inet foreign inputs accept;
            add chain inet foreign forwards { type filter hook forward priority -10; }; add rule inet foreign forwards accept;
            add table ip nat; add chain ip nat pre { type nat hook prerouting priority dstnat; };
            add rule ip nat pre meta l4proto { tcp, udp } th dport 9999 dnat to 10.77.0.3:8080
            """)
        let verified = try hive.lab.verify()
        #expect(verified.status == Self.good, "\(verified)")
        withExtendedLifetime(listener) {}
    }

    /// A drop of somebody else's breaks what is allowed.
    @Test func aForeignDropOutwards() throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        try hive.lab.nft(
            """
            add table inet foreign; add chain inet foreign forwards { type filter hook forward priority 10; };
            add rule inet foreign forwards meta l4proto udp drop
            """)
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.breached)
        #expect(verified.cell("alpha", .allowed).failed == 2 && verified.cell("alpha", .allowed).works == 2)
        #expect(verified.has(.failed, "it did not arrive (no counter of ours moved)"), "\(verified)")
    }

    @Test func aForeignDropOfWebPages() throws {
        let hive = try TwoAgents(configuration: Self.configuration)
        try hive.lab.nft(
            """
            add table inet foreign; add chain inet foreign out { type filter hook output priority 10; };
            add rule inet foreign out oifname hive0 tcp dport 8080 drop
            """)
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.breached)
        #expect(
            verified.has(.failed, "root of the host does not reach alpha's web page by IPv4"), "\(verified)")
        // What root does not reach proves nothing about others.
        #expect(verified.cell("alpha", .web).blocked == 0)
    }
}
