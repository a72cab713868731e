/// An Ethernet frame under construction, with right checksums.
///
/// Built octet by octet, since a probe has to be able to say what a well-behaved network stack never would.
struct Frame {
    private(set) var octets: [UInt8] = []

    /// Of a frame's header, without a tag.
    static let headerLength = 14
    static let ipv4Type: UInt16 = 0x0800, ipv6Type: UInt16 = 0x86dd, arpType: UInt16 = 0x0806

    /// - Parameter isTagged: with a tag of VLAN 0 (IEEE 802.1Q: "priority-tagged").
    init(to: MACAddress, from: MACAddress, type: UInt16, isTagged: Bool = false) {
        octets.reserveCapacity(96)
        append(to)
        append(from)
        if isTagged {
            append(UInt16(0x8100))
            append(UInt16(0))
        }
        append(type)
    }

    /// As a packet socket sees it: the kernel takes the tag off first (`skb_vlan_untag`).
    var octetsWithoutTag: [UInt8] {
        octets.count > 16 && octets[12] == 0x81 && octets[13] == 0
            ? Array(octets[..<12] + octets[16...]) : octets
    }

    mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.bigEndian) { octets.append(contentsOf: $0) }
    }
    mutating func append(_ address: some IPAddress) { append(address.bits) }
    mutating func append(_ mac: MACAddress) {
        append(UInt16(mac.bits >> 32))
        append(UInt32(truncatingIfNeeded: mac.bits))
    }
    mutating func append(_ more: [UInt8]) { octets += more }

    private mutating func replace(_ number: UInt16, at offset: Int) {
        octets[offset] = UInt8(number >> 8)
        octets[offset + 1] = UInt8(truncatingIfNeeded: number)
    }

    // MARK: Layers

    /// An IP packet.
    /// - Parameters:
    ///   - trafficClass: the type of service of IPv4, the traffic class of IPv6.
    ///   - transport: writes what follows the header. Its first argument is the sum of the pseudo-header but for the length.
    mutating func packet<Address: IPAddress>(
        from: Address, to: Address, protocol number: UInt8, trafficClass: UInt8 = 0, hopLimit: UInt8 = 64,
        _ transport: (inout Frame) -> Void
    ) {
        let start = octets.count
        let isIPv4 = Address.width == 32
        if isIPv4 {
            append([0x45, trafficClass, 0, 0, 0, 0, 0, 0, hopLimit, number, 0, 0])
        } else {
            append([0x60 | trafficClass >> 4, trafficClass << 4, 0, 0, 0, 0, number, hopLimit])
        }
        append(from)
        append(to)
        let body = octets.count
        transport(&self)
        if isIPv4 {
            replace(UInt16(octets.count - start), at: start + 2)
            replace(checksum(start..<body), at: start + 10)
        } else {
            replace(UInt16(octets.count - body), at: start + 4)
        }
        // The pseudo-header of RFC 793 and RFC 8200, section 8.1, is these words, in whatever order.
        let addresses = (start + (isIPv4 ? 12 : 8))..<body
        let pseudo = sum(addresses) + UInt32(number) + UInt32(octets.count - body)
        switch number {
        case IPProtocol.tcp: replace(checksum(body..<octets.count, pseudo), at: body + 16)
        case IPProtocol.udp:
            let checksum = checksum(body..<octets.count, pseudo)
            // 0 would say that there is none (RFC 768).
            replace(checksum == 0 ? 0xffff : checksum, at: body + 6)
        case IPProtocol.icmp: replace(checksum(body..<octets.count), at: body + 2)
        case IPProtocol.icmpv6: replace(checksum(body..<octets.count, pseudo), at: body + 2)
        default: break
        }
    }

    mutating func udp(from: UInt16, to: UInt16, _ content: (inout Frame) -> Void) {
        let start = octets.count
        append(from)
        append(to)
        append(UInt32(0))
        content(&self)
        replace(UInt16(octets.count - start), at: start + 4)
    }

    mutating func tcp(
        from: UInt16, to: UInt16, flags: UInt8, sequence: UInt32, acknowledgement: UInt32 = 0
    ) {
        append(from)
        append(to)
        append(sequence)
        append(acknowledgement)
        append([0x50, flags, 0xff, 0xff, 0, 0, 0, 0])
    }

    /// Of ICMP or ICMPv6, up to what differs from type to type.
    mutating func icmp(type: UInt8) { append([type, 0, 0, 0]) }

    /// RFC 826, of IPv4 over Ethernet.
    mutating func arp(
        isRequest: Bool, sender: (MACAddress, IPv4Address), target: (MACAddress, IPv4Address)
    ) {
        append([0, 1, 8, 0, 6, 4, 0, isRequest ? 1 : 2])
        append(sender.0)
        append(sender.1)
        append(target.0)
        append(target.1)
    }

    // MARK: Checksums

    private func sum(_ range: Range<Int>) -> UInt32 {
        octets.withUnsafeBufferPointer { octets in
            var sum: UInt32 = 0
            var index = range.lowerBound
            while index + 1 < range.upperBound {
                sum += UInt32(octets[index]) << 8 | UInt32(octets[index + 1])
                index += 2
            }
            if index < range.upperBound { sum += UInt32(octets[index]) << 8 }
            return sum
        }
    }

    /// RFC 1071.
    private func checksum(_ range: Range<Int>, _ start: UInt32 = 0) -> UInt16 {
        var sum = start + sum(range)
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return ~UInt16(sum)
    }

    enum TCPFlags { static let syn: UInt8 = 2, rst: UInt8 = 4, ack: UInt8 = 16 }
}

/// Numbers of IP protocols: IPPROTO_TCP and so on, in the octet that they stand in.
enum IPProtocol {
    static let icmp: UInt8 = 1, tcp: UInt8 = 6, udp: UInt8 = 17, gre: UInt8 = 47, esp: UInt8 = 50
    static let icmpv6: UInt8 = 58, sctp: UInt8 = 132
}
