/// What a name of an egress policy stands for at a time.
public struct ResolvedName: Codable, Equatable, Sendable {
    /// Sorted, none of them private or otherwise special.
    public var addresses4: [IPv4Address]
    public var addresses6: [IPv6Address]
    /// When it was asked for, in seconds since 1970-01-01 UTC.
    public var resolved: Int64
    /// Until when it may be used, in seconds since 1970-01-01 UTC: the records' lifetime, within bounds.
    public var expires: Int64

    public init(addresses4: [IPv4Address], addresses6: [IPv6Address], resolved: Int64, expires: Int64) {
        self.addresses4 = addresses4
        self.addresses6 = addresses6
        self.resolved = resolved
        self.expires = expires
    }
}
