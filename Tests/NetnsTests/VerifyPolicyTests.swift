import CNetlink
import Glibc
import HiveNet
import Testing

/// `hivectl net verify` and policies that are lists: what it tries of them, and that it would see if the kernel had others.
@Suite struct VerifyPolicyTests {
    private static let policy = """
        { allow: ["203.0.113.0/24", "198.51.100.7:443/tcp", "[2001:db8::]/32:443/tcp", "internet:443/tcp"],
          deny: ["203.0.113.128/25:25/tcp"], host: ["53/udp", "53/tcp"] }
        """

    private func hive() throws -> TwoAgents {
        try TwoAgents(
            configuration: EgressTests.configuration(alpha: Self.policy, beta: #"{ host: ["54/udp"] }"#),
            outside: true)
    }

    @Test func whatPoliciesSayHolds() throws {
        let hive = try hive()
        let listeners = try hive.lab.host {
            try ["0.0.0.0", "::"].flatMap { address in
                try [UInt16(53), 54, 55].map { try Socket.udp(Endpoint(address: address, port: $0)) }
                    + [try Socket.tcpListener(Endpoint(address: address, port: 53))]
            }
        }
        let verified = try hive.lab.verify()
        #expect(verified.status == VerifyTests.good, "\(verified)")
        // Each entry outside, and each service by both families.
        let allowed = verified.cell("alpha", .allowed)
        #expect(allowed.works == allowed.probes && allowed.works >= 8, "\(verified)")
        #expect(verified.cell("beta", .allowed).works == 2, "\(verified)")
        // What the other one may use, and what nobody may.
        #expect(verified.cell("alpha", .listeners).blocked == 4, "\(verified)")
        #expect(verified.cell("beta", .listeners).blocked == 6, "\(verified)")
        withExtendedLifetime(listeners) {}
    }

    /// What somebody has opened, and what somebody has closed.
    @Test(arguments: [
        (
            "add element inet hive allow4_POLICY { 192.168.0.0/16 . 0-255 . 0-65535 }",
            Verification.Target.denied
        ),
        ("add element inet hive allow6_POLICY { fd00::/8 . 0-255 . 0-65535 }", .denied),
        ("add element inet hive service4 { 10.77.0.3 . udp . 53 }", .listeners),
        ("add element inet hive egress4 { 10.77.0.3 : goto egress_POLICY }", .denied),
    ])
    func whatIsOpenIsSeen(command: String, target: Verification.Target) throws {
        let hive = try hive()
        let listener = try hive.hostUDP(53)
        try hive.lab.nft(try filled(command, hive))
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.breached && verified.reached == [target], "\(verified)")
        withExtendedLifetime(listener) {}
    }

    @Test(arguments: [
        "flush set inet hive allow4_POLICY", "flush set inet hive allow6_POLICY",
        "delete element inet hive egress4 { 10.77.0.2 }",
        "delete element inet hive service4 { 10.77.0.2 . tcp . 53 }",
    ])
    func whatIsClosedIsSeen(command: String) throws {
        let hive = try hive()
        try hive.lab.nft(try filled(command, hive))
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.breached && verified.reached == [], "\(verified)")
        #expect(verified.cell("alpha", .allowed).failed > 0, "\(verified)")
        #expect(verified.has(.failed, "inet hive"), "the counter is named: \(verified)")
    }

    private func filled(_ command: String, _ hive: TwoAgents) throws -> String {
        let listed = try hive.lab.nft("list table inet hive").stdout
        let label = try #require(listed.firstMatch(of: /set allow4_(policy-[0-9a-f]+)/)?.1)
        return command.replacing("POLICY", with: label)
    }

    /// An agent that has used up its connections is no fault of the boundary's, nor a proof.
    @Test func anAgentAtItsLimit() throws {
        let hive = try TwoAgents(
            configuration: EgressTests.configuration(alpha: #"{ allow: ["internet"], connections: 2 }"#),
            outside: true)
        let probes = (0..<2).map { _ in EgressTests.Probe(Lab.publicAddress4, .udp, 80, true) }
        #expect(try EgressTests.arrivals(hive, hive.alpha, probes) == [true, true])
        let verified = try hive.lab.verify()
        #expect(verified.status == Verified.unproven, "\(verified)")
        #expect(verified.has(.untested, "it has as many connections"), "\(verified)")
    }

    /// What verify tries outside it takes away with it: nothing counts against the agent afterwards.
    @Test func nothingCountsAgainstTheAgent() throws {
        let hive = try TwoAgents(
            configuration: EgressTests.configuration(alpha: #"{ allow: ["internet"], connections: 8 }"#),
            outside: true)
        for _ in 0..<4 {
            let verified = try hive.lab.verify()
            #expect(verified.cell("alpha", .allowed).works == 4, "\(verified)")
        }
    }
}
