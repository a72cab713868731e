import Testing

@testable import HiveNet

struct LinkNameTests {
    @Test(arguments: [
        ("alpha", "hv-alpha"), ("a", "hv-a"), ("twelve-chars", "hv-twelve-chars"),
    ])
    func aShortNameIsKept(agent: String, link: String) {
        #expect(LinkName.host(agent: agent, prefix: "hv-") == link)
    }

    @Test func aLongNameIsShortenedAndToldApart() {
        let link = LinkName.host(agent: "thirteen-char", prefix: "hv-")
        #expect(link.hasPrefix("hv-thir_"))
        #expect(link.utf8.count == 15)
        // The same on every machine and in every release: links that exist are found by it.
        #expect(link == LinkName.host(agent: "thirteen-char", prefix: "hv-"))
        #expect(link != LinkName.host(agent: "thirteen-chas", prefix: "hv-"))
    }

    @Test func allFitAndNoneAreAlike() {
        var random = Seeded(12)
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789-")
        var agents: Set<String> = []
        while agents.count < 20_000 {
            let length = Int.random(in: 0...62, using: &random)
            agents.insert(
                "a" + String((0..<length).map { _ in alphabet.randomElement(using: &random) ?? "a" }))
        }
        // Such as differ in the last character alone.
        for number in 0..<1000 { agents.insert("an-agent-with-a-long-name-\(number)") }
        for prefix in ["hv-", "h", "hive-"] {
            let links = agents.map { LinkName.host(agent: $0, prefix: prefix) }
            #expect(Set(links).count == agents.count)
            #expect(links.allSatisfy { $0.utf8.count <= 15 && $0.hasPrefix(prefix) })
            #expect(links.allSatisfy { $0.utf8.allSatisfy { $0 > 0x20 && $0 != 0x2f && $0 != 0x3a } })
        }
    }
}

struct MarkTests {
    private func read(_ alias: String) -> String {
        Mark.parse(portAlias: alias).map { "\($0.agent): \($0.1)" } ?? "nobody's"
    }

    @Test(
        arguments: [
            .own, .path("/run/netns/mine"), .path("/run/netns/with a space in it"),
            .path("/proc/self/ns/net"),
            .path("/proc/12/ns/mnt"), .path("/proc/012/ns/net"), .path("//proc/12/ns/net"),
            .path("/run/x in y"),
            .process(1), .process(.max),
        ] as [NetworkSpec.Namespace])
    func theAliasNamesAgentAndNamespace(namespace: NetworkSpec.Namespace) {
        let alias = Mark.portAlias(agent: "alpha-2", namespace)
        let found = Mark.parse(portAlias: alias)
        #expect(found?.agent == "alpha-2")
        #expect(found?.1 == namespace)
    }

    @Test(arguments: [
        "", "hive: bridge", "hive: agent ", "hive: agent", "hive: agentalpha", "Hive: agent alpha", "eth0",
        "hive: agent alpha on", "hive: agent alpha in", "hive: agent alpha at /run/x", " hive: agent alpha",
    ])
    func whatIsNotOursIsNot(alias: String) { #expect(read(alias) == "nobody's") }

    @Test func aProcessIsKnownByItsPath() {
        #expect(read("hive: agent a in /proc/77/ns/net") == "a: process(77, started: nil)")
        #expect(read("hive: agent a in /proc/99999999999/ns/net") == #"a: path("/proc/99999999999/ns/net")"#)
    }

    @Test func noTextTraps() {
        var random = Seeded(13)
        let words = ["hive:", " ", "agent", "in", "/", "proc", "7", "ns", "net", "a", "\0", "é"]
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                words.randomElement(using: &random) ?? ""
            }
            guard let (agent, place) = Mark.parse(portAlias: "hive: agent " + text.joined()) else { continue }
            #expect(!agent.isEmpty && !agent.contains(" "))
            // What was read is read again from what it is written as.
            let again = Mark.parse(portAlias: Mark.portAlias(agent: agent, place))
            #expect(again?.agent == agent && again?.1 == place)
        }
    }

    @Test func namespacesArePaths() {
        #expect(NetworkSpec.Namespace.own.path(agent: "alpha") == "/run/netns/hive-alpha")
        #expect(NetworkSpec.Namespace.path("/x").path(agent: "alpha") == "/x")
        #expect(NetworkSpec.Namespace.process(12).path(agent: "alpha") == "/proc/12/ns/net")
    }

    /// Locally administered, unicast, and three kinds apart.
    @Test func addressesSayWhoseTheyAre() throws {
        let spec = try NetworkSpec.sample()
        let address = IPv4Address(bits: 0x0a4d_0001)
        #expect(spec.gateway4 == address)
        #expect(spec.gateway6?.description == "fd77:6869:7665::1")
        let macs = [spec.bridgeMAC, NetworkSpec.agentMAC(address), NetworkSpec.portMAC(address)]
        #expect(macs.map(\.description) == ["62:76:0a:4d:00:01", "6a:76:0a:4d:00:01", "6e:76:0a:4d:00:01"])
        #expect(macs.allSatisfy { $0.octets[0] & 3 == 2 })
    }
}
