import Testing

@testable import HiveNet

struct PlanTests {
    let wanted: NetworkState

    init() throws { wanted = try NetworkState(.sample()) }

    /// The plan for a kernel that has what is wanted but for one change, as text.
    private func changes(
        _ change: (inout NetworkObservation) -> Void, wanted other: NetworkState? = nil
    ) -> [Change] {
        var observed = NetworkObservation(wanted)
        change(&observed)
        return plan(desired: other ?? wanted, observed: observed)
    }

    private func words(_ changes: [Change]) -> [String] { changes.map(\.description) }

    // MARK: Everything, nothing

    @Test func whatIsAsWantedNeedsNoChange() throws {
        #expect(changes { _ in }.isEmpty)
        for ipv6 in [true, false] {
            let state = try NetworkState(.sample(ipv6: ipv6))
            #expect(plan(desired: state, observed: NetworkObservation(state)).isEmpty)
        }
        let nothing = NetworkState()
        #expect(plan(desired: nothing, observed: NetworkObservation(nothing)).isEmpty)
        let many = try NetworkState(.many(200))
        #expect(plan(desired: many, observed: NetworkObservation(many)).isEmpty)
    }

    @Test func fromNothingComesEverythingRulesFirst() throws {
        let changes = plan(desired: wanted, observed: NetworkObservation(NetworkState()))
        var expected = ["+ \(try #require(wanted.boundary).tables) (missing)"]
        expected.append("+ bridge hive0 (missing)")
        expected += ["10.77.0.1/16", "fd77:6869:7665::1/64"].map { "+ address \($0) of hive0 (missing)" }
        expected += try #require(wanted.bridge).neighbours.map {
            "+ neighbour \($0.address) at \($0.mac) (missing)"
        }
        expected += [
            "+ namespace /run/netns/hive-alpha (missing)",
            "+ link hv-alpha (to eth0 in /run/netns/hive-alpha)",
            "+ namespace /run/netns/hive-beta (missing)",
            "+ link hv-beta (to eth0 in /run/netns/hive-beta)",
            // Attached: its namespace is somebody else's to make.
            "+ link hv-gamma (to eth0 in /run/netns/mine)",
        ]
        #expect(words(changes) == expected)
        #expect(changes.allSatisfy { $0.kind == .add })
    }

    @Test func takingEverythingAwayLeavesTheRulesForLast() {
        let changes = plan(desired: NetworkState(), observed: NetworkObservation(wanted))
        #expect(
            words(changes) == [
                "- link hv-alpha (not in the configuration)",
                "- namespace /run/netns/hive-alpha (not in the configuration)",
                "- link hv-beta (not in the configuration)",
                "- namespace /run/netns/hive-beta (not in the configuration)",
                // The namespace stays: it is not ours.
                "- link hv-gamma (not in the configuration)",
                "- bridge hive0 (not in the configuration)",
                "- tables bridge hive, inet hive (not in the configuration)",
            ])
    }

    @Test func isPure() {
        var observed = NetworkObservation(wanted)
        observed.state.bridge?.mtu = 9000
        observed.state.agents["beta"] = nil
        let first = words(plan(desired: wanted, observed: observed))
        #expect(!first.isEmpty)
        for _ in 0..<5 { #expect(words(plan(desired: wanted, observed: observed)) == first) }
        #expect(observed.state.bridge?.mtu == 9000)
    }

    /// Even where things are not as a specification would have them: what is there and wanted needs no change.
    @Test func whatDriftedAndIsWantedStays() {
        var state = wanted
        state.strayLinks = ["hv-lost"]
        state.bridge?.foreignPorts = ["tap0"]
        state.bridge?.ipv6 = nil
        state.agents["alpha"]?.port?.up = false
        state.agents["alpha"]?.port?.bridge = nil
        state.agents["beta"]?.inside = nil
        state.agents["gamma"]?.port = nil
        state.agents["delta"] = Agent(namespace: NamespaceState(path: "/run/netns/hive-delta", own: true))
        #expect(plan(desired: state, observed: NetworkObservation(state)).isEmpty)
        #expect(!plan(desired: wanted, observed: NetworkObservation(state)).isEmpty)
    }

    // MARK: Agents come, go and change

    @Test func anAgentThatIsNotWantedGoesWithAllThatIsItsOwn() throws {
        var spec = try NetworkSpec.sample()
        spec.agents.removeAll { $0.name == "beta" }
        let changes = plan(desired: try NetworkState(spec), observed: NetworkObservation(wanted))
        let elements = try #require(wanted.boundary).elements.filter { $0.agent == "beta" }
        #expect(elements.count == 10)
        // The link first, while the rules know it.
        var expected = [
            "- link hv-beta (not in the configuration)",
            "- namespace /run/netns/hive-beta (not in the configuration)",
        ]
        expected += elements.map { "- element \($0) (not in the configuration)" }
        expected += [
            "- neighbour 10.77.0.20 at 6a:76:0a:4d:00:14 (not in the configuration)",
            "- neighbour fd77:6869:7665::14 at 6a:76:0a:4d:00:14 (not in the configuration)",
        ]
        #expect(words(changes) == expected)
    }

    @Test func ofARenamedAgentTheOldOneGoesAndTheNewOneComes() throws {
        var spec = try NetworkSpec.sample()
        spec.agents[1].name = "delta"
        let changes = plan(desired: try NetworkState(spec), observed: NetworkObservation(wanted))
        let links = words(changes).filter { !$0.contains("element") }
        #expect(
            links == [
                "- link hv-beta (not in the configuration)",
                "- namespace /run/netns/hive-beta (not in the configuration)",
                "+ namespace /run/netns/hive-delta (missing)",
                "+ link hv-delta (to eth0 in /run/netns/hive-delta)",
            ])
        // The same addresses under another comment: each element goes before it comes.
        let elements = changes.filter { $0.object == "element" }
        #expect(elements.prefix(10).allSatisfy { $0.kind == .remove && $0.agent == "beta" })
        #expect(elements.dropFirst(10).allSatisfy { $0.kind == .add && $0.agent == "delta" })
        #expect(elements.count == 20)
    }

    @Test func anAgentWithAnotherAddressKeepsItsLink() throws {
        var spec = try NetworkSpec.sample()
        spec.agents[1].address4 = IPv4Address(bits: 0x0a4d_0015)
        let changes = plan(desired: try NetworkState(spec), observed: NetworkObservation(wanted))
        #expect(changes.allSatisfy { $0.object == "neighbour" || $0.agent == "beta" })
        let others = words(changes).filter { !$0.contains("element") }
        let (old, new) = ("6a:76:0a:4d:00:14", "6a:76:0a:4d:00:15")
        #expect(
            others == [
                "- neighbour 10.77.0.20 at \(old) (not in the configuration)",
                "- neighbour fd77:6869:7665::14 at \(old) (not in the configuration)",
                "+ neighbour 10.77.0.21 at \(new) (missing)",
                "+ neighbour fd77:6869:7665::14 at \(new) (missing)",
                "~ link hv-beta (mac 6e:76:0a:4d:00:14 -> 6e:76:0a:4d:00:15)",
                "- fdb \(old) on hv-beta (not in the configuration)",
                "+ fdb \(new) on hv-beta (missing)",
                "~ link eth0 in /run/netns/hive-beta (mac \(old) -> \(new), addresses4 10.77.0.20/32 -> 10.77.0.21/32)",
            ])
    }

    @Test func aWebPortOrAPolicyIsAMatterOfElements() throws {
        var spec = try NetworkSpec.sample()
        spec.agents[1].webPort = 80
        spec.agents[1].egress = .internet
        spec.agents[0].webPort = 8081
        let changes = plan(desired: try NetworkState(spec), observed: NetworkObservation(wanted))
        #expect(
            words(changes) == [
                "- element inet hive web4 { 10.77.0.2 . 8080 } (not in the configuration)",
                "- element inet hive web6 { fd77:6869:7665::2 . 8080 } (not in the configuration)",
                "+ element inet hive egress4 { 10.77.0.20 : goto egress_internet } (missing)",
                "+ element inet hive egress6 { fd77:6869:7665::14 : goto egress_internet } (missing)",
                "+ element inet hive connections { 6a:76:0a:4d:00:14 ct count over 1024 } (missing)",
                "+ element inet hive web4 { 10.77.0.2 . 8081 } (missing)",
                "+ element inet hive web4 { 10.77.0.20 . 80 } (missing)",
                "+ element inet hive web6 { fd77:6869:7665::2 . 8081 } (missing)",
                "+ element inet hive web6 { fd77:6869:7665::14 . 80 } (missing)",
            ])
    }

    @Test func aPairThatCannotBeMendedIsMadeAnew() {
        #expect(
            words(changes { $0.state.agents["alpha"]?.port?.name = "hv-old" }) == [
                "- link hv-old (is to be called hv-alpha)",
                "+ link hv-alpha (to eth0 in /run/netns/hive-alpha)",
            ])
        #expect(
            words(changes { $0.state.agents["alpha"]?.inside = nil }) == [
                "- link hv-alpha (its other end is not in /run/netns/hive-alpha)",
                "+ link hv-alpha (to eth0 in /run/netns/hive-alpha)",
            ])
        #expect(
            words(changes { $0.state.agents["gamma"]?.port = nil }) == [
                "+ link hv-gamma (to eth0 in /run/netns/mine)"
            ])
        #expect(
            words(changes { $0.state.agents["beta"] = nil }) == [
                "+ namespace /run/netns/hive-beta (missing)",
                "+ link hv-beta (to eth0 in /run/netns/hive-beta)",
            ])
    }

    @Test func anAgentThatMovesOutOfItsOwnNamespaceLeavesNone() throws {
        var spec = try NetworkSpec.sample()
        spec.agents[1].namespace = .process(77)
        var observed = NetworkObservation(wanted)
        observed.state.agents["beta"]?.inside = nil
        #expect(
            words(plan(desired: try NetworkState(spec), observed: observed)) == [
                "- link hv-beta (its other end is not in /proc/77/ns/net)",
                "- namespace /run/netns/hive-beta (not in the configuration)",
                "+ link hv-beta (to eth0 in /proc/77/ns/net)",
            ])
    }

    // MARK: What is not ours on what is ours

    @Test func straysAndForeignPortsGo() {
        #expect(
            words(changes { $0.state.strayLinks = ["hv-a", "hv-b"] }) == [
                "- link hv-a (has our mark and belongs to no agent)",
                "- link hv-b (has our mark and belongs to no agent)",
            ])
        #expect(words(changes { $0.state.bridge?.foreignPorts = ["tap0"] }) == ["- port tap0 (no agent's)"])
        // With the bridge goes the port's being one.
        let all = changes({ $0.state.bridge?.foreignPorts = ["tap0"] }, wanted: NetworkState())
        #expect(!words(all).contains { $0.contains("tap0") })
    }
}
