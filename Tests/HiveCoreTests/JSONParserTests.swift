import FoundationEssentials
import Testing

@testable import HiveCore

/// A value as Foundation sees it, for comparison with ours.
private indirect enum Witness: Decodable, Equatable {
    case object([String: Witness])
    case array([Witness])
    case string(String)
    case number(Double)
    case boolean(Bool)
    case null

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode([Witness].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: Witness].self))
        }
    }

    init(_ node: JSONNode) {
        switch node.value {
        case .object(let members):
            self = .object(Dictionary(members.map { ($0.key, Witness($0.node)) }) { first, _ in first })
        case .array(let elements): self = .array(elements.map { Witness($0) })
        case .string(let text): self = .string(text)
        case .number(let text): self = .number(Double(text) ?? node.integer.map(Double.init) ?? .nan)
        case .boolean(let value): self = .boolean(value)
        case .null: self = .null
        }
    }

    static func foundation(_ bytes: [UInt8]) throws -> Witness {
        let decoder = JSONDecoder()
        decoder.allowsJSON5 = true
        return try decoder.decode(Witness.self, from: Data(bytes))
    }
}

@Suite struct JSONParserTests {
    private func parse(_ text: String) throws(HiveError) -> JSONNode {
        try JSONParser.parse(Array(text.utf8), file: "x")
    }

    @Test(arguments: [
        "{}", "[]", "null", "[1, 2,]",
        "{a: 1, 'b': [true, false, null], \"c\": {d: -0x10, e: +.5, f: 5., g: 1e3,},}",
        "// c\n{/* x **/ a /* y */ : 1 // z\n}", "'a\"b'", "\"a'b\\\\\\/\\b\\f\\n\\r\\t\"",
        "'\\ud83d\\ude00\\u00e4'",
        "\u{feff}{ü: 'ü', $a_1: 0, null: 1}", "{a:\r\n1}", "[0, -0, 0.0, 1.25, 123456789012]",
    ])
    func foundationReadsTheSame(_ text: String) throws {
        #expect(try Witness(parse(text)) == Witness.foundation(Array(text.utf8)))
    }

    @Test(arguments: [
        ("'\\x41'", "A"), ("'a\\\nb'", "ab"), ("'a\\\r\nb'", "ab"), ("'\\v\\0'", "\u{b}\0"),
        ("'\u{2028}'", "\u{2028}"),
    ])
    func theSpecificationIsFollowedWhereFoundationErrs(_ text: String, _ meaning: String) throws {
        #expect(try Witness(parse(text)) == .string(meaning))
    }

    @Test(arguments: [
        "{a", "{a:", "{a:1", "{,}", "{a:1,,}", "[1,,]", "{}x", "01", "--5", "0x", "1x", "1_000", "- 1", "+",
        ".", "1e", "tru",
        "undefined", "'\\q'", "'\\1'", "'\\01'", "'\\ud800'", "'\\ud800\\u0041'", "'\\udc00'", "'\\u12'",
        "'\\xg1'", "'a\nb'",
        "'a", "'\u{1}'", "/", "/*", "{a-b:1}", "{\\u0061:1}", "1 2", "{a:1 b:2}", "[1 2]", "[}", "{]", "\0",
        "'\\",
    ])
    func whatIsNotJSONIsRefused(_ text: String) {
        #expect(throws: HiveError.self) { try self.parse(text) }
    }

    @Test func textMustBeUTF8() {
        #expect(throws: HiveError(.configuration, "x: the file is not UTF-8 text")) {
            try JSONParser.parse([0x7b, 0xff, 0x7d], file: "x")
        }
    }

    @Test func linesAreCountedInEveryConvention() throws {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["{", "/*", "*/ a: 'x\\", "y',", "// c", "b: 1 }"].joined(separator: end)
            let source = Source(file: "f", root: try parse(text))
            #expect(source.place("a") == "f:3")
            #expect(source.place("b") == "f:6")
            #expect(source.place("c") == "f")
        }
    }
}

/// What nobody would write, but a damaged disk or a half-finished copy would.
@Suite struct DamagedTextTests {
    static let valid = """
        // A hive. ü
        {
          network: { bridge: "hive0", interfacePrefix: 'hv-', subnet4: "10.77.0.0/16", subnet6: "fd77::/64", mtu: 0x5dc },
          gateway: { user: "www-data" }, /* text */
          agents: {
            alpha: { web: { port: 8.08e3 }, egress: "internet" },
            "be-ta": { address4: "10.77.0.20", address6: "fd77::20" },
            gamma: { namespace: "/run/\\u006eetns/mine" }, delta: { namespace: { pid: 1234 } },
          },
        }
        """

    private static func outcome(_ bytes: [UInt8]) -> HiveError? {
        do throws(HiveError) {
            _ = try Hive(Configuration(text: bytes, file: "hive.json"), added: [], leases: Leases())
            return nil
        } catch {
            return error
        }
    }

    @Test func everyCutIsAnErrorOfTheFile() {
        let bytes = Array(Self.valid.utf8)
        #expect(Self.outcome(bytes) == nil)
        for length in bytes.indices {
            let error = Self.outcome(Array(bytes[..<length]))
            #expect(error?.description.hasPrefix("hive.json:") == true, "cut at byte \(length)")
            #expect(error?.sysexit == 78)
        }
    }

    /// Not to trap is what is tested; and that what we take for well-formed, Foundation does too.
    @Test func changedBytesAreReadOrRefused() {
        let bytes = Array(Self.valid.utf8)
        var random = Seeded(state: 1)
        var (read, refused) = (0, 0)
        for _ in 0..<5_000 {
            var changed = bytes
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: changed.indices, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: changed[place] = UInt8.random(in: 0...255, using: &random)
                case 1: changed[place] = "{}[]:,'\"\\/*-+.019exn\n\0".utf8.randomElement(using: &random) ?? 0
                case 2: changed.remove(at: place)
                default: changed.insert(changed[Int.random(in: changed.indices, using: &random)], at: place)
                }
            }
            if let error = Self.outcome(changed) {
                refused += 1
                #expect(error.description.hasPrefix("hive.json"))
                #expect(error.kind == .configuration)
            } else {
                read += 1
                // Foundation does not know the escapes \v, \0 and \x.
                if changed.contains(sequence: "\\v") || changed.contains(sequence: "\\0")
                    || changed.contains(sequence: "\\x")
                {
                    continue
                }
                #expect(throws: Never.self) { try Witness.foundation(changed) }
            }
        }
        #expect(read > 100 && refused > 100)
    }
}

extension [UInt8] {
    fileprivate func contains(sequence text: String) -> Bool { firstRange(of: Array(text.utf8)) != nil }
}
