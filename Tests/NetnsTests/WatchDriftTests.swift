import Foundation
import Glibc
import Testing

/// Each kind of change alone is noticed, put right and told, by the right names.
@Suite(.timeLimit(.minutes(10))) struct WatchDriftTests {
    private struct Drift {
        let command: String
        /// Somewhere in what is told of the repair.
        let words: String
        var agent: String?
        /// Whose doing it is, where the kernel tells: not of what is set of a link that is there (do_setlink,
        /// br_ifinfo_notify), nor of forwarding entries (fdb_notify).
        var author: String?
    }

    /// No link is changed so often that it would be a quarrel.
    private static let drifts: [Drift] = [
        port("alpha", "isolated off", "isolated"), port("beta", "learning on", "learning"),
        port("gamma", "flood on", "unicastFlood"), port("delta", "mcast_flood on", "multicastFlood"),
        port("epsilon", "bcast_flood on", "broadcastFlood"), port("zeta", "guard off", "bpduGuard"),
        port("alpha", "locked off", "locked"), port("beta", "hairpin on", "hairpin"),
        port("gamma", "backup_port hv-delta", "backup hv-delta -> none"),
        link("gamma", "set hv-gamma nomaster", "bridge none -> hive0"),
        link("delta", "set hv-delta down", "up false -> true"),
        link("epsilon", "set hv-epsilon mtu 1400", "mtu"),
        Drift(
            command: "bridge fdb del 6a:76:0a:4d:00:03 dev hv-beta master static",
            words: "fdb 6a:76:0a:4d:00:03 on hv-beta", agent: "beta"),
        Drift(command: "ip neigh del 10.77.0.2 dev hive0", words: "neighbour 10.77.0.2", author: "ip"),
        Drift(command: "sysctl -qw net.ipv4.conf.hive0.rp_filter=0", words: "ipv4.rpFilter 0 -> 1"),
        Drift(command: "sysctl -qw net.ipv4.conf.hive0.route_localnet=1", words: "ipv4.routeLocalnet 1 -> 0"),
        Drift(
            command: "sysctl -qw net.ipv4.conf.hv-zeta.proxy_arp=1", words: "ipv4.proxyARP 1 -> 0",
            agent: "zeta"),
        Drift(command: "ip addr del 10.77.0.1/16 dev hive0", words: "10.77.0.1"),
        link("epsilon", "del hv-epsilon", "hv-epsilon"), link("zeta", "set hv-zeta name other", "hv-zeta"),
        Drift(
            command: "ip link add foreign type veth peer name foreign1; ip link set foreign up master hive0",
            words: "foreign"),
        Drift(command: "ip link del hive0", words: "bridge hive0"),
    ]

    /// In agents' namespaces, and of them.
    private static let insides: [Drift] = [
        inside("alpha", "neigh del 10.77.0.1 dev eth0", "neighbours"),
        inside("beta", "addr flush dev eth0", "10.77.0.3"),
        inside("gamma", "route del default", "gateways4"),
        inside("delta", "link set eth0 down", "up false -> true"),
        // Straight to another agent: the pair goes with the end that is left.
        Drift(command: "ip link set hv-beta netns hive-alpha", words: "link hv-beta", agent: "beta"),
        // (Of the second one the watcher may be first to make it again.)
        Drift(command: "ip netns del hive-gamma", words: "hv-gamma", agent: "gamma"),
        Drift(
            command: "ip netns del hive-epsilon; ip netns add hive-epsilon || true", words: "hv-epsilon",
            agent: "epsilon"),
    ]

    private static func port(_ agent: String, _ flag: String, _ words: String) -> Drift {
        Drift(command: "bridge link set dev hv-\(agent) \(flag)", words: words, agent: agent)
    }
    private static func link(_ agent: String, _ command: String, _ words: String) -> Drift {
        Drift(command: "ip link \(command)", words: words, agent: agent)
    }
    private static func inside(_ agent: String, _ command: String, _ words: String) -> Drift {
        Drift(command: "ip -n hive-\(agent) \(command)", words: words, agent: agent)
    }

    @Test func ofTheHostsLinks() throws { try Self.drift(Self.drifts) }
    @Test func insideAgents() throws { try Self.drift(Self.insides) }

    private static func drift(_ drifts: [Drift]) throws {
        let hive = try TwoAgents(configuration: WatchSaboteurTests.configuration)
        let lab = hive.lab
        let watch = try Watched(lab)
        let reference = try lab.snapshot()
        for drift in drifts {
            let count = try watch.number
            let result = try lab.run(["sh", "-c", drift.command])
            guard result.status == 0 else {
                Issue.record("\(drift.command): \(result)")
                continue
            }
            do {
                let event = try watch.event(after: count, seconds: 12, drift.command) { event in
                    event.kind == "repaired" && event.words.contains { $0.contains(drift.words) }
                }
                #expect(
                    drift.agent == nil || event.changes?.contains { $0.agent == drift.agent } == true,
                    "\(drift.command): \(event)")
                // (The name only if it was asked for before the process ended.)
                #expect(
                    drift.author == nil
                        || event.actors?.contains { $0.name == drift.author || $0.name == nil } == true,
                    "\(drift.command): \(event)")
                try watch.converge()
            } catch { Issue.record("\(drift.command): \(error)") }
            if drift.command.contains("foreign") { try lab.ip("link del foreign") }
            try lab.expect(reference, drift.command)
        }
    }

    /// What is the host's own is left alone, and nothing breaks.
    @Test func othersChangesAreLeftAlone() throws {
        let hive = try TwoAgents()
        let watch = try Watched(hive.lab)
        let count = try watch.number
        try hive.lab.ipBatch([
            "link add other type veth peer name other1", "link set other1 up", "link set other up",
            "addr add 192.168.7.1/24 dev other", "route add 192.168.8.0/24 via 192.168.7.2",
            "addr add 2a11:7::1/64 dev other nodad",
        ])
        // This one is repaired after those were heard of.
        try hive.lab.must("bridge link set dev hv-alpha isolated off")
        _ = try watch.event(after: count, "isolated") { $0.kind == "repaired" }
        try watch.converge()
        let told = watch.events.filter { $0.number > count }
        #expect(told.flatMap(\.words).allSatisfy { $0.contains("hv-alpha") }, "\(told)")
        #expect(try hive.lab.ip("addr show dev other").stdout.contains("192.168.7.1/24"))
        #expect(try hive.lab.ip("route show").stdout.contains("192.168.8.0/24"))
    }
}
