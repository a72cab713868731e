/// One element of one of the boundary's sets or maps: how the rules know an agent.
public struct SetElement: Hashable, Sendable {
    public let set: AgentSet
    /// Concatenated fields, each padded to a multiple of four octets, in network byte order.
    let key: [UInt8]
    /// Of a verdict map: the chain that the element goes to.
    let target: String?
    /// The element's comment: the agent's name.
    public let agent: String?

    init(_ set: AgentSet, key: [UInt8], target: String? = nil, agent: String?) {
        self.set = set
        self.key = key
        self.target = target
        self.agent = agent
    }

    init(_ set: AgentSet, _ fields: [any KeyField], target: String? = nil, agent: String?) {
        var key: [UInt8] = []
        for field in fields {
            key += field.keyOctets
            // A key of a single field is not padded.
            if fields.count > 1 { key += [UInt8](repeating: 0, count: -key.count & 3) }
        }
        self.init(set, key: key, target: target, agent: agent)
    }

    public func hash(into hasher: inout Hasher) {
        // Not octet by octet, as an array hashes itself. Key and set nearly always tell two elements apart.
        hasher.combine(set)
        key.withUnsafeBytes { hasher.combine(bytes: $0) }
    }

    /// The key's fields as text: `["hv-alpha", "6a:76:0a:4d:00:02", "10.77.0.2"]`.
    public var fields: [String] {
        var offset = 0
        return set.definition.fields.map { field in
            defer { offset += (field.length + 3) & ~3 }
            guard offset + field.length <= key.count else { return "?" }
            return field.text(key[offset..<(offset + field.length)])
        }
    }
}

extension SetElement: CustomStringConvertible {
    /// As nft writes it: `inet hive egress4 { 10.77.0.2 : goto internet }`.
    public var description: String {
        let target = target.map { " : goto \($0)" } ?? ""
        return "\(set.label) { \(fields.joined(separator: " . "))\(target) }"
    }
}

/// What can be a field of a key.
protocol KeyField {
    var keyOctets: [UInt8] { get }
}
extension IPv4Address: KeyField { var keyOctets: [UInt8] { octets } }
extension IPv6Address: KeyField { var keyOctets: [UInt8] { octets } }
extension MACAddress: KeyField { var keyOctets: [UInt8] { octets } }
/// A port, in network byte order.
extension UInt16: KeyField { var keyOctets: [UInt8] { [UInt8(self >> 8), UInt8(self & 0xff)] } }
/// A link's name: 16 octets, filled with zeros (`IFNAMSIZ`).
extension String: KeyField {
    var keyOctets: [UInt8] {
        let octets = [UInt8](utf8.prefix(15))
        return octets + [UInt8](repeating: 0, count: 16 - octets.count)
    }
}

extension SetDefinition.Field {
    /// A field of a key as text.
    fileprivate func text(_ octets: ArraySlice<UInt8>) -> String {
        switch self {
        case .linkName: String(decoding: octets.prefix { $0 != 0 }, as: UTF8.self)
        case .etherAddress: MACAddress(octets: octets)?.description ?? "?"
        case .ipv4Address: IPv4Address(octets: octets)?.description ?? "?"
        case .ipv6Address: IPv6Address(octets: octets)?.description ?? "?"
        case .port: String(octets.reduce(0) { $0 << 8 | Int($1) })
        case .addressType, .icmpv6Type, .transportProtocol: "\(octets.first ?? 0)"
        }
    }

    /// The inverse.
    fileprivate func parse(_ text: String) -> (any KeyField)? {
        switch self {
        case .linkName: text
        case .etherAddress: MACAddress(text)
        case .ipv4Address: IPv4Address(text)
        case .ipv6Address: IPv6Address(text)
        case .port: UInt16(text)
        case .addressType, .icmpv6Type, .transportProtocol: nil
        }
    }
}

extension SetElement: Codable {
    private enum CodingKeys: CodingKey { case set, key, target, agent }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let set = try container.decode(AgentSet.self, forKey: .set)
        let texts = try container.decode([String].self, forKey: .key)
        let fields = zip(set.definition.fields, texts).compactMap { $0.parse($1) }
        guard fields.count == set.definition.fields.count, fields.count == texts.count else {
            throw DecodingError.dataCorruptedError(
                forKey: .key, in: container, debugDescription: "not a key of the set \(set.label)")
        }
        self.init(
            set, fields, target: try container.decodeIfPresent(String.self, forKey: .target),
            agent: try container.decodeIfPresent(String.self, forKey: .agent))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(set, forKey: .set)
        try container.encode(fields, forKey: .key)
        try container.encodeIfPresent(target, forKey: .target)
        try container.encodeIfPresent(agent, forKey: .agent)
    }
}

extension SetElement: Comparable {
    /// By set, then by key.
    public static func < (left: SetElement, right: SetElement) -> Bool {
        left.set != right.set ? left.set < right.set : left.key.lexicographicallyPrecedes(right.key)
    }
}
