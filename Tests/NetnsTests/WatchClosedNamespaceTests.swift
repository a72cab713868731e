import Foundation
import Glibc
import HiveNet
import Testing

/// An agent in somebody else's namespace that cannot be had, or no longer: that is this agent's matter alone.
@Suite(.timeLimit(.minutes(10))) struct WatchClosedNamespaceTests {
    private static let place = "/run/lab/guest"
    private static let namespace = "\"\(place)/net\""

    private static func configuration(guest namespace: String, _ more: String = "") -> String {
        """
        { gateway: { user: "root" },
          agents: { alpha: { address4: "10.77.0.2", egress: "internet" }, beta: { address4: "10.77.0.3" },
                    guest: { address4: "10.77.0.4", egress: "internet", namespace: \(namespace) }, \(more) } }
        """
    }

    /// Root who may read no more than the modes of files say.
    private static let weak = [
        "setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search",
    ]

    /// Opens or closes the way to the guest's namespace, for those who are weak.
    private func set(_ isOpen: Bool, _ lab: Lab) throws {
        try lab.must("chmod \(isOpen ? "755" : "000") \(Self.place)")
    }

    private func troubles(_ watcher: LabKeeper) throws -> [String] {
        try watcher.events("trouble").filter { $0["agent"] as? String == "guest" }
            .compactMap { $0["sentence"] as? String }
    }

    /// Something happens that makes the watcher look, and nobody's link another one.
    private func makeItLook(_ lab: Lab) throws { try lab.must("bridge link set dev hv-beta isolated off") }

    /// A watcher that is weak, of a hive with a guest whose namespace is closed.
    private func watchClosed(_ lab: Lab) throws -> LabKeeper {
        try lab.ip("netns add guest")
        try lab.must("mkdir \(Self.place)")
        try lab.must("touch \(Self.place)/net")
        try lab.must("mount --bind /run/netns/guest \(Self.place)/net")
        try set(false, lab)
        try lab.write(configuration: Self.configuration(guest: Self.namespace))
        // (The checkout may be where only those who are strong may look.)
        try lab.must("cp \(Lab.hivectlPath) /run/lab/hivectl")
        return try LabKeeper(lab, before: Self.weak, program: "/run/lab/hivectl")
    }

    /// Nothing else happens that would make the watcher look.
    @Test func whatOpensIsFoundOpen() throws {
        let lab = try Lab()
        let watcher = try watchClosed(lab)
        #expect(try lab.links()["hv-alpha"] != nil)
        usleep(1_500_000)
        #expect(try lab.links()["hv-guest"] == nil)
        try set(true, lab)
        // (Neighbours that the kernel forgets make it look too, later.)
        try wait(seconds: 8) { try lab.links()["hv-guest"] == nil }
        #expect(try lab.links()["hv-guest"] != nil)
        #expect(try troubles(watcher).count == 1)
    }

    @Test func whoCannotBeReachedIsCutOffAlone() throws {
        let hive = try TwoAgents(
            configuration:
                "{ agents: { alpha: { address4: '10.77.0.2', egress: 'internet' }, beta: { address4: '10.77.0.3' } } }",
            outside: true)
        let lab = hive.lab
        let watcher = try watchClosed(lab)
        let namespace = Self.namespace
        let attacker = try Attacker(hive)
        let alpha = try Talker(lab, in: "/run/netns/hive-alpha", port: 81)
        let guest = try Talker(lab, in: "/run/netns/guest", port: 82)

        // The others are up, and kept from what they are not to reach.
        #expect(alpha.arrives())
        #expect(try lab.connected() == ["alpha", "beta"])
        #expect(guest.arrivals() == 0)
        let words =
            "hive.json: agents.guest.namespace: the kernel does not let Hive open the network namespace"
        let told = try troubles(watcher)
        #expect(told.count == 1 && told.first?.contains(words) == true, "\(told)")
        #expect(told.first?.hasSuffix("\(Self.place)/net of agent guest: Permission denied (EACCES)") == true)
        try expectShown(lab, [], words)
        // Without a watcher too. And whoever applies is told, and changes nothing.
        try expectShown(lab, ["--socket", Lab.nobody], words)
        for socket in [[], ["--socket", Lab.nobody]] {
            // (Not all of a snapshot: packets go out and make neighbours.)
            let before = try lab.ip("-o addr show").stdout + lab.ip("-o link show").stdout
            let refused = try asWeak(lab, socket + ["net", "apply"])
            #expect(refused.status == 78 && refused.stderr.contains(words), "\(refused)")
            #expect(try lab.ip("-o addr show").stdout + lab.ip("-o link show").stdout == before)
        }

        // What is wanted besides comes into force meanwhile.
        try lab.write(
            configuration: Self.configuration(guest: namespace, "gamma: { address4: \"10.77.0.5\" }"))
        try wait { try lab.connected() != ["alpha", "beta", "gamma"] }
        #expect(try lab.connected() == ["alpha", "beta", "gamma"])
        #expect(try watcher.state["refused"] == nil)

        // It opens, which nobody tells: the watcher tries now and then.
        try set(true, lab)
        try wait(seconds: 40) { try !lab.connected().contains("guest") }
        #expect(guest.arrives(), "\(watcher.process.words)")
        #expect(try lab.shown()["unreadable"] == nil)

        // It closes while the agent is up, and opens again.
        try set(false, lab)
        try makeItLook(lab)
        try wait { try lab.connected().contains("guest") }
        #expect(try lab.links()["hv-guest"] == nil)
        _ = guest.arrivals()
        #expect(alpha.arrives())
        #expect(guest.arrivals() == 0)
        #expect(try troubles(watcher).count == 2)
        try set(true, lab)
        try makeItLook(lab)
        #expect(guest.arrives())
        #expect(try lab.hivectl("net", "apply").status == 0)
        #expect(attacker.arrivals() == [])
        #expect(attacker.sent > 0)
        // Nobody else's link was touched.
        #expect(
            try watcher.events("repaired").flatMap { $0["changes"] as? [[String: Any]] ?? [] }.allSatisfy {
                $0["agent"] as? String != "alpha"
            })
    }

    private func asWeak(_ lab: Lab, _ arguments: [String]) throws -> CommandResult {
        try lab.run(Self.weak + ["/run/lab/hivectl"] + Lab.commandLine(arguments).dropFirst())
    }

    /// The others are shown, and what could not be read is said.
    private func expectShown(_ lab: Lab, _ socket: [String], _ words: String) throws {
        let result = try asWeak(lab, socket + ["net", "show", "--json"])
        let shown = try result.json() as? [String: Any]
        let network = shown?["network"] as? [String: Any]
        let agents = network?["agents"] as? [String: [String: Any]]
        #expect(agents?["alpha"]?["inside"] is [String: Any], "\(result)")
        #expect(shown?["unreadable"] as? [String] == ["guest"], "\(result)")
        #expect((shown?["cautions"] as? [String])?.contains { $0.contains(words) } == true, "\(result)")
        let text = try asWeak(lab, socket + ["net", "show"])
        #expect(text.status == 0 && text.stdout.contains(words), "\(text)")
        let row = text.stdout.split(separator: "\n").first { $0.hasPrefix("guest ") }
        #expect(row?.contains("unreadable") == true, "\(text)")
    }

    @Test func whoseProcessEndsIsCutOffAlone() throws {
        let hive = try TwoAgents(
            configuration: "{ agents: { alpha: { address4: '10.77.0.2', egress: 'internet' }, beta: {} } }",
            outside: true)
        let lab = hive.lab
        let container = try lab.background(["unshare", "--net", "sleep", "600"])
        let comm = "/proc/\(container.pid)/comm"
        wait { (try? String(contentsOfFile: comm, encoding: .utf8)) != "sleep\n" }
        let place = "{ pid: \(container.pid) }"
        let watcher = try LabKeeper(lab, configuration: Self.configuration(guest: place))
        let alpha = try Talker(lab, in: "/run/netns/hive-alpha", port: 81)
        let guest = try Talker(lab, in: "/proc/\(container.pid)/ns/net", port: 82)
        #expect(try lab.connected() == ["alpha", "beta", "guest"])
        #expect(alpha.arrives() && guest.arrives())

        container.end()
        // (The talker is in the namespace still, so that the kernel tells nothing.)
        try makeItLook(lab)
        try wait { try lab.connected().contains("guest") }
        #expect(try lab.connected() == ["alpha", "beta"])
        _ = guest.arrivals()
        #expect(alpha.arrives())
        #expect(guest.arrivals() == 0)
        let told = try troubles(watcher)
        #expect(
            told.count == 1
                && told.first?.hasSuffix("/proc/\(container.pid)/ns/net of agent guest does not exist")
                    == true,
            "\(told)")

        try lab.write(configuration: Self.configuration(guest: place, "gamma: { address4: \"10.77.0.5\" }"))
        try wait { try lab.connected() != ["alpha", "beta", "gamma"] }
        #expect(try lab.connected() == ["alpha", "beta", "gamma"])
        #expect(try watcher.state["refused"] == nil)
        // One that is wanted anew, and cannot be, is a mistake of whoever wrote it.
        try lab.write(configuration: Self.configuration(guest: "\"/run/netns/none\""))
        try wait { try watcher.state["refused"] == nil }
        #expect((try watcher.state["refused"] as? String)?.contains("/run/netns/none") == true)
        #expect(try lab.connected() == ["alpha", "beta", "gamma"])
    }
}
