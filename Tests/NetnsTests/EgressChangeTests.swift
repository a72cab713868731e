import CNetlink
import Glibc
import HiveNet
import Testing

/// What becomes of a policy in the kernel: that another one holds at once, is shared, and is put right.
@Suite struct EgressChangeTests {
    /// What is cut by a new policy is cut at once, also what is under way; counts stay, and so does everybody else's policy.
    @Test func aNewPolicyHoldsAtOnce() throws {
        let both = EgressTests.configuration(alpha: "'internet'", beta: "'internet'")
        let hive = try TwoAgents(configuration: both, outside: true)
        let server = try hive.lab.outside {
            try Socket.tcpListener(Endpoint(address: Lab.publicAddress4, port: 80))
        }
        func open(_ name: String) throws -> Socket {
            try hive.lab.agent(name) {
                let socket = try Socket(AF_INET, Int32(SOCK_STREAM.rawValue))
                let target = Endpoint(address: Lab.publicAddress4, port: 80)
                guard target.withSockaddr({ Glibc.connect(socket.descriptor, $0, $1) }) == 0 else {
                    throw LabError.last("connect")
                }
                return socket
            }
        }
        let wire = try hive.lab.outside { try Socket.packet("eth0") }
        func passes(_ socket: Socket, _ agent: TwoAgents.Known, _ text: String) throws -> Bool {
            let mark = TwoAgents.mark(text)
            try hive.lab.agent(agent.name) {
                try Processor.stay()
                _ = Glibc.send(socket.descriptor, mark, mark.count, 0)
            }
            try hive.settle(agent)
            return wire.receives(mark, milliseconds: 0)
        }
        try EgressTests.check(hive, [EgressTests.Probe("192.168.1.1", "1/udp", false)], "something to count")
        let counted = try hive.lab.blocked("alpha")["egress"] ?? 0
        #expect(counted > 0)
        let (ours, theirs) = (try open("alpha"), try open("beta"))
        #expect(try passes(ours, hive.alpha, "before"))
        let applied = try hive.lab.apply(
            EgressTests.configuration(alpha: #"{ allow: ["12.0.0.0/8"] }"#, beta: "'internet'"))
        #expect(!applied.stdout.contains("~ tables"), "the tables are not made anew: \(applied.stdout)")
        #expect(try !passes(ours, hive.alpha, "after"))
        #expect(try passes(theirs, hive.beta, "beta, after"))
        #expect(try hive.lab.blocked("alpha")["egress"] ?? 0 > counted)
        try hive.lab.apply(both)
        // What was lost is sent again first, after a while (RTO).
        let isThere =
            try passes(ours, hive.alpha, "again")
            || wire.receives(TwoAgents.mark("again"), milliseconds: 10_000)
        #expect(isThere, "the control: the connection was there all the time")
        withExtendedLifetime(server) {}
    }

    /// Agents with the same destinations share a chain and its sets, in whatever order they were written.
    @Test func theSamePolicyIsThereOnce() throws {
        let lab = try Lab()
        try lab.apply(
            EgressTests.configuration(
                alpha: #"{ allow: ["9.9.9.9", "8.8.8.8:53/udp"], connections: 5 }"#,
                beta: #"{ allow: ["8.8.8.8:53/udp", "9.9.9.9"], rate: "1mbit" }"#))
        let listed = try lab.nft("list table inet hive").stdout
        #expect(listed.split(separator: "\n").count { $0.contains("chain egress_") } == 1)
        #expect(listed.split(separator: "\n").count { $0.contains("set allow4_") } == 1)
        // What nft lists, nft takes.
        try lab.write(listed, to: "/run/lab/listed")
        try lab.nft("delete table inet hive")
        try lab.must("nft -f /run/lab/listed")
        let again = try lab.nft("list table inet hive").stdout
        #expect(again.comparable == listed.comparable)
        #expect(try lab.hivectl("net", "plan").stdout.contains("element") == false)
    }

    /// Somebody else's hands in a policy's sets.
    @Test(arguments: [
        "flush set inet hive allow4_internet", "add element inet hive allow4_internet { 10.9.9.9 . udp . 1 }",
        "delete element inet hive egress4 { 10.77.0.2 }", "flush chain inet hive egress_internet",
        "add rule inet hive allowed drop",
        "delete element inet hive connections { 6a:76:0a:4d:00:02 }",
        "delete element inet hive connections { 6a:76:0a:4d:00:02 }; add element inet hive connections { 6a:76:0a:4d:00:02 ct count over 9 comment \"alpha\" }",
        "add set inet hive allow4_other { type ipv4_addr; }",
    ])
    func whatSomebodyChangesIsFoundAndRepaired(command: String) throws {
        let lab = try Lab()
        try lab.apply(EgressTests.configuration(alpha: "'internet'"))
        try lab.nft(command)
        #expect(try lab.hivectl("net", "plan").status == 2)
        try lab.apply()
        #expect(try lab.hivectl("net", "plan").status == 0)
        let reference = try lab.snapshotOfFreshApply()
        #expect(try lab.snapshot().difference(to: reference) == "")
    }
}

extension String {
    /// A listing without what its counters say, and without the one rule that nft does not read as it writes it.
    fileprivate var comparable: [Substring] {
        replacing(/(packets|bytes) \d+/, with: "").split(separator: "\n").filter {
            !$0.contains("who is the gateway?")
        }
    }
}
