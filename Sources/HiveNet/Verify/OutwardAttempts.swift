/// What one egress policy is tried with.
struct OutwardPlan {
    var allowed: [Outward] = []
    var denied: [Outward] = []

    /// What is on no public network: an address of each is tried.
    private static let special4 = [
        "10.0.0.0/8", "100.64.0.0/10", "169.254.169.254/32", "172.16.0.0/12", "192.168.0.0/16",
        "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "192.0.0.0/29",
        "192.88.99.0/24",
    ].compactMap(Prefix4.init)
    private static let special6 = [
        // Private, and then what stands for 10.1.2.3 or 192.168.0.0/16: NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056).
        "fd00::/8", "64:ff9b::a01:203/128", "64:ff9b:1::/48", "2002:a01:203::/48", "2002:c0a8::/32",
        "2001:db8::/32", "2001::/32",
    ].compactMap(Prefix6.init)

    /// - Parameter isElsewhere: whether an address is neither the host's nor an agent's.
    init(
        _ egress: Egress, names: [String: ResolvedName], hasIPv6: Bool,
        using random: inout SeededGenerator, isElsewhere: (Outward.Address) -> Bool
    ) {
        var public4 = Outward.Address.v4(IPv4Address(bits: 0))
        repeat {
            public4 = .v4(IPv4Address(bits: .random(in: .min ... .max, using: &random)))
        } while public4
            .isSpecial || !isElsewhere(public4)
        // 2a00::/12, of the RIPE NCC, with a host part that nobody has.
        var bits = UInt128(UInt64.random(in: .min ... .max, using: &random)) << 64
        bits |= UInt128(UInt64.random(in: .min ... .max, using: &random))
        let public6 = Outward.Address.v6(IPv6Address(bits: 0x2a0 << 116 | bits >> 12))
        let publics = hasIPv6 ? [public4, public6] : [public4]

        var candidates: [Outward] = []
        func add(_ address: Outward.Address, _ ports: PortRange?, using random: inout SeededGenerator) {
            guard isElsewhere(address), address.isRouted else { return }
            if let ports {
                candidates.append(
                    Outward(address, .random(in: ports.range, using: &random), ports.transport))
                // A port beside the range, if there is one, and the same port of the other protocol.
                let beside =
                    ports.range.upperBound < .max ? ports.range.upperBound + 1 : ports.range.lowerBound - 1
                if beside > 0 { candidates.append(Outward(address, beside, ports.transport)) }
                candidates.append(
                    Outward(address, ports.range.lowerBound, ports.transport == .tcp ? .udp : .tcp))
            } else {
                candidates.append(Outward(address, 443, .tcp))
                candidates.append(Outward(address, 53, .udp))
            }
        }
        /// One of a network's addresses that a probe can be sent to. A network of none yields one all the same, which `add` leaves out.
        func any<Address>(
            of network: Prefix<Address>, using random: inout SeededGenerator,
            _ make: (Address) -> Outward.Address
        ) -> Outward.Address {
            var address = make(network.anyAddress(using: &random))
            for _ in 0..<64 where !address.isRouted || !isElsewhere(address) {
                address = make(network.anyAddress(using: &random))
            }
            return address
        }
        for address in publics { add(address, nil, using: &random) }
        for entry in egress.allow + egress.deny {
            switch entry.place {
            case .internet: for address in publics { add(address, entry.ports, using: &random) }
            case .network4(let network):
                add(any(of: network, using: &random) { .v4($0) }, entry.ports, using: &random)
            case .network6(let network) where hasIPv6:
                add(any(of: network, using: &random) { .v6($0) }, entry.ports, using: &random)
            case .network6: break
            case .name(let name):
                for address in names[name]?.addresses4.prefix(1) ?? [] {
                    add(.v4(address), entry.ports, using: &random)
                }
                for address in names[name]?.addresses6.prefix(hasIPv6 ? 1 : 0) ?? [] {
                    add(.v6(address), entry.ports, using: &random)
                }
            }
        }
        for network in Self.special4 {
            add(any(of: network, using: &random) { .v4($0) }, nil, using: &random)
        }
        for network in Self.special6 where hasIPv6 {
            add(any(of: network, using: &random) { .v6($0) }, nil, using: &random)
        }
        var seen: Set<Outward> = []
        for candidate in candidates where seen.insert(candidate).inserted {
            if egress.allows(candidate, names: names) {
                allowed.append(candidate)
            } else {
                denied.append(candidate)
            }
        }
    }
}

extension Outward.Address {
    /// A router may pass it on (ip_route_input_slow, ip6_forward): no packet to 0.0.0.0/8, loopback, a group, 240.0.0.0/4 or a
    /// link-local address of IPv6 would arrive in the control either, or count as going outwards.
    fileprivate var isRouted: Bool {
        switch self {
        case .v4(let address): (1..<224).contains(address.bits >> 24) && address.bits >> 24 != 127
        case .v6(let address): address.bits >> 118 != 0x3fa && address.bits >> 120 != 0xff && address.bits > 1
        }
    }
}

extension Prefix {
    /// One of its addresses: neither the first nor the last where there are others.
    fileprivate func anyAddress(using random: inout SeededGenerator) -> Address {
        guard length < Address.width else { return address }
        let high = first.bits
        let range = last.bits - high
        guard range > 2 else { return first }
        return Address(bits: high + .random(in: 1..<range, using: &random))
    }
}

extension Attempt {
    /// IPv4's type of service of probes outwards, which our routes for them ask for, so that nobody else's packets take them:
    /// DSCP 7 is for experiments (RFC 2474, section 6), and all its bits are within `IPTOS_RT_MASK`.
    static let trafficClass: UInt8 = 0x1c

    /// A port of the host's that a policy opens, at each of the bridge's addresses.
    static func service(_ spec: NetworkSpec, _ service: Service) -> [Attempt] {
        let content: Frame.Content = service.transport == .tcp ? .syn(service.port) : .udp(service.port)
        var attempts = [
            packet(.allowed, "\(spec.gateway4) port \(service)", spec, to: spec.gateway4, content)
        ]
        if let gateway6 = spec.gateway6 {
            attempts.append(packet(.allowed, "\(gateway6) port \(service)", spec, to: gateway6, content))
        }
        for index in attempts.indices { attempts[index].service = service }
        return attempts
    }

    /// - Parameter isReal: the packet is to take the way that an agent's own would take.
    static func outward(
        _ target: Target, _ spec: NetworkSpec, _ outward: Outward, isReal: Bool = false
    ) -> Attempt {
        let content: Frame.Content = outward.transport == .tcp ? .syn(outward.port) : .udp(outward.port)
        var attempt =
            switch outward.address {
            case .v4(let address):
                packet(
                    target, "\(outward)", spec, to: address, content,
                    trafficClass: isReal ? 0 : trafficClass)
            case .v6(let address): packet(target, "\(outward)", spec, to: address, content)
            }
        attempt.destination = outward
        attempt.isReal = isReal
        return attempt
    }
}
