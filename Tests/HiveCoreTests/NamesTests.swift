import HiveNet
import HiveWire
import Testing

@testable import HiveCore

@Suite struct NamesTests {
    @Test(arguments: [
        ("aply", "apply"), ("shwo", "show"), ("subnet", "subnet4"), ("a", nil), ("destroy", nil), ("", nil),
        ("plna", "plan"),
        (String(repeating: "x", count: 10_000), nil), ("add", "add"),
    ])
    func theNearestIsWhatWasMeant(_ typed: String, _ meant: String?) {
        #expect(nearest(to: typed, among: ["apply", "show", "plan", "subnet4", "add"]) == meant)
    }

    @Test func amongEqualsTheFirstWins() {
        #expect(nearest(to: "bat", among: ["cat", "hat"]) == "cat")
        #expect(nearest(to: "bat", among: ["hat", "cat"]) == "hat")
        #expect(nearest(to: "alhpa", among: ["alpine", "alpha"]) == "alpha")
    }

    @Test(arguments: ["a", "alpha", "a-", "a0", "z9-z", String(repeating: "a", count: 63)])
    func goodNames(_ name: String) { #expect(AgentName.isValid(name)) }

    @Test(arguments: [
        "", "-a", "0a", "A", "a.b", "a_b", "a/b", "..", "a b", "ä", "a\u{301}", "a\0", "a\n",
        String(repeating: "a", count: 64),
    ])
    func badNames(_ name: String) {
        #expect(!AgentName.isValid(name))
        #expect(throws: HiveError.self) { try AgentName.check(name) }
    }

    @Test func whatIsPrintedCannotSteerATerminal() {
        #expect(quoted("a\u{1b}[2J\"\\\n\u{202e}\u{9b}") == "\"a\\u{1b}[2J\\\"\\\\\\u{a}\\u{202e}\\u{9b}\"")
        #expect(quoted(String(repeating: "x", count: 81)) == "\"" + String(repeating: "x", count: 80) + "…\"")
    }

    @Test func linkNamesFitAndStayTheSame() {
        #expect(LinkName.host(agent: "alpha", prefix: "hv-") == "hv-alpha")
        #expect(LinkName.host(agent: "abcdefghijkl", prefix: "hv-") == "hv-abcdefghijkl")
        // These two are part of what a running host holds: they must not change from one version to the next.
        #expect(LinkName.host(agent: "abcdefghijklm", prefix: "hv-") == "hv-abcd_g8vl638")
        #expect(LinkName.host(agent: "abcdefghijkln", prefix: "hv-") == "hv-abcd_2c7b6n5")
        #expect(
            LinkName.host(agent: "x", prefix: "much-too-long-a-prefix").hasPrefix("much-too-long-a-prefix_"))
    }

    @Test(arguments: ["h", "hv-", "agent"]) func tenThousandLinkNamesDiffer(_ prefix: String) {
        var random = Seeded(state: 7)
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789-")
        var agents: Set<String> = []
        while agents.count < 10_000 {
            let length = Int.random(in: 1...63, using: &random)
            let name =
                "worker-" + String((0..<length).map { _ in letters.randomElement(using: &random) ?? "a" })
            if AgentName.isValid(name) { agents.insert(name) }
        }
        let links = agents.map { LinkName.host(agent: $0, prefix: prefix) }
        #expect(links.allSatisfy { $0.utf8.count <= 15 && $0.hasPrefix(prefix) })
        #expect(Set(links).count == agents.count)
        // A shortened name can never be the name of an agent that was not shortened.
        for link in links where link.contains("_") {
            #expect(!AgentName.isValid(String(link.dropFirst(prefix.count))))
        }
    }
}
