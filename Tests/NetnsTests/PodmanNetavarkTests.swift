import Foundation
import Testing

/// hive-netavark through Debian 13's podman and netavark, whose containers are real ones.
@Suite(.enabled(if: Podman.obstacle(.netavark) == nil, "\(Podman.obstacle(.netavark) ?? "")"), .serialized)
struct PodmanNetavarkTests {
    @Test func containersAreBehindTheBoundary() throws {
        let podman = try Podman(["agents": [:], "outward": ["egress": "internet"]], .netavark)
        defer { podman.end() }
        try PodmanTests.checkBoundary(podman)
    }

    /// What the plugin refuses podman says, when the network is made or when a container is, and nothing is left.
    @Test func whatIsRefusedIsSaid() throws {
        let podman = try Podman(["agents": [:], "other": [:]], .netavark)
        defer { podman.end() }
        func create(_ settings: [String: String], _ more: String...) throws -> CommandResult {
            try podman.run(["network", "create"] + Podman.options(settings) + more + ["wrong"])
        }
        for (settings, more, words) in [
            (["egress": "everything"], "--internal=false", "egress is \"everything\""),
            (["egres": "none"], "--internal=false", "did you mean \"egress\"?"),
            ([:], "--subnet=10.1.0.0/16", "leave --subnet out"),
            (["egress": "internet"], "--internal", "the network is internal"),
        ] {
            let refused = try create(settings, more)
            #expect(refused.status != 0 && refused.stderr.contains(words), "\(words): \(refused)")
            #expect(try podman.run(["network", "exists", "wrong"]).status == 1)
        }
        for (options, words) in [
            (["--publish", "8080:80"], "leave --publish out"),
            (["--mac-address", "02:00:00:00:00:01"], "MAC"),
        ] {
            let refused = try podman.runOnce(["--network", "agents"] + options)
            #expect(refused.status != 0 && refused.stderr.contains(words), "\(words): \(refused)")
        }
        try PodmanTests.checkRefusals(podman)
        // The control of the networks.
        let right = try create(["egress": "internet"])
        #expect(right.status == 0, "\(right)")
    }

    /// What the container sees of its network: addresses, name servers of its own, no name server of podman's.
    @Test func whatAContainerSees() throws {
        let podman = try Podman(["agents": [:]], .netavark)
        defer { podman.end() }
        let seen = try podman.runOnce(
            ["--network", "agents", "--ip", "10.77.0.9", "--dns", "192.0.2.53"],
            ["/bin/sh", "-c", "ip -br addr show eth0; ip route; cat /etc/resolv.conf"])
        #expect(seen.status == 0, "\(seen)")
        #expect(seen.stdout.contains("10.77.0.9/32") && seen.stdout.contains("fd77:6869:7665::9/128"))
        #expect(seen.stdout.contains("default via 10.77.0.1 dev eth0"))
        #expect(seen.stdout.contains("nameserver 192.0.2.53"))
        #expect(seen.stdout.components(separatedBy: "nameserver").count == 2, "\(seen)")
    }
}
