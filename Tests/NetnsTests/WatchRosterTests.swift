import Foundation
import Glibc
import HiveNet
import Testing

/// A watcher that follows a core daemon's roster.
@Suite struct WatchRosterTests {
    private static let configuration = """
        { roster: { hostSocket: "\(CoreDaemon.path)", grace: 1 },
          agents: { own: { address4: "10.77.0.9" } } }
        """
    private static let permitted: Set<String> = [
        "{\"cmd\":\"agent_status\"}\n", "{\"cmd\":\"subscribe_agent_status\"}\n",
    ]

    private static func expectAgents(_ lab: Lab, _ names: String...) throws {
        try wait(seconds: 30) { try lab.connected() != names }
        #expect(try lab.connected() == names)
    }

    /// Waits for a state of the daemon in `show`, and then a while longer for what should not happen.
    private static func expectKept(
        _ watcher: LabKeeper, _ words: String, _ names: String...
    ) throws {
        try wait(seconds: 30) { try (watcher.state["roster"] as? String)?.contains(words) != true }
        #expect(try (watcher.state["roster"] as? String)?.contains(words) == true)
        // (Longer than the grace.)
        usleep(1_300_000)
        #expect(try watcher.lab.connected() == names)
        #expect(try watcher.lab.hivectl("net", "show").stdout.contains("\nRoster: "))
    }

    /// A daemon that tells by itself.
    @Test func itsAgentsComeAndGo() throws {
        let lab = try Lab()
        let daemon = try CoreDaemon(lab, CoreDaemon.healthy("alpha", "beta"))
        defer { daemon.end() }
        let watcher = try LabKeeper(lab, configuration: Self.configuration)
        try Self.expectAgents(lab, "alpha", "beta", "own")
        #expect(try watcher.state["roster"] as? String == "\(CoreDaemon.path) answers: 2 agents")
        #expect(try watcher.sentences("roster") == ["\(CoreDaemon.path) answers: 2 agents"])
        let link = try lab.host { if_nametoindex("hv-beta") }

        // Gone and back within the grace: not even its link is another one.
        daemon.answer(CoreDaemon.healthy("alpha"))
        usleep(300_000)
        daemon.answer(CoreDaemon.healthy("alpha", "beta"))
        usleep(1_300_000)
        #expect(try link != 0 && lab.host { if_nametoindex("hv-beta") } == link)

        daemon.answer(CoreDaemon.healthy("alpha", "gamma"))
        try Self.expectAgents(lab, "alpha", "gamma", "own")
        #expect(try watcher.events("agent-down").compactMap { $0["agent"] as? String } == ["beta"])
        // One that our own files name too does not go with it.
        daemon.answer(CoreDaemon.healthy("alpha", "own"))
        try Self.expectAgents(lab, "alpha", "own")
        daemon.answer(CoreDaemon.healthy("alpha"))
        usleep(1_500_000)
        #expect(try lab.connected() == ["alpha", "own"])
        #expect(Set(daemon.requests).isSubset(of: Self.permitted), "\(daemon.requests)")
        #expect(daemon.requests.contains("{\"cmd\":\"subscribe_agent_status\"}\n"))

        // Restarted while the daemon is down, and then for good.
        daemon.end()
        #expect(try watcher.end().status == 0)
        let second = try LabKeeper(lab)
        try Self.expectKept(second, "1 agent known from before are kept", "alpha", "own")
        #expect(try second.events("agent-down").isEmpty)
        #expect(try second.end().status == 0)
        // Without a watcher the commands know of them as well.
        let plan = try lab.hivectl("net", "plan")
        #expect(plan.status == 0 && plan.stdout.isEmpty, "\(plan)")
        #expect(try lab.hivectl("net", "apply").status == 0)
        #expect(try lab.connected() == ["alpha", "own"])
        // What cannot be read is not taken for empty.
        try lab.write("{ \"version\": 1, \"agents\": [", to: "\(Lab.state)/roster.json")
        let third = try lab.hivectl("net", "watch", seconds: 10)
        #expect(third.status == 65 && third.stderr.contains("roster.json"), "\(third)")
        #expect(try lab.host { if_nametoindex("hv-alpha") } != 0)
    }

