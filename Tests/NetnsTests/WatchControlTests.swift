import CNetlink
import Foundation
import Glibc
import HiveNet
import Testing

/// The commands when a watcher runs: they ask it, and say the same as without.
@Suite struct WatchControlTests {
    static let configuration = """
        { gateway: { user: "root" },
          agents: { alpha: { address4: "10.77.0.2", web: { port: 8080 }, egress: "internet" },
                    beta: { address4: "10.77.0.3" } } }
        """

    // MARK: The same words

    /// Commands one after the other, with what they print and how they end; those that change the configuration come first.
    private static func scenario(_ lab: Lab) throws -> [String] {
        var lines: [String] = []
        func run(_ arguments: String...) throws {
            let result = try lab.run(Lab.commandLine(["net"] + arguments))
            lines.append("\(arguments.joined(separator: " ")): \(result)")
        }
        try run("apply")
        try run("plan")
        try run("add", "gamma", "--web-port", "80", "--egress", "internet")
        try run("add", "delta", "--allow", "203.0.113.0/24", "--host", "53/udp", "--rate", "10mbit")
        // Errors, each of its own kind.
        try run("add", "alpha")
        try run("add", "gamma")
        try run("add", "Gamma")
        try run("add", "epsilon", "--address4", "10.77.0.3")
        try run("add", "epsilon", "--address4", "10.99.0.1")
        try run("add", "epsilon", "--namespace", "/run/netns/none")
        try run("add", "epsilon", "--pid", "4194304")
        try run("rm", "gama")
        try run("rm", "alpha")
        try run("rm", "Gamma")
        try run("show", "gama")
        // (Not --no-apply: a watcher takes up the file by itself, sooner or later. See `filesAreFollowed`.)
        try run("rm", "gamma")
        try run("plan", "--json")
        try run("apply", "--json")
        try run("apply", "--dry-run")
        // Back to what it was, so that nothing depends on which of the two hears of a file first.
        try run("rm", "delta")
        try run("plan")
        lines.append(try lab.must("ls \(Lab.state)/agents.d").stdout)
        lines.append(try lab.must("cat \(Lab.state)/leases.json").stdout)
        return lines
    }

