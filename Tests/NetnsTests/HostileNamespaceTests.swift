import Foundation
import Testing

/// What an agent with CAP_NET_ADMIN in its own namespace does there: it may hurt itself, and nobody else.
@Suite struct HostileNamespaceTests {
    private static let configuration = """
        { agents: { alpha: {}, gamma: { namespace: "/run/netns/mine" }, omega: {} } }
        """

    @Test func aNameThatIsTakenInside() throws {
        let lab = try Lab()
        try lab.ip("netns add mine")
        try lab.ip(in: "mine", "link add eth0 type bridge")
        try lab.write(configuration: Self.configuration)
        let result = try lab.hivectl("net", "apply")
        #expect(result.status == 70, "\(result)")
        #expect(result.stderr.contains("agent gamma has no network: create veth hv-gamma"), "\(result)")
        for agent in ["alpha", "omega"] {
            #expect(try lab.must("ip -o link show hv-\(agent)").stdout.contains("state UP"), "\(agent)")
        }
        #expect(try lab.run(["ip", "link", "show", "hv-gamma"]).status != 0)
        // It is the agent's own link, and stays.
        try lab.ip(in: "mine", "link show eth0")
        // When it is gone, the agent gets its network.
        try lab.ip(in: "mine", "link del eth0")
        try lab.apply()
        #expect(try lab.apply().stdout.isEmpty)
        #expect(try lab.must("ip -o link show hv-gamma").stdout.contains("state UP"))
    }

    /// Whatever it does to its end of the pair, the next apply puts it right.
    @Test(arguments: [
        "link del eth0", "link set eth0 name other", "link set eth0 down", "addr flush dev eth0",
        "route del default", "link set eth0 address 02:00:00:00:00:01", "link set eth0 mtu 1280",
        "addr add 10.77.0.3/32 dev eth0", "neigh flush all nud permanent",
    ])
    func anythingToItsOwnLink(_ command: String) throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {}, omega: {} } }")
        let before = try lab.snapshot()
        try lab.ip(in: "hive-alpha", command)
        #expect(try lab.hivectl("net", "plan").status == 2)
        try lab.apply()
        #expect(try lab.difference(from: before) == "")
    }
}
