import Testing

@testable import HiveNet

struct ObstacleTests {
    private func words(
        _ spec: NetworkSpec? = nil, _ state: NetworkState = NetworkState(),
        _ change: (inout NetworkObservation) -> Void
    ) throws -> [String] {
        var observed = NetworkObservation(state)
        change(&observed)
        return obstacles(to: try spec ?? .sample(), observed: observed).map(\.description)
    }

    @Test func onAnEmptyHostThereAreNone() throws {
        #expect(try words { _ in } == [])
        #expect(try words(nil, NetworkState(.sample())) { _ in } == [])
    }

    @Test func somebodyElsesBridge() throws {
        let sentence = "there is a link hive0 already, and it is not Hive's bridge"
        #expect(try words { $0.linkIndexes = ["hive0": 3] } == [sentence])
        // Of ours the index is known too.
        #expect(try words(nil, NetworkState(.sample())) { $0.linkIndexes = ["hive0": 3] } == [])
        #expect(try words { $0.linkIndexes = ["hive1": 3] } == [])
    }

    @Test func somebodyElsesLink() throws {
        #expect(
            try words { $0.host.foreignLinks = ["hv-beta", "eth0"] }
                == ["there is a link hv-beta already, and it is not the one of agent beta"])
    }

    @Test(arguments: [
        ("10.77.0.0/16", true), ("10.0.0.0/8", true), ("10.77.3.0/24", true), ("10.77.255.255/32", true),
        ("10.78.0.0/16", false), ("10.76.255.255/32", false), ("192.168.0.0/16", false),
    ])
    func aSubnetThatIsRoutedElsewhere(route: String, isInTheWay: Bool) throws {
        let prefix: Prefix4 = try value(route)
        let found = try words { $0.host.routes4 = [(prefix, "eth7")] }
        #expect(
            found
                == (isInTheWay
                    ? ["the host routes \(route) over eth7, which overlaps with 10.77.0.0/16"] : []))
    }

    @Test func anIPv6SubnetThatIsRoutedElsewhere() throws {
        let prefix: Prefix6 = try value("fd77::/16")
        let other: Prefix6 = try value("fd78::/16")
        #expect(
            try words { $0.host.routes6 = [(other, "eth6"), (prefix, "eth7")] }
                == ["the host routes fd77::/16 over eth7, which overlaps with fd77:6869:7665::/64"])
        #expect(try words(.sample(ipv6: false)) { $0.host.routes6 = [(prefix, "eth7")] } == [])
    }

    @Test func aKernelWithoutIPv6() throws {
        let sentence = "this kernel has no IPv6; the configuration can say so with subnet6: null"
        #expect(try words { $0.host.hasIPv6 = false } == [sentence])
        #expect(try words(.sample(ipv6: false)) { $0.host.hasIPv6 = false } == [])
    }

    @Test func aNamespaceThatIsNoPlaceForAnAgent() throws {
        #expect(
            try words { $0.host.namespaceFaults = ["gamma": .doesNotExist] }
                == ["the network namespace /run/netns/mine of agent gamma does not exist"])
        #expect(
            try words { $0.host.namespaceFaults = ["gamma": .isTheHosts] }
                == ["the network namespace /run/netns/mine of agent gamma is the host's own"])
        #expect(
            try words { $0.host.namespaceFaults = ["gamma": .isAlso(agent: "beta")] }
                == ["the network namespace /run/netns/mine of agent gamma is that of agent beta too"])
        #expect(
            try words { $0.host.namespaceFaults = ["gamma": .isClosed(reason: "Permission denied (EACCES)")] }
                == [
                    "the kernel does not let Hive open the network namespace /run/netns/mine of agent gamma: "
                        + "Permission denied (EACCES)"
                ])
        // Of an agent that nobody wants.
        #expect(try words { $0.host.namespaceFaults = ["delta": .isTheHosts] } == [])
    }

    @Test func allAreToldInOneOrder() throws {
        let prefix: Prefix4 = try value("10.77.0.0/17")
        var spec = try NetworkSpec.sample()
        spec.agents.reverse()
        let found = try words(spec) {
            $0.host.hasIPv6 = false
            $0.linkIndexes = ["hive0": 3]
            $0.host.routes4 = [(prefix, "eth7")]
            $0.host.foreignLinks = ["hv-beta", "hv-alpha"]
            $0.host.namespaceFaults = ["gamma": .doesNotExist]
        }
        #expect(found.count == 6)
        #expect(found[0].hasPrefix("this kernel has no IPv6"))
        #expect(found[1].hasPrefix("there is a link hive0"))
        #expect(found[2].hasPrefix("the host routes"))
        #expect(found[3].hasPrefix("there is a link hv-alpha"))
        #expect(found[4].hasPrefix("there is a link hv-beta"))
        #expect(found[5].hasPrefix("the network namespace"))
    }
}

struct CautionTests {
    private func words(_ spec: NetworkSpec, forwards4: Bool, forwards6: Bool) -> [String] {
        var observed = NetworkObservation(NetworkState())
        observed.host.forwards4 = forwards4
        observed.host.forwards6 = forwards6
        return cautions(about: spec, observed: observed)
    }

    @Test func aHostThatForwardsNothingKeepsAgentsIn() throws {
        let spec = try NetworkSpec.sample()
        #expect(words(spec, forwards4: true, forwards6: true) == [])
        let both = words(spec, forwards4: false, forwards6: false)
        #expect(both.count == 2)
        #expect(
            both[0].hasPrefix(
                "net.ipv4.ip_forward is 0, so the host forwards nothing: agents such as alpha cannot"))
        #expect(
            both[1]
                == "net.ipv6.conf.all.forwarding is 0: agents such as alpha cannot reach outside by IPv6.")
        #expect(words(spec, forwards4: false, forwards6: true) == [both[0]])
        #expect(words(spec, forwards4: true, forwards6: false) == [both[1]])
    }

    @Test func whoMayNotGoOutMissesNothing() throws {
        var spec = try NetworkSpec.sample()
        spec.agents[0].egress = .none
        #expect(words(spec, forwards4: false, forwards6: false) == [])
        let four = try NetworkSpec.sample(ipv6: false)
        #expect(words(four, forwards4: true, forwards6: false) == [])
    }

    @Test func whatRemainsIsToldInAWord() throws {
        let state = try NetworkState(.sample())
        var observed = NetworkObservation(state)
        observed.state.bridge?.mtu = 1400
        let one = plan(desired: state, observed: observed)
        #expect(
            NotConverged(remaining: one).description
                == "after applying, the kernel still differs: ~ bridge hive0 (mtu 1400 -> 1500)")
        observed.state.agents["alpha"]?.port?.mtu = 1400
        #expect(
            NotConverged(remaining: plan(desired: state, observed: observed)).description.hasSuffix(
                "~ bridge hive0 (mtu 1400 -> 1500) (and 1 more)"))
    }
}
