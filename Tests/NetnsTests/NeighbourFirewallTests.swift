import Testing

/// What docs/operating.md says to do about a firewall of the host's that drops what is forwarded: it is enough, and it opens nothing.
struct NeighbourFirewallTests {
    struct Firewall: Sendable, CustomTestStringConvertible {
        let name: String
        /// As that program makes its chains.
        let chains: [String]
        /// What the two rules are added to.
        let place: String
        var testDescription: String { name }
    }

    static let firewalls = [
        Firewall(
            name: "ufw and Docker, by iptables",
            chains: [
                "add table ip filter", "add chain ip filter USER",
                "add chain ip filter FORWARD { type filter hook forward priority filter; policy drop; }",
                "add rule ip filter FORWARD jump USER",
            ], place: "ip filter USER"),
        Firewall(
            name: "firewalld",
            chains: [
                "add table inet firewalld", "add chain inet firewalld filter_FORWARD_POLICIES",
                "add chain inet firewalld filter_FORWARD { type filter hook forward priority filter + 10; policy accept; }",
                "add rule inet firewalld filter_FORWARD ct state { established, related } accept",
                "add rule inet firewalld filter_FORWARD jump filter_FORWARD_POLICIES",
                "add rule inet firewalld filter_FORWARD reject with icmpx admin-prohibited",
            ], place: "inet firewalld filter_FORWARD_POLICIES"),
        Firewall(
            name: "NixOS, filterForward",
            chains: [
                "add table inet nixos-fw", "add chain inet nixos-fw forward-allow",
                "add chain inet nixos-fw forward { type filter hook forward priority filter; policy drop; }",
                "add rule inet nixos-fw forward ct state vmap { invalid : drop, established : accept, related : accept, new : jump forward-allow }",
            ], place: "inet nixos-fw forward-allow"),
    ]

    @Test(arguments: firewalls)
    func theTwoRulesAreEnough(firewall: Firewall) throws {
        let hive = try TwoAgents(outside: true)
        let lab = hive.lab
        let allowed = Endpoint(address: Lab.publicAddress4, port: 443)
        let denied = Endpoint(address: "192.168.1.1", port: 443)
        let host = Endpoint(address: "10.77.0.1", port: 7000)
        let outside = try lab.outside { try [allowed, denied].map { try Socket.tcpListener($0) } }
        let inside = try lab.host { try Socket.tcpListener(host) }
        defer { withExtendedLifetime((outside, inside)) {} }
        func reaches(_ endpoint: Endpoint) throws -> Bool {
            try lab.agent("alpha") { try Socket.connect(endpoint) } == .connected
        }
        #expect(try connects { try reaches(allowed) ? .connected : .timedOut }, "before")

        for line in firewall.chains { try lab.nft(line) }
        #expect(try !reaches(allowed), "it cuts agents off")
        // And verify says that something does.
        #expect(try lab.hivectl("net", "verify", "alpha").status == 3)

        try lab.nft("add rule \(firewall.place) iifname \"hive0\" accept")
        try lab.nft("add rule \(firewall.place) oifname \"hive0\" ct state established,related accept")
        #expect(try connects { try reaches(allowed) ? .connected : .timedOut }, "with the rules")
        for endpoint in [denied, host] { #expect(try !reaches(endpoint), "\(endpoint)") }
        let verified = try lab.hivectl("net", "verify")
        #expect(verified.status == (ThreatOutsideTests.hasUsers ? 0 : 4), "\(verified)")
        // The control: what stays denied is denied by Hive, and by nobody else.
        try lab.nft("delete table inet hive")
        try lab.nft("delete table bridge hive")
        #expect(try connects { try reaches(host) ? .connected : .timedOut }, "the control")
    }
}
