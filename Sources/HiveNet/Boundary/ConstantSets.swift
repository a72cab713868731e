// The sets whose elements belong to the ruleset.

extension SetDefinition {
    /// ICMPv6 types that every host's stack sends by itself: multicast listener reports and done (131, 132, RFC 2710; 143,
    /// RFC 3810), router solicitation (133).
    static var noise6: SetDefinition {
        SetDefinition(
            name: "noise6", fields: [.icmpv6Type], constants: [131, 132, 133, 143].map { Element(key: [$0]) })
    }

    /// IPv6 extension headers (IANA's "Internet Protocol Version 6 extension header types"), but for those of IPsec.
    static var extensions6: SetDefinition {
        SetDefinition(
            name: "extensions6", fields: [.transportProtocol],
            constants: [0, 43, 44, 60, 135, 139, 140, 253, 254].map { Element(key: [$0]) })
    }

    /// Where a packet from an agent goes by the type of its destination. Absent: unicast elsewhere, or no route.
    static var destinations: SetDefinition {
        SetDefinition(
            name: "destinations", fields: [.addressType], holdsVerdicts: true,
            constants: [
                Element(key: AddressType.local.octets, target: "to_host"),
                Element(key: AddressType.broadcast.octets, target: "denied_host"),
                Element(key: AddressType.anycast.octets, target: "denied_host"),
                Element(key: AddressType.multicast.octets, target: "denied_host"),
            ])
    }

    /// The IANA IPv4 special-purpose address registry (RFC 6890 and successors), with multicast (RFC 5771).
    static var special4: SetDefinition {
        ranges(
            "special4", .ipv4Address,
            [
                "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
                "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
                "192.168.0.0/16",
                "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
                "240.0.0.0/4",
            ].compactMap(Prefix4.init))
    }

    /// All that is not global unicast (2000::/3, RFC 4291), and what the IANA IPv6 special-purpose address registry lists
    /// within it. NAT64 (64:ff9b::/96 and 64:ff9b:1::/48), mapped addresses, fc00::/7, fe80::/10 and ff00::/8 are in the
    /// first three.
    static var special6: SetDefinition {
        ranges(
            "special6", .ipv6Address,
            [
                "::/3", "4000::/2", "8000::/1",
                "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
            ].compactMap(Prefix6.init))
    }

    private static func ranges<Address: IPAddress>(
        _ name: String, _ field: Field, _ prefixes: [Prefix<Address>]
    ) -> SetDefinition {
        SetDefinition(name: name, fields: [field], isInterval: true, constants: intervals(of: prefixes))
    }

    /// Ranges as nft_set_rbtree takes them: an element for the first address of each, and one, marked as an end, for the
    /// first address behind it. Overlapping and adjacent prefixes become one range; a range that ends with the last
    /// address of all has no end element.
    static func intervals<Address: IPAddress>(of prefixes: [Prefix<Address>]) -> [Element] {
        var ranges: [(first: Address.Bits, last: Address.Bits)] = []
        for prefix in prefixes.sorted(by: { $0.first < $1.first }) {
            if let previous = ranges.last, previous.last == .max || prefix.first.bits <= previous.last + 1 {
                ranges[ranges.count - 1].last = max(previous.last, prefix.last.bits)
            } else {
                ranges.append((prefix.first.bits, prefix.last.bits))
            }
        }
        return ranges.flatMap { range in
            let start = Element(key: Address(bits: range.first).octets)
            guard range.last < .max else { return [start] }
            return [start, Element(key: Address(bits: range.last + 1).octets, endsInterval: true)]
        }
    }
}
