import Foundation
import Glibc
import Testing

/// Somebody who does not stop.
@Suite(.timeLimit(.minutes(10))) struct WatchQuarrelTests {
    private static func isUp(_ lab: Lab, _ link: String) throws -> Bool? {
        let result = try lab.run(["ip", "-j", "link", "show", "dev", link])
        guard result.status == 0, let list = try result.json() as? [[String: Any]] else { return nil }
        return (list.first?["flags"] as? [String])?.contains("UP")
    }

    /// Undoing one repair again and again cuts the agent off, nobody else, and not for good.
    @Test func whoIsFoughtAboutIsCutOff() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        let watch = try Watched(lab)
        let attacker = try Attacker(hive)
        let other = try lab.ip("-o link show dev hv-beta").stdout
        let count = try watch.number
        let saboteur = try lab.background([
            "sh", "-c", "while :; do bridge link set dev hv-alpha isolated off; sleep 0.005; done",
        ])
        let event = try watch.event(after: count, "a quarrel") { $0.kind == "quarantined" }
        #expect(event.agent == "alpha" && event.sentence.contains("hv-alpha"), "\(event)")
        // (Of a port's flags the kernel does not say who set them: br_ifinfo_notify.)
        try wait(seconds: 5) { try Self.isUp(lab, "hv-alpha") == true }
        #expect(try Self.isUp(lab, "hv-alpha") == false)
        // It stays down while it is fought about, but for the trials.
        let again = try watch.event(after: event.number, seconds: 15, "a trial") { $0.kind == "retried" }
        #expect(again.agent == "alpha")
        _ = try watch.event(after: again.number, seconds: 15, "a failed trial") { $0.kind == "quarantined" }
        #expect(attacker.arrivals() == [])
        #expect(try lab.ip("-o link show dev hv-beta").stdout == other)
        saboteur.end()
        try watch.converge()
        #expect(try Self.isUp(lab, "hv-alpha") == true)
        #expect(attacker.arrivals() == [])
        #expect(attacker.sent > 0)
        #expect(
            watch.events.filter { $0.number > count }.compactMap(\.changes).joined().allSatisfy {
                $0.agent != "beta"
            })
    }

    /// The host's entry for one agent leads to another one, again and again. The first is cut off; the other one goes on working.
    @Test func aFightAboutANeighbourIsItsAgentsAlone() throws {
        let hive = try TwoAgents(
            configuration: """
                { agents: { alpha: { address4: "10.77.0.2", egress: "internet" },
                            beta: { address4: "10.77.0.3", egress: "internet" } } }
                """, outside: true)
        let lab = hive.lab
        let watch = try Watched(lab)
        let attacker = try Attacker(hive)
        let alpha = try Talker(lab, in: "/run/netns/hive-alpha", port: 81)
        let beta = try Talker(lab, in: "/run/netns/hive-beta", port: 82)
        #expect(alpha.arrives() && beta.arrives())
        let other = try lab.ip("-o link show dev hv-beta").stdout
        let count = try watch.number
        let entry = "ip neigh replace \(hive.alpha.address4) lladdr \(hive.beta.mac) dev hive0 nud permanent"
        let saboteur = try lab.background(["sh", "-c", "while :; do \(entry); sleep 0.005; done"])
        let event = try watch.event(after: count, "a quarrel") { $0.kind == "quarantined" }
        #expect(event.agent == "alpha" && event.sentence.contains("neighbour 10.77.0.2"), "\(event)")

        // While it is cut off nothing of it passes. (Between two trials, which are told of.)
        var (quiet, tries) = (0, 0)
        while quiet < 5, tries < 100 {
            tries += 1
            let start = try watch.number
            guard try Self.isUp(lab, "hv-alpha") == false else { continue }
            _ = (alpha.arrivals(), beta.arrivals())
            usleep(100_000)
            let arrived = alpha.arrivals()
            #expect(beta.arrivals() > 0 || beta.arrives())
            // What the watcher has done by now it has told when it has answered.
            _ = try ControlLine(lab).ask(["cmd": "show"])
            let isTried = try watch.read().contains { $0.number > start && $0.kind == "retried" }
            guard try !isTried && Self.isUp(lab, "hv-alpha") == false else { continue }
            quiet += 1
            #expect(arrived == 0)
        }
        #expect(quiet == 5)
        let again = try watch.event(after: event.number, seconds: 15, "a trial") { $0.kind == "retried" }
        _ = try watch.event(after: again.number, seconds: 15, "a failed trial") { $0.kind == "quarantined" }
        #expect(beta.arrives())
        #expect(attacker.arrivals() == [])
        saboteur.end()
        let fight = try watch.read().filter { $0.number > count }
        #expect(fight.allSatisfy { $0.agent != "beta" })
        #expect(fight.compactMap(\.changes).joined().allSatisfy { $0.agent != "beta" })
        // Each repair after that is not told, and nothing else is lost among them.
        #expect(fight.count < 200, "\(fight.count)")
        // It is one quarrel, about what is too much and about what is missing.
        let quarrels = fight.filter { $0.kind == "quarantined" }
        #expect(quarrels.allSatisfy { $0.agent == "alpha" } && quarrels.count < 30, "\(quarrels)")
        #expect(try lab.ip("-o link show dev hv-beta").stdout == other)

        try watch.converge(seconds: 80)
        #expect(alpha.arrives() && beta.arrives())
        #expect(try lab.ip("neigh show 10.77.0.2").stdout.contains("\(hive.alpha.mac) PERMANENT"))
        #expect(attacker.arrivals() == [])
        #expect(attacker.sent > 0)
    }

    /// Whoever raises the link of an agent that is cut off finds it gone.
    @Test func aLinkThatIsRaisedIsTakenAway() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        let watch = try Watched(lab)
        let attacker = try Attacker(hive)
        let saboteur = try lab.background([
            "sh", "-c",
            "while :; do bridge link set dev hv-alpha isolated off; ip link set hv-alpha up; done 2>/dev/null",
        ])
        try wait(seconds: 20) { try Self.isUp(lab, "hv-alpha") != nil }
        #expect(try Self.isUp(lab, "hv-alpha") == nil)
        saboteur.end()
        try watch.converge()
        try wait(seconds: 20) { try Self.isUp(lab, "hv-alpha") != true }
        #expect(try Self.isUp(lab, "hv-alpha") == true)
        #expect(attacker.arrivals() == [])
    }

    /// A namespace that is deleted again and again, at any time between a look and what is done about it.
    @Test func namespacesVanishWhileTheyAreSetUp() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        let fresh = try lab.snapshot()
        let watch = try Watched(lab)
        let saboteur = try lab.background([
            "sh", "-c",
            "for i in $(seq 120); do ip netns del hive-alpha; sleep 0.01; done 2>/dev/null",
        ])
        _ = try saboteur.wait(seconds: 60)
        #expect(watch.process.isRunning, "\(watch.process.words)")
        try watch.converge(seconds: 80)
        try lab.expect(fresh, "after namespaces that vanished")
    }

    @Test func theBridgeIsDeletedUnderLoad() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        let fresh = try lab.snapshot()
        let watch = try Watched(lab)
        let attacker = try Attacker(hive)
        for _ in 0..<4 {
            let count = try watch.number
            try lab.ip("link del hive0")
            _ = try watch.event(after: count, "the bridge") { $0.kind == "repaired" }
            #expect(attacker.arrivals() == [])
        }
        try watch.converge()
        #expect(attacker.arrivals() == [])
        #expect(attacker.sent > 0)
        try lab.expect(fresh, "after the bridge was deleted")
    }
}
