import Foundation
import Testing

/// The main job, end to end: what `apply` makes, seen by independent witnesses.
@Suite struct ApplyTests {
    @Test func appliesToAnEmptyHostAndThenHasNothingToDo() throws {
        let lab = try Lab()
        try lab.write(configuration: TwoAgents.configuration)
        #expect(try lab.hivectl("net", "plan").status == 2)
        let first = try lab.apply()
        #expect(first.stdout.contains("+ link"))
        let second = try lab.apply()
        #expect(second.stdout.isEmpty)
        let plan = try lab.hivectl("net", "plan")
        #expect(plan.status == 0 && plan.stdout.isEmpty, "\(plan)")

        // ip and bridge see the same.
        let links = try #require(try lab.must("ip -j -d link show master hive0").json() as? [[String: Any]])
        #expect(Set(links.compactMap { $0["ifname"] as? String }) == ["hv-alpha", "hv-beta"])
        for link in links {
            let port = ((link["linkinfo"] as? [String: Any])?["info_slave_data"] as? [String: Any]) ?? [:]
            for (flag, wanted) in [
                ("isolated", true), ("locked", true), ("learning", false), ("flood", false),
                ("mcast_flood", false),
                ("bcast_flood", false), ("guard", true), ("hairpin", false),
            ] {
                #expect(port[flag] as? Bool == wanted, "\(flag)")
            }
        }
        let inside = try #require(
            try lab.must("ip -j -n hive-alpha addr show dev eth0").json() as? [[String: Any]])
        let addresses = (inside.first?["addr_info"] as? [[String: Any]] ?? []).compactMap {
            $0["local"] as? String
        }
        #expect(Set(addresses) == ["10.77.0.2", "fd77:6869:7665::2"])
    }

    /// Not one request that changes anything goes out when there is nothing to do.
    @Test func repeatedApplySendsNoChange() throws {
        let lab = try Lab()
        try lab.write(configuration: TwoAgents.configuration)
        let requests = ["RTM_NEW", "NFNL_MSG_BATCH", "mount(", "unshare("]
        let first = try trace(lab)
        // The control: the first apply does send them, and the trace shows it.
        for request in requests { #expect(first.contains(request), "\(request) was not seen") }
        let second = try trace(lab)
        #expect(second.contains("RTM_GETLINK") && second.contains("NFT_MSG_GETGEN"))
        for request in requests + ["RTM_SET", "RTM_DEL", "NFT_MSG_NEW"] {
            #expect(!second.contains(request), "\(request) was sent:\n\(second)")
        }
    }

    /// What an apply sends, and which namespaces and mounts it makes. (Answers are received, and are not in it.)
    private func trace(_ lab: Lab) throws -> String {
        let calls = "trace=sendto,sendmsg,mount,umount2,unshare,unlink"
        let result = try lab.run(
            ["strace", "-f", "-e", calls, "-o", "/run/lab/trace"] + Lab.commandLine(["net", "apply"]))
        #expect(result.status == 0, "\(result)")
        return try lab.host { try String(contentsOfFile: "/run/lab/trace", encoding: .utf8) }
    }

    @Test func agentsComeGoMoveAndAreRenamed() throws {
        let lab = try Lab()
        try lab.apply(TwoAgents.configuration)
        // Added.
        try lab.apply(
            "{ agents: { alpha: { address4: '10.77.0.2' }, beta: { address4: '10.77.0.3' }, gamma: {} } }")
        #expect(try lab.agents() == ["alpha", "beta", "gamma"])
        // Removed.
        try lab.apply("{ agents: { alpha: { address4: '10.77.0.2' }, gamma: {} } }")
        #expect(try lab.agents() == ["alpha", "gamma"])
        #expect(try lab.run(["ip", "netns", "exec", "hive-beta", "true"]).status != 0)
        // Renamed: another agent, and no trace of the first.
        try lab.apply("{ agents: { omega: { address4: '10.77.0.2' }, gamma: {} } }")
        #expect(try lab.agents() == ["gamma", "omega"])
        #expect(!(try lab.nft("list ruleset").stdout.contains("\"alpha\"")))
        // Moved to another address, in place.
        try lab.apply("{ agents: { omega: { address4: '10.77.9.9' }, gamma: {} } }")
        let inside = try lab.must("ip -n hive-omega addr show dev eth0").stdout
        #expect(inside.contains("10.77.9.9/32") && !inside.contains("10.77.0.2"))
        #expect(try lab.apply().stdout.isEmpty)
    }

    @Test func addAndRmKeepAddresses() throws {
        let lab = try Lab()
        try lab.write(configuration: "{ agents: {} }")
        for name in ["one", "two", "three"] {
            let result = try lab.hivectl("net", "add", name, "--web-port", "80")
            #expect(result.status == 0, "\(result)")
        }
        let before = try lab.address(of: "two")
        #expect(try lab.hivectl("net", "rm", "two").status == 0)
        #expect(try lab.agents() == ["one", "three"])
        #expect(try lab.hivectl("net", "add", "four").status == 0)
        #expect(try lab.hivectl("net", "add", "two").status == 0)
        #expect(try lab.address(of: "two") == before)
        let again = try lab.hivectl("net", "add", "two")
        #expect(again.status == 64 || again.status == 78, "\(again)")
        let missing = try lab.hivectl("net", "rm", "tow")
        #expect(missing.status == 64 && missing.stderr.contains("two"), "\(missing)")
    }

    @Test func downTakesAwayWhatIsOursAndNothingElse() throws {
        let lab = try Lab()
        try lab.ip("link add other type bridge")
        try lab.ip("netns add mine")
        try lab.nft("add table inet other; add table ip hive")
        let witnesses = [
            "ip -o link", "nft list ruleset", "ip netns list", "ip route show table all", "ip -6 neigh",
        ]
        let before = try witnesses.map { try lab.must($0).stdout }
        try lab.apply(TwoAgents.configuration)
        #expect(try lab.must("ip -o link").stdout != before[0])
        #expect(try lab.hivectl("net", "down").status == 0)
        for (witness, text) in zip(witnesses, before) {
            #expect(try lab.must(witness).stdout == text, "\(witness)")
        }
        // Without a configuration too, and when there is nothing.
        #expect(try lab.hivectl("net", "down").status == 0)
    }

    @Test func downOfOneAgentLeavesTheOthers() throws {
        let hive = try TwoAgents()
        #expect(try hive.lab.hivectl("net", "down", "beta").status == 0)
        #expect(try hive.lab.agents() == ["alpha"])
        #expect(!(try hive.lab.nft("list ruleset").stdout.contains("beta")))
        let unknown = try hive.lab.hivectl("net", "down", "alhpa")
        #expect(unknown.status == 64 && unknown.stderr.contains("'alpha'"), "\(unknown)")
    }

    @Test func attachesByPath() throws {
        let lab = try Lab()
        try lab.ip("netns add mine")
        try lab.apply("{ agents: { gamma: { namespace: '/run/netns/mine' } } }")
        #expect(try lab.must("ip -n mine addr show dev eth0").stdout.contains("10.77.0.2/32"))
        #expect(try lab.apply().stdout.isEmpty)
        // Somebody else's namespace stays when the agent goes.
        try lab.apply("{ agents: {} }")
        #expect(try lab.run(["ip", "-n", "mine", "link", "show", "eth0"]).status != 0)
        #expect(try lab.must("ip netns list").stdout.contains("mine"))
    }

    /// One agent goes, and another one, before or behind it in the alphabet, comes into the namespace that it was attached to.
    @Test(arguments: [("bee", "dee"), ("dee", "bee")]) func anotherAgentTakesANamespaceOver(
        old: String, new: String
    ) throws {
        let lab = try Lab()
        try lab.ip("netns add mine")
        for name in [old, new] {
            try lab.apply("{ agents: { \(name): { namespace: '/run/netns/mine' } } }")
            #expect(try lab.hivectl("net", "plan").status == 0)
        }
        #expect(try lab.links()["hv-\(old)"] == nil)
        #expect(try lab.links()["hv-\(new)"] != nil)
        #expect(try lab.links(in: "mine")["eth0"] != nil)
    }

    @Test func attachesByProcess() throws {
        let lab = try Lab()
        let process = try lab.background(["unshare", "-n", "sleep", "600"])
        defer { process.end() }
        // Until it has left the host's namespace, it is refused.
        var result = try lab.host { CommandResult(status: 1, stdout: "", stderr: "") }
        for _ in 0..<100 {
            try lab.write(configuration: "{ agents: { gamma: { namespace: { pid: \(process.pid) } } } }")
            result = try lab.hivectl("net", "apply")
            if result.status == 0 { break }
            #expect(result.status == 78, "\(result)")
        }
        #expect(result.status == 0, "\(result)")
        let inside = try lab.must("nsenter -n -t \(process.pid) ip addr show dev eth0").stdout
        #expect(inside.contains("10.77.0.2/32"))
        #expect(try lab.apply().stdout.isEmpty)
    }

    @Test func showTellsWhatIsThere() throws {
        let hive = try TwoAgents()
        let text = try hive.lab.hivectl("net", "show").stdout
        #expect(text.contains("alpha") && text.contains("10.77.0.2") && !text.contains("DRIFT"), "\(text)")
        try hive.lab.must("bridge link set dev hv-beta isolated off")
        let drifted = try hive.lab.hivectl("net", "show").stdout
        #expect(drifted.hasPrefix("DRIFT"), "\(drifted)")
        #expect(drifted.contains("isolated false -> true"), "\(drifted)")
        // Without a configuration: the kernel alone.
        let bare = try hive.lab.run([Lab.hivectlPath, "--state", "/run/lab/none", "net", "show", "--json"])
        let shown = try #require(try bare.json() as? [String: Any])
        let agents = ((shown["network"] as? [String: Any])?["agents"] as? [String: Any]) ?? [:]
        #expect(Set(agents.keys) == ["alpha", "beta"])
    }
}

extension Lab {
    /// Agents with a namespace, by the names in /run/netns.
    func agents() throws -> [String] {
        let list = try must("ip netns list").stdout.split(separator: "\n")
        return list.compactMap { $0.split(separator: " ").first }.filter { $0.hasPrefix("hive-") }
            .map { String($0.dropFirst(5)) }.sorted()
    }

    func address(of agent: String) throws -> String? {
        let links = try must("ip -j -4 -n hive-\(agent) addr show dev eth0").json() as? [[String: Any]]
        return (links?.first?["addr_info"] as? [[String: Any]])?.first?["local"] as? String
    }
}
