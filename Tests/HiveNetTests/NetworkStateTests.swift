import FoundationEssentials
import Testing

@testable import HiveNet

struct NetworkStateTests {
    // MARK: As JSON

    @Test func survivesJSON() throws {
        for ipv6 in [true, false] {
            let state = try NetworkState(.sample(ipv6: ipv6))
            #expect(try throughJSON(state) == state)
            #expect(try json(try throughJSON(state)) == json(state))
        }
        #expect(try throughJSON(NetworkState()) == NetworkState())
    }

    @Test func whatIsAbsentStaysAbsent() throws {
        var state = try NetworkState(.sample())
        state.bridge?.ipv6 = nil
        state.bridge?.alias = nil
        state.boundary = nil
        state.agents["alpha"]?.port?.locked = nil
        state.agents["alpha"]?.port?.bridge = nil
        state.agents["alpha"]?.inside?.loopbackUp = nil
        state.agents["beta"] = Agent()
        state.strayLinks = ["hv-lost"]
        state.bridge?.foreignPorts = ["tap0"]
        state.strayNamespaces = ["/run/netns/hive-lost"]
        #expect(try throughJSON(state) == state)
        #expect(try json(NetworkState()) == #"{"agents":{},"strayLinks":[],"strayNamespaces":[]}"#)
    }

    /// `Egress.none` is a policy; nil says that the boundary does not know the agent.
    @Test func noEgressAndNoPolicyAreTwoThings() throws {
        let none = Agent(egress: Egress.none.label)
        #expect(try json(none) == #"{"egress":"none"}"#)
        #expect(try throughJSON(none) == none)
        #expect(try json(Agent()) == "{}")
        #expect(try throughJSON(Agent()) != none)
    }

    @Test func blockedSurvivesJSON() throws {
        var blocked = Blocked()
        blocked.host = .max
        blocked.spoof = 1
        #expect(try throughJSON(blocked) == blocked)
    }

    // MARK: What a specification implies

    @Test func everyPortIsShut() throws {
        for agent in try NetworkState(.sample()).agents.values {
            let port = try #require(agent.port)
            #expect(port.isolated && port.locked == true && port.bpduGuard)
            #expect(!port.learning && !port.hairpin && !port.generatesLinkLocal)
            #expect(!port.unicastFlood && !port.multicastFlood && !port.broadcastFlood)
            #expect(port.ipv4.forwarding == 0 && port.ipv4.routeLocalnet == 0 && port.ipv4.rpFilter == 1)
            #expect(port.fdb == [try #require(agent.inside).mac])
            #expect(port.group == Mark.group)
        }
    }

    @Test func theBridgeRoutesOnlyIfSomebodyMayGoOut() throws {
        var spec = try NetworkSpec.sample()
        #expect(try NetworkState(spec).bridge?.ipv4.forwarding == 1)
        spec.agents[0].egress = .none
        #expect(try NetworkState(spec).bridge?.ipv4.forwarding == 0)
    }

    @Test func everyAgentHasItsNeighbourEntries() throws {
        let state = try NetworkState(.sample())
        let bridge = try #require(state.bridge)
        #expect(bridge.neighbours.count == 6)
        #expect(bridge.neighbours == bridge.neighbours.sorted())
        for agent in state.agents.values {
            let inside = try #require(agent.inside)
            let addresses =
                inside.addresses4.map(\.address.description) + inside.addresses6.map(\.address.description)
            #expect(addresses.count == 2)
            for address in addresses {
                #expect(bridge.neighbours.contains(Neighbour(address: address, mac: inside.mac)))
            }
            #expect(Set(inside.neighbours.map(\.mac)) == [bridge.mac])
            #expect(inside.neighbours.map(\.address) == ["10.77.0.1", "fd77:6869:7665::1"])
        }
    }

