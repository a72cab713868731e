import Foundation
import Testing

/// Every way leads to the same place.
@Suite struct ConvergeTests {
    /// The witness is a witness: it sees each of these, and does not see what is no difference.
    @Test func snapshotsTellKernelsApart() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        let before = try lab.snapshot()
        #expect(try lab.snapshotOfFreshApply().difference(to: before) == "")
        for (spoil, restore) in [
            ("bridge link set dev hv-beta isolated off", "bridge link set dev hv-beta isolated on"),
            ("ip link set hv-beta down", "ip link set hv-beta up"),
            (
                "ip -n hive-beta addr add 10.77.0.9/32 dev eth0",
                "ip -n hive-beta addr del 10.77.0.9/32 dev eth0"
            ),
            (
                "bridge fdb add 02:00:00:00:00:01 dev hv-beta master static",
                "bridge fdb del 02:00:00:00:00:01 dev hv-beta master"
            ),
            (
                "ip neigh add 10.77.0.9 lladdr 02:00:00:00:00:01 dev hive0 nud permanent",
                "ip neigh del 10.77.0.9 dev hive0"
            ),
            ("ip route add 11.0.0.0/8 dev hive0", "ip route del 11.0.0.0/8 dev hive0"),
            (
                "nft add element inet hive host { 02:00:00:00:00:01 }",
                "nft delete element inet hive host { 02:00:00:00:00:01 }"
            ),
        ] {
            try lab.must(spoil)
            #expect(try lab.snapshot() != before, "\(spoil)")
            try lab.must(restore)
            #expect(try lab.snapshot().difference(to: before) == "", "\(restore)")
        }
        try lab.sysctl("ipv4/conf/hv-beta/rp_filter", "0")
        #expect(try lab.snapshot() != before)
    }

    /// Marks that somebody took away come back, as far as it can be known whose a thing is.
    @Test(arguments: [["alias", ""], ["group", "0"], ["alias", "hive: agent nobody"]])
    func marksComeBack(change: [String]) throws {
        let lab = try TwoAgents().lab
        let reference = try lab.snapshot()
        #expect(try lab.run(["ip", "link", "set", "hv-beta"] + change).status == 0)
        #expect(try lab.snapshot() != reference)
        try lab.apply()
        try lab.expect(reference)
    }

    @Test func theBridgesAliasComesBack() throws {
        let lab = try TwoAgents().lab
        let reference = try lab.snapshot()
        #expect(try lab.run(["ip", "link", "set", "hive0", "alias", ""]).status == 0)
        #expect(try lab.snapshot() != reference)
        try lab.apply()
        try lab.expect(reference)
    }

    // MARK: Two at once (threat 27)

    /// Ten at once: each has its turn, and nothing gets lost.
    @Test func tenAtOnce() throws {
        let lab = try Lab()
        try lab.write(configuration: "{ agents: { first: {} } }")
        let names = (0..<8).map { "agent-\($0)" }
        let results = try lab.host {
            let commands =
                names.map { ["net", "add", $0, "--web-port", "80"] } + [["net", "apply"], ["net", "apply"]]
            let processes = try commands.map { try Command.Process(Lab.commandLine($0)) }
            return try processes.map { try $0.wait(seconds: 60) }
        }
        for result in results { #expect(result.status == 0, "\(result)") }
        #expect(try lab.agents() == names + ["first"])
        let addresses = try lab.agents().map { try lab.address(of: $0) }
        #expect(Set(addresses).count == 9)
        #expect(try lab.apply().stdout.isEmpty)
        try lab.expect(lab.snapshotOfFreshApply())
    }

    /// Whoever waits longer than a second says so, and then does it.
    @Test func theWaiterSaysSo() throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {} } }")
        let impatient = try lab.apply()
        #expect(!impatient.stderr.contains("waiting"))
        let result = try lab.host {
            let holder = try Command.Process(["flock", Lab.state + "/lock", "sleep", "1.5"])
            defer { holder.end() }
            usleep(100_000)
            return try Command.run(Lab.commandLine(["net", "apply"]))
        }
        #expect(result.status == 0, "\(result)")
        #expect(result.stderr.contains("waiting for it to finish"), "\(result)")
    }

    /// Somebody changes other tables all the time: the ruleset's generation moves under every apply.
    @Test func anotherUserOfNftables() throws {
        let lab = try Lab()
        let busy = """
            nft add table inet other; nft add chain inet other c
            while :; do nft add rule inet other c counter; nft flush chain inet other c; done
            """
        let process = try lab.host { try Command.Process(["sh", "-c", busy]) }
        defer { process.end() }
        for step in 1...5 {
            try lab.write(
                configuration: "{ network: { mtu: \(1400 + step) }, agents: { alpha: {}, agent\(step): {} } }"
            )
            let result = try lab.hivectl("net", "apply")
            #expect(result.status == 0, "\(result)")
        }
        #expect(process.isRunning)
        #expect(try lab.agents() == ["agent5", "alpha"])
    }

    // MARK: Many

    /// A thousand agents come, are looked at, and go.
    @Test(.timeLimit(.minutes(3))) func aThousandAgents() throws {
        let lab = try Lab()
        let before = try lab.snapshot()
        let agents = (1...1000).map { "agent\($0): { web: { port: 8080 }, egress: 'internet' }" }
        try lab.write(configuration: "{ agents: { \(agents.joined(separator: ", ")) } }")
        let first = try lab.hivectl("net", "apply", seconds: 120)
        #expect(first.status == 0, "\(first.stderr)")
        let second = try lab.hivectl("net", "apply", seconds: 120)
        #expect(second.status == 0 && second.stdout.isEmpty, "\(second.stderr)")
        let ports = try #require(try lab.must("ip -j link show master hive0").json() as? [Any])
        #expect(ports.count == 1000)
        let shown = try #require(try lab.hivectl("net", "show", "--json").json() as? [String: Any])
        #expect(((shown["network"] as? [String: Any])?["agents"] as? [String: Any])?.count == 1000)
        #expect((shown["drift"] as? [Any])?.isEmpty == true)
        let down = try lab.hivectl("net", "down", seconds: 120)
        #expect(down.status == 0, "\(down.stderr)")
        try lab.expect(before)
    }

    /// The machine's own network has nothing of all this.
    @Test func theMachineIsLeftAlone() throws {
        let before = try Self.machine()
        do {
            let lab = try TwoAgents().lab
            #expect(try lab.agents() == ["alpha", "beta"])
            #expect(try Self.machine() == before)
        }
        #expect(try Self.machine() == before)
    }

    /// Ours in the namespaces of the test process itself. (Other tests run at the same time, in labs too.)
    private static func machine() throws -> [String] {
        let links = try FileManager.default.contentsOfDirectory(atPath: "/sys/class/net")
        let namespaces = (try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []
        let tables = try Command.run(["nft", "list", "tables"]).stdout.split(separator: "\n").map(String.init)
        let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8).split(separator: "\n")
            .filter { $0.contains("nsfs") }.map(String.init)
        return (links + namespaces + tables + mounts).sorted()
    }
}
