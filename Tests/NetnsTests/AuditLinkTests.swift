import HiveNet
import Testing

/// Threat 11 and what is near it: links besides the agents' own.
@Suite struct AuditLinkTests {
    private static func makeLab() throws -> Lab {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {}, beta: {} } }")
        #expect(try lab.audit().faults("links") == [])
        return lab
    }

    /// A pair from one agent to another: found in both.
    @Test func betweenAgents() throws {
        let lab = try Self.makeLab()
        try lab.ip(in: "hive-alpha", "link add side type veth peer name entry netns hive-beta")
        let faults = try lab.audit().faults("links")
        #expect(faults.map(\.severity) == [.alarm, .alarm] && faults.map(\.agent) == ["alpha", "beta"])
        for (fault, words) in zip(faults, ["agent beta besides its own", "agent alpha besides its own"]) {
            #expect(fault.sentence.contains("1 link to the namespace of \(words)"), "\(faults)")
        }
        try lab.ip(in: "hive-beta", "link del entry")
        #expect(try lab.audit().faults("links") == [])
    }

    /// What an agent may do for itself: a pair whose ends are both inside, and one to a namespace of its own.
    @Test func theAgentsOwnDoing() throws {
        let lab = try Self.makeLab()
        try lab.ip(in: "hive-alpha", "link add one type veth peer name two")
        let inside = try lab.audit().faults("links")
        #expect(inside.map(\.severity) == [.warning] && inside.map(\.agent) == ["alpha"])
        #expect(inside.first?.sentence.contains("2 links besides its own: one (veth), two (veth)") == true)
        try lab.ip("netns add nested")
        try lab.ip(in: "hive-alpha", "link set two netns nested")
        let nested = try lab.audit().faults("links")
        #expect(nested.map(\.severity) == [.warning], "\(nested)")
        #expect(nested.first?.sentence.contains("neither the host's nor an agent's") == true, "\(nested)")
        // No alarm, so `show` is silent.
        #expect(try !lab.hivectl("net", "show").stdout.contains("ALARM"))
        try lab.ip(in: "hive-alpha", "link del one")
        #expect(try lab.audit().faults("links") == [])
    }

    /// An agent's end that is moved to another agent: the port has the right mark and leads to the wrong namespace.
    @Test func aPortOfAnothers() throws {
        let lab = try Self.makeLab()
        try lab.ip(in: "hive-alpha", "link set eth0 name eth7")
        try lab.ip(in: "hive-alpha", "link set eth7 netns hive-beta")
        let faults = try lab.audit().faults("links")
        #expect(faults.allSatisfy { $0.agent == "beta" && $0.severity == .alarm }, "\(faults)")
        #expect(
            faults.contains {
                $0.sentence.contains("hv-alpha") && $0.sentence.contains("marked as the one of agent alpha")
            }, "\(faults)")
        #expect(
            faults.contains {
                $0.sentence.contains("1 link to the host besides its own, past the boundary: eth7")
            }, "\(faults)")
        try lab.apply()
        #expect(try lab.audit().faults("links") == [])
    }

    /// What a name promises counts for nothing: a renamed loopback link is one, and a way to the host by its name is none.
    @Test func falseNames() throws {
        let lab = try Self.makeLab()
        try lab.ip(in: "hive-alpha", "link set lo down")
        try lab.ip(in: "hive-alpha", "link set lo name other")
        #expect(try lab.audit().faults("links") == [])
        try lab.ip("link add evil type veth peer name lo netns hive-alpha")
        let loopback = try lab.audit().faults("links")
        #expect(
            loopback.contains {
                $0.severity == .alarm && $0.sentence.contains("past the boundary: lo (veth)")
            })
        try lab.ip("link del evil")
        try lab.ip(in: "hive-alpha", "link set eth0 name own")
        try lab.ip("link add evil type veth peer name eth0 netns hive-alpha")
        let taken = try lab.audit().faults("links")
        #expect(
            taken.contains {
                $0.severity == .alarm && $0.sentence.contains("2 links to the host besides its own")
            },
            "\(taken)")
        #expect(taken.contains { $0.sentence.contains("past the boundary: evil (veth)") }, "\(taken)")
    }

    /// Links to namespaces that are no agent's are nobody's business.
    @Test func linksToOtherNamespaces() throws {
        let lab = try Self.makeLab()
        try lab.ip("netns add other")
        try lab.ip("link add uplink type veth peer name eth0 netns other")
        #expect(try lab.audit().faults("links") == [])
        // The control: the same link, with the other end in an agent's namespace.
        try lab.ip(in: "other", "link set eth0 netns hive-alpha name eth1")
        #expect(
            try lab.audit().faults("links").contains {
                $0.sentence.contains("past the boundary: uplink (veth)")
            })
    }
}
