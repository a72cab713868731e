import Foundation
import Glibc
import Testing

/// What is wrong is said in a sentence that names the file, the key and the value, and nothing in the kernel changes.
@Suite struct ErrorTests {
    struct Wrong: CustomTestStringConvertible, Sendable {
        let name: String
        let text: String
        /// What the sentence has to contain.
        let words: [String]
        var testDescription: String { name }

        init(_ name: String, _ text: String, _ words: String...) {
            self.name = name
            self.text = text
            self.words = words
        }
    }

    static let wrong = [
        Wrong("unknown key", "{ netwrok: {} }", "netwrok", "network"),
        Wrong(
            "unknown key of an agent", "{ agents: { alpha: { wep: { port: 80 } } } }", "agents.alpha.wep",
            "web"),
        Wrong("duplicate key", "{ agents: { alpha: {}, alpha: {} } }", "alpha", "twice"),
        Wrong("wrong type", "{ network: { mtu: '1500' } }", "network.mtu", "\"1500\""),
        Wrong("wrong type of an agent", "{ agents: { alpha: 7 } }", "agents.alpha", "7"),
        Wrong(
            "too small subnet", "{ network: { subnet4: '10.77.0.0/31' } }", "network.subnet4", "10.77.0.0/31"),
        Wrong(
            "no subnet", "{ network: { subnet4: '10.77.0.1/16' } }", "network.subnet4", "10.77.0.1/16",
            "10.77.0.0/16"),
        Wrong(
            "subnet overlaps loopback", "{ network: { subnet4: '127.0.0.0/8' } }", "network.subnet4",
            "127.0.0.0/8"),
        Wrong(
            "subnet routed elsewhere", "{ network: { subnet4: '192.168.7.0/24' } }", "network.subnet4",
            "192.168.0.0/16", "elsewhere0"),
        Wrong(
            "IPv6 subnet routed elsewhere", "{ network: { subnet6: 'fd99::/64' } }", "network.subnet6",
            "fd99::/48", "elsewhere0"),
        Wrong(
            "address outside", "{ agents: { alpha: { address4: '10.78.0.2' } } }", "agents.alpha.address4",
            "10.78.0.2", "10.77.0.0/16"),
        Wrong(
            "IPv6 address outside", "{ agents: { alpha: { address6: 'fd78::2' } } }", "agents.alpha.address6",
            "fd78::2"),
        Wrong(
            "the host's address", "{ agents: { alpha: { address4: '10.77.0.1' } } }", "agents.alpha.address4",
            "10.77.0.1"),
        Wrong(
            "address twice",
            "{ agents: { alpha: { address4: '10.77.0.9' }, beta: { address4: '10.77.0.9' } } }",
            "10.77.0.9", "alpha", "beta"),
        Wrong("bad name", "{ agents: { 'Alpha': {} } }", "Alpha"),
        Wrong("bad name: a path", "{ agents: { '../alpha': {} } }", "../alpha"),
        Wrong("bad name: too long", "{ agents: { '\(String(repeating: "a", count: 64))': {} } }", "63"),
        Wrong("bridge name taken", "{ network: { bridge: 'elsewhere0' } }", "network.bridge", "elsewhere0"),
        Wrong(
            "namespace missing", "{ agents: { alpha: { namespace: '/run/netns/none' } } }",
            "agents.alpha.namespace", "/run/netns/none"),
        Wrong(
            "namespace is a plain file", "{ agents: { alpha: { namespace: '/run/lab/plain' } } }",
            "agents.alpha.namespace", "/run/lab/plain"),
        Wrong(
            "namespace is the host's", "{ agents: { alpha: { namespace: '/run/netns/host' } } }",
            "agents.alpha.namespace", "/run/netns/host", "host's own"),
        Wrong(
            "namespace is a symbolic link", "{ agents: { alpha: { namespace: '/run/netns/symlink' } } }",
            "agents.alpha.namespace", "/run/netns/symlink", "symbolic link"),
        Wrong(
            "namespace of two agents",
            "{ agents: { alpha: { namespace: '/run/netns/mine' }, beta: { namespace: '/run/netns/mine' } } }",
            "beta", "alpha", "/run/netns/mine"),
        Wrong(
            "namespace of two agents, by two paths",
            "{ agents: { alpha: { namespace: '/run/netns/mine' }, beta: { namespace: '/run/netns/mine-too' } } }",
            "agents.beta.namespace", "alpha", "/run/netns/mine-too"),
        Wrong(
            "10,000 agents in a /24",
            "{ network: { subnet4: '10.77.0.0/24' }, agents: { \((1...10_000).map { "a\($0): {}" }.joined(separator: ", ")) } }",
            "network.subnet4", "10.77.0.0/24", "10000", "253"),
        Wrong(
            "1024 agents", "{ agents: { \((1...1024).map { "a\($0): {}" }.joined(separator: ", ")) } }",
            "1024", "1023",
            "ports"),
        Wrong("cut in half", "{ agents: { alpha: { web: { po", "hive.json:1"),
        Wrong("empty", "", "hive.json"),
        Wrong("no such user", "{ gateway: { user: 'nobody-at-all' } }", "gateway.user", "nobody-at-all"),
        Wrong(
            "egress policy with a mistake",
            "{ agents: { alpha: { egress: { allow: ['10.0.0.1/8:443/tcp'] } } } }",
            "agents.alpha.egress.allow[0]", "10.0.0.1/8:443/tcp", "10.0.0.0/8:443/tcp"),
        Wrong(
            "egress policy towards other agents",
            "{ agents: { alpha: { egress: { allow: ['10.77.0.0/24'] } } } }", "agents.alpha.egress.allow[0]",
            "network.subnet4"),
        Wrong(
            "egress policy with a name to deny",
            "{ agents: { alpha: { egress: { allow: ['internet'], deny: ['a.example'] } } } }",
            "agents.alpha.egress.deny[0]", "a.example", "boundary"),
        Wrong(
            "egress policy", "{ agents: { alpha: { egress: 'internt' } } }", "agents.alpha.egress", "internt",
            "internet"),
    ]

