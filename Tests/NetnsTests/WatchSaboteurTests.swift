import Foundation
import Glibc
import Testing

/// Many who change things at random, against a watcher, while an agent sends what is forbidden all the time.
@Suite(.timeLimit(.minutes(10))) struct WatchSaboteurTests {
    private static let agents = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
    static let configuration =
        "{ gateway: { user: \"root\" }, agents: { "
        + agents.enumerated().map { "\($1): { address4: \"10.77.0.\($0 + 2)\", web: { port: 8080 } }" }
        .joined(separator: ", ") + " } }"

    /// A command of a saboteur's. The attacker and its victim keep their namespaces, so that packets do go on.
    private static func command(_ random: inout SeededGenerator) -> String {
        let index = Int.random(in: 0..<agents.count, using: &random)
        let (agent, octet) = (agents[index], index + 2)
        let link = "hv-\(agent)"
        let flag =
            ["isolated off", "learning on", "flood on", "mcast_flood on", "bcast_flood on", "guard off"]
            .randomElement(using: &random) ?? ""
        let mac = "6a:76:0a:4d:00:0\(octet)"
        let commands = [
            "nft flush ruleset", "nft delete table inet hive", "nft delete table bridge hive",
            "nft flush chain inet hive input", "nft add rule inet hive input accept",
            "bridge link set dev \(link) \(flag)", "bridge link set dev \(link) \(flag)",
            "bridge link set dev \(link) isolated off", "ip link del \(link)",
            "ip link set \(link) down", "ip link set \(link) nomaster", "ip link set \(link) mtu 1300",
            "bridge fdb del \(mac) dev \(link) master static", "ip neigh del 10.77.0.\(octet) dev hive0",
            "ip -n hive-\(agent) neigh flush all nud permanent", "ip -n hive-\(agent) addr flush dev eth0",
            "ip -n hive-\(agent) link set eth0 down", "sysctl -qw net.ipv4.conf.hive0.route_localnet=1",
            "sysctl -qw net.ipv4.conf.\(link).proxy_arp=1", "sysctl -qw net.ipv6.conf.hive0.accept_ra=2",
            "sysctl -qw net.ipv4.conf.hive0.rp_filter=0",
            index > 1 ? "ip netns del hive-\(agent)" : "bridge link set dev \(link) flood on",
        ]
        return commands.randomElement(using: &random) ?? ""
    }

    static func script(seed: UInt64, count: Int) -> String {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in
            "\(command(&random)) 2>/dev/null; sleep 0.\(Int.random(in: 0..<30, using: &random) + 10)"
        }.joined(separator: "\n")
    }

    @Test func nothingForbiddenArrives() throws {
        let hive = try TwoAgents(configuration: Self.configuration)
        let lab = hive.lab
        let fresh = try lab.snapshot()
        let watch = try Watched(lab)
        let attacker = try Attacker(hive)
        let count = try watch.number
        var arrived: [String] = []
        // Ten at a time.
        for wave in 0..<5 {
            let saboteurs = try (0..<10).map {
                try lab.background(["sh", "-c", Self.script(seed: UInt64(wave * 10 + $0), count: 5)])
            }
            while saboteurs.contains(where: \.isRunning) {
                arrived += attacker.arrivals()
                try watch.read()
                usleep(2_000)
            }
        }
        arrived += attacker.arrivals()
        #expect(arrived == [], "seeds 0 to 49")
        #expect(watch.process.isRunning, "\(watch.process.words)")
        try wait(seconds: 60) {
            usleep(200_000)
            return try !lab.difference(from: fresh).isEmpty
        }
        try lab.expect(fresh, "after 50 saboteurs, seeds 0 to 49")
        try watch.converge()
        arrived += attacker.arrivals()
        attacker.end()
        #expect(arrived == [])
        #expect(attacker.sent > 1000)
        let repaired = watch.events.filter { $0.number > count && $0.kind == "repaired" }
        let times = repaired.compactMap(\.milliseconds).sorted()
        try #require(times.count >= 20, "\(watch.events)")
        let (median, late, most) = (
            times[times.count / 2], times[times.count * 95 / 100], times[times.count - 1]
        )
        print(
            "saboteurs: \(attacker.sent) forbidden frames sent, \(times.count) repairs timed: median \(median) ms, "
                + "p95 \(late) ms, max \(most) ms; \(watch.events.filter { $0.kind == "quarantined" }.count) quarantines"
        )
        #expect(median < 100)
        #expect(most < 1000)
    }

    /// The control: nobody watches, and both layers are gone.
    @Test func theAttackerArrivesWithoutBoundary() throws {
        let hive = try TwoAgents(configuration: Self.configuration)
        let lab = hive.lab
        let attacker = try Attacker(hive)
        wait(seconds: 0.1) { true }
        #expect(attacker.arrivals() == [])
        try lab.nft("flush ruleset")
        try hive.disable(.port)
        var arrived: Set<String> = []
        let places = ["host by IPv4", "host by IPv6", "peer by IPv4", "peer by IPv6"]
        wait(seconds: 10) {
            for words in attacker.arrivals() { arrived.insert(words) }
            return !places.allSatisfy { place in arrived.contains { $0.hasSuffix(place) } }
        }
        for place in places { #expect(arrived.contains { $0.hasSuffix(place) }, "\(place)") }
    }
}