    @Test func commandsSayTheSame() throws {
        let (alone, kept) = (try Lab(), try Lab())
        try alone.write(configuration: Self.configuration)
        try alone.apply()
        let watcher = try LabKeeper(kept, configuration: Self.configuration)
        let (expected, found) = (try Self.scenario(alone), try Self.scenario(kept))
        for (expected, found) in zip(expected, found) { #expect(found == expected) }
        // They did go by way of the watcher.
        #expect(try watcher.events("agent-up").compactMap { $0["agent"] as? String }.contains("delta"))
        #expect(try watcher.state["repairs"] as? Int == 0)
        #expect(try kept.snapshot().withoutOwners == alone.snapshot().withoutOwners)
    }

    /// What is wrong with a configuration is said in the same words, and changes nothing.
    @Test func aWrongConfigurationIsRefusedInTheSameWords() throws {
        let (alone, kept) = (try Lab(), try Lab())
        try alone.apply(Self.configuration)
        let watcher = try LabKeeper(kept, configuration: Self.configuration)
        let before = try kept.snapshot()
        for wrong in [
            "{ agents: { alpha: { web: 8080 } }", "{ agents: { alpha: { colour: 'red' } } }",
            "{ network: { subnet4: '10.77.0.0/33' } }",
            "{ gateway: { user: 'nobody-at-all' }, agents: { a: {} } }",
            "{ agents: { alpha: { namespace: '/run/netns/none' } } }",
            "{ network: { bridge: 'lo' }, agents: { alpha: {} } }",
        ] {
            for lab in [alone, kept] { try lab.write(configuration: wrong) }
            for command in ["plan", "apply"] {
                let expected = try alone.hivectl("net", command)
                let found = try kept.hivectl("net", command)
                #expect(expected.status != 0 && expected.status != 2)
                #expect(found.description == expected.description, "\(command) of \(wrong)")
            }
        }
        try kept.expect(before)
        #expect(try watcher.state["holds"] as? Bool == true)
        for lab in [alone, kept] { try lab.write(configuration: Self.configuration) }
        #expect(try kept.hivectl("net", "apply").status == 0)
        #expect(try kept.hivectl("net", "plan").status == 0)
    }

    /// What it would get into the watcher's way with is refused; so is another hive.
    @Test func whatWouldBeASecondWriterIsRefused() throws {
        let lab = try Lab()
        for family in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] { try lab.sysctl(family, "1") }
        let watcher = try LabKeeper(lab, configuration: Self.configuration)
        let before = try lab.snapshot()
        for arguments in [["down"], ["down", "alpha"]] {
            let result = try lab.run(Lab.commandLine(["net"] + arguments))
            #expect(result.status == 69, "\(result)")
            #expect(
                result.stderr.contains("A watcher (process \(watcher.process.pid)) keeps the hive's network"),
                "\(result)")
        }
        let second = try lab.hivectl("net", "watch", seconds: 10)
        #expect(second.status == 69, "\(second)")
        #expect(
            second.stderr.contains("another watcher (process \(watcher.process.pid)) is running"), "\(second)"
        )
        try lab.must("mkdir /run/lab/other /run/lab/other/state")
        try lab.write(Self.configuration, to: "/run/lab/other/hive.json")
        for (config, state) in [
            ("/run/lab/other/hive.json", Lab.state), (Lab.configuration, "/run/lab/other/state"),
        ] {
            for command in [["show"], ["plan"], ["apply"], ["add", "gamma"], ["rm", "alpha"], ["events"]] {
                let words = [Lab.hivectlPath, "--config", config, "--state", state, "net"] + command
                let result = try lab.run(words)
                #expect(result.status == 69, "\(command): \(result)")
                #expect(result.stderr.contains("keeps the hive of \(Lab.configuration)"), "\(result)")
            }
        }
        try lab.expect(before)
        // The control: the same hive, by whatever name.
        for (config, state) in [
            ("hive.json", "state"), ("./hive.json", "./state/"), ("/run/lab//hive.json", "/run/lab/./state"),
        ] {
            let result = try lab.run([
                "sh", "-c",
                "cd /run/lab && exec \(Lab.hivectlPath) --config \(config) --state \(state) net plan",
            ])
            #expect(result.status == 0 && result.stderr.isEmpty, "\(config): \(result)")
        }
    }

    // MARK: show

    @Test func showIsTheSameButForTheWatcher() throws {
        let hive = try TwoAgents()
        let watcher = try LabKeeper(hive.lab)
        try hive.send(hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: 7001, []), as: hive.alpha)
        try hive.settle(hive.alpha)
        for arguments in [[], ["alpha"]] {
            var found = try hive.lab.hivectl("net", "show", "--json").json() as? [String: Any] ?? [:]
            var direct = found
            let words = ["net", "show", "--json"] + arguments
            found =
                try hive.lab.run(Lab.commandLine(words)).json() as? [String: Any] ?? [:]
            direct =
                try hive.lab.run(Lab.commandLine(["--socket", Lab.nobody] + words)).json() as? [String: Any]
                ?? [:]
            let state = found.removeValue(forKey: "watcher") as? [String: Any]
            #expect(state?["process"] as? Int == Int(watcher.process.pid))
            #expect(state?["holds"] as? Bool == true && state?["repairs"] as? Int == 0)
            #expect(state?["quarantined"] as? [String] == [] && state?["refused"] == nil)
            #expect(direct["watcher"] == nil && direct["network"] != nil)
            #expect(Set(found.keys) == Set(direct.keys))
            for (key, value) in direct {
                #expect(found[key] as? NSObject == value as? NSObject, "\(key)")
            }
            let counts = (found["blocked"] as? [String: [String: Int]])?["alpha"]
            #expect(counts?["host"] == 1)
        }
        let text = try hive.lab.hivectl("net", "show").stdout
        #expect(text.contains("\nKept by process \(watcher.process.pid) since 20"), "\(text)")
        #expect(text.contains("; repairs so far: 0"), "\(text)")
        let direct = try hive.lab.hivectl("--socket", Lab.nobody, "net", "show").stdout
        #expect(text.hasPrefix(direct) && !direct.contains("Kept by"), "\(direct)")
    }

    // MARK: Files

    /// What is written is applied by itself; what is wrong is refused, and what was before is kept.
    @Test func filesAreFollowed() throws {
        let lab = try Lab()
        let watcher = try LabKeeper(lab, configuration: "{ agents: { alpha: {} } }")
        #expect(try lab.connected() == ["alpha"])
        try lab.write(configuration: "{ agents: { alpha: {}, beta: {} } }")
        try wait { try lab.connected() != ["alpha", "beta"] }
        #expect(try lab.connected() == ["alpha", "beta"])
        let before = try lab.snapshot()

        try lab.write(configuration: "{ agents: { alpha: {}, beta: {}, gamma: {} }")
        try wait { try watcher.state["refused"] == nil }
        let refused = try watcher.state["refused"] as? String ?? ""
        #expect(refused.contains("hive.json:1"), "\(refused)")
        #expect(try watcher.sentences("refused").count == 1)
        #expect(
            try watcher.sentences("refused").first?.hasPrefix("what was applied before is kept: ") == true)
        let text = try lab.hivectl("net", "show").stdout
        #expect(text.contains("WATCHER: the configuration was refused, and the one before is in force: "))
        try lab.expect(before)
        // Not even what is deleted meanwhile is forgotten.
        try lab.nft("list table inet hive")
        try lab.ip("link del hv-beta")
        try wait { try watcher.state["repairs"] as? Int == 0 || lab.connected() != ["alpha", "beta"] }
        #expect(try lab.connected() == ["alpha", "beta"])

        // By rename, as editors do.
        try lab.write("{ agents: { alpha: {}, gamma: {} } }", to: "/run/lab/new.json")
        try lab.must("mv /run/lab/new.json \(Lab.configuration)")
        try wait { try lab.connected() != ["alpha", "gamma"] || watcher.state["refused"] != nil }
        #expect(try lab.connected() == ["alpha", "gamma"])
        #expect(try watcher.state["refused"] == nil)
        #expect(try watcher.sentences("applied").contains("the configuration is right again"))

        // Agents that were added by file alone.
        #expect(try lab.hivectl("net", "add", "delta", "--no-apply").status == 0)
        try wait { try lab.connected() != ["alpha", "delta", "gamma"] }
        #expect(try lab.connected() == ["alpha", "delta", "gamma"])
        #expect(try lab.hivectl("net", "rm", "delta", "--no-apply").status == 0)
        try wait { try lab.connected() != ["alpha", "gamma"] }
        #expect(try lab.connected() == ["alpha", "gamma"])
        // It has gone, which is wrong for one that was named.
        try lab.must("rm \(Lab.configuration)")
        try wait { try watcher.state["refused"] == nil }
        #expect(try lab.connected() == ["alpha", "gamma"])
    }

    /// Nobody has named the usual one, so it may be missing; but not all of a sudden.
    @Test(.enabled(if: mayBeSomebodyElse, "a copy of /etc needs root outside of a user namespace"))
    func theUsualConfigurationThatGoesTakesNobodyAlong() throws {
        let lab = try Lab()
        let script = """
            cp -a /etc /run/lab/etc && mount --bind /run/lab/etc /etc && mkdir -p /etc/hive &&
            echo '{ agents: { alpha: {} } }' >/etc/hive/hive.json
            """
        let prepared = try lab.run(["sh", "-c", script])
        #expect(prepared.status == 0, "\(prepared)")
        let watcher = try lab.background([Lab.hivectlPath, "--state", Lab.state, "net", "watch"])
        defer { watcher.end() }
        func links() throws -> [String] {
            try lab.ip("-o link show up").stdout.split(separator: "\n")
                .compactMap { $0.split(separator: " ").dropFirst().first?.split(separator: "@").first }
                .filter { $0.hasPrefix("hv-") }.map { String($0.dropFirst(3)) }.sorted()
        }
        try wait { try links() != ["alpha"] }
        #expect(try links() == ["alpha"])
        try lab.must("mv /etc/hive/hive.json /etc/hive/saved")
        wait { !watcher.words.contains("refused") }
        #expect(watcher.words.contains("what was applied before is kept"), "\(watcher.words)")
        #expect(try links() == ["alpha"])
        try lab.write("{ agents: { alpha: {}, beta: {} } }", to: "/etc/hive/hive.json")
        try wait { try links() != ["alpha", "beta"] }
        #expect(try links() == ["alpha", "beta"])
    }

    /// What cannot be heard of is read when SIGHUP comes; SIGTERM ends it, and everything stays.
    @Test func signals() throws {
        let lab = try Lab()
        let watcher = try LabKeeper(lab, configuration: "{ agents: { alpha: {} } }")
        // Notices are of the name by which a file was written.
        try lab.must("mkdir /run/lab/other")
        try lab.must("ln \(Lab.configuration) /run/lab/other/hive.json")
        try lab.must("cp \(Lab.configuration) /run/lab/saved.json")
        let result = try lab.run([
            "sh", "-c", "echo '{ agents: { alpha: {}, beta: {} } }' >/run/lab/other/hive.json",
        ])
        #expect(result.status == 0)
        usleep(500_000)
        // (On a busy machine a link may take its time.)
        try wait { try lab.connected() != ["alpha"] }
        let connected = try lab.connected()
        #expect(
            connected == ["alpha"], "control: it has not heard of it: \(connected) \(watcher.process.words)")
        kill(watcher.process.pid, SIGHUP)
        try wait { try lab.connected() != ["alpha", "beta"] }
        #expect(try lab.connected() == ["alpha", "beta"])
        let before = try lab.snapshot().withoutOwners
        let events = try watcher.events()
        #expect(events.first?["kind"] as? String == "started")
        #expect(events.compactMap { $0["number"] as? Int } == Array(1...events.count))

        let ended = try watcher.end()
        #expect(ended.status == 0, "\(ended)")
        #expect(ended.stdout.isEmpty)
        #expect(ended.stderr.hasSuffix("hivectl: stopped: ends; the boundary stays\n"), "\(ended)")
        #expect(try lab.snapshot().withoutOwners == before)
        #expect(try lab.run(["ls", "/run/hive/net.sock"]).status != 0)
        let plan = try lab.hivectl("net", "plan")
        #expect(plan.status == 0 && plan.stdout.isEmpty, "\(plan)")
        let events2 = try lab.hivectl("net", "events")
        #expect(events2.status == 69, "\(events2)")
        // And now it may be taken down.
        #expect(try lab.hivectl("net", "down").status == 0)
        #expect(try lab.connected() == [])
    }

    // MARK: Who may ask

    @Test func theSocketIsRootsAlone() throws {
        let lab = try Lab()
        let watcher = try LabKeeper(lab, configuration: "{ agents: { alpha: {} } }")
        let mode = try lab.must("stat -c %F:%a:%u:%g /run/hive/net.sock /run/hive").stdout
        #expect(mode == "socket:600:0:0\ndirectory:751:0:0\n")
        withExtendedLifetime(watcher) {}
    }

    @Test(.enabled(if: mayBeSomebodyElse, "another user needs root outside of a user namespace"))
    func othersAreNotLetIn() throws {
        let lab = try Lab()
        // The group that may ask, known to this lab alone.
        try lab.write("root:x:0:\nhive-admin:x:4711:\n", to: "/run/lab/group")
        try lab.must("mount --bind /run/lab/group /etc/group")
        try lab.must("cp \(Lab.hivectlPath) /run/lab/hivectl")
        let watcher = try LabKeeper(lab, configuration: "{ agents: { alpha: {} } }")
        let mode = try lab.must("stat -c %F:%a:%u:%g /run/hive/net.sock").stdout
        #expect(mode == "socket:660:0:4711\n")
        func nobody(_ groups: String, _ arguments: String...) throws -> CommandResult {
            try lab.run(
                ["setpriv", "--reuid=65534", "--regid=65534", groups, "/run/lab/hivectl"]
                    + Lab.commandLine(["net"] + arguments).dropFirst())
        }
        for command in [
            ["show"], ["plan"], ["apply"], ["add", "beta"], ["rm", "alpha"], ["events"], ["drops"],
        ] {
            let result = try lab.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/run/lab/hivectl"]
                    + Lab.commandLine(["net"] + command).dropFirst())
            #expect(result.status == 77, "\(command): \(result)")
            #expect(
                result.stderr.contains(
                    "cannot connect to the watcher at /run/hive/net.sock: Permission denied"),
                "\(result)")
        }
        // Who has the socket by another name is not let in either.
        try lab.must("chmod 666 /run/hive/net.sock")
        let result = try nobody("--clear-groups", "show")
        #expect(result.status != 0 && result.stdout.isEmpty, "\(result)")
        try lab.must("chmod 660 /run/hive/net.sock")
        // The control: a member of the group, and neither root nor with any capability.
        #expect(try nobody("--groups=4711", "show").status == 0)
        #expect(try nobody("--groups=4711", "add", "beta").status == 0)
        #expect(try lab.connected() == ["alpha", "beta"])
        withExtendedLifetime(watcher) {}
    }

    /// Members of the group take all the connections that they can get; root is answered all the same.
    @Test(.enabled(if: mayBeSomebodyElse, "another user needs root outside of a user namespace"))
    func rootIsAlwaysLetIn() throws {
        let lab = try Lab()
        try lab.write("root:x:0:\nhive-admin:x:4711:\n", to: "/run/lab/group")
        try lab.must("mount --bind /run/lab/group /etc/group")
        let watcher = try LabKeeper(lab, configuration: "{ agents: { alpha: {} } }")
        // Followers: nobody cuts them off for saying nothing.
        let hoard = """
            import socket, time
            kept = []
            for _ in range(100):
                s = socket.socket(socket.AF_UNIX)
                s.connect("/run/hive/net.sock")
                s.settimeout(10)
                try:
                    s.send(b'{"cmd":"events","follow":true,"last":0}\\n')
                except BrokenPipeError:
                    pass
                answer = s.recv(4096)
                if b'"ok":true' not in answer:
                    break
                kept.append(s)
            print(len(kept), answer.decode(), flush=True)
            time.sleep(600)
            """
        var hoarders: [Command.Process] = []
        func connect(_ user: Int) throws -> String {
            let id = ["setpriv", "--reuid=\(user)", "--regid=\(user)", "--groups=4711"]
            let process = try lab.background(id + ["/usr/bin/python3", "-c", hoard])
            hoarders.append(process)
            wait { !process.printed.contains("\n") }
            return process.printed + process.words
        }
        for user in [6001, 6002, 6003] {
            let words = try connect(user)
            #expect(
                words.hasPrefix("16 {") && words.contains("\"exit\":69")
                    && (words.contains("the watcher has 16 connections of this user already")
                        || user == 6003 && words.contains("keeps the rest of its 64 for root")),
                "\(words)")
        }
        let late = try connect(6004)
        #expect(late.hasPrefix("0 {") && late.contains("keeps the rest of its 64 for root"), "\(late)")
        #expect(try lab.hivectl("net", "plan").status == 0)
        // When they are gone, there is room again, though nothing was told to any of them.
        for process in hoarders { process.end() }
        let again = try connect(6005)
        hoarders.last?.end()
        #expect(again.hasPrefix("16 {"), "\(again)")
        withExtendedLifetime(watcher) {}
    }

    /// More than one user id is mapped here.
    private static let mayBeSomebodyElse = geteuid() == 0 && ThreatOutsideTests.hasUsers
}
