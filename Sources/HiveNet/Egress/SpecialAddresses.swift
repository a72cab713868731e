/// Addresses that are not the public internet.
public enum SpecialAddresses {
    /// The IANA IPv4 special-purpose address registry (RFC 6890 and successors), with multicast (RFC 5771).
    static let networks4: [Prefix4] = [
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    ].compactMap(Prefix4.init)

    /// All that is not global unicast (2000::/3, RFC 4291), and what the IANA IPv6 special-purpose address registry lists
    /// within it. NAT64 (64:ff9b::/96 and 64:ff9b:1::/48), mapped addresses, fc00::/7, fe80::/10 and ff00::/8 are in the
    /// first three; 6to4 is 2002::/16.
    static let networks6: [Prefix6] = [
        "::/3", "4000::/2", "8000::/1",
        "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    ].compactMap(Prefix6.init)

    public static func contains(_ address: IPv4Address) -> Bool {
        networks4.contains { $0.contains(address) }
    }
    public static func contains(_ address: IPv6Address) -> Bool {
        networks6.contains { $0.contains(address) }
    }

    /// Every public address of a family.
    static func publicAddresses<Address: IPAddress>(_: Address.Type) -> Ranges<Address.Bits> {
        var special: [ClosedRange<Address.Bits>] = []
        if let networks = networks4 as? [Prefix<Address>] { special = networks.map(\.range) }
        if let networks = networks6 as? [Prefix<Address>] { special = networks.map(\.range) }
        return Ranges.all.subtracting(Ranges(special))
    }
}

extension Prefix {
    /// Its addresses as numbers.
    var range: ClosedRange<Address.Bits> { first.bits...last.bits }
}
