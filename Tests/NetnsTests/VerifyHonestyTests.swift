import CNetlink
import Foundation
import Glibc
import HiveNet
import Testing

/// What `hivectl net verify` must not do: call safe what it could not test, fail over what others do meanwhile.
@Suite struct VerifyHonestyTests {
    // MARK: A broken prober

    /// What cannot be sent is not blocked.
    @Test func anAgentWhoseLinkIsDown() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration)
        try hive.lab.ip(in: "hive-alpha", "link set eth0 down")
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.unproven, "\(verified)")
        #expect(verified.has(.untested, "could not test alpha: eth0 in its namespace is down"), "\(verified)")
        #expect(verified.report.agents["alpha"]?.values.allSatisfy { $0.blocked == 0 } ?? true, "\(verified)")
        // The other one is tested all the same.
        #expect(verified.cell("beta", .host).blocked == verified.cell("beta", .host).probes)
        #expect(verified.cell("beta", .host).probes > 0)
    }

    @Test func anAgentWithoutANamespace() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration)
        try hive.lab.ip("netns del hive-alpha")
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.unproven, "\(verified)")
        #expect(verified.has(.untested, "could not test alpha: it has no"), "\(verified)")
        #expect(verified.report.agents["alpha"] == [:], "\(verified)")
        #expect(verified.cell("beta", .host).blocked > 0)
    }

    /// The same from the other side.
    @Test func aPortThatIsDown() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration)
        try hive.lab.ip("link set hv-alpha down")
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.unproven, "\(verified)")
        #expect(verified.has(.untested, "could not test alpha: its link hv-alpha is down"), "\(verified)")
        #expect(verified.report.agents["alpha"] == [:], "\(verified)")
    }

    /// Frames that are lost on the port, before any rule of ours, are blocked by nothing of ours.
    @Test func aPortThatSwallowsEverything() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration)
        try hive.lab.nft(
            """
            add table netdev foreign;
            add chain netdev foreign in { type filter hook ingress device hv-alpha priority 0; policy drop; }
            """)
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.unproven, "\(verified)")
        let cells = verified.report.agents["alpha"] ?? [:]
        for target in [Verification.Target.host, .agents, .denied] {
            let cell = cells[target] ?? Verification.Cell()
            #expect(cell.blocked == 0 && cell.unexplained == cell.probes && cell.probes > 0, "\(verified)")
        }
        #expect(verified.cell("beta", .host).blocked > 0)
    }

    /// An agent that may set rules in its namespace can keep probes from leaving it. That makes nothing safe.
    @Test func anAgentThatFiltersItself() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration)
        let rules =
            "add table netdev own; add chain netdev own out { type filter hook egress device eth0 priority 0; policy drop; }"
        let result = try hive.lab.agent("alpha") { try Command.run(["nft", rules]) }
        #expect(result.status == 0, "\(result)")
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.unproven, "\(verified)")
        #expect(verified.has(.untested, "could not test alpha: its link takes no frames"), "\(verified)")
        #expect(verified.report.agents["alpha"]?.values.allSatisfy { $0.blocked == 0 } ?? true, "\(verified)")
    }

    /// One that can make others of them proves nothing either, for good or ill: neither that they are stopped, nor that they arrive.
    @Test(arguments: [
        "ip daddr 10.77.0.1 udp dport != 53 udp dport set 53", "tcp sport 20000-32000 ip daddr set 10.1.2.3",
    ])
    func anAgentThatChangesItsProbes(_ rule: String) throws {
        let hive = try TwoAgents(
            configuration: EgressTests.configuration(alpha: #"{ host: ["53/udp"] }"#), outside: true)
        let server = try hive.hostUDP(53)
        let rules =
            "add table netdev own; add chain netdev own out { type filter hook egress device eth0 priority 0; }; "
            + "add rule netdev own out \(rule)"
        let result = try hive.lab.agent("alpha") { try Command.run(["nft", rules]) }
        #expect(result.status == 0, "\(result)")
        let verified = try hive.lab.verify("alpha")
        #expect(verified.status == Verified.unproven && verified.reached.isEmpty, "\(verified)")
        #expect(verified.has(.untested, "drops or changes them"), "\(verified)")
        withExtendedLifetime(server) {}
    }

    @Test func noHiveAtAll() throws {
        let lab = try Lab()
        try lab.write(configuration: VerifyTests.configuration)
        let verified = try lab.verify()
        #expect(verified.status == Verified.unproven, "\(verified)")
        #expect(verified.has(.untested, "there is no bridge hive0"))
    }

    /// Somebody else's rule drops it before any of ours: it did not arrive, and that is no merit of the boundary's.
    @Test func stoppedBySomebodyElse() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration)
        try hive.lab.nft(
            """
            add table inet foreign; add chain inet foreign pre { type filter hook prerouting priority -400; };
            add rule inet foreign pre iifname hive0 meta l4proto icmp drop
            """)
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.unproven, "\(verified)")
        // The bridge's address, and loopback.
        #expect(verified.cell("alpha", .host).unexplained == 2, "\(verified)")
        #expect(verified.has(.unexplained, "10.77.0.1 (hive0) by ICMP echo"), "\(verified)")
    }

    /// While somebody applies other configurations, verify is not misled, whatever it gets to see.
    @Test func whileSomebodyApplies() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration, outside: true)
        let base = VerifyTests.configuration
        let other = base.replacingOccurrences(of: "} }\n", with: "} }").replacingOccurrences(
            of: "beta:", with: "gamma: {}, beta:")
        try hive.lab.write(other, to: "/run/lab/other.json")
        let flags = "--state \(Lab.state) net apply"
        let loop =
            "while [ ! -e /run/lab/enough ]; do \(Lab.hivectlPath) --config /run/lab/other.json \(flags) && "
            + "\(Lab.hivectlPath) --config \(Lab.configuration) \(flags) || exit; done"
        let applying = try hive.lab.background(["sh", "-c", loop])
        var verdicts: [Verified] = []
        // Until one of them was under way when the hive changed: on a busy machine that takes its time.
        var isNoticed = false
        while applying.isRunning, verdicts.count < 60, !isNoticed || verdicts.count < 5 {
            let verdict = try hive.lab.verify()
            isNoticed = isNoticed || verdict.report.notes.contains { $0.contains("verified again") }
            verdicts.append(verdict)
        }
        try hive.lab.write("", to: "/run/lab/enough")
        let applied = try applying.wait(seconds: 60)
        #expect(applied.status == 0, "\(applied)")
        for verdict in verdicts {
            #expect(verdict.reached.isEmpty && verdict.status != Verified.breached, "\(verdict)")
        }
        #expect(isNoticed, "nobody noticed that the hive changed")
        let last = try hive.lab.verify()
        #expect(last.status == VerifyTests.good, "\(last)")
    }

    /// The hive goes and comes again under its hands: never an error, never a false word.
    @Test func whileSomebodyTakesItDown() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration, outside: true)
        let line = "\(Lab.hivectlPath) --config \(Lab.configuration) --state \(Lab.state) net"
        let loop = try hive.lab.background(
            ["sh", "-c", "for i in 1 2 3 4 5 6; do \(line) down; sleep 0.1; \(line) apply; sleep 0.1; done"])
        while loop.isRunning {
            let verified = try hive.lab.verify()
            #expect([VerifyTests.good, Verified.unproven].contains(verified.status), "\(verified)")
            #expect(verified.reached.isEmpty, "\(verified)")
        }
        #expect(try loop.wait(seconds: 60).status == 0)
        #expect(try hive.lab.verify().status == VerifyTests.good)
    }

    /// Too few files for a socket in every namespace: said of those that have none.
    @Test func tooFewOpenFiles() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration, outside: true)
        let command = Lab.commandLine(["net", "verify", "--json"])
        let result = try hive.lab.run(["prlimit", "--nofile=64", "--"] + command)
        #expect(result.status == Verified.unproven, "\(result)")
        #expect(result.stdout.contains("could not test beta: open a packet socket: Too many open files"))
    }

    /// The link that verify makes is none of the agents', whatever theirs are called.
    @Test func anInterfacePrefixLikeItsOwn() throws {
        let lab = try Lab()
        try lab.makeOutside()
        try lab.apply(
            "{ network: { interfacePrefix: 'hive-' }, agents: { alpha: { egress: 'internet' }, beta: {} } }")
        for name in ["alpha", "beta"] { try lab.waitForLink("eth0", in: "hive-\(name)") }
        // Strict reverse path filters, as some distributions have them, are not in the way either.
        try lab.sysctl("ipv4/conf/all/rp_filter", "1")
        let verified = try lab.verify()
        #expect(verified.status == Verified.holds, "\(verified)")
        #expect(verified.cell("alpha", .allowed).works == 4)
    }

    /// Two at once: one waits for the other.
    @Test func twoAtOnce() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration, outside: true)
        let other = try hive.lab.background(Lab.commandLine(["net", "verify", "--json"]))
        let verified = try hive.lab.verify()
        #expect(verified.status == VerifyTests.good, "\(verified)")
        #expect(try other.wait(seconds: 60).status == VerifyTests.good)
    }

    /// Where the host does not route, what may go out cannot be tested, and what may not is blocked.
    @Test func withoutForwarding() throws {
        let lab = try Lab()
        try lab.makeOutside(forwarding: false)
        try lab.apply(VerifyTests.configuration)
        for name in ["alpha", "beta"] { try lab.waitForLink("eth0", in: "hive-\(name)") }
        let verified = try lab.verify()
        #expect(verified.status == Verified.unproven, "\(verified)")
        #expect(verified.has(.untested, "could not test what may go out: net.ipv4.ip_forward is 0"))
        #expect(verified.cell("alpha", .allowed).untested == 4 && verified.cell("alpha", .allowed).works == 0)
        #expect(verified.cell("alpha", .denied).blocked == verified.cell("alpha", .denied).probes)
    }

    // MARK: Real targets

    @Test func realTargets() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration, outside: true)
        let listener = try hive.lab.outside {
            try Socket.tcpListener(Endpoint(address: Lab.publicAddress4, port: 443))
        }
        // One that listens, one that refuses: both answer.
        let there = "\(Lab.publicAddress4):443/tcp"
        let refused = "[\(Lab.publicAddress6)]:444/tcp"
        let verified = try hive.lab.verify("--target", there, "--target", refused)
        #expect(verified.status == VerifyTests.good, "\(verified)")
        #expect(verified.cell("alpha", .allowed).works == 6, "\(verified)")
        let without = try hive.lab.verify()
        #expect(verified.cell("beta", .denied).blocked == without.cell("beta", .denied).blocked + 2)
        // And one that does not.
        try hive.lab.ip(in: "outside", "link set eth0 down")
        let dead = try hive.lab.verify("--target", there)
        #expect(dead.status == Verified.breached)
        #expect(dead.has(.failed, "alpha may reach \(there), but no answer came"), "\(dead)")
        withExtendedLifetime(listener) {}
    }

    /// A hole that none of the probes goes through: what was stopped proves nothing then.
    @Test(arguments: [
        "add element inet hive service4 { 10.77.0.2 . udp . 5000 }",
        "add element inet hive allow4_internet { 10.9.9.0-10.9.9.255 . 0-255 . 0-65535 }",
        "insert rule inet hive to_host udp dport 5000 accept; insert rule inet hive tracked udp dport 5000 accept; "
            + "insert rule inet hive input udp dport 5000 accept",
    ])
    func aNarrowHoleIsNotCalledSafe(_ hole: String) throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration, outside: true)
        #expect(try hive.lab.verify().status == VerifyTests.good)
        try hive.lab.nft(hole)
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.unproven, "\(verified)")
        try hive.lab.apply()
        #expect(try hive.lab.verify().status == VerifyTests.good)
    }

    // MARK: Many

    /// A generous bound: what it takes is measured elsewhere.
    @Test func aHundredAgents() throws {
        let lab = try Lab()
        let agents = (0..<100).map { "a\($0): { egress: '\($0 % 2 == 0 ? "none" : "internet")' }" }
        try lab.makeOutside()
        try lab.apply("{ agents: { \(agents.joined(separator: ", ")) } }")
        try lab.waitForLink("eth0", in: "hive-a99")
        let start = ContinuousClock.now
        let verified = try lab.verify()
        #expect(verified.status == Verified.holds, "\(verified.report.incidents.prefix(10))")
        #expect(verified.report.total.blocked > 100_000)
        #expect(ContinuousClock.now - start < .seconds(60))
    }
}
