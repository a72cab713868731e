/// One element of one of the boundary's sets or maps: how the rules know an agent, or what a policy allows.
///
/// Two are equal that differ only in when they expire.
public struct SetElement: Sendable {
    public let set: AgentSet
    /// Concatenated fields, each padded to a multiple of four octets, in network byte order.
    let key: [UInt8]
    /// Of a set of ranges: the last value of each field.
    let end: [UInt8]?
    /// Of a verdict map: the chain that the element goes to.
    let target: String?
    /// Of a set with limits: connections, or octets or packets a second.
    public let limit: UInt64?
    /// The element's comment: the agent's name, or the name that an address was found by.
    public let comment: String?
    /// When the kernel forgets it, in seconds since 1970-01-01 UTC; nil: never.
    public let expires: Int64?

    init(
        _ set: AgentSet, key: [UInt8], end: [UInt8]? = nil, target: String? = nil, limit: UInt64? = nil,
        comment: String?, expires: Int64? = nil
    ) {
        self.set = set
        self.key = key
        self.end = end
        self.target = target
        self.limit = limit
        self.comment = comment
        self.expires = expires
    }

    init(
        _ set: AgentSet, _ fields: [any KeyField], through end: [any KeyField]? = nil, target: String? = nil,
        limit: UInt64? = nil, agent: String?, expires: Int64? = nil
    ) {
        self.init(
            set, key: Self.key(fields), end: end.map(Self.key), target: target, limit: limit, comment: agent,
            expires: expires)
    }

    private static func key(_ fields: [any KeyField]) -> [UInt8] {
        var key: [UInt8] = []
        for field in fields {
            key += field.keyOctets
            // A key of a single field is not padded.
            if fields.count > 1 { key += [UInt8](repeating: 0, count: -key.count & 3) }
        }
        return key
    }

    /// The agent that it is about, if it is about one.
    public var agent: String? { self.set.isPolicy ? nil : comment }

    /// The key's fields as text: `["hv-alpha", "6a:76:0a:4d:00:02", "10.77.0.2"]`; ranges as `1.0.0.0-9.255.255.255`.
    public var fields: [String] {
        let first = Self.fields(of: key, in: set.definition)
        guard let end else { return first }
        return zip(first, Self.fields(of: end, in: set.definition)).map { $0 == $1 ? $0 : "\($0)-\($1)" }
    }

    private static func fields(of key: [UInt8], in set: SetDefinition) -> [String] {
        var offset = 0
        return set.fields.map { field in
            defer { offset += (field.length + 3) & ~3 }
            guard offset + field.length <= key.count else { return "?" }
            return field.text(key[offset..<(offset + field.length)])
        }
    }
}

extension SetElement: Hashable {
    public static func == (left: SetElement, right: SetElement) -> Bool {
        left.key == right.key && left.set == right.set && left.end == right.end && left.target == right.target
            && left.limit == right.limit && left.comment == right.comment
            && (left.expires == nil) == (right.expires == nil)
    }

    public func hash(into hasher: inout Hasher) {
        // Not octet by octet, as an array hashes itself. Key and set nearly always tell two elements apart.
        hasher.combine(set)
        key.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension SetElement: CustomStringConvertible {
    /// As nft writes it: `inet hive egress4 { 10.77.0.2 : goto egress_internet }`.
    public var description: String {
        let target = target.map { " : goto \($0)" } ?? ""
        let limit =
            switch set.definition.statement {
            case .connections: limit.map { " ct count over \($0)" } ?? ""
            case .rate: limit.map { " limit rate over \($0) bytes/second" } ?? ""
            case .packets: limit.map { " limit rate \($0)/second" } ?? ""
            case .counter, nil: ""
            }
        let name = set.isPolicy ? comment.map { " (\($0))" } ?? "" : ""
        return "\(set.label) { \(fields.joined(separator: " . "))\(limit)\(target) }\(name)"
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
/// A protocol.
extension UInt8: KeyField { var keyOctets: [UInt8] { [self] } }
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
        case .transportProtocol: UInt8(text)
        case .addressType, .icmpv6Type: nil
        }
    }
}

extension SetElement: Codable {
    private enum CodingKeys: CodingKey { case set, key, end, target, limit, agent, name, expires }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let set = try container.decode(AgentSet.self, forKey: .set)
        func fields(_ key: CodingKeys) throws -> [any KeyField]? {
            guard let texts = try container.decodeIfPresent([String].self, forKey: key) else { return nil }
            let fields = zip(set.definition.fields, texts).compactMap { $0.parse($1) }
            guard fields.count == set.definition.fields.count, fields.count == texts.count else {
                throw DecodingError.dataCorruptedError(
                    forKey: key, in: container, debugDescription: "not a key of the set \(set.label)")
            }
            return fields
        }
        guard let key = try fields(.key) else {
            throw DecodingError.keyNotFound(
                CodingKeys.key,
                .init(codingPath: container.codingPath, debugDescription: "an element has a key"))
        }
        self.init(
            set, key, through: try fields(.end),
            target: try container.decodeIfPresent(String.self, forKey: .target),
            limit: try container.decodeIfPresent(UInt64.self, forKey: .limit),
            agent: try container.decodeIfPresent(String.self, forKey: set.isPolicy ? .name : .agent),
            expires: try container.decodeIfPresent(Int64.self, forKey: .expires))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(set, forKey: .set)
        try container.encode(Self.fields(of: key, in: set.definition), forKey: .key)
        try container.encodeIfPresent(end.map { Self.fields(of: $0, in: set.definition) }, forKey: .end)
        try container.encodeIfPresent(target, forKey: .target)
        try container.encodeIfPresent(limit, forKey: .limit)
        try container.encodeIfPresent(comment, forKey: set.isPolicy ? .name : .agent)
        try container.encodeIfPresent(expires, forKey: .expires)
    }
}

extension SetElement: Comparable {
    /// By set, then by key.
    public static func < (left: SetElement, right: SetElement) -> Bool {
        left.set != right.set ? left.set < right.set : left.key.lexicographicallyPrecedes(right.key)
    }
}
