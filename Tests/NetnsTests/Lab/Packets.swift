import HiveNet

/// Frames and packets, octet by octet, with right checksums: what an attacker's raw socket would send.
enum Packet {
    typealias Bytes = [UInt8]

    static func be16(_ value: some BinaryInteger) -> Bytes {
        [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
    }

    /// RFC 1071.
    static func checksum(_ bytes: Bytes) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return ~UInt16(sum)
    }

    // MARK: Ethernet

    static let broadcast = MACAddress(bits: 0xffff_ffff_ffff)

    /// - Parameter tags: VLAN tags as (TPID, TCI), outermost first.
    static func ethernet(
        to: MACAddress, from: MACAddress, type: UInt16, tags: [(UInt16, UInt16)] = [], _ payload: Bytes
    ) -> Bytes {
        let frame = to.octets + from.octets + tags.flatMap { be16($0.0) + be16($0.1) } + be16(type) + payload
        return frame + Bytes(repeating: 0, count: max(0, 60 - frame.count))
    }

    static let ipv4Type: UInt16 = 0x0800, ipv6Type: UInt16 = 0x86dd, arpType: UInt16 = 0x0806

    // MARK: ARP

    static func arp(
        operation: UInt16, senderMAC: MACAddress, sender: IPv4Address,
        targetMAC: MACAddress = MACAddress(bits: 0),
        target: IPv4Address
    ) -> Bytes {
        [0, 1, 8, 0, 6, 4] + be16(operation) + senderMAC.octets + sender.octets + targetMAC.octets
            + target.octets
    }

    // MARK: IP

    static func ipv4(
        from: IPv4Address, to: IPv4Address, protocol number: UInt8, ttl: UInt8 = 64, fragment: UInt16 = 0,
        id: UInt16 = 1,
        _ payload: Bytes
    ) -> Bytes {
        var header: Bytes =
            [0x45, 0] + be16(20 + payload.count) + be16(id) + be16(fragment) + [ttl, number, 0, 0]
        header += from.octets + to.octets
        let sum = be16(checksum(header))
        header[10] = sum[0]
        header[11] = sum[1]
        return header + payload
    }

    static func ipv6(
        from: IPv6Address, to: IPv6Address, next: UInt8, hopLimit: UInt8 = 64, _ payload: Bytes
    ) -> Bytes {
        [0x60, 0, 0, 0] + be16(payload.count) + [next, hopLimit] + from.octets + to.octets + payload
    }

    private static func pseudo(_ from: Bytes, _ to: Bytes, _ number: UInt8, _ length: Int) -> Bytes {
        from.count == 4
            ? from + to + [0, number] + be16(length) : from + to + [0, 0] + be16(length) + [0, 0, 0, number]
    }

    // MARK: Transport

    /// - Parameters: addresses are needed for the checksum.
    static func udp<Address: IPAddress>(
        _ from: Address, _ fromPort: UInt16, _ to: Address, _ toPort: UInt16, _ payload: Bytes
    ) -> Bytes {
        var segment = be16(fromPort) + be16(toPort) + be16(8 + payload.count) + [0, 0] + payload
        let sum = be16(checksum(pseudo(from.octets, to.octets, 17, segment.count) + segment))
        segment[6] = sum[0]
        segment[7] = sum[1]
        return segment
    }

    enum Flags { static let fin: UInt8 = 1, syn: UInt8 = 2, rst: UInt8 = 4, psh: UInt8 = 8, ack: UInt8 = 16 }

    static func tcp<Address: IPAddress>(
        _ from: Address, _ fromPort: UInt16, _ to: Address, _ toPort: UInt16, flags: UInt8,
        sequence: UInt32 = 1,
        acknowledgement: UInt32 = 0, _ payload: Bytes = []
    ) -> Bytes {
        var segment = be16(fromPort) + be16(toPort) + be16(sequence >> 16) + be16(sequence & 0xffff)
        segment +=
            be16(acknowledgement >> 16) + be16(acknowledgement & 0xffff) + [
                0x50, flags, 0xff, 0xff, 0, 0, 0, 0,
            ]
        segment += payload
        let sum = be16(checksum(pseudo(from.octets, to.octets, 6, segment.count) + segment))
        segment[16] = sum[0]
        segment[17] = sum[1]
        return segment
    }

    static func icmp(type: UInt8, code: UInt8 = 0, _ rest: Bytes) -> Bytes {
        var message: Bytes = [type, code, 0, 0] + rest
        let sum = be16(checksum(message))
        message[2] = sum[0]
        message[3] = sum[1]
        return message
    }

    static func icmpv6(from: IPv6Address, to: IPv6Address, type: UInt8, code: UInt8 = 0, _ rest: Bytes)
        -> Bytes
    {
        var message: Bytes = [type, code, 0, 0] + rest
        let sum = be16(checksum(pseudo(from.octets, to.octets, 58, message.count) + message))
        message[2] = sum[0]
        message[3] = sum[1]
        return message
    }

    static func neighbourSolicit(from: IPv6Address, to: IPv6Address, target: IPv6Address, source: MACAddress)
        -> Bytes
    {
        ipv6(
            from: from, to: to, next: 58, hopLimit: 255,
            icmpv6(from: from, to: to, type: 135, [0, 0, 0, 0] + target.octets + [1, 1] + source.octets))
    }

    /// With the override flag: takes the target's place in neighbours' caches.
    static func neighbourAdvert(from: IPv6Address, to: IPv6Address, target: IPv6Address, mac: MACAddress)
        -> Bytes
    {
        ipv6(
            from: from, to: to, next: 58, hopLimit: 255,
            icmpv6(from: from, to: to, type: 136, [0x20, 0, 0, 0] + target.octets + [2, 1] + mac.octets))
    }

    static func routerAdvert(from: IPv6Address, source: MACAddress) -> Bytes {
        let all = IPv6Address(literal: "ff02::1")
        return ipv6(
            from: from, to: all, next: 58, hopLimit: 255,
            icmpv6(
                from: from, to: all, type: 134,
                [64, 0] + be16(1800) + [0, 0, 0, 0, 0, 0, 0, 0] + [1, 1] + source.octets))
    }

    /// A hop-by-hop or destination options header of eight octets, padded.
    static func options(next: UInt8) -> Bytes { [next, 0, 1, 4, 0, 0, 0, 0] }
    /// A fragment header. - Parameter offset: in units of eight octets.
    static func fragment(next: UInt8, offset: UInt16, more: Bool, id: UInt32 = 7) -> Bytes {
        [next, 0] + be16(offset << 3 | (more ? 1 : 0)) + be16(id >> 16) + be16(id & 0xffff)
    }
}
