internal import CNetlink

#if canImport(Glibc)
    internal import Glibc
#endif

/// What IPv4 and IPv6 addresses have in common, so that a prefix is written once for both.
public protocol IPAddress: Hashable, Comparable, Sendable, Codable, LosslessStringConvertible {
    /// An unsigned integer as wide as the address, in host order: 10.0.0.1 is 0x0a000001.
    associatedtype Bits: FixedWidthInteger & UnsignedInteger & Sendable
    /// The address as a number.
    var bits: Bits { get }
    init(bits: Bits)
    /// `AF_INET` or `AF_INET6`.
    static var family: UInt8 { get }
    /// "IPv4" or "IPv6".
    static var familyName: String { get }
}

extension IPAddress {
    /// Address length in bits: 32 or 128.
    public static var width: Int { Bits.bitWidth }

    /// Network byte order, 4 or 16 octets.
    public var octets: [UInt8] { withUnsafeBytes(of: bits.bigEndian) { [UInt8]($0) } }

    /// - Parameter octets: network byte order.
    /// - Returns: nil unless the length is that of the family.
    public init?(octets: some Collection<UInt8>) {
        guard octets.count == Self.width / 8 else { return nil }
        self.init(bits: octets.reduce(0) { $0 << 8 | Bits($1) })
    }

    public static func < (left: Self, right: Self) -> Bool { left.bits < right.bits }

    public init(from decoder: any Decoder) throws {
        self = try decodeText(decoder, "an \(Self.familyName) address")
    }
    public func encode(to encoder: any Encoder) throws { try encodeText(self, to: encoder) }
}

/// An IPv4 address.
public struct IPv4Address: IPAddress {
    public let bits: UInt32
    public init(bits: UInt32) { self.bits = bits }
    public static var family: UInt8 { UInt8(AF_INET) }
    public static var familyName: String { "IPv4" }

    /// Reads dotted decimal as inet_pton(3) does: four numbers, no leading zeros, no shortened forms.
    public init?(_ text: String) {
        var address = in_addr()
        // C reads up to a NUL, and takes no notice of what follows it.
        guard !text.utf8.contains(0), inet_pton(AF_INET, text, &address) == 1 else { return nil }
        self.init(bits: UInt32(bigEndian: address.s_addr))
    }

    public var description: String {
        "\(bits >> 24).\(bits >> 16 & 0xff).\(bits >> 8 & 0xff).\(bits & 0xff)"
    }
}

/// An IPv6 address, without a zone.
public struct IPv6Address: IPAddress {
    public let bits: UInt128
    public init(bits: UInt128) { self.bits = bits }
    public static var family: UInt8 { UInt8(AF_INET6) }
    public static var familyName: String { "IPv6" }

    /// Reads the forms of RFC 4291, section 2.2, as inet_pton(3) does.
    public init?(_ text: String) {
        var address = in6_addr()
        guard !text.utf8.contains(0), inet_pton(AF_INET6, text, &address) == 1 else { return nil }
        self.init(
            bits: withUnsafeBytes(of: address) { UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)) })
    }

    /// The canonical form of RFC 5952, by inet_ntop(3).
    public var description: String {
        var address = bits.bigEndian
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            guard let text = inet_ntop(AF_INET6, &address, buffer.baseAddress, UInt32(buffer.count)) else {
                return "::"  // Only for a buffer that is too small, and this one is not.
            }
            return String(cString: text)
        }
    }
}
