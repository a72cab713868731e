import HiveNet
import Testing

@testable import HiveCore

@Suite struct EgressSettingsTests {
    private static func egress(_ text: String) throws -> Egress {
        try #require(try hive("{ agents: { a: { egress: \(text) } } }").agents.first).egress
    }

    @Test func everyKeyIsRead() throws {
        let egress = try Self.egress(
            """
            { allow: ["203.0.113.0/24", "198.51.100.7:443/tcp", "[2001:db8::]/32:8000-8010/udp", "internet:443/tcp",
                      "API.example.org.:443/tcp", "2001:db8::7"],
              deny: ["203.0.113.9", "127.0.0.0/8", "internet:25/tcp"],
              host: ["53/udp", "53/tcp"], connections: 256, rate: "10mbit" }
            """)
        #expect(
            egress.allow.map(\.description) == [
                "203.0.113.0/24", "198.51.100.7:443/tcp", "[2001:db8::]/32:8000-8010/udp", "internet:443/tcp",
                "api.example.org:443/tcp", "2001:db8::7",
            ])
        #expect(egress.deny.map(\.description) == ["203.0.113.9", "127.0.0.0/8", "internet:25/tcp"])
        #expect(egress.services == [Service(53, .udp), Service(53, .tcp)])
        #expect(egress.connections == 256 && egress.rate == 10_000_000)
        #expect(egress.names == ["api.example.org"])
        #expect(try Self.egress("{}") == .none)
        #expect(try Self.egress("{ allow: ['internet'], deny: [] }") == .internet)
        #expect(
            egress.words
                == "to 203.0.113.0/24, 198.51.100.7:443/tcp, [2001:db8::]/32:8000-8010/udp, internet:443/tcp, "
                + "api.example.org:443/tcp, 2001:db8::7, but not 203.0.113.9, 127.0.0.0/8, internet:25/tcp; "
                + "53/udp, 53/tcp of the host; at most 256 connections; 10mbit each way")
    }

    /// An entry of `allow`, and what is said of it after `is "…", `.
    static let mistakes: [(entry: String, words: String)] = [
        ("10.0.0.1/8", "which is an address in a network: write \"10.0.0.0/8\""),
        ("10.0.0.1/8:443/tcp", "which is an address in a network: write \"10.0.0.0/8:443/tcp\""),
        ("2001:db8::1/32", "which is an address in a network: write \"2001:db8::/32\""),
        ("[2001:db8::1]/32:443/tcp", "which is an address in a network: write \"[2001:db8::]/32:443/tcp\""),
        (
            "2001:db8::1:443/tcp",
            "in which the ports cannot be told from the IPv6 address: write \"[2001:db8::1]:443/tcp\""
        ),
        (
            "2001:db8::/32:443/tcp",
            "in which the ports cannot be told from the IPv6 address: write \"[2001:db8::]/32:443/tcp\""
        ),
        (
            "[2001:db8::/32]:443/tcp",
            "whose length stands inside of the brackets: write \"[2001:db8::]/32:443/tcp\""
        ),
        ("[2001:db8::1", "which has no closing bracket"),
        ("[198.51.100.7]:443/tcp", "whose brackets hold no IPv6 address"),
        (
            "198.51.100.7:0/tcp", "whose ports are \"0/tcp\", but there are only the ports 1 to 65535"
        ),
        (
            "198.51.100.7:65536/tcp", "whose ports are \"65536/tcp\", but there are only the ports 1 to 65535"
        ),
        (
            "198.51.100.7:90-80/tcp",
            "whose ports are the wrong way round: write \"198.51.100.7:80-90/tcp\""
        ),
        (
            "198.51.100.7:443",
            "which says no protocol: write \"198.51.100.7:443/tcp\" or \"198.51.100.7:443/udp\""
        ),
        (
            "[2001:db8::1]:443",
            "which says no protocol: write \"[2001:db8::1]:443/tcp\" or \"[2001:db8::1]:443/udp\""
        ),
        ("198.51.100.7:443/icmp", "whose protocol is \"icmp\", but only tcp and udp have ports here"),
        ("198.51.100.7:443/TCP", "whose protocol is \"TCP\", but only tcp and udp have ports here"),
        (
            "api.example.org:https/tcp",
            "whose ports are \"https/tcp\", but must be a number or two, and the protocol: \"443/tcp\", \"8000-8010/udp\""
        ),
        (
            "api.example.org:",
            "whose ports are \"\", but must be a number or two, and the protocol: \"443/tcp\", \"8000-8010/udp\""
        ),
        (
            "https://api.example.org/v1?x=1",
            "which is a URL: a policy knows only host and port, as in \"api.example.org:443/tcp\""
        ),
        (
            "http://api.example.org:8080/",
            "which is a URL: a policy knows only host and port, as in \"api.example.org:8080/tcp\""
        ),
        ("10.0.0.0/33", "whose length is \"33\", but must be from /0 to /32"),
        ("2001:db8::/129", "whose length is \"129\", but must be from /0 to /128"),
        (
            "300.1.1.1",
            "which is not an IPv4 address: that is four numbers from 0 to 255, without leading zeros"
        ),
        (
            "10.01.0.0/16",
            "which is not an IPv4 address: that is four numbers from 0 to 255, without leading zeros"
        ),
        ("*.example.org", "and no name with \"*\" can be looked up: write each name, or the networks"),
        ("localhost", "which is a single word: write \"internet\", an address, or a name with a dot in it"),
        ("internt:443/tcp", "which is not a destination; did you mean \"internet:443/tcp\"?"),
        ("", "but must be \(DestinationMistake.forms)"),
        ("a b", "but must be \(DestinationMistake.forms)"),
        ("-a.example", "but must be \(DestinationMistake.forms)"),
        ("127.0.0.1:80/tcp", "which can never be reached: 127.0.0.0/8 is loopback"),
        ("0.0.0.0", "which can never be reached: 0.0.0.0/8 is \"this host\" (RFC 1122)"),
        ("224.0.0.251:5353/udp", "which can never be reached: 224.0.0.0/4 is multicast"),
        ("255.255.255.255", "which can never be reached: 255.255.255.255/32 is broadcast"),
        ("::1", "which can never be reached: ::/127 is loopback, or no address at all"),
        ("fe80::/64", "which can never be reached: fe80::/10 is link-local"),
        ("ff02::1", "which can never be reached: ff00::/8 is multicast"),
        (
            "::ffff:198.51.100.7",
            "which can never be reached: ::ffff:0.0.0.0/96 is IPv4 addresses as programs write them: write those"
        ),
    ]

    @Test(arguments: mistakes) func aMistakeGetsItsSentence(entry: String, words: String) {
        let found = problem("{ agents: { a: { egress: {\n allow: ['203.0.113.1',\n \"\(entry)\"] } } } }")
        #expect(
            found?.description
                == "hive.json:3: agents.a.egress.allow[1] is \"\(entry)\", \(words)")
        #expect(found?.kind == .configuration)
    }

    /// What a sentence says to write can be written.
    @Test(arguments: mistakes) func adviceIsGood(entry: String, words: String) {
        let advice = words.split(separator: "\"").enumerated().filter { $0.offset % 2 == 1 }.map {
            $0.element
        }
        guard words.contains("write \"") || words.contains("as in \"") || words.contains("mean \"") else {
            return
        }
        for text in advice where text != "*" { #expect(Destination(String(text)) != nil, "\(text)") }
    }

    static let wrong: [(text: String, sentence: String)] = [
        ("{ alow: [] }", "agents.a.egress.alow is not a known key; did you mean \"allow\"?"),
        (
            "{ allow: '203.0.113.1' }",
            "agents.a.egress.allow is \"203.0.113.1\" (a string), but must be a list of strings"
        ),
        ("{ allow: [443] }", "agents.a.egress.allow[0] is 443 (a number), but must be a string"),
        ("{ allow: null }", "agents.a.egress.allow is null, but must be a list of strings"),
        ("{ allow: [], allow: [] }", "agents.a.egress.allow is given twice, first on line 1"),
        (
            "{ allow: ['203.0.113.1', '203.0.113.1'] }",
            "agents.a.egress.allow[1] is \"203.0.113.1\", which is in the list already"
        ),
        (
            "{ allow: ['203.0.113.1', '203.0.113.1/32'] }",
            "agents.a.egress.allow[1] is \"203.0.113.1/32\", which is in the list already, as \"203.0.113.1\""
        ),
        (
            "{ allow: ['internet'], deny: ['bad.example.org'] }",
            "agents.a.egress.deny[0] is \"bad.example.org\", but a name is no boundary, since others choose its addresses: write addresses"
        ),
        (
            "{ deny: ['203.0.113.1'] }",
            "agents.a.egress.deny takes away from allow, which is empty: then nothing is allowed anyway"
        ),
        (
            "{ allow: [], deny: ['203.0.113.1'] }",
            "agents.a.egress.deny takes away from allow, which is empty: then nothing is allowed anyway"
        ),
        (
            "{ allow: ['internet', '10.77.3.0/24:80/tcp'] }",
            "agents.a.egress.allow[1] is \"10.77.3.0/24:80/tcp\", which lies in network.subnet4, 10.77.0.0/16: agents never reach each other, and of the host only the services in egress.host"
        ),
        (
            "{ allow: ['fd77:6869:7665::20'] }",
            "agents.a.egress.allow[0] is \"fd77:6869:7665::20\", which lies in network.subnet6, fd77:6869:7665::/64: agents never reach each other, and of the host only the services in egress.host"
        ),
        (
            "{ host: ['53'] }",
            "agents.a.egress.host[0] is \"53\", but must be a port from 1 to 65535 with its protocol, tcp or udp: \"53/udp\", \"53/tcp\""
        ),
        (
            "{ host: ['53-54/udp'] }",
            "agents.a.egress.host[0] is \"53-54/udp\", but must be a port from 1 to 65535 with its protocol, tcp or udp: \"53/udp\", \"53/tcp\""
        ),
        (
            "{ host: ['53/udp', '53/udp'] }",
            "agents.a.egress.host[1] is \"53/udp\", which is in the list already"
        ),
        (
            "{ connections: 0 }",
            "agents.a.egress.connections is 0, but must be a whole number from 1 to 1000000"
        ),
        (
            "{ connections: 1000001 }",
            "agents.a.egress.connections is 1000001, but must be a whole number from 1 to 1000000"
        ),
        ("{ rate: 10 }", "agents.a.egress.rate is 10 (a number), but must be \(Rate.forms)"),
        ("{ rate: '10' }", "agents.a.egress.rate is \"10\", but must be \(Rate.forms)"),
        ("{ rate: '1.5mbit' }", "agents.a.egress.rate is \"1.5mbit\", but must be \(Rate.forms)"),
        ("{ rate: 'mbit' }", "agents.a.egress.rate is \"mbit\", but must be \(Rate.forms)"),
        ("{ rate: '-1mbit' }", "agents.a.egress.rate is \"-1mbit\", but must be \(Rate.forms)"),
        (
            "{ rate: '1mbps' }",
            "agents.a.egress.rate is \"1mbps\", and mbps means bytes to tc and bits to others: write \"1mbit\" for bits, \"8mbit\" for bytes"
        ),
        (
            "{ rate: '7999bit' }",
            "agents.a.egress.rate is \"7999bit\", but a rate must be from 8kbit to 100gbit"
        ),
        (
            "{ rate: '101gbit' }",
            "agents.a.egress.rate is \"101gbit\", but a rate must be from 8kbit to 100gbit"
        ),
        (
            "{ rate: '18446744073709551615gbit' }",
            "agents.a.egress.rate is \"18446744073709551615gbit\", but a rate must be from 8kbit to 100gbit"
        ),
        (
            "'203.0.113.1:443/tcp'",
            "agents.a.egress is \"203.0.113.1:443/tcp\", but must be \"none\" or \"internet\", or an object such as { allow: [\"203.0.113.0/24:443/tcp\"] }; write { allow: [\"203.0.113.1:443/tcp\"] } for that"
        ),
        (
            "{ allow: [\((0...256).map { "'203.0.\($0 / 256).\($0 % 256)'" }.joined(separator: ","))] }",
            "agents.a.egress.allow has 257 entries, but may have at most 256"
        ),
        (
            "{ host: [\((1...65).map { "'\($0)/tcp'" }.joined(separator: ","))] }",
            "agents.a.egress.host has 65 entries, but may have at most 64"
        ),
    ]

    @Test(arguments: wrong) func saysWhatIsWrong(text: String, sentence: String) {
        #expect(
            problem("{ agents: { a: { egress: \(text) } } }")?.description == "hive.json:1: \(sentence)")
    }

    @Test func theLimitsThemselvesAreFine() throws {
        let entries = (0...255).map { "'203.0.113.\($0)'" }.joined(separator: ",")
        let services = (1...64).map { "'\($0)/tcp'" }.joined(separator: ",")
        let egress = try Self.egress(
            "{ allow: [\(entries)], host: [\(services)], connections: 1000000, rate: '8kbit' }")
        #expect(egress.allow.count == 256 && egress.services.count == 64)
        #expect(egress.connections == 1_000_000 && egress.rate == 8000)
        #expect(try Self.egress("{ rate: '100gbit' }").rate == 100_000_000_000)
        // Larger than the agents' subnet, and then it means the rest.
        #expect(try Self.egress("{ allow: ['10.0.0.0/8', '0.0.0.0/0', '::/0'] }").allow.count == 3)
    }

    @Test func aHiveHasSoManyNames() throws {
        func text(_ count: Int) -> String {
            let agents = (0..<8).map { agent in
                let names = (0..<count / 8).map { "'n\(agent).\($0).example'" }.joined(separator: ",")
                return
                    "a\(agent): { egress: { allow: [\(names)\(agent == 7 && count % 8 > 0 ? ", 'more.example'" : "")] } }"
            }
            return "{ agents: { \(agents.joined(separator: ",\n")) } }"
        }
        #expect(try hive(text(1024)).names.count == 1024)
        #expect(
            problem(text(1025))?.description
                == "hive.json:8: agents.a7.egress brings the names in egress policies to 1025, but at most 1024 of a hive are looked up"
        )
    }

    @Test func anAgentsOwnFileSaysItToo() {
        let found = problem("{}", added: ["b": "{\n egress: {\n  allow: ['10.77.0.9'] } }"])
        #expect(found?.description.hasPrefix("agents.d/b.json:3: egress.allow[0] is \"10.77.0.9\"") == true)
    }

    @Test func theCommandLineSaysItInItsOwnWords() {
        var text = EgressText()
        text.allow = ["10.0.0.1/8"]
        #expect(
            throws: HiveError(
                .usage,
                "--allow is \"10.0.0.1/8\", which is an address in a network: write \"10.0.0.0/8\"")
        ) { try text.egress() }
    }

    /// Each denied port cuts every range of addresses once more.
    @Test func aPolicyOfVeryManyElementsIsRefused() throws {
        func text(_ count: Int) -> String {
            let allow = (1...count).map { "'9.\($0).0.0/24:\($0 * 2)-60000/tcp'" }.joined(separator: ", ")
            let deny = (1...count).map { "'9.\($0).0.9:\(30_000 + $0 * 2)/tcp'" }.joined(separator: ", ")
            return "{ agents: { a: { egress: { allow: [\(allow)], deny: [\(deny)] } } } }"
        }
        func load(_ count: Int) throws -> Hive {
            let configuration = try Configuration(text: Array(text(count).utf8), file: "hive.json")
            return try Hive(configuration, added: [], leases: Leases())
        }
        #expect(try load(20).agents.count == 1)
        let error = #expect(throws: HiveError.self) { try load(250) }
        let words = try #require(error).description
        #expect(words.hasPrefix("hive.json:1: agents.a.egress comes to "), "\(words)")
        #expect(words.contains("a policy may have at most 16384"), "\(words)")
    }
}
