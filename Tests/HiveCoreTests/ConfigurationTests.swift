import HiveNet
import Testing

@testable import HiveCore

@Suite struct ConfigurationTests {
    @Test func theExampleOfTheManualIsRead() throws {
        let hive = try hive(
            """
            // A comment.
            {
              network: {
                bridge: "hive0", interfacePrefix: "hv-",
                subnet4: "10.77.0.0/16",            // the first host address is the host's
                subnet6: "fd77:6869:7665::/64",     /* null: no IPv6 */
                mtu: 1500, logGroup: 7,             // null: no log
              },
              gateway: { user: "root" },
              agents: {
                alpha: { web: { port: 8080 }, egress: "internet" },
                beta:  { address4: "10.77.0.20" },
                gamma: { namespace: "/run/netns/mine" },
                "delta-1": { namespace: { pid: 1234 }, address6: "fd77:6869:7665::99" },
              },
            }
            """)
        let spec = try hive.spec()
        #expect(spec.bridge == "hive0")
        #expect(spec.interfacePrefix == "hv-")
        #expect("\(spec.subnet4)" == "10.77.0.0/16")
        #expect(spec.subnet6.map { "\($0)" } == "fd77:6869:7665::/64")
        #expect(spec.mtu == 1500)
        #expect(spec.logGroup == 7)
        #expect(spec.gatewayUsers == [])
        let rows = spec.agents.map {
            "\($0.name) \($0.address4) \($0.address6?.description ?? "-") \($0.namespace) "
                + "\($0.webPort.map(String.init) ?? "-") \($0.egress.label)"
        }
        #expect(
            rows == [
                "alpha 10.77.0.2 fd77:6869:7665::2 own 8080 internet",
                "beta 10.77.0.20 fd77:6869:7665::14 own - none",
                "delta-1 10.77.0.3 fd77:6869:7665::99 process(1234, started: nil) - none",
                "gamma 10.77.0.4 fd77:6869:7665::4 path(\"/run/netns/mine\") - none",
            ])
    }

    @Test func nothingButBracesIsAllDefaults() throws {
        let configuration = try Configuration(text: Array("{}".utf8), file: "hive.json")
        #expect(configuration.network == NetworkSettings())
        #expect("\(configuration.network.subnet4)" == "10.77.0.0/16")
        #expect(configuration.network.subnet6.map { "\($0)" } == "fd77:6869:7665::/64")
        #expect(configuration.gateway == GatewaySettings())
    }

    @Test func nullAndAbsentAreNotTheSameForIPv6() throws {
        #expect(try hive("{ network: { mtu: 1400 } }").configuration.network.subnet6 != nil)
        let without = try hive("{ network: { subnet6: null, mtu: 1280 }, agents: { a: {} } }")
        #expect(without.configuration.network.subnet6 == nil)
        #expect(without.agents.map(\.address6) == [nil])
    }

    @Test func nullAndAbsentAreNotTheSameForTheLog() throws {
        #expect(try hive("{ network: { mtu: 1400 } }").spec().logGroup == 104)
        #expect(try hive("{ network: { logGroup: null } }").spec().logGroup == nil)
        #expect(try hive("{ network: { logGroup: 0 } }").spec().logGroup == 0)
    }

    @Test func theGatewayUserIsLookedUp() throws {
        let nobody: (String) throws(HiveError) -> UInt32? = { _ in nil }
        #expect(try hive("{}").spec(userID: nobody).gatewayUsers == [])
        #expect(try hive("{}").spec { $0 == "www-data" ? 33 : nil }.gatewayUsers == [33])
        #expect(try hive("{ gateway: { user: 'web' } }").spec { $0 == "web" ? 7 : nil }.gatewayUsers == [7])
        #expect(
            throws: HiveError(
                .configuration, "hive.json:2: gateway.user is \"web\", but this host has no user of that name"
            )
        ) {
            try hive("{ gateway: {\n user: 'web' } }").spec(userID: nobody)
        }
        #expect(try UserID.named("root") == 0)
        #expect(try UserID.named("no-such-user-\(UInt32.max)") == nil)
    }

    /// A configuration and the whole sentence that it earns.
    static let wrong: [(text: String, sentence: String)] = [
        // Syntax.
        ("", "hive.json: the file is empty; it must hold a JSON object"),
        (" // nothing\n", "hive.json: the file is empty; it must hold a JSON object"),
        (
            "{\n agents: {\n  alpha: {",
            "hive.json:3: the text ends inside the object that begins on line 3; is the file complete?"
        ),
        (
            "{ agents: { alpha: { egress: \"inter",
            "hive.json:1: the string that begins here has no closing quote"
        ),
        ("{ /* agents: {}\n}", "hive.json:1: the comment that begins here has no end"),
        ("{ agents: {} } }", "hive.json:1: unexpected \"}\" after the end of the outermost value"),
        (
            "{ agents: { alpha {} } }",
            "hive.json:1: unexpected \"{\" after the key \"alpha\", where \":\" is expected"
        ),
        (
            "{ network: { mtu: 1 bridge: 2 } }",
            "hive.json:1: unexpected \"b\" at network.mtu, where \",\" or \"}\" is expected"
        ),
        (
            "{ network: { bridge: hive0 } }",
            "hive.json:1: unexpected \"hive0\" where a value is expected at network.bridge; a string needs quotes"
        ),
        ("{ agents: { my-agent: {} } }", "hive.json:1: a key with \"-\" in it needs quotes: \"my-…\""),
        ("{ 1: {} }", "hive.json:1: unexpected \"1\" where a key or \"}\" is expected"),
        ("{ network: { mtu: 1.2.3 } }", "hive.json:1: network.mtu is \"1.2.3\", which is not a number"),
        (String(repeating: "[", count: 100), "hive.json:1: objects and lists are nested more than 64 deep"),
        ("[]", "hive.json: the file is a list, but must be an object"),
        // Keys.
        (
            "{\n  network: { subnet: \"10.0.0.0/8\" } }",
            "hive.json:2: network.subnet is not a known key; did you mean \"subnet4\"?"
        ),
        ("{ agent: {} }", "hive.json:1: agent is not a known key; did you mean \"agents\"?"),
        (
            "{ agents: { a: { webb: {} } } }",
            "hive.json:1: agents.a.webb is not a known key; did you mean \"web\"?"
        ),
        (
            "{ gateway: { listen: 80 } }",
            "hive.json:1: gateway.listen is 80 (a number), but must be a list of strings"
        ),
        (
            "{ \"\\u001b[2J\": 1 }",
            "hive.json:1: \"\\u{1b}[2J\" is not a known key; known here: \"network\", \"gateway\", \"roster\", \"agents\""
        ),
        (
            "{ agents: {\n a: {},\n b: {},\n 'a': {} } }",
            "hive.json:4: agents.a is given twice, first on line 2"
        ),
        (
            "{ agents: { a: { egress: 'none', \"\\u0065gress\": 'internet' } } }",
            "hive.json:1: agents.a.egress is given twice, first on line 1"
        ),
        // Types.
        ("{ network: [] }", "hive.json:1: network is a list, but must be an object"),
        ("{ agents: null }", "hive.json:1: agents is null, but must be an object"),
        ("{ agents: { a: true } }", "hive.json:1: agents.a is true, but must be an object"),
        (
            "{ agents: { a: { web: 8080 } } }",
            "hive.json:1: agents.a.web is 8080 (a number), but must be an object"
        ),
        (
            "{ agents: { a: { web: {} } } }",
            "hive.json:1: agents.a.web has no port: write { port: 8080 } or { socket: PATH }, or leave web out"
        ),
        (
            "{ agents: { a: { web: { port: '80' } } } }",
            "hive.json:1: agents.a.web.port is \"80\" (a string), but must be a whole number from 1 to 65535"
        ),
        (
            "{ agents: { a: { egress: [] } } }",
            "hive.json:1: agents.a.egress is a list, but must be \"none\" or \"internet\", or an object such as { allow: [\"203.0.113.0/24:443/tcp\"] }"
        ),
        (
            "{ agents: { a: { address4: 10 } } }",
            "hive.json:1: agents.a.address4 is 10 (a number), but must be an IPv4 address"
        ),
        // Numbers.
        (
            "{ agents: { a: { web: { port: 0 } } } }",
            "hive.json:1: agents.a.web.port is 0, but must be a whole number from 1 to 65535"
        ),
        (
            "{ network: { mtu: -1 } }",
            "hive.json:1: network.mtu is -1, but must be a whole number from 1280 to 65535"
        ),
        (
            "{ network: { mtu: 1500.5 } }",
            "hive.json:1: network.mtu is 1500.5, but must be a whole number from 1280 to 65535"
        ),
        (
            "{ network: { mtu: 1e999 } }",
            "hive.json:1: network.mtu is 1e999, but must be a whole number from 1280 to 65535"
        ),
        (
            "{ network: { mtu: NaN } }",
            "hive.json:1: network.mtu is NaN, but must be a whole number from 1280 to 65535"
        ),
        (
            "{ network: { mtu: -0x8000000000000000 } }",
            "hive.json:1: network.mtu is -0x8000000000000000, but must be a whole number from 1280 to 65535"
        ),
        (
            "{ network: { mtu: 99999999999999999999 } }",
            "hive.json:1: network.mtu is 99999999999999999999, but must be a whole number from 1280 to 65535"
        ),
        (
            "{ network: { logGroup: 65536 } }",
            "hive.json:1: network.logGroup is 65536, but must be a whole number from 0 to 65535"
        ),
        (
            "{ network: { mtu: 1279 } }",
            "hive.json:1: network.mtu is 1279, but must be a whole number from 1280 to 65535"
        ),
        // Names.
        (
            "{ network: { bridge: '' } }",
            "hive.json:1: network.bridge is \"\", which is not a name for an interface: it must be 1 to 15 bytes long"
        ),
        (
            "{ network: { bridge: 'a/b' } }",
            "hive.json:1: network.bridge is \"a/b\", which is not a name for an interface: it must be of letters, digits, \".\", \"_\" and \"-\", and begin with a letter or digit"
        ),
        (
            "{ network: { bridge: 'default' } }",
            "hive.json:1: network.bridge is \"default\", which is not a name for an interface: the kernel uses it for something else"
        ),
        (
            "{ network: { interfacePrefix: 'agent-' } }",
            "hive.json:1: network.interfacePrefix is \"agent-\", with which names of interfaces cannot begin: it must be 1 to 5 bytes long"
        ),
        (
            "{ network: { interfacePrefix: 'l' } }",
            "hive.json:1: network.interfacePrefix is \"l\", with which the loopback interface \"lo\" begins"
        ),
        (
            "{ network: { interfacePrefix: 'hive' } }",
            "hive.json:1: network.interfacePrefix cannot be: the bridge's name \"hive0\" must not begin with \"hive\", by which agents' links are told apart"
        ),
        (
            "{ network: { bridge: 'hv-br' } }",
            "hive.json:1: network.bridge cannot be: the bridge's name \"hv-br\" must not begin with \"hv-\", by which agents' links are told apart"
        ),
        (
            "{ agents: { 'Alpha': {} } }",
            "hive.json:1: agents.Alpha is not a name for an agent: it must be 1 to 63 of a-z, 0-9 and -, starting with a letter"
        ),
        (
            "{ agents: { '..': {} } }",
            "hive.json:1: agents.\"..\" is not a name for an agent: it must be 1 to 63 of a-z, 0-9 and -, starting with a letter"
        ),
        (
            "{ gateway: { user: 'a:b' } }",
            "hive.json:1: gateway.user is \"a:b\", which is not the name of a user"
        ),
        // Subnets.
        (
            "{ network: { subnet4: '10.77.0.0' } }",
            "hive.json:1: network.subnet4 is \"10.77.0.0\", which is not an IPv4 network such as 10.77.0.0/16"
        ),
        (
            "{ network: { subnet4: null } }",
            "hive.json:1: network.subnet4 is null, but must be an IPv4 network such as 10.77.0.0/16"
        ),
        (
            "{ network: { subnet4: '10.77.0.1/16' } }",
            "hive.json:1: network.subnet4 is 10.77.0.1/16, which is an address in the network 10.77.0.0/16: write 10.77.0.0/16"
        ),
        (
            "{ network: { subnet4: '10.77.0.0/31' } }",
            "hive.json:1: network.subnet4 is 10.77.0.0/31, but its length must be from /8 to /30, so that the host and at least one agent have an address"
        ),
        (
            "{ network: { subnet4: '0.0.0.0/0' } }",
            "hive.json:1: network.subnet4 is 0.0.0.0/0, but its length must be from /8 to /30, so that the host and at least one agent have an address"
        ),
        (
            "{ network: { subnet4: '127.1.0.0/16' } }",
            "hive.json:1: network.subnet4 is 127.1.0.0/16, which overlaps 127.0.0.0/8, and that is loopback"
        ),
        (
            "{ network: { subnet4: '169.254.8.0/24' } }",
            "hive.json:1: network.subnet4 is 169.254.8.0/24, which overlaps 169.254.0.0/16, and that is link-local"
        ),
        (
            "{ network: { subnet4: '239.0.0.0/8' } }",
            "hive.json:1: network.subnet4 is 239.0.0.0/8, which overlaps 224.0.0.0/4, and that is multicast"
        ),
        (
            "{ network: { subnet4: '255.255.255.0/24' } }",
            "hive.json:1: network.subnet4 is 255.255.255.0/24, which overlaps 240.0.0.0/4, and that is reserved"
        ),
        (
            "{ network: { subnet4: '0.1.0.0/16' } }",
            "hive.json:1: network.subnet4 is 0.1.0.0/16, which overlaps 0.0.0.0/8, and that means \"this host\""
        ),
        (
            "{ network: { subnet6: 'fd77::/127' } }",
            "hive.json:1: network.subnet6 is fd77::/127, but its length must be from /32 to /126, so that the host and at least one agent have an address"
        ),
        (
            "{ network: { subnet6: 'fe80::/64' } }",
            "hive.json:1: network.subnet6 is fe80::/64, which overlaps fe80::/10, and that is link-local"
        ),
        (
            "{ network: { subnet6: 'ff05::/64' } }",
            "hive.json:1: network.subnet6 is ff05::/64, which overlaps ff00::/8, and that is multicast"
        ),
        (
            "{ network: { subnet6: '64:ff9b::/96' } }",
            "hive.json:1: network.subnet6 is 64:ff9b::/96, which overlaps ::/8, and that holds loopback, mapped and translated addresses"
        ),
        // Agents' addresses.
        (
            "{ agents: { a: { address4: '10.77.0.300' } } }",
            "hive.json:1: agents.a.address4 is \"10.77.0.300\", which is not an IPv4 address"
        ),
        (
            "{ agents: { a: { address4: '10.77.0.3\\0x' } } }",
            "hive.json:1: agents.a.address4 is \"10.77.0.3\\u{0}x\", which is not an IPv4 address"
        ),
        (
            "{ agents: { a: { address4: '10.78.0.3' } } }",
            "hive.json:1: agents.a.address4 is 10.78.0.3, which is not in network.subnet4, 10.77.0.0/16"
        ),
        (
            "{ agents: { a: { address4: '10.77.0.0' } } }",
            "hive.json:1: agents.a.address4 is 10.77.0.0, which is the network's own address in network.subnet4, 10.77.0.0/16"
        ),
        (
            "{ agents: { a: { address4: '10.77.0.1' } } }",
            "hive.json:1: agents.a.address4 is 10.77.0.1, which is the host's address in network.subnet4, 10.77.0.0/16"
        ),
        (
            "{ agents: { a: { address4: '10.77.255.255' } } }",
            "hive.json:1: agents.a.address4 is 10.77.255.255, which is the broadcast address in network.subnet4, 10.77.0.0/16"
        ),
        (
            "{ agents: {\n a: { address4: '10.77.0.9' },\n b: { address4: '10.77.0.9' } } }",
            "hive.json:3: agents.b.address4 is 10.77.0.9, which the agent \"a\" has too (hive.json:2)"
        ),
        (
            "{ agents: { a: { address6: 'fd00::5' } } }",
            "hive.json:1: agents.a.address6 is fd00::5, which is not in network.subnet6, fd77:6869:7665::/64"
        ),
        (
            "{ agents: { a: { address6: 'fd77:6869:7665::1' } } }",
            "hive.json:1: agents.a.address6 is fd77:6869:7665::1, which is the host's address in network.subnet6, fd77:6869:7665::/64"
        ),
        (
            "{ network: { subnet6: null }, agents: { a: { address6: 'fd77::5' } } }",
            "hive.json:1: agents.a.address6 is fd77::5, but network.subnet6 is null: agents have no IPv6"
        ),
        (
            "{ agents: { a: { address4: '10.77.0.9' },\n b: { address6: 'fd77:6869:7665::9' } } }",
            "hive.json:2: agents.b.address6 is fd77:6869:7665::9, which the agent \"a\" gets by its number 9 (hive.json:1): give it another address6"
        ),
        (
            "{ network: { subnet6: 'fd00::/126' }, agents: { a: { address4: '10.77.1.0' } } }",
            "hive.json:1: agents.a.address4 has the number 256, and network.subnet6, fd00::/126, has no such address: give the agent an address6"
        ),
        // Egress and namespaces.
        (
            "{ agents: { a: { egress: 'internets' } } }",
            "hive.json:1: agents.a.egress is \"internets\", but must be \"none\" or \"internet\", or an object such as { allow: [\"203.0.113.0/24:443/tcp\"] }; did you mean \"internet\"?"
        ),
        (
            "{ agents: { a: { namespace: 'mine' } } }",
            "hive.json:1: agents.a.namespace is \"mine\", but must be an absolute path, or { pid: NUMBER }"
        ),
        (
            "{ agents: { a: { namespace: '/a\\0b' } } }",
            "hive.json:1: agents.a.namespace is \"/a\\u{0}b\", but a path may have at most 150 bytes, and no NUL"
        ),
        (
            "{ agents: { a: { namespace: 5 } } }",
            "hive.json:1: agents.a.namespace is 5 (a number), but must be a path, or { pid: NUMBER }"
        ),
        (
            "{ agents: { a: { namespace: {} } } }",
            "hive.json:1: agents.a.namespace has no pid: write { pid: NUMBER }, or the path of a namespace"
        ),
        (
            "{ agents: { a: { namespace: { pid: 0 } } } }",
            "hive.json:1: agents.a.namespace.pid is 0, but must be a whole number from 1 to 4194304"
        ),
        (
            "{ agents: { a: { namespace: '/x' },\n b: { namespace: '/x' } } }",
            "hive.json:2: agents.b.namespace is \"/x\", which the agent \"a\" is in already (hive.json:1)"
        ),
        (
            "{ agents: { a: { namespace: {pid: 5} },\n b: { namespace: {pid: 5} } } }",
            "hive.json:2: agents.b.namespace is that of process 5, which the agent \"a\" is in already (hive.json:1)"
        ),
        (
            "{ agents: { a: { namespace: '/var/run/netns/hive-b' } } }",
            "hive.json:1: agents.a.namespace is \"/var/run/netns/hive-b\", but namespaces called hive-NAME are those that Hive makes itself"
        ),
        // Numbers of agents, links. (The two long names were searched for.)
        (
            "{ agents: { 'long-agent-26568': {},\n 'long-agent-157412': {} } }",
            "hive.json:1: the agents \"long-agent-26568\" and \"long-agent-157412\" (hive.json:2) would both have the link \"hv-long_tudhjp8\": rename one of the two"
        ),
        (
            "{ network: { subnet4: '10.0.0.0/24' },\n \(agents(10_000)) }",
            "hive.json:1: network.subnet4 is 10.0.0.0/24, which holds 253 agents, but there are 10000"
        ),
        (
            "{ network: { subnet4: '10.0.0.0/30' }, \(agents(2)) }",
            "hive.json:1: network.subnet4 is 10.0.0.0/30, which holds 1 agent, but there are 2"
        ),
        (
            "{ network: { subnet6: 'fd00::/126' }, \(agents(3)) }",
            "hive.json:1: network.subnet6 is fd00::/126, which holds 2 agents, but there are 3"
        ),
        (
            "{\n \(agents(1024)) }",
            "hive.json:2: there are 1024 agents, but a Linux bridge has only 1023 ports"
        ),
        (
            "{ network: { interfacePrefix: 'a' }, agents: { ll: {} } }",
            "hive.json:1: the agent \"ll\" would have the link \"all\", a name that the kernel uses for something else: choose another name or another network.interfacePrefix"
        ),
    ]

    @Test(arguments: wrong) func wrongConfigurationsEarnASentence(_ text: String, _ sentence: String) {
        let error = problem(text)
        #expect(error?.description == sentence)
        #expect(error?.sysexit == 78)
    }

    @Test func theLimitsThemselvesAreFine() throws {
        #expect(try hive("{ \(agents(1023)) }").agents.count == 1023)
        #expect(try hive("{ network: { subnet4: '10.0.0.0/24' }, \(agents(253)) }").agents.count == 253)
        #expect(try hive("{ network: { subnet4: '10.0.0.0/30' }, \(agents(1)) }").agents.count == 1)
        #expect(
            try hive("{ network: { subnet4: '10.0.0.0/8', subnet6: 'fd00::/126' }, \(agents(2)) }").agents
                .count == 2)
        let name = String(repeating: "a", count: 63)
        #expect(try hive("{ agents: { \(name): {} } }").agents.map(\.name) == [name])
        #expect(problem("{ agents: { \(name)a: {} } }") != nil)
        #expect(
            try hive("{ network: { bridge: 'abcdefghijklmno', interfacePrefix: 'agent', mtu: 0x500 } }")
                .configuration.network.mtu == 1280)
        #expect(try hive("{ network: { mtu: 1.5e3 } }").configuration.network.mtu == 1500)
        #expect(
            try hive("{ agents: { a: { namespace: '/\(String(repeating: "n", count: 149))' } } }").agents
                .count == 1)
        #expect(problem("{ agents: { a: { namespace: '/\(String(repeating: "n", count: 150))' } } }") != nil)
    }
}
