internal import FoundationEssentials
internal import HiveWire

/// JSON of which only parts are ours, and the rest is handed on as it came.
enum JSONValue: Codable, Equatable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// - Throws: `RuntimeFault` 6 (CNI: "failed to decode content").
    init(_ bytes: [UInt8]) throws(RuntimeFault) {
        do { self = try JSONDecoder().decode(JSONValue.self, from: Data(bytes)) } catch {
            throw RuntimeFault(.undecodable, "Standard input is not JSON")
        }
    }

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let it = try? value.decode(Bool.self) {
            self = .bool(it)
        } else if let it = try? value.decode(Int64.self) {
            self = .integer(it)
        } else if let it = try? value.decode(Double.self) {
            self = .number(it)
        } else if let it = try? value.decode(String.self) {
            self = .string(it)
        } else if let it = try? value.decode([JSONValue].self) {
            self = .array(it)
        } else {
            self = .object(try value.decode([String: JSONValue].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .null: try value.encodeNil()
        case .bool(let it): try value.encode(it)
        case .integer(let it): try value.encode(it)
        case .number(let it): try value.encode(it)
        case .string(let it): try value.encode(it)
        case .array(let it): try value.encode(it)
        case .object(let it): try value.encode(it)
        }
    }

    subscript(_ key: String) -> JSONValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    var string: String? { if case .string(let text) = self { text } else { nil } }
    var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    var array: [JSONValue]? { if case .array(let values) = self { values } else { nil } }
    var object: [String: JSONValue]? { if case .object(let members) = self { members } else { nil } }
    /// Null, and what has nothing in it.
    var isEmpty: Bool {
        switch self {
        case .null: true
        case .array(let values): values.isEmpty
        case .object(let members): members.isEmpty
        default: false
        }
    }

    /// For a sentence: safe to print, and no longer than one reads.
    var shown: String {
        let text = Self.text(self)
        if case .string(let word) = self { return quoted(word) }
        let isPlain = text.utf8.count <= 80 && text.utf8.allSatisfy { (0x20..<0x7f).contains($0) }
        // (Within quotes of its own what is not plain is spelled out.)
        return isPlain ? text : quoted(text)
    }

    /// One line, keys in the order of the alphabet.
    static func text(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // (Nothing that is encoded here has a number that JSON has not.)
        guard let data = try? encoder.encode(value) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }
}
