import CNetlink
import Foundation
import Glibc
import HiveNet
import Testing

/// What `hivectl net verify` must not do: call safe what it could not test, leave something behind, get in the way.
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
            "for i in 1 2 3 4 5 6 7 8; do \(Lab.hivectlPath) --config /run/lab/other.json \(flags); "
            + "\(Lab.hivectlPath) --config \(Lab.configuration) \(flags); done"
        let applying = try hive.lab.background(["sh", "-c", loop])
        var verdicts: [Verified] = []
        while applying.isRunning { verdicts.append(try hive.lab.verify()) }
        #expect(try applying.wait(seconds: 60).status == 0)
        for verdict in verdicts {
            #expect(verdict.reached.isEmpty && verdict.status != Verified.breached, "\(verdict)")
        }
        #expect(
            verdicts.contains { verdict in
                verdict.report.notes.contains { $0.contains("verified again") }
            }, "nobody noticed that the hive changed")
        #expect(try hive.lab.verify().status == VerifyTests.good)
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

    // MARK: No trace

    /// Killed before any of its steps, and when it is done: the kernel is as before.
    @Test func killedLeavesNoTrace() throws {
        // Several hosts at once, each with every so many-th step: most of the time goes into waiting for the kernel.
        let width = 4
        let kills = try concurrently(width: width) { first in
            first < width ? try Self.kills(before: first + 1, every: width) : nil
        }
        for fault in kills.flatMap(\.faults) { Issue.record("\(fault)") }
        // Namespaces, settings, links, addresses and routes of the control, and then of the world outside.
        #expect(kills.map(\.count).reduce(0, +) > 24)
    }

    private static func kills(before first: Int, every width: Int) throws -> (count: Int, faults: [String]) {
        let hive = try TwoAgents(configuration: VerifyTests.configuration)
        try hive.lab.sysctl("ipv4/ip_forward", "1")
        try hive.lab.sysctl("ipv6/conf/all/forwarding", "1")
        let before = try hive.lab.snapshot()
        let command = Lab.commandLine(["net", "verify", "--seed", "7"])
        var faults: [String] = []
        var count = 0
        while true {
            let step = first + count * width
            let end = try hive.lab.host { try Killer.run(command, killBefore: step) }
            // The kernel takes down a namespace that nobody holds any more in its own time (cleanup_net).
            try waitUntilGone(hive.lab)
            let difference = before.difference(to: try hive.lab.snapshot())
            if !difference.isEmpty { faults.append("killed before step \(step), \(end):\n\(difference)") }
            guard case .killed = end else {
                if end != .exited(VerifyTests.good) { faults.append("ended by itself: \(end)") }
                return (count, faults)
            }
            count += 1
        }
    }

    private static func waitUntilGone(_ lab: Lab) throws {
        try wait { try lab.links()["hive-verify"] != nil }
    }

    /// Where an agent can pass for another one, verify does, and the bridge believes it: static entries move too.
    @Test func whatItHadTheBridgeLearnIsPutBack() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration)
        try hive.disable(.port, .bridgeTable)
        func entries() throws -> [Substring] {
            try hive.lab.must("bridge fdb show br hive0").stdout.split(separator: "\n")
                .filter { $0.contains("6a:76:0a:4d") }.sorted()
        }
        let before = try entries()
        #expect(before.count == 2)
        #expect(try hive.lab.verify().reached.contains(.agents))
        #expect(try entries() == before)
        // The control: the same frame by hand moves the entry. (What beta's kernel says by itself may move it back at once.)
        let frame = hive.udp4(
            hive.alpha, to: TwoAgents.gateway4, port: 9, sourceMAC: hive.beta.mac, TwoAgents.mark("stolen"))
        var hasMoved = false
        for _ in 0..<40 where !hasMoved {
            try hive.send(frame, as: hive.alpha)
            try hive.settle(hive.alpha)
            hasMoved = try entries() != before
        }
        #expect(hasMoved, "control")
    }

    /// Connections through the boundary go on, and the connection table is about as full as before.
    @Test func agentsAreNotDisturbed() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration, outside: true)
        let listener = try hive.lab.outside {
            try Socket.tcpListener(Endpoint(address: Lab.publicAddress4, port: 443))
        }
        let web = try hive.lab.agent("beta") {
            try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 8080))
        }
        let out = try hive.lab.agent("alpha") { try Conversation(Lab.publicAddress4, 443, listener) }
        let into = try hive.lab.host { try Conversation("10.77.0.3", 8080, web) }
        func entries() throws -> Int {
            Int(try hive.lab.sysctl("netfilter/nf_conntrack_count")) ?? 0
        }
        // The outside's own links have finished their duplicate address detection, which would show.
        try waitForAddresses(hive.lab)
        let snapshot = try hive.lab.snapshot()
        let neighbours = try hive.lab.neighbours(in: "hive-alpha").map(\.dst).sorted()
        let before = try entries()
        #expect(try hive.lab.verify().status == VerifyTests.good)
        #expect(out.goesOn() && into.goesOn())
        // What is allowed, four probes, and web pages, at most twelve connections.
        #expect(try entries() <= before + 16)
        #expect(try hive.lab.neighbours(in: "hive-alpha").map(\.dst).sorted() == neighbours)
        try Self.waitUntilGone(hive.lab)
        #expect(snapshot.difference(to: try hive.lab.snapshot()).isEmpty)
    }

    /// Duplicate address detection is over on the host and outside.
    private func waitForAddresses(_ lab: Lab) throws {
        for _ in 0..<600 {
            let found = try lab.must("ip -6 addr show tentative").stdout
            let outside = try lab.must("ip -n outside -6 addr show tentative").stdout
            if found.isEmpty, outside.isEmpty { return }
            usleep(5_000)
        }
    }

    /// A TCP connection that is under way.
    private struct Conversation {
        let client: Socket
        let server: Int32

        init(_ address: String, _ port: UInt16, _ listener: Socket) throws {
            let socket = try Socket(AF_INET, Int32(SOCK_STREAM.rawValue))
            let end = Endpoint(address: address, port: port)
            guard end.withSockaddr({ connect(socket.descriptor, $0, $1) }) == 0 else {
                throw LabError.last("connect to \(address)")
            }
            client = socket
            server = accept(listener.descriptor, nil, nil)
            guard server >= 0 else { throw LabError.last("accept") }
        }

        func goesOn() -> Bool {
            let words = Array("still there".utf8)
            guard send(server, words, words.count, 0) == words.count else { return false }
            return client.receives(words, milliseconds: 2000)
        }
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
