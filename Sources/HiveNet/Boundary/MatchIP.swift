internal import CNftables

// The vocabulary of the boundary's page, from the network layer upwards.
extension Match {
    // MARK: Addresses

    private static func isVersion(_ protocolFamily: UInt8) -> Match {
        [.meta(.networkProtocol), .compare(.equal, [protocolFamily])]
    }
    static var isIPv4: Match { isVersion(UInt8(NFPROTO_IPV4)) }
    static var isIPv6: Match { isVersion(UInt8(NFPROTO_IPV6)) }

    private enum Side { case source, destination }

    private static func load<Address: IPAddress>(_ side: Side, _: Address.Type) -> Match {
        let octets = UInt32(Address.width / 8)
        let source: UInt32 = Address.width == 32 ? 12 : 8
        return (Address.width == 32 ? isIPv4 : isIPv6)
            + [.payload(.network, offset: side == .source ? source : source + octets, length: octets)]
    }
    private static func within<Address: IPAddress>(
        _ side: Side, _ prefix: Prefix<Address>, _ comparison: Expression.Comparison
    ) -> Match {
        load(side, Address.self)
            + [.mask(Address(bits: prefix.mask).octets), .compare(comparison, prefix.first.octets)]
    }

    static func to(_ prefix: Prefix4) -> Match { within(.destination, prefix, .equal) }
    static func from(_ prefix: Prefix4) -> Match { within(.source, prefix, .equal) }
    static func notFrom(_ prefix: Prefix4) -> Match { within(.source, prefix, .notEqual) }

    /// Without a subnet nothing is ours, and no packet matches: `::` is nobody's destination, nor a forwarded source.
    static func to(_ prefix: Prefix6?) -> Match { within(.destination, prefix ?? .unspecified, .equal) }
    static func from(_ prefix: Prefix6?) -> Match { within(.source, prefix ?? .unspecified, .equal) }
    static func notFrom(_ prefix: Prefix6?) -> Match { within(.source, prefix ?? .unspecified, .notEqual) }

    static func from(_ address: IPv4Address) -> Match {
        [Place.ipv4Source.load(.first), .compare(.equal, address.octets)]
    }
    static func from(_ address: IPv6Address) -> Match {
        [Place.ipv6Source.load(.first), .compare(.equal, address.octets)]
    }

    /// `ip saddr vmap @egress4`
    static func ipv4Source(in set: AgentSet) -> Match {
        load(.source, IPv4Address.self) + [.verdictMap(set: set.definition.name)]
    }
    static func ipv6Source(in set: AgentSet) -> Match {
        load(.source, IPv6Address.self) + [.verdictMap(set: set.definition.name)]
    }
    static func ipv4Destination(in set: AgentSet) -> Match {
        load(.destination, IPv4Address.self) + [.lookup(set: set.definition.name)]
    }
    static func ipv6Destination(in set: AgentSet) -> Match {
        load(.destination, IPv6Address.self) + [.lookup(set: set.definition.name)]
    }
    /// `ip daddr . meta l4proto . th dport @allow4_internet`. Matches nothing that has no transport header, or less than four
    /// octets of it.
    static func allowed4(by label: String) -> Match {
        load(.destination, IPv4Address.self) + service(in: .allow4(label), at: 1)
    }
    static func allowed6(by label: String) -> Match {
        load(.destination, IPv6Address.self) + service(in: .allow6(label), at: 4)
    }
    /// `ip daddr 10.77.0.1 ip saddr . meta l4proto . th dport @service4`
    static func service(at gateway: IPv4Address) -> Match {
        to(Prefix4(host: gateway)) + load(.source, IPv4Address.self) + service(in: .service4, at: 1)
    }
    /// Without IPv6 nothing: nobody's destination is `::`.
    static func service(at gateway: IPv6Address?) -> Match {
        to(gateway.map { Prefix6(host: $0) }) + load(.source, IPv6Address.self)
            + service(in: .service6, at: 4)
    }
    /// - Parameter word: the first register behind the address.
    private static func service(in set: AgentSet, at word: UInt32) -> Match {
        [
            .meta(.transportProtocol, .init(word: word)),
            .payload(.transport, offset: 2, length: 2, .init(word: word + 1)),
            .lookup(set: set.definition.name),
        ]
    }
    /// `fib daddr type vmap @destinations`
    static func destination(in set: String) -> Match { [.destinationType, .verdictMap(set: set)] }
    static var isLocal: Match { [.destinationType, .compare(.equal, AddressType.local.octets)] }

    /// More fragments to come, or not the first.
    static var fragment4: Match {
        [.payload(.network, offset: 6, length: 2), .mask([0x3f, 0xff]), .compare(.notEqual, [0, 0])]
    }
    /// The first header behind IPv6's own is an extension header: hop-by-hop options, routing, fragment, destination
    /// options, and whatever else is in `extensions6`.
    static var extensionHeader: Match {
        [.payload(.network, offset: 6, length: 1), .lookup(set: SetDefinition.extensions6.name)]
    }

    // MARK: Transport

