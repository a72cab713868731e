/// What an egress policy means, said a second time, in the plainest way: what `verify` compares the kernel with. Nothing here is
/// shared with the code that turns a policy into rules, but for the list of special addresses.
extension Egress {
    /// Whether an agent with this policy may reach an address outside the host. (The host's own addresses and those of other
    /// agents are never outside.)
    /// - Parameter names: what the names in policies stand for; `NetworkSpec.names`.
    public func allows(_ outward: Outward, names: [String: ResolvedName]) -> Bool {
        guard !outward.address.isNeverOutside else { return false }
        if deny.contains(where: { $0.covers(outward, names) }) { return false }
        return allow.contains { $0.covers(outward, names) }
    }
}

extension Destination {
    fileprivate func covers(_ outward: Outward, _ names: [String: ResolvedName]) -> Bool {
        if let ports {
            guard ports.transport == outward.transport, ports.range.contains(outward.port) else {
                return false
            }
        }
        switch (place, outward.address) {
        case (.network4(let network), .v4(let address)): return network.contains(address)
        case (.network6(let network), .v6(let address)): return network.contains(address)
        case (.internet, _): return !outward.address.isSpecial
        case (.name(let name), .v4(let address)): return names[name]?.addresses4.contains(address) ?? false
        case (.name(let name), .v6(let address)): return names[name]?.addresses6.contains(address) ?? false
        default: return false
        }
    }
}

extension Outward.Address {
    /// In none of the ranges of public addresses: the lists of SpecialAddresses.swift.
    var isSpecial: Bool {
        switch self {
        case .v4(let address): SpecialAddresses.contains(address)
        case .v6(let address): SpecialAddresses.contains(address)
        }
    }

    /// Loopback and multicast.
    fileprivate var isNeverOutside: Bool {
        switch self {
        case .v4(let address):
            Prefix4.loopback.contains(address) || Prefix4.multicast.contains(address) || address.bits == .max
        case .v6(let address): Prefix6.multicast.contains(address) || address.bits <= 1
        }
    }
}
