// What an egress policy comes to, in packets.

extension Egress {
    /// What the policy allows by addresses: `allow` without its names, less `deny`.
    func region<Address: IPAddress>(_ family: Address.Type) -> Region<Address> {
        Region(allow.compactMap { $0.part(family) }).subtracting(denied(family))
    }

    /// What it allows by names besides: for each name what no name that is good for longer, and no address, allows already.
    /// - Parameter names: what names stand for; those that are not here reach nothing.
    func regions<Address: IPAddress>(
        _ family: Address.Type, of names: [String: ResolvedName]
    ) -> [(name: String, expires: Int64, region: Region<Address>)] {
        var covered = denied(family).union(region(family))
        var found: [(name: String, expires: Int64, region: Region<Address>)] = []
        let known = self.names.compactMap { name in names[name].map { (name, $0) } }
        for (name, resolved) in known.sorted(by: { ($0.1.expires, $1.0) > ($1.1.expires, $0.0) }) {
            let addresses: [Address.Bits] =
                Address.width == 32
                ? resolved.addresses4.compactMap { Address.Bits(exactly: $0.bits) }
                : resolved.addresses6.compactMap { Address.Bits(exactly: $0.bits) }
            let entries = allow.filter { $0.place == .name(name) }
            let region = Region<Address>(
                entries.map { (Region<Address>.services($0.ports), Ranges(addresses.map { $0...$0 })) }
            ).subtracting(covered)
            covered = covered.union(region)
            if !region.isEmpty { found.append((name, resolved.expires, region)) }
        }
        return found
    }

    private func denied<Address: IPAddress>(_ family: Address.Type) -> Region<Address> {
        Region(deny.compactMap { $0.part(family) })
    }

    /// How many elements its sets have, both families together, names aside.
    public var elementCount: Int {
        region(IPv4Address.self).boxes.count + region(IPv6Address.self).boxes.count
    }
}

extension Destination {
    /// Nil for another family, and for a name.
    fileprivate func part<Address: IPAddress>(
        _ family: Address.Type
    ) -> (services: Region<Address>.Services, addresses: Ranges<Address.Bits>)? {
        let services = Region<Address>.services(ports)
        switch place {
        case .network4(let prefix):
            return (prefix as? Prefix<Address>).map { (services, Ranges([$0.range])) }
        case .network6(let prefix):
            return (prefix as? Prefix<Address>).map { (services, Ranges([$0.range])) }
        case .internet: return (services, SpecialAddresses.publicAddresses(family))
        case .name: return nil
        }
    }
}
