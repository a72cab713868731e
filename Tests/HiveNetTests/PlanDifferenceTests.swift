import Testing

@testable import HiveNet

/// One thing is not as wanted: one change says which, what it is and what it should be.
struct PlanDifferenceTests {
    let wanted: NetworkState

    init() throws { wanted = try NetworkState(.sample()) }

    private func words(_ change: (inout NetworkState) -> Void) -> [String] {
        var observed = NetworkObservation(wanted)
        change(&observed.state)
        return plan(desired: wanted, observed: observed).map(\.description)
    }

    private func port(_ change: (inout Port) -> Void) -> [String] {
        words { state in
            guard var port = state.agents["alpha"]?.port else { return }
            change(&port)
            state.agents["alpha"]?.port = port
        }
    }

    private func inside(_ agent: String = "alpha", _ change: (inout Inside) -> Void) -> [String] {
        words { state in
            guard var inside = state.agents[agent]?.inside else { return }
            change(&inside)
            state.agents[agent]?.inside = inside
        }
    }

    private func bridge(_ change: (inout Bridge) -> Void) -> [String] {
        words { state in
            guard var bridge = state.bridge else { return }
            change(&bridge)
            state.bridge = bridge
        }
    }

    private let other = MACAddress(bits: 0x0200_0000_0001)

    // MARK: Port

    @Test func ofAPort() {
        func link(_ reason: String) -> [String] { ["~ link hv-alpha (\(reason))"] }
        #expect(port { $0.alias = nil } == link("alias none -> hive: agent alpha"))
        #expect(port { $0.alias = "x" } == link("alias x -> hive: agent alpha"))
        #expect(port { $0.group = 0 } == link("group 0 -> \(Mark.group)"))
        #expect(port { $0.mac = other } == link("mac 02:00:00:00:00:01 -> 6e:76:0a:4d:00:02"))
        #expect(port { $0.mtu = 1400 } == link("mtu 1400 -> 1500"))
        #expect(port { $0.up = false } == link("up false -> true"))
        #expect(port { $0.isolated = false } == link("isolated false -> true"))
        #expect(port { $0.locked = false } == link("locked false -> true"))
        #expect(port { $0.learning = true } == link("learning true -> false"))
        #expect(port { $0.unicastFlood = true } == link("unicastFlood true -> false"))
        #expect(port { $0.multicastFlood = true } == link("multicastFlood true -> false"))
        #expect(port { $0.broadcastFlood = true } == link("broadcastFlood true -> false"))
        #expect(port { $0.bpduGuard = false } == link("bpduGuard false -> true"))
        #expect(port { $0.hairpin = true } == link("hairpin true -> false"))
        #expect(port { $0.generatesLinkLocal = true } == link("generatesLinkLocal true -> false"))
    }

