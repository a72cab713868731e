/// What the headers of a packet say, as far as they can be read. A packet is what its sender likes, and cut off besides: whatever
/// is missing or makes no sense is nil.
public struct PacketHeaders: Equatable, Sendable {
    /// `tcp`, `udp`, `sctp`, `icmp`, `icmpv6`, `arp`; `protocol 47`, `ethertype 0x88cc`, `llc`, `unknown`.
    public var protocolName = "unknown"
    /// IPv4 or IPv6 addresses, as text; of ARP the sender's and the target's.
    public var source: String?
    public var destination: String?
    public var sourcePort: UInt16?
    public var destinationPort: UInt16?
    /// The type of an ICMP message, the operation of an ARP message.
    public var type: UInt16?

    /// - Parameters:
    ///   - packet: from the network header on.
    ///   - etherType: nil if it is not known.
    init(_ packet: UnsafeRawBufferPointer, etherType: UInt16?) {
        let packet = Octets(bytes: packet)
        switch etherType {
        case Frame.ipv4Type: readIPv4(packet)
        case Frame.ipv6Type: readIPv6(packet)
        case Frame.arpType: readARP(packet)
        // Below, it is a length (IEEE 802.3).
        case .some(..<0x600): protocolName = "llc"
        case .some(let type): protocolName = "ethertype 0x" + Hexadecimal.text(type)
        case nil: break
        }
    }

    /// Octets that may end anywhere.
    private struct Octets {
        let bytes: UnsafeRawBufferPointer

        subscript(_ offset: Int) -> UInt8? { bytes.indices.contains(offset) ? bytes[offset] : nil }
        /// In network byte order.
        func number(_ offset: Int) -> UInt16? {
            guard let high = self[offset], let low = self[offset + 1] else { return nil }
            return UInt16(high) << 8 | UInt16(low)
        }
        func address<Address: IPAddress>(_ offset: Int, _: Address.Type) -> String? {
            let end = offset + Address.width / 8
            guard end <= bytes.count else { return nil }
            return Address(octets: bytes[offset..<end])?.description
        }
    }

    /// RFC 791.
    private mutating func readIPv4(_ packet: Octets) {
        protocolName = "ipv4"
        guard let first = packet[0], first >> 4 == 4 else { return }
        source = packet.address(12, IPv4Address.self)
        destination = packet.address(16, IPv4Address.self)
        guard let number = packet[9], let fragment = packet.number(6) else { return }
        let length = Int(first & 0xf) * 4
        // Of a fragment only the first has the transport's header.
        readTransport(number, packet, at: length >= 20 && fragment & 0x1fff == 0 ? length : nil)
    }

    /// RFC 8200.
    private mutating func readIPv6(_ packet: Octets) {
        protocolName = "ipv6"
        guard let first = packet[0], first >> 4 == 6 else { return }
        source = packet.address(8, IPv6Address.self)
        destination = packet.address(24, IPv6Address.self)
        guard var next = packet[6] else { return }
        var offset = 40
        // Each header is at least eight octets long, so this ends; and 128 octets have not many.
        while true {
            var isFirst = true
            switch (next, packet[offset + 1]) {
            // Hop-by-hop options, routing, destination options, mobility, HIP, shim6, and two for experiments.
            case (0, let length?), (43, let length?), (60, let length?), (135, let length?),
                (139, let length?),
                (140, let length?), (253, let length?), (254, let length?):
                next = packet[offset] ?? next
                offset += (Int(length) + 1) * 8
            // Authentication (RFC 4302, section 2.2).
            case (51, let length?):
                next = packet[offset] ?? next
                offset += (Int(length) + 2) * 4
            case (44, _?):
                isFirst = packet.number(offset + 2).map { $0 & 0xfff8 == 0 } ?? false
                next = packet[offset] ?? next
                offset += 8
            default: return readTransport(next, packet, at: offset)
            }
            guard isFirst else { return readTransport(next, packet, at: nil) }
        }
    }

    /// RFC 826.
    private mutating func readARP(_ packet: Octets) {
        protocolName = "arp"
        // Of Ethernet and IPv4, with addresses of 6 and 4 octets.
        guard packet.number(0) == 1, packet.number(2) == Frame.ipv4Type, packet.number(4) == 0x0604 else {
            return
        }
        type = packet.number(6)
        source = packet.address(14, IPv4Address.self)
        destination = packet.address(24, IPv4Address.self)
    }

    /// - Parameter offset: nil: its header is not here.
    private mutating func readTransport(_ number: UInt8, _ packet: Octets, at offset: Int?) {
        switch number {
        case IPProtocol.tcp: protocolName = "tcp"
        case IPProtocol.udp: protocolName = "udp"
        case IPProtocol.sctp: protocolName = "sctp"
        case IPProtocol.icmp: protocolName = "icmp"
        case IPProtocol.icmpv6: protocolName = "icmpv6"
        default: protocolName = "protocol \(number)"
        }
        guard let offset else { return }
        switch number {
        case IPProtocol.tcp, IPProtocol.udp, IPProtocol.sctp:
            sourcePort = packet.number(offset)
            destinationPort = packet.number(offset + 2)
        case IPProtocol.icmp, IPProtocol.icmpv6: type = packet[offset].map { UInt16($0) }
        default: break
        }
    }
}

extension Hexadecimal {
    /// Four lower-case digits.
    fileprivate static func text(_ number: UInt16) -> String {
        text(UInt8(number >> 8)) + text(UInt8(truncatingIfNeeded: number))
    }
}