    /// A host with a hive of two agents, and with everything that may be in the way of another one.
    private static func makeLab() throws -> Lab {
        let lab = try TwoAgents().lab
        try lab.ip("link add elsewhere0 type bridge")
        // (A link-local address would change its state after a while.)
        try lab.ip("link set elsewhere0 addrgenmode none")
        try lab.ip("link set elsewhere0 up")
        try lab.ip("route add 192.168.0.0/16 dev elsewhere0")
        try lab.ip("-6 route add fd99::/48 dev elsewhere0")
        try lab.ip("netns add mine")
        for command in [
            "touch /run/lab/plain /run/netns/host /run/netns/mine-too",
            "mount --bind /proc/thread-self/ns/net /run/netns/host",
            "mount --bind /run/netns/mine /run/netns/mine-too", "ln -s mine /run/netns/symlink",
        ] { try lab.must(command) }
        return lab
    }

    @Test func wrongConfigurationsChangeNothing() throws {
        let lab = try Self.makeLab()
        let before = try lab.snapshot()
        for wrong in Self.wrong {
            try lab.write(configuration: wrong.text)
            for command in ["plan", "apply"] {
                let result = try lab.hivectl("net", command)
                #expect(result.status == 78, "\(wrong.name): \(result)")
                #expect(result.stdout.isEmpty, "\(wrong.name)")
                for word in wrong.words + ["hive.json"] {
                    #expect(
                        result.stderr.contains(word), "\(wrong.name): \(word) is not in: \(result.stderr)")
                }
                #expect(Self.isSentence(result.stderr), "\(wrong.name): \(result.stderr)")
            }
            try lab.expect(before, "\(wrong.name)")
        }
        // The control: on the same host a right one does change something.
        try lab.apply("{ agents: { alpha: { address4: '10.77.0.2' } } }")
        #expect(try lab.snapshot() != before)
    }

    /// One line that begins with the program's name and ends as a sentence does.
    private static func isSentence(_ text: String) -> Bool {
        let lines = text.split(separator: "\n")
        return lines.count == 1 && text.hasPrefix("hivectl: ")
            && (text.hasSuffix(".\n") || text.hasSuffix("?\n"))
    }

    @Test func theHostsOwnNamespaceByProcess() throws {
        let lab = try Self.makeLab()
        let before = try lab.snapshot()
        let process = try lab.host { try Command.Process(["sleep", "600"]) }
        defer { process.end() }
        try lab.write(configuration: "{ agents: { alpha: { namespace: { pid: \(process.pid) } } } }")
        let result = try lab.hivectl("net", "apply")
        #expect(result.status == 78 && result.stderr.contains("host's own"), "\(result)")
        #expect(result.stderr.contains("agents.alpha.namespace"), "\(result)")
        process.end()
        let gone = try lab.hivectl("net", "apply")
        #expect(gone.status == 78 && gone.stderr.contains("\(process.pid)"), "\(gone)")
        try lab.expect(before)
    }

    /// A state directory that cannot be read is no reason to number the agents anew.
    @Test func damagedState() throws {
        let lab = try Self.makeLab()
        let before = try lab.snapshot()
        try lab.write(configuration: "{ agents: { alpha: {}, beta: {}, gamma: {} } }")
        for (path, text) in [
            ("leases.json", "{ \"version\": 1, \"rel"), ("leases.json", "[]"),
            ("agents.d/delta.json", "{ web: { port: 80 }"), ("agents.d/delta.json", "{ wep: {} }"),
            ("agents.d/DELTA.json", "{}"),
        ] {
            let file = "\(Lab.state)/\(path)"
            try lab.must("mkdir -p \(Lab.state)/agents.d")
            try lab.host { try text.write(toFile: file, atomically: false, encoding: .utf8) }
            let result = try lab.hivectl("net", "apply")
            #expect(result.status == 78 || result.status == 65, "\(path): \(result)")
            #expect(result.stderr.contains(path.split(separator: "/").last ?? ""), "\(path): \(result)")
            #expect(Self.isSentence(result.stderr), "\(result.stderr)")
            try lab.must("rm \(file)")
        }
        try lab.expect(before)
    }

    @Test func theConfigurationCannotBeRead() throws {
        let lab = try Self.makeLab()
        let before = try lab.snapshot()
        try lab.must("rm \(Lab.configuration)")
        let missing = try lab.hivectl("net", "apply")
        #expect(missing.status == 78 && missing.stderr.contains(Lab.configuration), "\(missing)")
        try lab.must("mkdir \(Lab.configuration)")
        let directory = try lab.hivectl("net", "apply")
        #expect(directory.status != 0 && directory.stderr.contains(Lab.configuration), "\(directory)")
        try lab.expect(before)
    }

    /// Without the capability: exit 77. A mistake on the command line is told first, and is 64.
    @Test func withoutPermission() throws {
        let lab = try Self.makeLab()
        let before = try lab.snapshot()
        try lab.write(configuration: "{ agents: { alpha: { address4: '10.77.0.2' }, beta: {}, gamma: {} } }")
        let without = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
        for command in [["apply"], ["plan"], ["add", "delta"], ["down"]] {
            let result = try lab.run(without + Lab.commandLine(["net"] + command))
            #expect(result.status == 77, "\(command): \(result)")
        }
        for command in [
            ["aply"], ["apply", "--no-such-option"], ["add", "Delta"], ["add"], ["rm", "nobody"],
            ["down", "nobody"],
        ] {
            let result = try lab.run(Lab.commandLine(["net"] + command))
            #expect(result.status == 64, "\(command): \(result)")
        }
        try lab.expect(before)
    }

    /// As another user who may read everything and change nothing.
    @Test(.enabled(if: ErrorTests.mayBeSomebodyElse, "another user needs root outside of a user namespace"))
    func asAnotherUser() throws {
        let lab = try Self.makeLab()
        let before = try lab.snapshot()
        // The checkout may be where nobody may look.
        try lab.must("cp \(Lab.hivectlPath) /run/lab/hivectl")
        for command in ["apply", "down"] {
            let result = try lab.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/run/lab/hivectl"]
                    + Lab.commandLine(["net", command]).dropFirst())
            #expect(result.status == 77, "\(command): \(result)")
        }
        try lab.expect(before)
    }

    /// More than one user id is mapped here.
    private static let mayBeSomebodyElse: Bool = {
        let map = (try? String(contentsOfFile: "/proc/self/uid_map", encoding: .utf8)) ?? ""
        return getuid() == 0
            && map.split(separator: " ").last.flatMap { Int($0.filter(\.isNumber)) } ?? 0 > 65534
    }()

    /// `add` leaves no file behind of an agent that cannot be.
    @Test func anAgentThatCannotBeIsNotAdded() throws {
        let lab = try Self.makeLab()
        try lab.apply("{ agents: { alpha: {} } }")
        let before = try lab.snapshot()
        for arguments in [
            ["alpha"], ["beta", "--address4", "10.99.0.1"],
            ["beta", "--namespace", "/run/netns/none"],
            ["beta", "--namespace", "/run/netns/host"], ["beta", "--web-port", "0"],
            ["beta", "--egress", "everything"],
        ] {
            let result = try lab.run(Lab.commandLine(["net", "add"] + arguments))
            #expect([64, 78].contains(result.status), "\(arguments): \(result)")
            try lab.expect(before, "\(arguments)")
            #expect(
                try lab.run(["ls", "\(Lab.state)/agents.d/\(arguments[0]).json"]).status != 0, "\(arguments)")
        }
        #expect(try lab.apply().stdout.isEmpty)
    }
}
