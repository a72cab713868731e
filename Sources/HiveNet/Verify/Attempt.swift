/// A place that a probe is sent from, or at.
struct Station: Sendable {
    let name: String
    let mac: MACAddress
    let address4: IPv4Address
    let address6: IPv6Address?
    /// What it sends IPv6 from: its address or, in a hive without IPv6, the one that a kernel would make for its link. Nil
    /// where the kernel has no IPv6.
    var source6: IPv6Address?

    /// - Parameter hasIPv6: the kernel has it, whether or not the hive does.
    init(_ name: String, _ address4: IPv4Address, _ address6: IPv6Address?, hasIPv6: Bool) {
        self.name = name
        self.address4 = address4
        self.address6 = address6
        mac = NetworkSpec.agentMAC(address4)
        source6 = hasIPv6 ? address6 ?? IPv6Address(linkLocalOf: mac) : nil
    }
}

/// Something that is tried, by whichever agent: with a sender, another agent and a cookie it becomes a frame.
///
/// In the control hive every attempt is made once, so an attempt is known by its position in the list.
struct Attempt: Sendable {
    typealias Target = Verification.Target

    /// The other agent where there is one is told by the shot.
    typealias Build = @Sendable (_ sender: Station, _ other: Station, _ cookie: Cookie) -> Frame

    let target: Target
    /// What it is, for people: `UDP to 10.77.0.1 (hive0)`. Stands behind "alpha reached" with its peer's name, if it has one.
    let words: String
    let build: Build
    /// The address, where it is one outside.
    var destination: Outward?
    /// Goes the way that an agent's own packets would go, to where verify does not answer.
    var isReal = false
    /// The port of the host that is knocked at, so that what a policy opens is not tried.
    var service: Service?

    init(_ target: Target, _ words: String, _ build: @escaping Build) {
        self.target = target
        self.words = words
        self.build = build
    }
}

/// An address outside, a protocol and a port.
public struct Outward: Hashable, Sendable {
    public enum Address: Hashable, Sendable {
        case v4(IPv4Address)
        case v6(IPv6Address)
    }
    public var address: Address
    public var transport: Transport
    public var port: UInt16

    public init(_ address: Address, _ port: UInt16, _ transport: Transport) {
        self.address = address
        self.port = port
        self.transport = transport
    }
}

extension Outward: LosslessStringConvertible {
    /// Reads `198.51.100.7:443/tcp` and `[2001:db8::7]:443/tcp`.
    public init?(_ text: String) {
        guard let destination = Destination(text), let ports = destination.ports, ports.range.count == 1
        else { return nil }
        switch destination.place {
        case .network4(let prefix) where prefix.length == 32: address = .v4(prefix.address)
        case .network6(let prefix) where prefix.length == 128: address = .v6(prefix.address)
        default: return nil
        }
        port = ports.range.lowerBound
        transport = ports.transport
    }

    public var description: String {
        switch address {
        case .v4(let address): "\(address):\(port)/\(transport.rawValue)"
        case .v6(let address): "[\(address)]:\(port)/\(transport.rawValue)"
        }
    }
}

// MARK: What a probe says

extension Frame {
    /// A UDP datagram, a SYN, an echo request or nothing in particular, that carries a cookie.
    enum Content: Sendable {
        case udp(UInt16)
        case syn(UInt16)
        case echo
        /// Of a protocol without a form of its own here: four octets of no meaning, twice, and the cookie.
        case other(UInt8)

        fileprivate func number(isIPv4: Bool) -> UInt8 {
            switch self {
            case .udp: IPProtocol.udp
            case .syn: IPProtocol.tcp
            case .echo: isIPv4 ? IPProtocol.icmp : IPProtocol.icmpv6
            case .other(let number): number
            }
        }
    }

    mutating func probe<Address: IPAddress>(
        from: Address, to: Address, _ content: Content, _ cookie: Cookie, trafficClass: UInt8 = 0
    ) {
        let isIPv4 = Address.width == 32
        packet(
            from: from, to: to, protocol: content.number(isIPv4: isIPv4), trafficClass: trafficClass
        ) { frame in
            switch content {
            case .udp(let port):
                frame.udp(from: cookie.port, to: port) { $0.append(cookie) }
            case .syn(let port):
                frame.tcp(
                    from: cookie.port, to: port, flags: TCPFlags.syn, sequence: cookie.magic,
                    acknowledgement: cookie.index)
            case .echo:
                frame.icmp(type: isIPv4 ? 8 : 128)
                // Identifier and sequence number.
                frame.append(cookie.port)
                frame.append(UInt16(1))
                frame.append(cookie)
            case .other:
                frame.append(UInt64(0))
                frame.append(cookie)
            }
        }
    }

    mutating func append(_ cookie: Cookie) {
        append(cookie.magic)
        append(cookie.index)
    }

    /// A neighbour solicitation for another agent (RFC 4861, section 4.3), with the cookie in the reserved word and in a nonce.
    mutating func solicit(from: IPv6Address, mac: MACAddress, target: IPv6Address, _ cookie: Cookie) {
        packet(
            from: from, to: target.solicitedNode, protocol: IPProtocol.icmpv6, hopLimit: 255
        ) { frame in
            frame.icmp(type: 135)
            frame.append(cookie.magic)
            frame.append(target)
            frame.append([1, 1])
            frame.append(mac)
            frame.append([14, 1])
            frame.append(cookie.index)
            frame.append(UInt16(0))
        }
    }
}

extension IPv6Address {
    /// The group in which neighbours are asked for this address (RFC 4291, section 2.7.1).
    var solicitedNode: IPv6Address {
        IPv6Address(bits: 0xff02 << 112 | 0x1_ff00_0000 | bits & 0xff_ffff)
    }
    /// The address that a link makes of its Ethernet address (RFC 4291, appendix A).
    init(linkLocalOf mac: MACAddress) {
        let high = UInt128(mac.bits >> 24 ^ 0x02_0000) << 40
        self.init(bits: 0xfe80 << 112 | high | 0xff_fe00_0000 | UInt128(mac.bits & 0xff_ffff))
    }
}

extension MACAddress {
    static let broadcast = MACAddress(bits: 0xffff_ffff_ffff)
    /// RFC 1112, section 6.4: the low 23 bits.
    init(group: IPv4Address) { self.init(bits: 0x0100_5e00_0000 | UInt64(group.bits & 0x7f_ffff)) }
    /// RFC 2464, section 7: the low 32 bits.
    init(group: IPv6Address) {
        self.init(bits: 0x3333_0000_0000 | UInt64(truncatingIfNeeded: group.bits & 0xffff_ffff))
    }
}