    @Test func withoutIPv6ThereIsNone() throws {
        let state = try NetworkState(.sample(ipv6: false))
        #expect(state.bridge?.addresses6 == [])
        #expect(state.bridge?.ipv6?.disabled == true)
        #expect(state.bridge?.neighbours.allSatisfy { IPv4Address($0.address) != nil } == true)
        for agent in state.agents.values {
            #expect(agent.inside?.ipv6Disabled == true)
            #expect(agent.inside?.addresses6 == [] && agent.inside?.gateways6 == [])
        }
        let sets = Set(try #require(state.boundary).elements.map(\.set))
        #expect(sets.isDisjoint(with: [.lease6, .egress6, .web6]))
        #expect(sets.isSuperset(of: [.lease4, .egress4, .web4]))
    }

    @Test func theOrderOfAgentsIsOfNoAccount() throws {
        let spec = try NetworkSpec.many(30)
        var random = Seeded(14)
        for _ in 0..<3 {
            var other = spec
            other.agents.shuffle(using: &random)
            #expect(try NetworkState(other) == NetworkState(spec))
        }
    }

    @Test func elementsTellAnAgentsPolicy() throws {
        let spec = try NetworkSpec.sample()
        for agent in spec.agents {
            let policy = Boundary.policy(of: Boundary.elements(for: agent, spec))
            #expect(policy.webPort == agent.webPort)
            #expect(policy.egress == agent.egress.label)
        }
        let unknown = Boundary.policy(of: [])
        #expect(unknown.webPort == nil && unknown.egress == nil)
        // A chain of somebody else's is no policy.
        let odd = SetElement(.egress4, [IPv4Address(bits: 1)], target: "everything", agent: "x")
        #expect(Boundary.policy(of: [odd]).egress == nil)
    }

    // MARK: Without one agent

    @Test func takingOneAwayIsWantingTheRest() throws {
        let state = try NetworkState(.sample())
        for name in ["alpha", "beta", "gamma"] {
            let rest = state.without(agent: name)
            var spec = try NetworkSpec.sample()
            spec.agents.removeAll { $0.name == name }
            var expected = try NetworkState(spec)
            // Whether the bridge routes is not looked into.
            expected.bridge?.ipv4 = try #require(state.bridge).ipv4
            // A policy that nobody has any more is left to the next apply.
            expected.boundary?.rules = try #require(state.boundary).rules
            let policies = try #require(state.boundary).elements.filter(\.set.isPolicy)
            let others = try #require(expected.boundary).elements.filter { !$0.set.isPolicy }
            expected.boundary?.elements = others + policies
            #expect(rest == expected)
            let changes = plan(desired: rest, observed: NetworkObservation(state))
            #expect(changes.allSatisfy { $0.kind == .remove })
            #expect(changes.allSatisfy { $0.agent == name || $0.object == "neighbour" })
        }
        #expect(state.without(agent: "nobody") == state)
        #expect(NetworkState().without(agent: "alpha") == NetworkState())
    }

    /// What an agent makes of its own end does not say whose entries are taken away.
    @Test func anAgentWithAnothersAddressTakesNothingOfItsAway() throws {
        var state = try NetworkState(.sample())
        let victim = try #require(state.agents["beta"]?.inside).mac
        state.agents["alpha"]?.inside?.mac = victim
        let rest = state.without(agent: "alpha")
        #expect(rest.bridge?.neighbours.filter { $0.mac == victim }.count == 2)
        #expect(rest.bridge?.neighbours.count == 4)
    }

    @Test func anAgentWithoutALinkIsKnownByItsElements() throws {
        var state = try NetworkState(.sample())
        state.agents["alpha"]?.port = nil
        state.agents["alpha"]?.inside = nil
        let rest = state.without(agent: "alpha")
        #expect(rest.bridge?.neighbours.count == 4)
        #expect(rest.boundary?.elements.contains { $0.agent == "alpha" } == false)
    }
}

struct DifferenceTests {
    private func words<Value>(_ wanted: Value, _ actual: Value) -> String {
        differences(wanted: wanted, actual: actual).reason
    }

    struct Inner {
        var number = 1
        var list: [Int] = []
    }
    struct Outer {
        var text = "a"
        var optional: String?
        var inner = Inner()
        var maybe: Inner?
        var address = IPv4Address(bits: 1)
    }

    @Test func areFoundByPath() {
        #expect(words(Outer(), Outer()) == "")
        #expect(words(Outer(), Outer(text: "b")) == "text b -> a")
        #expect(words(Outer(optional: "x"), Outer()) == "optional none -> x")
        #expect(words(Outer(), Outer(optional: "x")) == "optional x -> none")
        #expect(
            words(Outer(), Outer(inner: Inner(number: 2, list: [1, 2])))
                == "inner.number 2 -> 1, inner.list 1 2 -> none")
        #expect(words(Outer(maybe: Inner()), Outer(maybe: Inner(number: 5))) == "maybe.number 5 -> 1")
        #expect(words(Outer(maybe: Inner()), Outer(maybe: Inner())) == "")
        #expect(words(Outer(), Outer(address: IPv4Address(bits: 2))) == "address 0.0.0.2 -> 0.0.0.1")
    }

    @Test func aChangeIsOneLine() {
        func change(_ detail: String, _ reason: String) -> String {
            Change(
                kind: .change, object: "link", detail: detail, reason: reason, agent: nil, step: .createBridge
            )
            .description
        }
        #expect(change("hv-a", "mtu 1 -> 2") == "~ link hv-a (mtu 1 -> 2)")
        #expect(change("hv-a", "") == "~ link hv-a")
        #expect(change("", "why") == "~ link (why)")
    }
}
