import HiveNet

/// What claims to be the network itself: bridges, routers, DHCP servers, and frames that are not Ethernet II.
extension Packet {
    // MARK: Beside Ethernet II

    static let eapolType: UInt16 = 0x888e, lldpType: UInt16 = 0x88cc
    /// For local experiments (IEEE 802): nobody listens to it.
    static let localType: UInt16 = 0x88b5
    /// Tag protocol identifiers, for `ethernet(tags:)`. A tag of (TPID, 0) has priority only.
    static let vlanType: UInt16 = 0x8100, providerType: UInt16 = 0x88a8

    /// IEEE 802.3: a length where Ethernet II has a type, then LLC.
    static func llc(to: MACAddress, from: MACAddress, dsap: UInt8, ssap: UInt8, _ payload: Bytes) -> Bytes {
        let content: Bytes = [dsap, ssap, 3] + payload
        return ethernet(to: to, from: from, type: UInt16(content.count), content)
    }

    /// A configuration BPDU (IEEE 802.1D, 9.3.1) with the best of all priorities: "I am the root".
    static func bpdu(from: MACAddress, _ mark: Bytes = []) -> Bytes {
        let root = [0, 0] + from.octets
        return llc(
            to: MACAddress(bits: 0x0180_c200_0000), from: from, dsap: 0x42, ssap: 0x42,
            [0, 0, 0, 0, 0] + root + [0, 0, 0, 0] + root
                + [0x80, 1, 0, 0, 20, 0, 2, 0, 15, 0] + mark)
    }

    // MARK: DHCP

    /// An offer of an address with the offerer as router and name server (RFC 2131), without Ethernet header.
    static func dhcpOffer(from server: IPv4Address, offer: IPv4Address, to client: MACAddress, _ mark: Bytes)
        -> Bytes
    {
        var message: Bytes = [2, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0x80, 0]
        message += [0, 0, 0, 0] + offer.octets + server.octets + [0, 0, 0, 0] + client.octets
        message += Bytes(repeating: 0, count: 10 + 64 + 128)
        message += [99, 130, 83, 99, 53, 1, 2, 54, 4] + server.octets + [3, 4] + server.octets
        message += [6, 4] + server.octets + [51, 4, 0, 1, 0, 0, 255] + mark
        let everybody = IPv4Address(bits: .max)
        return ipv4(from: server, to: everybody, protocol: 17, udp(server, 67, everybody, 68, message))
    }

    /// An advertisement (RFC 8415), without Ethernet header. It offers nothing: what matters is whether it arrives.
    static func dhcpv6Advertise(from: IPv6Address, to: IPv6Address, _ mark: Bytes) -> Bytes {
        ipv6(from: from, to: to, next: 17, udp(from, 547, to, 546, [2, 1, 2, 3] + mark))
    }

    // MARK: Routers

    /// "Send what is for `target` to me", about the packet that begins with `about` (RFC 792).
    static func redirect(from: IPv4Address, to: IPv4Address, gateway: IPv4Address, about packet: Bytes)
        -> Bytes
    {
        ipv4(from: from, to: to, protocol: 1, icmp(type: 5, code: 1, gateway.octets + packet))
    }

    /// The same for IPv6, with the attacker's Ethernet address (RFC 4861, 4.5).
    static func redirect(
        from: IPv6Address, to: IPv6Address, gateway: IPv6Address, target: IPv6Address, mac: MACAddress
    ) -> Bytes {
        ipv6(
            from: from, to: to, next: 58, hopLimit: 255,
            icmpv6(
                from: from, to: to, type: 137,
                [0, 0, 0, 0] + gateway.octets + target.octets + [2, 1] + mac.octets))
    }

    // MARK: Hidden behind headers

    /// A packet with headers before what it carries: hop-by-hop options (0), destination options (60).
    static func ipv6(
        from: IPv6Address, to: IPv6Address, headers: [UInt8], next: UInt8, hopLimit: UInt8 = 64,
        _ payload: Bytes
    ) -> Bytes {
        var content = payload
        var kind = next
        for header in headers.reversed() {
            content = options(next: kind) + content
            kind = header
        }
        return ipv6(from: from, to: to, next: kind, hopLimit: hopLimit, content)
    }

    /// A packet's content in two fragments, cut after a multiple of eight octets.
    static func fragments(
        from: IPv6Address, to: IPv6Address, next: UInt8, cut: Int, hopLimit: UInt8 = 64, id: UInt32 = 7,
        _ payload: Bytes
    ) -> [Bytes] {
        [
            fragment(next: next, offset: 0, more: true, id: id) + payload[..<cut],
            fragment(next: next, offset: UInt16(cut / 8), more: false, id: id) + payload[cut...],
        ].map { ipv6(from: from, to: to, next: 44, hopLimit: hopLimit, $0) }
    }

    /// The same for IPv4.
    static func fragments(
        from: IPv4Address, to: IPv4Address, protocol number: UInt8, cut: Int, id: UInt16 = 7, _ payload: Bytes
    ) -> [Bytes] {
        let moreFragments: UInt16 = 0x2000
        return [
            ipv4(
                from: from, to: to, protocol: number, fragment: moreFragments, id: id, Bytes(payload[..<cut])),
            ipv4(
                from: from, to: to, protocol: number, fragment: UInt16(cut / 8), id: id,
                Bytes(payload[cut...])),
        ]
    }
}
