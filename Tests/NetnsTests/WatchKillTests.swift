import Foundation
import Glibc
import Testing

/// A watcher that is killed at any time: no agent gets further than before, and the next one goes on.
@Suite(.timeLimit(.minutes(60))) struct WatchKillTests {
    private static let kills = ProcessInfo.processInfo.environment["HIVE_KILLS"].flatMap { Int($0) } ?? 100

    /// What keeps a watcher busy and leaves the tables alone, which are anybody's while nobody watches.
    private static func sabotage(seed: UInt64) -> String {
        var random = SeededGenerator(seed: seed)
        let lines = (0..<64).map { _ -> String in
            let agent = ["alpha", "beta", "gamma"].randomElement(using: &random) ?? ""
            return [
                "bridge link set dev hv-\(agent) isolated off", "bridge link set dev hv-\(agent) learning on",
                "ip link set hv-\(agent) down", "ip link del hv-\(agent)", "ip link set hv-\(agent) nomaster",
                "ip neigh flush dev hive0 nud permanent", "ip -n hive-gamma addr flush dev eth0",
                "ip netns del hive-gamma", "sysctl -qw net.ipv4.conf.hive0.route_localnet=1",
            ].randomElement(using: &random) ?? ""
        }
        return "while :; do\n" + lines.map { "\($0) 2>/dev/null; sleep 0.02" }.joined(separator: "\n")
            + "\ndone"
    }

    @Test func killedAtRandom() throws {
        let seed: UInt64 = 4
        let hive = try TwoAgents(
            configuration: """
                { gateway: { user: "root" },
                  agents: { alpha: { address4: "10.77.0.2" }, beta: { address4: "10.77.0.3" },
                            gamma: { address4: "10.77.0.4" } } }
                """)
        let lab = hive.lab
        let fresh = try lab.snapshot()
        // (As a watcher makes them: they outlive it.)
        var first: Watched? = try Watched(lab)
        first = nil
        #expect(first == nil)
        let rules = try Self.tables(lab)
        let attacker = try Attacker(hive)
        var random = SeededGenerator(seed: seed)
        let saboteur = try lab.background(["sh", "-c", Self.sabotage(seed: seed)])
        var took = 0
        for number in 1...Self.kills {
            let watcher = try Watched.start(lab)
            if number % 3 == 0 {
                // It keeps the network already.
                wait(seconds: 20) { (try? ControlLine(lab)) == nil && watcher.isRunning }
                took += 1
            }
            usleep(UInt32.random(in: 0..<150_000, using: &random))
            guard watcher.isRunning else {
                Issue.record("seed \(seed), watcher \(number) ended by itself: \(watcher.words)")
                break
            }
            watcher.end()
            let arrived = attacker.arrivals()
            #expect(arrived == [], "seed \(seed), kill \(number)")
            let now = try Self.tables(lab)
            if now != rules { Issue.record("seed \(seed), kill \(number): the tables are now:\n\(now)") }
            if !arrived.isEmpty || now != rules { break }
        }
        saboteur.end()
        let watch = try Watched(lab)
        try watch.converge()
        #expect(attacker.arrivals() == [])
        attacker.end()
        try lab.expect(fresh, "seed \(seed)")
        #expect(attacker.sent > 0)
        print(
            "\(Self.kills) kills, \(took) of them of a watcher that kept the network; \(attacker.sent) frames sent"
        )
    }

    /// The rules, without counts and without elements, which come and go with agents.
    private static func tables(_ lab: Lab) throws -> String {
        try lab.must("nft -s -t list ruleset").stdout.split(separator: "\n")
            // Whom they belong to.
            .filter { !$0.hasPrefix("\tflags ") && !$0.contains("# progname") }
            .map { $0.hasPrefix("table ") ? $0.prefix { $0 != "#" } : $0 }
            .joined(separator: "\n")
    }
}
