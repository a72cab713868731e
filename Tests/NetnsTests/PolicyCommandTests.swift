import Foundation
import Testing

/// Policies on the command line and in what `show` says.
@Suite struct PolicyCommandTests {
    @Test func addWritesAPolicyInItsShortestForm() throws {
        let lab = try Lab()
        try lab.write(configuration: "{}")
        let result = try lab.hivectl(
            "net", "add", "alpha", "--no-apply", "--allow", "203.0.113.0/24",
            "--allow=[2001:db8::]/32:443/tcp",
            "--allow", "API.example.org:443/tcp", "--deny", "203.0.113.9", "--host", "53/udp", "--host",
            "53/tcp",
            "--connections", "256", "--rate", "1000kbit")
        #expect(result.status == 0, "\(result)")
        #expect(
            try lab.must("cat \(Lab.state)/agents.d/alpha.json").stdout
                == """
                {
                  "egress": { "allow": ["203.0.113.0/24", "[2001:db8::]/32:443/tcp", "api.example.org:443/tcp"], \
                "deny": ["203.0.113.9"], "host": ["53/udp", "53/tcp"], "connections": 256, "rate": "1mbit" }
                }

                """)
        #expect(try lab.hivectl("net", "add", "beta", "--no-apply", "--egress", "internet").status == 0)
        #expect(
            try lab.must("cat \(Lab.state)/agents.d/beta.json").stdout == "{\n  \"egress\": \"internet\"\n}\n"
        )
        #expect(
            try lab.hivectl(
                "net", "add", "gamma", "--no-apply", "--egress", "internet", "--deny", "11.1.1.1"
            ).status == 0)
        #expect(
            try lab.must("cat \(Lab.state)/agents.d/gamma.json").stdout
                == "{\n  \"egress\": { \"allow\": [\"internet\"], \"deny\": [\"11.1.1.1\"] }\n}\n")

        let shown = try lab.hivectl("net", "show")
        #expect(
            shown.stdout.contains(
                """
                Egress policies:
                  alpha: to 203.0.113.0/24, [2001:db8::]/32:443/tcp, api.example.org:443/tcp, but not 203.0.113.9; \
                53/udp, 53/tcp of the host; at most 256 connections; 1mbit each way
                  gamma: to internet, but not 11.1.1.1; at most 1024 connections

                Names:
                  api.example.org: not looked up yet, and reaches nothing: 'hivectl net apply' does that

                """), "\(shown)")
        // Of one agent: its own policy, and the names in that.
        let one = try #require(try lab.hivectl("net", "show", "gamma", "--json").json() as? [String: Any])
        let policies = try #require(one["policies"] as? [String: [String: Any]])
        #expect(policies.keys.sorted() == ["gamma"])
        #expect(policies["gamma"]?["deny"] as? [String] == ["11.1.1.1"])
        #expect(policies["gamma"]?["connections"] as? Int == 1024 && policies["gamma"]?["rate"] == nil)
        #expect((one["names"] as? [String: Any])?.isEmpty == true)
    }

    @Test func addRefusesWhatIsNoPolicy() throws {
        let lab = try Lab()
        try lab.write(configuration: "{}")
        for (arguments, code, words) in [
            (
                ["--allow", "10.0.0.1/8"], 64,
                "--allow is \"10.0.0.1/8\", which is an address in a network: write \"10.0.0.0/8\"."
            ),
            (["--allow", "https://a.example/"], 64, "--allow is \"https://a.example/\", which is a URL"),
            (["--deny", "11.1.1.1"], 64, "--deny takes away from allow, which is empty"),
            (["--egress", "internet", "--deny", "a.example"], 64, "but a name is no boundary"),
            (
                ["--egress", "internet", "--allow", "11.1.1.1"], 64,
                "--egress and --allow exclude each other."
            ),
            (["--host", "53"], 64, "--host is \"53\", but must be a port"),
            (["--rate", "1mbps"], 64, "write \"1mbit\" for bits, \"8mbit\" for bytes"),
            (["--connections", "0"], 64, "--connections is not a whole number from 1 to 1000000."),
            (
                ["--allow", "10.77.0.9"], 78,
                "egress.allow[0] is \"10.77.0.9\", which lies in network.subnet4"
            ),
        ] {
            let result = try lab.run(Lab.commandLine(["net", "add", "alpha", "--no-apply"] + arguments))
            #expect(result.status == code && result.stderr.contains(words), "\(arguments): \(result)")
            #expect(try lab.run(["ls", "\(Lab.state)/agents.d/alpha.json"]).status != 0, "\(arguments)")
        }
        // The control.
        #expect(try lab.hivectl("net", "add", "alpha", "--no-apply", "--allow", "11.1.1.1").status == 0)
        try lab.must("ls \(Lab.state)/agents.d/alpha.json")
    }
}
