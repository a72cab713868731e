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
}
