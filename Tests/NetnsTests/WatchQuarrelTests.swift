import Foundation
import Glibc
import Testing

/// Somebody who does not stop.
@Suite(.timeLimit(.minutes(5))) struct WatchQuarrelTests {
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
