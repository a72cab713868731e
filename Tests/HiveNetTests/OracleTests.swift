import Testing

@testable import HiveNet

/// What an egress policy means, by verify's own reading.
@Suite struct OracleTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let allow: [String]
        var deny: [String] = []
        let yes: [String]
        let no: [String]
        var testDescription: String { "allow \(allow) deny \(deny)" }
    }

    static let cases = [
        Case(allow: [], yes: [], no: ["1.1.1.1:443/tcp", "[2a00::1]:53/udp"]),
        Case(
            allow: ["internet"],
            yes: ["1.1.1.1:443/tcp", "223.255.255.254:1/udp", "[2a00::1]:53/udp", "9.255.255.255:1/tcp"],
            no: [
                "10.0.0.0:1/tcp", "10.255.255.255:1/tcp", "100.64.0.1:1/tcp", "169.254.169.254:80/tcp",
                "224.0.0.1:1/udp",
                "255.255.255.255:1/udp", "0.0.0.0:1/tcp", "127.0.0.1:1/tcp", "[::1]:1/tcp", "[fd00::1]:1/tcp",
                "[64:ff9b::a01:203]:1/tcp", "[2002:a01:203::1]:1/tcp", "[ff02::1]:1/udp",
                "[2001:db8::1]:1/tcp",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1/tcp",
            ]),
        Case(
            allow: ["10.5.0.0/16:8000-8010/tcp"], yes: ["10.5.0.0:8000/tcp", "10.5.255.255:8010/tcp"],
            no: [
                "10.5.0.1:7999/tcp", "10.5.0.1:8011/tcp", "10.5.0.1:8000/udp", "10.4.255.255:8000/tcp",
                "10.6.0.0:8000/tcp",
            ]),
        // What is denied stays so, however it was allowed.
        Case(
            allow: ["internet", "198.51.100.7"], deny: ["8.8.0.0/16", "internet:25/tcp"],
            yes: ["8.9.0.0:53/udp", "198.51.100.7:25/tcp", "1.1.1.1:26/tcp"],
            no: ["8.8.8.8:53/udp", "1.1.1.1:25/tcp", "198.51.100.8:25/tcp"]),
        Case(
            allow: ["0.0.0.0/0", "::/0"],
            yes: ["10.1.2.3:1/tcp", "255.255.255.254:1/tcp", "[fd00::1]:1/udp"],
            no: [
                "127.0.0.1:1/tcp", "224.0.0.1:1/udp", "255.255.255.255:1/udp", "[::1]:1/tcp",
                "[ff02::1]:1/udp",
            ]),
        Case(
            allow: ["api.example.org:443/tcp", "gone.example.org"],
            yes: ["93.184.216.34:443/tcp", "[2a00::34]:443/tcp"],
            no: ["93.184.216.34:80/tcp", "93.184.216.35:443/tcp", "[2a00::35]:443/tcp"]),
    ]

    @Test(arguments: cases) func allows(_ test: Case) throws {
        let egress = Egress(
            allow: try test.allow.map { try #require(Destination($0)) },
            deny: try test.deny.map { try #require(Destination($0)) })
        let names = [
            "api.example.org": ResolvedName(
                addresses4: [try #require(IPv4Address("93.184.216.34"))],
                addresses6: [try #require(IPv6Address("2a00::34"))],
                resolved: 0, expires: 1)
        ]
        for text in test.yes { #expect(egress.allows(try #require(Outward(text)), names: names), "\(text)") }
        for text in test.no { #expect(!egress.allows(try #require(Outward(text)), names: names), "\(text)") }
    }

    /// Whatever the policy and the seed: what is tried as allowed is, and what is tried as denied is not; and both are tried
    /// where there is something to try.
    @Test func plansAgreeWithTheOracle() throws {
        let policies = [
            Egress.none, .internet,
            Egress(
                allow: try ["10.5.0.0/16:8000-8010/tcp", "internet:443/tcp"].map {
                    try #require(Destination($0))
                }),
            Egress(
                allow: try ["0.0.0.0/0", "::/0"].map { try #require(Destination($0)) },
                deny: [try #require(Destination("192.168.0.0/16"))]),
            Egress(allow: [try #require(Destination("255.255.255.255"))]),
        ]
        let hive = try #require(Prefix4("10.77.0.0/16"))
        for seed in 0..<50 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            for policy in policies {
                let plan = OutwardPlan(policy, names: [:], hasIPv6: true, using: &random) { address in
                    if case .v4(let address) = address { !hive.contains(address) } else { true }
                }
                #expect(plan.allowed.allSatisfy { policy.allows($0, names: [:]) })
                #expect(!plan.denied.contains { policy.allows($0, names: [:]) })
                #expect(plan.denied.contains { "\($0)".hasPrefix("192.168.") })
                #expect(plan.allowed.isEmpty == (policy == .none || policy == policies[4]))
                let all = plan.allowed + plan.denied
                #expect(Set(all).count == all.count)
                #expect(!all.contains { $0.port == 0 })
                for outward in all {
                    if case .v4(let address) = outward.address { #expect(!hive.contains(address)) }
                }
            }
        }
    }

    @Test(arguments: [
        "1.2.3.4", "1.2.3.4:443", "1.2.3.0/24:443/tcp", "1.2.3.4:1-2/tcp", "internet:443/tcp",
        "a.example:1/tcp", "1.2.3.4:0/tcp",
    ])
    func noTarget(_ text: String) { #expect(Outward(text) == nil) }
}
