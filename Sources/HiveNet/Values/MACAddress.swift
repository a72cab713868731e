/// An Ethernet address: six octets.
public struct MACAddress: Hashable, Sendable {
    /// The octets in transmission order, in the low 48 bits; the first octet is the most significant.
    public let bits: UInt64

    /// - Parameter bits: only the low 48 are used.
    public init(bits: UInt64) { self.bits = bits & 0xffff_ffff_ffff }

    /// - Returns: nil unless there are exactly six octets.
    public init?(octets: some Collection<UInt8>) {
        guard octets.count == 6 else { return nil }
        self.init(bits: octets.reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// The six octets in transmission order.
    public var octets: [UInt8] { (0..<6).map { UInt8(truncatingIfNeeded: bits >> (40 - 8 * $0)) } }
}

extension MACAddress: LosslessStringConvertible {
    /// Reads `6a:76:0a:4d:00:02`: six groups of two hexadecimal digits.
    public init?(_ text: String) {
        let groups = text.split(separator: ":", omittingEmptySubsequences: false)
        // Digits alone: Swift's integers take "+1" and "-0" too.
        let octets = groups.compactMap { group in
            group.count == 2 && group.allSatisfy(\.isHexDigit) ? UInt8(group, radix: 16) : nil
        }
        guard groups.count == 6, octets.count == 6 else { return nil }
        self.init(octets: octets)
    }

    public var description: String {
        octets.map { Hexadecimal.text($0) }.joined(separator: ":")
    }
}

extension MACAddress: Codable {
    public init(from decoder: any Decoder) throws {
        self = try decodeText(decoder, "an Ethernet address such as 6a:76:0a:4d:00:02")
    }
    public func encode(to encoder: any Encoder) throws { try encodeText(self, to: encoder) }
}

enum Hexadecimal {
    /// Two lower-case digits.
    static func text(_ octet: UInt8) -> String {
        let digits = String(octet, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
    }
}

/// Decodes a single string into the value it spells, or says what was expected.
func decodeText<Value: LosslessStringConvertible>(
    _ decoder: any Decoder, _ expected: String
) throws -> Value {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let value = Value(text) else {
        throw DecodingError.dataCorruptedError(
            in: container, debugDescription: "'\(text)' is not \(expected)")
    }
    return value
}

func encodeText(_ value: some LosslessStringConvertible, to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value.description)
}
