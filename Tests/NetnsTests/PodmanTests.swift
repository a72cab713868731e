import Foundation
import Testing

/// hive-cni through a real client: podman with CNI, whose containers are real ones.
@Suite(.enabled(if: Podman.obstacle(.cni) == nil, "\(Podman.obstacle(.cni) ?? "")"), .serialized)
struct PodmanTests {
    @Test func containersAreBehindTheBoundary() throws {
        let podman = try Podman(["agents": [:], "outward": ["egress": "internet"]])
        defer { podman.end() }
        try Self.checkBoundary(podman)
    }

    /// Two containers, what they reach, a stop and a start, and the end.
    static func checkBoundary(_ podman: Podman) throws {
        let lab = podman.runtime.lab
        try lab.makeOutside()
        try podman.start("alpha", network: "agents")
        try podman.start("beta", network: "outward")
        let (alpha, beta) = (try podman.network("alpha", "agents"), try podman.network("beta", "outward"))
        let addresses = [alpha, beta].compactMap { $0["IPAddress"] as? String }
        try #require(addresses.count == 2)
        #expect(alpha["IPPrefixLen"] as? Int == 32 && alpha["Gateway"] as? String == "10.77.0.1", "\(alpha)")
        #expect(try podman.runtime.agents().map { String($0.prefix { $0 != "-" }) } == ["alpha", "beta"])

        try lab.must("mkdir /run/lab/page")
        try lab.write("the hosts page\n", to: "/run/lab/page/index.html")
        let server = try lab.background([
            "python3", "-m", "http.server", "7000", "--bind", "0.0.0.0", "--directory", "/run/lab/page",
        ])
        let outside = try lab.background([
            "ip", "netns", "exec", "outside", "python3", "-m", "http.server", "7080", "--bind", "0.0.0.0",
            "--directory", "/run/lab/page",
        ])
        defer { for process in [server, outside] { process.end() } }
        let host = "http://10.77.0.1:7000/", peer = "http://\(addresses[1]):8080/"
        let internet = "http://\(Lab.publicAddress4):7080/"
        // What may be, which also shows that all servers are up.
        func eventually(_ name: String, _ url: String, _ page: String) throws {
            var answer = ""
            for _ in 0..<60 where answer != page { answer = try podman.fetch(name, url) }
            #expect(answer == page, "\(name) \(url)")
        }
        try eventually("beta", internet, "the hosts page")
        try eventually("beta", "http://127.0.0.1:8080/", "betas page")
        NetnsTests.wait(seconds: 20) {
            (try? lab.run(["curl", "--silent", "--max-time", "1", host]).stdout) != "the hosts page\n"
        }
        // 28: curl waited in vain.
        for url in [host, peer, internet] { #expect(try podman.fetch("alpha", url) == "exit 28", "\(url)") }
        #expect(try podman.fetch("beta", host) == "exit 28")
        let shown = try lab.hivectl("net", "verify")
        #expect(shown.status == 0, "\(shown)")

        // Stopped and started again it is at the same address.
        _ = try podman.must("stop", "--time", "0", "alpha")
        #expect(try podman.runtime.agents().map { String($0.prefix { $0 != "-" }) } == ["beta"])
        _ = try podman.must("start", "alpha")
        #expect(try podman.network("alpha", "agents")["IPAddress"] as? String == addresses[0])
        #expect(try podman.fetch("alpha", host) == "exit 28")

        // The control: the same packets, without the rules.
        try lab.nft("delete table inet hive")
        try lab.nft("delete table bridge hive")
        try eventually("alpha", host, "the hosts page")
        try eventually("alpha", peer, "betas page")

        _ = try podman.must("rm", "--all", "--force", "--time", "0")
        #expect(try podman.runtime.agents() == [])
        #expect(try lab.links().keys.filter { $0.hasPrefix("hv-") } == [])
    }

    /// What the plugin refuses podman says, and nothing of the container is left.
    @Test func whatIsRefusedIsSaid() throws {
        let podman = try Podman(["agents": [:], "other": [:], "wrong": ["egress": "everything"]])
        defer { podman.end() }
        let wrong = try podman.runOnce(["--network", "wrong"])
        #expect(wrong.status != 0 && wrong.stderr.contains("egress is \"everything\""), "\(wrong)")
        try Self.checkRefusals(podman)
    }

    static func checkRefusals(_ podman: Podman) throws {
        let two = try podman.runOnce(["--network", "agents", "--network", "other"])
        #expect(two.status != 0 && two.stderr.contains("Hive's is eth0"), "\(two)")
        let outside = try podman.runOnce(["--network", "agents", "--ip", "10.99.0.1"])
        #expect(outside.status != 0 && outside.stderr.contains("10.99.0.1"), "\(outside)")
        #expect(try podman.runtime.agents() == [])
        // The control.
        let right = try podman.runOnce(["--network", "agents", "--ip", "10.77.0.77"])
        #expect(right.status == 0, "\(right)")
    }
}
