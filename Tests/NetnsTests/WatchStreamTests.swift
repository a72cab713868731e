import Foundation
import Glibc
import HiveNet
import Testing

/// What a watcher tells: events, dropped packets, and systemd how it does.
@Suite struct WatchStreamTests {
    private static let alone = "{ agents: { alpha: {} } }"
    private static let ended =
        "hivectl: The watcher at /run/hive/net.sock has ended, or hung up since this was not read for too long.\n"

    private static func follow(_ lab: Lab, _ arguments: String...) throws -> Command.Process {
        try lab.background(Lab.commandLine(["net"] + arguments))
    }

    // MARK: events

    @Test func eventsOfThePastAndToCome() throws {
        let lab = try Lab()
        let watcher = try LabKeeper(lab, configuration: Self.alone)
        let following = try Self.follow(lab, "events", "--follow", "--json")
        let new = try Self.follow(lab, "events", "--follow", "--last", "0")
        wait { !following.printed.contains("\"started\"") }
        // (Who follows from now on has said so when this one, who came after it, is answered.)
        usleep(200_000)
        #expect(try lab.hivectl("net", "add", "beta").status == 0)
        wait { !(following.printed.contains("agent-up") && new.printed.contains("agent-up")) }
        let all = try lab.hivectl("net", "events")
        let lines = all.stdout.split(separator: "\n").map(String.init)
        #expect(
            lines.first?.contains("Z  applied: ") == true || lines.first?.contains("Z  started: ") == true)
        #expect(lines.contains { $0.hasSuffix("Z  agent-up: beta: up") }, "\(all)")
        #expect(lines.last?.contains("Z  applied: \(Lab.configuration): ") == true, "\(all)")
        wait { following.printed.split(separator: "\n").count < lines.count }
        let streamed = try CommandResult(status: 0, stdout: following.printed, stderr: "").objects()
        #expect(streamed.compactMap { $0["number"] as? Int } == Array(1...lines.count))
        #expect(streamed.allSatisfy { $0["version"] as? Int == 1 && $0["time"] is Double })
        let up = streamed.first { $0["kind"] as? String == "agent-up" }
        #expect(up?["agent"] as? String == "beta" && up?["sentence"] as? String == "up")
        #expect(new.printed.split(separator: "\n").count < lines.count && !new.printed.contains("started"))
        let last = try lab.hivectl("net", "events", "--last", "1")
        #expect(last.stdout == lines[lines.count - 1] + "\n")
        #expect(try lab.hivectl("net", "events", "--last", "0").stdout.isEmpty)
        // The end of the watcher is the end of its streams, and not what was asked for.
        #expect(try watcher.end().status == 0)
        let end = try following.wait(seconds: 10)
        #expect(end.status == 69 && end.stdout.contains("\"kind\":\"stopped\""), "\(end)")
        #expect(end.stderr == Self.ended, "\(end)")
        #expect(try new.wait(seconds: 10).status == 69)
    }

    /// One that is killed has nothing to say any more.
    @Test func followersAreToldOfASuddenEnd() throws {
        let lab = try Lab()
        let watcher = try LabKeeper(lab, configuration: Self.alone)
        let followers = [
            try Self.follow(lab, "events", "--follow"), try Self.follow(lab, "drops", "--follow"),
        ]
        let enough = try Self.follow(lab, "events", "--last", "1")
        #expect(try enough.wait(seconds: 10).status == 0)
        wait { followers[0].printed.isEmpty }
        usleep(500_000)
        kill(watcher.process.pid, SIGKILL)
        for follower in followers {
            let end = try follower.wait(seconds: 10)
            #expect(end.status == 69, "\(end)")
            #expect(end.stderr.hasSuffix(Self.ended), "\(end)")
        }
    }

    /// Who goes away, or never reads, keeps it from nobody.
    @Test func readersMayGoAway() throws {
        let lab = try Lab()
        let watcher = try LabKeeper(lab, configuration: Self.alone)
        let line = Lab.commandLine(["net", "events", "--follow", "--json"]).joined(separator: " ")
        let head = try lab.background(["sh", "-c", "\(line) | head -n 1"])
        let killed = try lab.background(Lab.commandLine(["net", "events", "--follow"]))
        let stopped = try lab.background(Lab.commandLine(["net", "events", "--follow"]))
        wait { killed.printed.isEmpty || stopped.printed.isEmpty || head.printed.isEmpty }
        killed.end()
        kill(stopped.pid, SIGSTOP)
        for name in ["beta", "gamma"] { #expect(try lab.hivectl("net", "add", name).status == 0) }
        let result = try head.wait(seconds: 10)
        let count = try result.objects().count
        #expect(result.status == 0 && count == 1, "\(result)")
        #expect(try watcher.events("agent-up").count >= 2)
        kill(stopped.pid, SIGCONT)
        wait { !stopped.printed.contains("agent-up: gamma: up") }
        #expect(stopped.printed.contains("agent-up: gamma: up"))
    }

    // MARK: drops

    @Test func dropsComeFromTheWatcher() throws {
        let hive = try TwoAgents()
        let watcher = try LabKeeper(hive.lab)
        func provoke(_ agent: TwoAgents.Known, port: UInt16) throws {
            try hive.send(hive.udp4(agent, to: TwoAgents.gateway4, port: port, []), as: agent)
        }
        let none = try hive.lab.hivectl("net", "drops")
        #expect(none.status == 0 && none.stdout.isEmpty && none.stderr.isEmpty, "\(none)")
        try provoke(hive.alpha, port: 7001)
        try wait { try hive.lab.hivectl("net", "drops").stdout.isEmpty }
        try provoke(hive.beta, port: 7002)
        try wait { try hive.lab.hivectl("net", "drops", "beta").stdout.isEmpty }
        let past = try hive.lab.hivectl("net", "drops").stdout.split(separator: "\n")
        #expect(past.count == 2)
        #expect(past.first?.hasSuffix("alpha         host     udp 10.77.0.2:4000 -> 10.77.0.1:7001") == true)
        #expect(past.last?.hasSuffix("beta          host     udp 10.77.0.3:4000 -> 10.77.0.1:7002") == true)
        #expect(try hive.lab.hivectl("net", "drops", "--count", "1").stdout == "\(past[1])\n")

        // Two who follow: all of them, and one agent. What is past is not among it.
        let all = try Self.follow(hive.lab, "drops", "--follow", "--count", "2")
        let one = try Self.follow(hive.lab, "drops", "beta", "--follow", "--json", "--count", "1")
        let endless = try Self.follow(hive.lab, "drops", "--follow")
        usleep(500_000)
        try provoke(hive.alpha, port: 7003)
        wait { !all.printed.contains(":7003") }
        try provoke(hive.beta, port: 7004)
        let (twice, once) = (try all.wait(seconds: 10), try one.wait(seconds: 10))
        #expect(twice.status == 0 && twice.stdout.split(separator: "\n").count == 2, "\(twice)")
        #expect(twice.stdout.contains(":7003") && twice.stdout.contains(":7004"), "\(twice)")
        let drop = try JSONDecoder().decode(Drop.self, from: Data(once.stdout.utf8))
        #expect(once.status == 0 && drop.agent == "beta" && drop.destinationPort == 7004, "\(once)")

        // An event for the first of its kind, and not for each.
        let attacks = try watcher.events("attack")
        #expect(attacks.compactMap { $0["agent"] as? String } == ["alpha", "beta"], "\(attacks)")
        #expect(
            attacks.first?["sentence"] as? String
                == "dropped (host): udp 10.77.0.2:4000 -> 10.77.0.1:7001")
        let nobody = try hive.lab.hivectl("net", "drops", "alhpa")
        #expect(
            nobody.status == 64
                && nobody.stderr == "hivectl: There is no agent 'alhpa'. Did you mean 'alpha'?\n", "\(nobody)"
        )
        // The kernel gives the log to one alone.
        let direct = try hive.lab.hivectl("--socket", Lab.nobody, "net", "drops", "--follow")
        #expect(direct.status == 69 && direct.stderr.contains("reads it, and only one at a time can"))

        // Where none is logged, that is said, and it comes again.
        try hive.lab.write(
            configuration: "{ network: { logGroup: null }, \(TwoAgents.configuration.dropFirst(2))")
        #expect(try hive.lab.hivectl("net", "apply").status == 0)
        let silent = try hive.lab.hivectl("net", "drops")
        #expect(silent.status == 78 && silent.stderr.contains("network.logGroup is null"), "\(silent)")
        try hive.lab.write(configuration: TwoAgents.configuration)
        #expect(try hive.lab.hivectl("net", "apply").status == 0)
        #expect(try hive.lab.hivectl("net", "drops").status == 0)

        #expect(try watcher.end().status == 0)
        let end = try endless.wait(seconds: 10)
        #expect(
            end.status == 69
                && end.stderr.hasSuffix(Self.ended), "\(end)")
    }

    // MARK: systemd

    /// Ready when the boundary holds, and not before: here somebody else's process owns a table of ours' name.
    @Test func systemdIsToldWhenItHolds() throws {
        let lab = try Lab()
        try lab.write(configuration: Self.alone)
        let notify = try NotifyListener(lab)
        try lab.must("mkfifo /run/lab/commands")
        let commands = try lab.host { open("/run/lab/commands", O_RDWR | O_CLOEXEC) }
        defer { close(commands) }
        let owner = try lab.background(["sh", "-c", "exec nft -i </run/lab/commands"])
        let line = "add table inet hive { flags owner; }\n"
        #expect(write(commands, line, line.utf8.count) == line.utf8.count)
        try wait { try lab.run(["nft", "list", "table", "inet", "hive"]).status != 0 }
        let variables = ["env", "NOTIFY_SOCKET=\(NotifyListener.path)", "WATCHDOG_USEC=200000"]
        let watcher = try LabKeeper(lab, before: variables, waits: false)
        #expect(!notify.receive(until: "READY=1", seconds: 1.5), "\(notify.messages)")
        #expect(try watcher.state["holds"] as? Bool == false)
        #expect(notify.messages.contains { $0.hasPrefix("STATUS=The boundary is being repaired") })
        #expect(notify.messages.count { $0 == "WATCHDOG=1" } >= 3, "it is alive")
        owner.end()
        #expect(notify.receive(until: "READY=1", seconds: 10), "\(notify.messages)")
        #expect(try watcher.state["holds"] as? Bool == true)
        #expect(try lab.connected() == ["alpha"])
        #expect(try watcher.end().status == 0)
        #expect(notify.receive(until: "STOPPING=1", seconds: 5), "\(notify.messages)")
        #expect(notify.messages.count { $0 == "READY=1" } == 1)
        #expect(notify.messages.contains { $0.hasPrefix("STATUS=The boundary holds for 1 agents; ") })
    }

    /// Twice in the time that systemd allows; never unless it is asked for.
    @Test(arguments: [true, false]) func theWatchdogIsFed(_ isAsked: Bool) throws {
        let lab = try Lab()
        try lab.write(configuration: Self.alone)
        let notify = try NotifyListener(lab)
        let watcher = try LabKeeper(
            lab,
            before: ["env", "NOTIFY_SOCKET=\(NotifyListener.path)"]
                + (isAsked ? ["WATCHDOG_USEC=400000"] : []))
        #expect(notify.receive(until: "READY=1", seconds: 5))
        // (What came while nobody read.)
        notify.receive(until: "nothing", seconds: 0.1)
        let before = notify.messages.count { $0 == "WATCHDOG=1" }
        notify.receive(until: "nothing", seconds: 1.5)
        let count = notify.messages.count { $0 == "WATCHDOG=1" } - before
        #expect(isAsked ? (3...9).contains(count) : count == 0 && before == 0, "\(count)")
        // Stopped as a process is that hangs.
        kill(watcher.process.pid, SIGSTOP)
        notify.receive(until: "nothing", seconds: 0.3)
        let silent = notify.messages.count
        notify.receive(until: "nothing", seconds: 0.6)
        #expect(notify.messages.count == silent)
    }

    // MARK: Names

    /// The boundary does not wait for a name server, nor does anybody else who asks.
    @Test func aDeadNameServerHoldsUpNobodyElse() throws {
        let lab = try Lab()
        let server = try NameServer(lab) { _, _ in .silence }
        defer { server.end() }
        for family in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] { try lab.sysctl(family, "1") }
        let watcher = try LabKeeper(lab, configuration: Self.alone)
        #expect(try lab.hivectl("net", "add", "guest", "--address4", "10.77.0.30").status == 0)
        try lab.write(
            configuration: Asking.policy(["a.example:443/tcp"], more: "").replacingOccurrences(
                of: "agents: {", with: "agents: { beta: { address4: '10.77.0.3' },"))
        let apply = try Self.follow(lab, "apply")
        try wait { try lab.connected() != ["alpha", "beta", "guest"] }
        let shown = try lab.shown()
        #expect(apply.isRunning, "it waits for the name")
        #expect(shown["drift"] as? [NSObject] == [])
        let agents = (shown["network"] as? [String: Any])?["agents"] as? [String: [String: Any]]
        #expect((agents?["alpha"]?["egress"] as? String)?.hasPrefix("policy-") == true)
        #expect((agents?["beta"]?["port"] as? [String: Any])?["up"] as? Bool == true)
        #expect(try lab.nft("list table bridge hive").stdout.contains("10.77.0.3"))
        // Somebody else may change something meanwhile.
        let add = try Self.follow(lab, "add", "gamma")
        #expect(try lab.hivectl("net", "rm", "guest", "--no-apply").status == 0)
        try wait { try lab.connected() != ["alpha", "beta", "gamma"] }
        #expect(apply.isRunning && add.isRunning, "they wait for the name")
        let result = try apply.wait(seconds: 30)
        #expect(result.status == 0, "\(result)")
        #expect(
            result.stderr
                == "hivectl: a.example cannot be looked up, and reaches nothing: no name server gave an answer.\n"
        )
        #expect(result.stdout.contains("hv-beta"), "\(result)")
        #expect(try lab.connected() == ["alpha", "beta", "gamma"], "what came in between is not undone")
        #expect(try add.wait(seconds: 30).status == 0)
        for (kind, agent) in [("agent-up", "gamma"), ("agent-down", "guest")] {
            #expect(
                try watcher.events(kind).filter { $0["agent"] as? String == agent }.count == 1,
                "not even for a moment")
        }
        #expect(try watcher.events("agent-down").count == 1)

        server.zone = { name, type in .records(type == 1 ? [.a(name, "11.1.1.1", 900)] : []) }
        let second = try lab.hivectl("net", "apply")
        #expect(second.status == 0 && second.stderr.isEmpty, "\(second)")
        #expect(second.stdout.contains("11.1.1.1"), "\(second)")
        #expect(try lab.nft("list table inet hive").stdout.contains("11.1.1.1"))
        let plan = try lab.hivectl("net", "plan")
        #expect(plan.status == 0 && plan.stdout.isEmpty, "\(plan)")
        #expect(try lab.must("cat \(Lab.state)/names.json").stdout.contains("11.1.1.1"))
        #expect(try watcher.state["holds"] as? Bool == true)
    }

    // MARK: Proof

    /// The tables are the watcher's, and what looks and tries works all the same; nothing of it counts as drift.
    @Test func verifyAndWhyWorkBesideAWatcher() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration, outside: true)
        let watcher = try LabKeeper(hive.lab)
        let verified = try hive.lab.verify()
        #expect(verified.status == VerifyTests.good, "\(verified)")
        #expect(verified.cell("alpha", .host).blocked > 0 && verified.reached.isEmpty)
        // Its probes are attacks with a note; what comes later is one without, though less than a minute has gone by.
        let probes = try watcher.events("attack")
        #expect(!probes.isEmpty && probes.allSatisfy { $0["verifying"] as? Bool == true }, "\(probes)")
        usleep(2_500_000)
        try hive.send(hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: 7001, []), as: hive.alpha)
        func later() throws -> [[String: Any]] {
            try watcher.events("attack").filter {
                ($0["number"] as? Int ?? 0) > (probes.last?["number"] as? Int ?? 0)
            }
        }
        try wait { try !later().contains { $0["verifying"] == nil } }
        #expect(
            try later().first { $0["verifying"] == nil }?["sentence"] as? String
                == "dropped (host): udp 10.77.0.2:4000 -> 10.77.0.1:7001")
        let why = try hive.lab.hivectl("net", "why", "alpha", "host:7000", "--json")
        let way = try JSONDecoder().decode(Way.self, from: Data(why.stdout.utf8))
        #expect(way.outcome == .blocked && way.basis == .trace && way.counter == "host", "\(why)")
        let peer = try hive.lab.hivectl("net", "why", "alpha", "beta")
        #expect(peer.stdout.contains("blocked: layer"), "\(peer)")
        #expect(try watcher.state["holds"] as? Bool == true)
        #expect(try watcher.state["repairs"] as? Int == 0, "\(watcher.process.words)")
        #expect(try hive.lab.hivectl("net", "plan").status == 0)
        // A watcher that hangs keeps nobody from verifying.
        kill(watcher.process.pid, SIGSTOP)
        defer { kill(watcher.process.pid, SIGCONT) }
        let alone = try hive.lab.verify("alpha")
        #expect(alone.status == VerifyTests.good, "\(alone)")
    }
}