    @Test func ofItsForwardingEntries() {
        #expect(port { $0.fdb = [] } == ["+ fdb 6a:76:0a:4d:00:02 on hv-alpha (missing)"])
        #expect(
            port { $0.fdb.append(other) } == [
                "- fdb 02:00:00:00:00:01 on hv-alpha (not in the configuration)"
            ])
    }

    /// Its entries went with the bridge that it was a port of.
    @Test func ofItsBridge() {
        let entry = "+ fdb 6a:76:0a:4d:00:02 on hv-alpha (missing)"
        #expect(port { $0.bridge = nil } == ["~ link hv-alpha (bridge none -> hive0)", entry])
        #expect(port { $0.bridge = "br1" } == ["~ link hv-alpha (bridge br1 -> hive0)", entry])
    }

    /// Before Linux 5.16 a port has no such flag.
    @Test func aFlagThatTheKernelLacksIsNotMissed() {
        #expect(port { $0.locked = nil } == [])
        #expect(
            port {
                $0.locked = nil
                $0.isolated = false
            } == ["~ link hv-alpha (isolated false -> true)"])
    }

    @Test func ofItsIPv4() {
        let paths: [(WritableKeyPath<IPv4Settings, UInt32>, String, UInt32)] = [
            (\.forwarding, "forwarding", 0), (\.rpFilter, "rpFilter", 1),
            (\.routeLocalnet, "routeLocalnet", 0),
            (\.acceptRedirects, "acceptRedirects", 0), (\.sendRedirects, "sendRedirects", 0),
            (\.acceptSourceRoute, "acceptSourceRoute", 0), (\.proxyARP, "proxyARP", 0),
            (\.arpIgnore, "arpIgnore", 1),
        ]
        #expect(Mirror(reflecting: IPv4Settings.strict(forwarding: false)).children.count == paths.count)
        for (path, name, value) in paths {
            #expect(port { $0.ipv4[keyPath: path] = 7 } == ["~ link hv-alpha (ipv4.\(name) 7 -> \(value))"])
            // Of the bridge forwarding is on, since an agent may go out.
            let onBridge = name == "forwarding" ? 1 : value
            #expect(
                bridge { $0.ipv4[keyPath: path] = 7 } == ["~ bridge hive0 (ipv4.\(name) 7 -> \(onBridge))"])
        }
    }

    @Test func severalAtOnceAreOneChange() {
        #expect(
            port {
                $0.mtu = 9000
                $0.isolated = false
                $0.ipv4.rpFilter = 0
            } == ["~ link hv-alpha (mtu 9000 -> 1500, isolated false -> true, ipv4.rpFilter 0 -> 1)"])
    }

    // MARK: Inside

    @Test func ofTheAgentsEnd() throws {
        func link(_ reason: String) -> [String] { ["~ link eth0 in /run/netns/hive-alpha (\(reason))"] }
        #expect(inside { $0.mac = other } == link("mac 02:00:00:00:00:01 -> 6a:76:0a:4d:00:02"))
        #expect(inside { $0.mtu = 68 } == link("mtu 68 -> 1500"))
        #expect(inside { $0.up = false } == link("up false -> true"))
        #expect(inside { $0.loopbackUp = false } == link("loopbackUp false -> true"))
        #expect(inside { $0.ipv6Disabled = true } == link("ipv6Disabled true -> false"))
        #expect(inside { $0.generatesLinkLocal = true } == link("generatesLinkLocal true -> false"))
        #expect(inside { $0.addresses4 = [] } == link("addresses4 none -> 10.77.0.2/32"))
        let extra: Prefix4 = try value("10.9.9.9/8")
        #expect(
            inside { $0.addresses4.append(extra) }
                == link("addresses4 10.77.0.2/32 10.9.9.9/8 -> 10.77.0.2/32"))
        #expect(inside { $0.addresses6 = [] } == link("addresses6 none -> fd77:6869:7665::2/128"))
        #expect(inside { $0.gateways4 = [] } == link("gateways4 none -> 10.77.0.1"))
        #expect(inside { $0.gateways6 = [] } == link("gateways6 none -> fd77:6869:7665::1"))
        #expect(
            inside { $0.neighbours.removeLast() }
                == link(
                    "neighbours 10.77.0.1 at 62:76:0a:4d:00:01 -> 10.77.0.1 at 62:76:0a:4d:00:01 "
                        + "fd77:6869:7665::1 at 62:76:0a:4d:00:01"))
    }

    /// The loopback link of somebody else's namespace is not ours to raise.
    @Test func ofAnAttachedNamespaceTheLoopbackIsNotLookedAt() {
        #expect(inside("gamma") { $0.loopbackUp = false } == [])
        #expect(inside("gamma") { $0.mtu = 68 } == ["~ link eth0 in /run/netns/mine (mtu 68 -> 1500)"])
    }

    // MARK: Bridge

    @Test func ofTheBridge() {
        func change(_ reason: String) -> [String] { ["~ bridge hive0 (\(reason))"] }
        #expect(bridge { $0.alias = nil } == change("alias none -> hive: bridge"))
        #expect(bridge { $0.mac = other } == change("mac 02:00:00:00:00:01 -> 62:76:0a:4d:00:01"))
        #expect(bridge { $0.mtu = 1400 } == change("mtu 1400 -> 1500"))
        #expect(bridge { $0.up = false } == change("up false -> true"))
        #expect(bridge { $0.stp = true } == change("stp true -> false"))
        #expect(bridge { $0.multicastSnooping = true } == change("multicastSnooping true -> false"))
    }

    @Test func ofItsIPv6() {
        func change(_ reason: String) -> [String] { ["~ bridge hive0 (\(reason))"] }
        #expect(bridge { $0.ipv6?.disabled = true } == change("ipv6.disabled true -> false"))
        #expect(bridge { $0.ipv6?.acceptRA = 1 } == change("ipv6.acceptRA 1 -> 0"))
        #expect(bridge { $0.ipv6?.acceptRedirects = 1 } == change("ipv6.acceptRedirects 1 -> 0"))
        #expect(bridge { $0.ipv6?.proxyNDP = 1 } == change("ipv6.proxyNDP 1 -> 0"))
        #expect(
            bridge { $0.ipv6?.generatesLinkLocal = true } == change("ipv6.generatesLinkLocal true -> false"))
        // The kernel takes IPv6 off the link altogether while its MTU is below 1280.
        let lost = bridge { $0.ipv6 = nil }
        #expect(lost.count == 1)
        #expect(lost.first?.hasPrefix("~ bridge hive0 (ipv6 none -> ") == true)
    }

    @Test func aKernelWithoutIPv6IsNotAskedForIt() throws {
        let wanted = try NetworkState(.sample(ipv6: false))
        var observed = NetworkObservation(wanted)
        observed.host.hasIPv6 = false
        observed.state.bridge?.ipv6 = nil
        #expect(plan(desired: wanted, observed: observed).isEmpty)
    }

    @Test func ofItsAddressesAndNeighbours() throws {
        #expect(bridge { $0.addresses4 = [] } == ["+ address 10.77.0.1/16 of hive0 (missing)"])
        #expect(bridge { $0.addresses6 = [] } == ["+ address fd77:6869:7665::1/64 of hive0 (missing)"])
        let address: Prefix4 = try value("10.77.0.1/24")
        #expect(
            bridge { $0.addresses4 = [address] } == [
                "- address 10.77.0.1/24 of hive0 (not in the configuration)",
                "+ address 10.77.0.1/16 of hive0 (missing)",
            ])
        #expect(
            bridge { $0.neighbours.removeFirst() } == ["+ neighbour 10.77.0.2 at 6a:76:0a:4d:00:02 (missing)"]
        )
        #expect(
            bridge { $0.neighbours[0].mac = other } == [
                "- neighbour 10.77.0.2 at 02:00:00:00:00:01 (not in the configuration)",
                "+ neighbour 10.77.0.2 at 6a:76:0a:4d:00:02 (missing)",
            ])
    }

    // MARK: Rules

    private func boundary(_ change: (inout Boundary) -> Void) -> [String] {
        words { state in
            guard var boundary = state.boundary else { return }
            change(&boundary)
            state.boundary = boundary
        }
    }

    @Test func aRuleThatIsMissingOrTooMuchIsNamedAndTheSetsAreKept() throws {
        let rules = try #require(wanted.boundary).rules
        let last = try #require(rules.last { $0.hasPrefix("rule ") })
        let words = "~ rules of the tables bridge hive, inet hive"
        #expect(boundary { $0.rules.removeAll { $0 == last } } == ["\(words) (missing: \(last))"])
        #expect(boundary { $0.rules.append("rule x") } == ["\(words) (not ours: rule x)"])
        #expect(
            boundary {
                $0.rules.removeAll { $0 == last }
                $0.rules += ["rule x", "rule y"]
            } == ["\(words) (missing: \(last); not ours: rule x and 1 more)"])
        #expect(boundary { $0.rules.append(last) } == ["\(words) (in another order, or repeated)"])
        let chain = try #require(rules.first { $0.hasPrefix("chain ") })
        #expect(boundary { $0.rules.removeAll { $0 == chain } } == ["\(words) (missing: \(chain))"])
    }

    /// What elements are kept in cannot change under them: so everything is made anew, elements included.
    @Test(arguments: ["table ", "set ", "counter "])
    func aSetThatDiffersMeansNewTables(kind: String) throws {
        let wantedBoundary = try #require(wanted.boundary)
        let line = try #require(wantedBoundary.rules.first { $0.hasPrefix(kind) })
        let found = boundary { $0.rules.removeAll { $0 == line } }
        #expect(found == ["~ \(wantedBoundary.tables) (missing: \(line))"])
    }

    @Test func aRuleChangesNoElementAndAnElementNoRule() throws {
        let elements = try #require(wanted.boundary).elements
        let element = elements[3]
        #expect(boundary { $0.elements.remove(at: 3) } == ["+ element \(element) (missing)"])
        let extra = SetElement(.host, [other], agent: nil)
        #expect(boundary { $0.elements.append(extra) } == ["- element \(extra) (not in the configuration)"])
        let forged = SetElement(
            element.set, key: element.key, target: element.target, limit: element.limit, comment: "mallory")
        #expect(
            boundary { $0.elements[3] = forged }
                == ["- element \(forged) (not in the configuration)", "+ element \(element) (missing)"])
    }

    @Test func tablesThatAreGoneComeWithAllElements() throws {
        let boundary = try #require(wanted.boundary)
        #expect(!boundary.elements.isEmpty)
        #expect(words { $0.boundary = nil } == ["+ \(boundary.tables) (missing)"])
    }

    @Test func onlyWhatHasToBeIsMadeAnew() throws {
        func step(_ change: (inout Boundary?) -> Void, wanted other: NetworkState? = nil) -> String {
            var observed = NetworkObservation(wanted)
            change(&observed.state.boundary)
            for found in plan(desired: other ?? wanted, observed: observed) {
                if case .tables(let tables) = found.step { return "\(tables)" }
            }
            return "none"
        }
        let refresh = "\(Step.Tables.refresh(made: [], gone: []))"
        #expect(step { _ in } == "none")
        #expect(step { $0 = nil } == "replace")
        #expect(step { $0?.rules.removeAll { $0.hasPrefix("rule inet hive gateway") } } == refresh)
        #expect(step { $0?.rules.removeAll { $0.hasPrefix("chain inet hive gateway") } } == refresh)
        #expect(step { $0?.rules.removeAll { $0.hasPrefix("counter inet hive peer") } } == "replace")
        #expect(step { $0?.rules.removeAll { $0.contains("inet hive") } } == "replace")
        #expect(step({ _ in }, wanted: NetworkState()) == "delete")
        // Another user of the gateway's is a matter of rules: counts are kept.
        var spec = try NetworkSpec.sample()
        spec.gatewayUsers = [33, 34]
        let other = try NetworkState(spec)
        #expect(step({ _ in }, wanted: other) == refresh)
        // So is another policy: its sets come and go with it.
        spec = try NetworkSpec.sample()
        spec.agents[0].egress = Egress(allow: [try value("9.9.9.9")])
        let label = spec.agents[0].egress.label
        #expect(
            step({ _ in }, wanted: try NetworkState(spec))
                == "\(Step.Tables.refresh(made: [.allow4(label), .allow6(label)], gone: [.allow4("internet"), .allow6("internet")]))"
        )
        // A policy's set that somebody made anew in another way is made anew.
        #expect(
            step { boundary in
                let lines = boundary?.rules ?? []
                boundary?.rules = lines.map {
                    $0.hasPrefix("set inet hive allow4_internet:") ? "\($0) and something else" : $0
                }
            } == "\(Step.Tables.refresh(made: [.allow4("internet")], gone: [.allow4("internet")]))")
    }
}