    enum Transport: UInt8 { case icmp = 1, igmp = 2, tcp = 6, udp = 17, icmpv6 = 58 }

    /// The protocol behind all extension headers, not the next-header field.
    static func transport(_ number: Transport) -> Match {
        [.meta(.transportProtocol), .compare(.equal, [number.rawValue])]
    }
    static func udp(from source: UInt16, to destination: UInt16) -> Match {
        transport(.udp) + [
            .payload(.transport, offset: 0, length: 4),
            .compare(.equal, source.keyOctets + destination.keyOctets),
        ]
    }
    /// SYN without FIN, RST or ACK.
    static var tcpSyn: Match {
        transport(.tcp) + [
            .payload(.transport, offset: 13, length: 1), .mask([0x17]), .compare(.equal, [0x02]),
        ]
    }
    /// `ip daddr . tcp dport @web4`
    static func web(in set: AgentSet) -> Match {
        let isIPv6 = set == .web6
        let port = Expression.payload(.transport, offset: 2, length: 2, .init(word: isIPv6 ? 4 : 1))
        return transport(.tcp)
            + (isIPv6 ? load(.destination, IPv6Address.self) : load(.destination, IPv4Address.self))
            + [port, .lookup(set: set.definition.name)]
    }

    // MARK: ICMP

    enum ICMPType: UInt8 { case echoReply = 0 }
    enum ICMPv6Type: UInt8 {
        case echoReply = 129, routerAdvert = 134, neighbourSolicit = 135, neighbourAdvert = 136, redirect =
            137
    }

    static func icmp(_ type: ICMPType) -> Match {
        isIPv4 + transport(.icmp) + [
            .payload(.transport, offset: 0, length: 1), .compare(.equal, [type.rawValue]),
        ]
    }
    static func icmpv6(_ type: ICMPv6Type) -> Match {
        transport(.icmpv6) + [.payload(.transport, offset: 0, length: 1), .compare(.equal, [type.rawValue])]
    }
    static func icmpv6(in set: String) -> Match {
        transport(.icmpv6) + [.payload(.transport, offset: 0, length: 1), .lookup(set: set)]
    }
    /// With hop limit 255, so from the link itself (RFC 4861, section 7.1.1). Nobody asks for `::`.
    static func neighbourSolicit(for target: IPv6Address?) -> Match {
        icmpv6(.neighbourSolicit)
            + [.payload(.network, offset: 7, length: 1), .compare(.equal, [255])]
            + [Place.ndTarget.load(.first), .compare(.equal, (target ?? IPv6Address(bits: 0)).octets)]
    }

    // MARK: Connections and users

    /// `ct state established`. Bits of enum nft's ct_state: 1 << (1 + IP_CT_ESTABLISHED % IP_CT_IS_REPLY), host order.
    private static func state(_ bits: UInt8) -> Match {
        [.connection(.state), .mask([bits, 0, 0, 0]), .compare(.notEqual, [0, 0, 0, 0])]
    }
    static var established: Match { state(0x02) }
    /// The first packet of a connection: it is not in the table yet. Before connection tracking no packet is one.
    ///
    /// (`ct state new` are all packets up to the first answer, and nf_conncount counts each of those that come within one jiffy.)
    static var opens: Match {
        let confirmed = Swift.withUnsafeBytes(of: UInt32(IPS_CONFIRMED.rawValue)) { [UInt8]($0) }
        return [.connection(.status), .mask(confirmed), .compare(.equal, [0, 0, 0, 0])]
    }
    static var newOrEstablished: Match { state(0x0a) }
    static var related: Match { state(0x04) }
    /// Related, invalid or untracked.
    static var neitherNewNorEstablished: Match {
        [.connection(.state), .mask([0x0a, 0, 0, 0]), .compare(.equal, [0, 0, 0, 0])]
    }
    /// `ct direction reply`: goes the other way than the packet that opened the connection.
    static var isReply: Match { [.connection(.direction), .compare(.equal, [1])] }
    /// `meta skuid`: whose socket it comes from.
    static func user(_ id: UInt32) -> Match {
        [.meta(.socketUser), .compare(.equal, Swift.withUnsafeBytes(of: id) { [UInt8]($0) })]
    }
}

extension Prefix where Address == IPv4Address {
    static var loopback: Prefix { Prefix(network: IPv4Address(bits: 127 << 24), length: 8) }
    static var multicast: Prefix { Prefix(network: IPv4Address(bits: 224 << 24), length: 4) }
}

extension Prefix where Address == IPv6Address {
    static var multicast: Prefix { Prefix(network: IPv6Address(bits: 0xff << 120), length: 8) }
    static var unspecified: Prefix { Prefix(host: IPv6Address(bits: 0)) }
}

/// `RTN_LOCAL` and so on, linux/rtnetlink.h: what `fib daddr type` yields, in host byte order.
enum AddressType: UInt8 {
    case local = 2, broadcast = 3, anycast = 4, multicast = 5
    var octets: [UInt8] { [rawValue, 0, 0, 0] }
}
