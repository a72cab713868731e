/// What "internet" does not include: the same ranges as the sets `special4` and `special6` of the ruleset.
public enum SpecialAddresses {
    public static func contains(_ address: IPv4Address) -> Bool { contains(address.octets, ranges4) }
    public static func contains(_ address: IPv6Address) -> Bool { contains(address.octets, ranges6) }

    private static let ranges4 = SetDefinition.special4.constants ?? []
    private static let ranges6 = SetDefinition.special6.constants ?? []

    /// As nft_set_rbtree finds it: the last element that is not above the address decides.
    private static func contains(_ octets: [UInt8], _ ranges: [SetDefinition.Element]) -> Bool {
        ranges.last { !octets.lexicographicallyPrecedes($0.key) }.map { !$0.endsInterval } ?? false
    }
}