    /// Root takes the roster out of the configuration: its agents go at once, on purpose. Put back, they are those that it named last.
    @Test(arguments: [true, false]) func withTheRosterItsAgentsGo(byCommand: Bool) throws {
        let lab = try Lab()
        let daemon = try CoreDaemon(lab, CoreDaemon.healthy("alpha", "beta"))
        defer { daemon.end() }
        // (A grace that nobody waits for.)
        let with = Self.configuration.replacingOccurrences(of: "grace: 1", with: "grace: 3600")
        let without = #"{ agents: { own: { address4: "10.77.0.9" } } }"#
        let watcher = try LabKeeper(lab, configuration: with)
        try Self.expectAgents(lab, "alpha", "beta", "own")
        let saved = try lab.must("cat \(Lab.state)/roster.json").stdout
        #expect(saved.contains("alpha") && saved.contains("beta"))

        try lab.write(configuration: without)
        if byCommand { #expect(try lab.hivectl("net", "apply").status == 0) }
        try Self.expectAgents(lab, "own")
        #expect(try watcher.events("agent-down").compactMap { $0["agent"] as? String } == ["alpha", "beta"])
        #expect(try watcher.state["roster"] == nil)
        #expect(try lab.must("cat \(Lab.state)/roster.json").stdout == saved)
        let plan = try lab.hivectl("net", "plan")
        #expect(plan.status == 0 && plan.stdout.isEmpty, "\(plan)")

        // Back, while the daemon is down.
        daemon.end()
        try lab.write(configuration: with)
        if byCommand { #expect(try lab.hivectl("net", "apply").status == 0) }
        try Self.expectAgents(lab, "alpha", "beta", "own")
        try Self.expectKept(watcher, "2 agents known from before are kept", "alpha", "beta", "own")
        #expect(try lab.must("cat \(Lab.state)/roster.json").stdout == saved)
    }

    /// Somebody holds the lock for longer than the watcher waits: what it could not do then it does later, though nothing tells it to.
    @Test func whatStoodInTheWayIsTriedAgain() throws {
        let lab = try Lab()
        let daemon = try CoreDaemon(lab, CoreDaemon.healthy("alpha"))
        defer { daemon.end() }
        let watcher = try LabKeeper(lab, configuration: Self.configuration)
        try Self.expectAgents(lab, "alpha", "own")
        try daemon.waitForSubscriber()
        func blocked(by kind: String, _ change: () throws -> Void) throws {
            let count = try watcher.events(kind).count
            let holder = try lab.background([
                "sh", "-c", "exec 9>>\(Lab.state)/lock; flock 9; exec sleep 600",
            ])
            defer { holder.end() }
            try wait(seconds: 20) { try lab.run(["flock", "-n", Lab.state + "/lock", "true"]).status == 0 }
            try change()
            try wait(seconds: 30) { try watcher.events(kind).count == count }
            #expect(try watcher.sentences(kind).last?.contains("has held the lock") == true)
        }
        try blocked(by: "trouble") { daemon.answer(CoreDaemon.healthy("alpha", "beta")) }
        #expect(try lab.connected() == ["alpha", "own"])
        try Self.expectAgents(lab, "alpha", "beta", "own")
        try blocked(by: "refused") {
            try lab.write(configuration: Self.configuration.replacingOccurrences(of: "own", with: "other"))
        }
        #expect(try lab.connected() == ["alpha", "beta", "own"])
        try Self.expectAgents(lab, "alpha", "beta", "other")
        #expect(
            daemon.requests.filter { $0.contains("subscribe") }.count == 1,
            "the control: nothing new was told")
    }

    /// A daemon that forgets who has subscribed, and keeps the connection. (Half a minute goes by until it is noticed.)
    @Test func aSubscriptionThatGoesSilentIsNoticed() throws {
        let lab = try Lab()
        let daemon = try CoreDaemon(lab, CoreDaemon.healthy("alpha"))
        defer { daemon.end() }
        let watcher = try LabKeeper(lab, configuration: Self.configuration)
        try Self.expectAgents(lab, "alpha", "own")
        #expect(
            daemon.requests.filter { $0 == "{\"cmd\":\"agent_status\"}\n" }.count == 1,
            "the control: it tells by itself")
        // (Whoever subscribes after the change has heard of it.)
        try daemon.waitForSubscriber()
        daemon.answer(CoreDaemon.healthy("alpha", "beta"), tells: false)
        let deadline = ContinuousClock.now + .seconds(45)
        while try lab.connected() != ["alpha", "beta", "own"], .now < deadline { usleep(200_000) }
        #expect(try lab.connected() == ["alpha", "beta", "own"])
        let words = "\(CoreDaemon.path) has not told of a change, and is asked every few seconds from now on"
        try wait(seconds: 30) { try !watcher.sentences("roster").contains(words) }
        #expect(try watcher.sentences("roster") == ["\(CoreDaemon.path) answers: 1 agent", words])
        // From now on it is asked.
        daemon.answer(CoreDaemon.healthy("alpha", "gamma"), tells: false)
        try Self.expectAgents(lab, "alpha", "gamma", "own")
        #expect(daemon.requests.filter { $0.contains("subscribe") }.count == 1)
        #expect(Set(daemon.requests) == Self.permitted)
    }

    /// A daemon that has to be asked, and gets into all kinds of trouble: nothing changes in the kernel.
    @Test func troubleChangesNothing() throws {
        let lab = try Lab()
        let first = try CoreDaemon(lab, CoreDaemon.healthy("alpha"), subscriptions: false)
        let watcher = try LabKeeper(lab, configuration: Self.configuration)
        try Self.expectAgents(lab, "alpha", "own")
        let before = try lab.snapshot()
        first.answer(#"{"version":1,"ok":false,"error":"the database is locked"}"#)
        try Self.expectKept(watcher, "refuses to answer: \"the database is locked\"", "alpha", "own")
        first.answer(
            #"{"version":2,"ok":true,"agent_statuses":[{"name":"beta","running":true}]}"#)
        try Self.expectKept(watcher, "speaks version 2 of the protocol", "alpha", "own")
        first.end()
        try Self.expectKept(watcher, "cannot", "alpha", "own")
        try lab.expect(before)
        let down = first.requests
        let second = try CoreDaemon(lab, CoreDaemon.healthy("alpha", "beta"), subscriptions: false)
        defer { second.end() }
        try Self.expectAgents(lab, "alpha", "beta", "own")
        #expect(try watcher.state["roster"] as? String == "\(CoreDaemon.path) answers: 2 agents")
        // Trouble and its end are events, however long it lasts and however it is worded.
        #expect(try watcher.events("roster").count == 3, "\(watcher.process.words)")
        #expect(Set(down + second.requests) == Self.permitted, "\(down)")
        // (The first answer to a subscription was no; from then on it is only asked.)
        #expect(down.filter { $0.contains("subscribe") }.count == 1)
    }
}
