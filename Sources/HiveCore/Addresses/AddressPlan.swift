internal import HiveNet
internal import HiveWire

/// Gives every agent its addresses: those that people wrote, and leases for the rest.
struct AddressPlan {
    private let network: NetworkSettings
    private let source: Source
    private let agents: [Declaration]
    /// Who has an explicit address.
    private var owners4: [IPv4Address: Declaration] = [:]
    private var owners6: [IPv6Address: Declaration] = [:]

    /// Checks the explicit addresses.
    ///
    /// - Parameter agents: in the order of their names.
    init(configuration: Configuration, agents: [Declaration]) throws(HiveError) {
        network = configuration.network
        source = configuration.source
        self.agents = agents
        let subnet4 = network.subnet4
        let special4 = [
            (subnet4.first, "the network's own address"), (subnet4.last, "the broadcast address"),
            (IPv4Address(bits: subnet4.first.bits + 1), "the host's address"),
        ]
        for agent in agents {
            guard let address = agent.settings.address4 else { continue }
            try Self.check(address, "address4", of: agent, in: subnet4, "network.subnet4", special4, &owners4)
        }
        for agent in agents {
            guard let address = agent.settings.address6 else { continue }
            guard let subnet6 = network.subnet6 else {
                throw agent.error(
                    "address6", "is \(address), but network.subnet6 is null: agents have no IPv6")
            }
            let special6 = [
                (subnet6.first, "the anycast address of the subnet's routers (RFC 4291)"),
                (IPv6Address(bits: subnet6.first.bits + 1), "the host's address"),
            ]
            try Self.check(address, "address6", of: agent, in: subnet6, "network.subnet6", special6, &owners6)
        }
    }

    private static func check<Address: IPAddress>(
        _ address: Address, _ key: String, of agent: Declaration, in subnet: Prefix<Address>,
        _ subnetKey: String,
        _ special: [(Address, String)], _ owners: inout [Address: Declaration]
    ) throws(HiveError) {
        guard subnet.contains(address) else {
            throw agent.error(key, "is \(address), which is not in \(subnetKey), \(subnet)")
        }
        for (other, what) in special where address == other {
            throw agent.error(key, "is \(address), which is \(what) in \(subnetKey), \(subnet)")
        }
        if let other = owners.updateValue(agent, forKey: address) {
            throw agent.error(
                key, "is \(address), which the agent \(quoted(other.name)) has too (\(other.place(key)))")
        }
    }

    /// - Returns: the agents with all their addresses, and the leases that go with them.
    mutating func settle(_ saved: Leases) throws(HiveError) -> ([NetworkSpec.Agent], Leases) {
        var taken4: Set<UInt32> = []
        var taken6: Set<UInt32> = []
        for address in owners4.keys { taken4.insert(address.bits - network.subnet4.first.bits) }
        if let subnet6 = network.subnet6 {
            for address in owners6.keys {
                if let number = UInt32(exactly: address.bits - subnet6.first.bits) { taken6.insert(number) }
            }
        }
        let leased = agents.filter { $0.settings.address4 == nil }
        for agent in leased { try refuseEviction(agent, saved) }

        var leases = saved
        let requests = leased.map { Leases.Request(agent: $0.name, needsOnly4: $0.settings.address6 != nil) }
        do throws(Leases.Exhausted) {
            try leases.assign(requests, pool: network.pool, taken4: taken4, taken6: taken6)
        } catch {
            throw HiveError(
                .configuration,
                "\(source.place("network.subnet4")): no address is left for the agent \(quoted(error.agent)) in \(network.subnets)"
            )
        }
        var result: [NetworkSpec.Agent] = []
        for agent in agents { result.append(try address(agent, leases)) }
        return (result, leases)
    }

    /// An explicit address does not push out an agent that has it by lease and may be running: that would give
    /// the other one a new address behind everybody's back.
    private func refuseEviction(_ agent: Declaration, _ saved: Leases) throws(HiveError) {
        guard let lease = saved.byAgent[agent.name], lease.released == nil,
            network.pool.contains(lease.number)
        else { return }
        let address4 = IPv4Address(bits: network.subnet4.first.bits + lease.number)
        if let owner = owners4[address4] { throw evicts(owner, "address4", "\(address4)", agent) }
        guard agent.settings.address6 == nil, let address6 = network.address6(lease.number) else { return }
        if let owner = owners6[address6] { throw evicts(owner, "address6", "\(address6)", agent) }
    }

    private func evicts(_ owner: Declaration, _ key: String, _ address: String, _ agent: Declaration)
        -> HiveError
    {
        owner.error(
            key,
            "is \(address), which is leased to the agent \(quoted(agent.name)): choose another one, or first give "
                + "\(quoted(agent.name)) another \(key)")
    }

    private mutating func address(_ agent: Declaration, _ leases: Leases) throws(HiveError)
        -> NetworkSpec.Agent
    {
        let settings = agent.settings
        let number: UInt32
        if let address4 = settings.address4 {
            number = address4.bits - network.subnet4.first.bits
        } else if let lease = leases.number(of: agent.name) {
            number = lease
        } else {
            throw HiveError(.dataError, "the agent \(quoted(agent.name)) has no lease")
        }
        var address6 = settings.address6
        if address6 == nil, let subnet6 = network.subnet6 {
            // Only an explicit IPv4 address can get here with a number that IPv6 does not have.
            guard let derived = network.address6(number) else {
                throw agent.error(
                    "address4",
                    "has the number \(number), and network.subnet6, \(subnet6), has no such address: give the agent an address6"
                )
            }
            if let owner = owners6[derived] {
                throw owner.error(
                    "address6",
                    "is \(derived), which the agent \(quoted(agent.name)) gets by its number \(number) "
                        + "(\(agent.place("address4"))): give it another address6")
            }
            address6 = derived
        }
        return NetworkSpec.Agent(
            name: agent.name, address4: IPv4Address(bits: network.subnet4.first.bits + number),
            address6: address6,
            namespace: settings.namespace, webPort: settings.webPort, egress: settings.egress)
    }
}

extension NetworkSettings {
    /// How many agents the subnets hold: all but network, host and broadcast; in IPv6 there is no broadcast.
    var capacity4: UInt64 { UInt64(subnet4.last.bits - subnet4.first.bits) - 2 }
    var capacity6: UInt128? { subnet6.map { $0.last.bits - $0.first.bits - 1 } }

    /// The numbers that leases can have here. Not empty, since the shortest subnets hold one agent.
    var pool: ClosedRange<UInt32> {
        let last4 = subnet4.last.bits - subnet4.first.bits - 1
        let last6 = subnet6.map { UInt32(clamping: $0.last.bits - $0.first.bits) } ?? .max
        let first = Leases.numbers.lowerBound
        return first...max(first, min(last4, last6, Leases.numbers.upperBound))
    }

    /// The IPv6 address with a number, if there is IPv6 and it has one.
    func address6(_ number: UInt32) -> IPv6Address? {
        guard let subnet6, UInt128(number) <= subnet6.last.bits - subnet6.first.bits else { return nil }
        return IPv6Address(bits: subnet6.first.bits + UInt128(number))
    }

    /// For messages.
    var subnets: String { subnet6.map { "\(subnet4) and \($0)" } ?? "\(subnet4)" }
}
