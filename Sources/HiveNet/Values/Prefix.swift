/// An address and a prefix length: a network (`10.77.0.0/16`) or an interface's address with the length
/// of its on-link prefix (`10.77.0.1/16`). The host bits are kept.
public struct Prefix<Address: IPAddress>: Hashable, Sendable {
    public let address: Address
    /// 0 to the address's width.
    public let length: Int

    /// - Returns: nil when the length is not between 0 and the address's width.
    public init?(_ address: Address, length: Int) {
        guard (0...Address.width).contains(length) else { return nil }
        self.address = address
        self.length = length
    }

    /// A single address: /32 or /128.
    public init(host address: Address) {
        self.address = address
        self.length = Address.width
    }

    /// Ones in the network part. (Shifts of the whole width give 0 in Swift, as wanted.)
    public var mask: Address.Bits { ~Address.Bits.zero << (Address.width - length) }

    /// The lowest address.
    public var first: Address { Address(bits: address.bits & mask) }

    /// The highest address.
    public var last: Address { Address(bits: address.bits | ~mask) }

    /// The same prefix with the host bits cleared.
    public var network: Prefix { Prefix(network: first, length: length) }

    /// - Parameter length: not checked.
    init(network: Address, length: Int) {
        self.address = network
        self.length = length
    }

    /// No host bit is set.
    public var isNetwork: Bool { address == first }

    public func contains(_ address: Address) -> Bool { address.bits & mask == first.bits }

    /// The two share at least one address.
    public func overlaps(_ other: Prefix) -> Bool { first <= other.last && other.first <= last }
}

extension Prefix: LosslessStringConvertible {
    /// Reads `ADDRESS/LENGTH`.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = Address(String(parts[0])),
            parts[1].allSatisfy({ $0.isASCII && $0.isNumber }), let length = Int(parts[1])
        else { return nil }
        self.init(address, length: length)
    }

    public var description: String { "\(address)/\(length)" }
}

extension Prefix: Codable {
    public init(from decoder: any Decoder) throws {
        self = try decodeText(decoder, "an \(Address.familyName) prefix, ADDRESS/LENGTH")
    }
    public func encode(to encoder: any Encoder) throws { try encodeText(self, to: encoder) }
}

public typealias Prefix4 = Prefix<IPv4Address>
public typealias Prefix6 = Prefix<IPv6Address>
