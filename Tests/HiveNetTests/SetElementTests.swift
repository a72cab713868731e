import FoundationEssentials
import Testing

@testable import HiveNet

struct SetElementTests {
    private let mac = MACAddress(bits: 0x6a76_0a4d_0002)
    private let four = IPv4Address(bits: 0x0a4d_0002)
    private let six = IPv6Address(bits: 0xfd77 << 112 | 2)

    private func element(_ set: AgentSet) -> SetElement {
        switch set {
        case .lease4: SetElement(set, ["hv-alpha", mac, four], agent: "alpha")
        case .lease6: SetElement(set, ["hv-alpha", mac, six], agent: "alpha")
        case .loggedFrame: SetElement(set, ["hv-alpha"], limit: 5, agent: "alpha")
        case .spoof, .peerFrame: SetElement(set, ["hv-alpha"], agent: "alpha")
        case .host, .peer, .egress, .excess: SetElement(set, [mac], agent: "alpha")
        case .connections, .rate, .logged: SetElement(set, [mac], limit: 256, agent: "alpha")
        case .rate4: SetElement(set, [four], limit: 1 << 40, agent: "alpha")
        case .rate6: SetElement(set, [six], limit: 1, agent: "alpha")
        case .service4: SetElement(set, [four, UInt8(17), UInt16(53)], agent: "alpha")
        case .service6: SetElement(set, [six, UInt8(6), UInt16(53)], agent: "alpha")
        case .allow4:
            SetElement(
                set, [four, UInt8(6), UInt16(443)],
                through: [IPv4Address(bits: .max), UInt8(6), UInt16(444)],
                agent: "api.example.org", expires: 1_800_000_000)
        case .allow6:
            SetElement(
                set, [six, UInt8(0), UInt16(0)], through: [six, UInt8(255), UInt16(65535)], agent: nil)
        case .egress4: SetElement(set, [four], target: "egress_internet", agent: "alpha")
        case .egress6: SetElement(set, [six], target: "egress_internet", agent: nil)
        case .web4: SetElement(set, [four, UInt16(8080)], agent: "alpha")
        case .web6: SetElement(set, [six, UInt16(65535)], agent: "alpha")
        }
    }

    @Test(arguments: AgentSet.samples)
    func survivesJSON(set: AgentSet) throws {
        let element = element(set)
        #expect(try throughJSON(element) == element)
        #expect(try throughJSON(set) == set)
        #expect(element.key.count == set.definition.keyLength)
    }

    @Test func readsAsNftWritesIt() {
        #expect(
            element(.lease4).description
                == "bridge hive lease4 { hv-alpha . 6a:76:0a:4d:00:02 . 10.77.0.2 }")
        #expect(element(.egress4).description == "inet hive egress4 { 10.77.0.2 : goto egress_internet }")
        #expect(element(.web6).description == "inet hive web6 { fd77::2 . 65535 }")
        #expect(element(.spoof).fields == ["hv-alpha"])
        #expect(
            element(.allow4("internet")).description
                == "inet hive allow4_internet { 10.77.0.2-255.255.255.255 . 6 . 443-444 } (api.example.org)")
        #expect(
            element(.connections).description
                == "inet hive connections { 6a:76:0a:4d:00:02 ct count over 256 }")
        #expect(
            element(.loggedFrame).description == "bridge hive logged { hv-alpha limit rate 5/second }")
    }

    @Test func theKeyIsThatOfTheKernel() {
        let link = Array("hv-alpha".utf8) + [UInt8](repeating: 0, count: 8)
        #expect(
            element(.lease4).key == link + [0x6a, 0x76, 0x0a, 0x4d, 0, 2, 0, 0] + [10, 77, 0, 2])
        #expect(element(.web4).key == [10, 77, 0, 2, 0x1f, 0x90, 0, 0])
        #expect(element(.host).key == [0x6a, 0x76, 0x0a, 0x4d, 0, 2])
        // Ends with a zero however long the name.
        #expect("a-name-of-more-than-fifteen".keyOctets == Array("a-name-of-more-".utf8) + [0])
    }

    @Test func isWrittenInAFixedForm() throws {
        #expect(
            try json(element(.egress4))
                == #"{"agent":"alpha","key":["10.77.0.2"],"set":"inet hive egress4","target":"egress_internet"}"#
        )
        #expect(
            try json(element(.spoof)) == #"{"agent":"alpha","key":["hv-alpha"],"set":"bridge hive spoof"}"#)
    }

    @Test(arguments: [
        #"{"set":"inet hive nope","key":["x"]}"#, #"{"set":"inet hive web4","key":["10.0.0.1"]}"#,
        #"{"set":"inet hive web4","key":["10.0.0.1","80","80"]}"#,
        #"{"set":"inet hive web4","key":["10.0.0.1","70000"]}"#,
        #"{"set":"inet hive web4","key":["10.0.0.256","80"]}"#,
        #"{"set":"inet hive host","key":["hv-alpha"]}"#,
        #"{"set":"inet hive host","key":[]}"#, #"{"key":["hv-alpha"]}"#, #"{"set":"inet hive host"}"#,
        #"{"set":"inet hive allow4_x","key":["10.0.0.1","6","1"],"end":["10.0.0.1","256","1"]}"#,
        #"{"set":"bridge hive allow4_x","key":["10.0.0.1","6","1"]}"#,
    ])
    func whatIsNoElementIsRefused(text: String) {
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(SetElement.self, from: Data(text.utf8))
        }
    }

    /// Somebody else may have made a set of the same name with other keys.
    @Test(arguments: AgentSet.samples)
    func aKeyOfAnotherLengthIsReadable(set: AgentSet) {
        for count in 0...44 {
            let element = SetElement(set, key: [UInt8](repeating: 0x41, count: count), comment: nil)
            #expect(element.fields.count == set.definition.fields.count)
            #expect(element.fields.contains("?") == (count < element.set.lastOctet))
        }
    }

    @Test func whatDiffersInAnythingIsAnother() {
        let one = element(.egress4)
        #expect(one == element(.egress4))
        #expect(one.hashValue == element(.egress4).hashValue)
        #expect(one != SetElement(.egress4, [four], target: "egress_other", agent: "alpha"))
        #expect(one != SetElement(.egress4, [four], target: "egress_internet", agent: "beta"))
        #expect(element(.host) != SetElement(.peer, [mac], agent: "alpha"))
        #expect(element(.rate) != SetElement(.rate, [mac], limit: 257, agent: "alpha"))
        let named = element(.allow4("internet"))
        #expect(
            named
                != SetElement(named.set, key: named.key, end: named.end, comment: named.comment, expires: nil),
            "for ever is something else")
        #expect(
            named
                == SetElement(named.set, key: named.key, end: named.end, comment: named.comment, expires: 1),
            "how long is left is no difference")
        #expect(named != SetElement(named.set, key: named.key, comment: named.comment, expires: 1))
    }

    @Test func isSortedBySetAndKey() {
        var random = Seeded(11)
        let sorted = (AgentSet.samples.map(element) + [SetElement(.host, [MACAddress(bits: 1)], agent: "b")])
            .sorted()
        for _ in 0..<20 { #expect(sorted.shuffled(using: &random).sorted() == sorted) }
        #expect(sorted.first?.set == .lease4 && sorted.last?.set == .allow6("policy-0123456789abcdef"))
    }
}

extension AgentSet {
    static let samples = standing + [.allow4("internet"), .allow6("policy-0123456789abcdef")]

    /// Where the last field ends, its padding aside.
    fileprivate var lastOctet: Int {
        let fields = definition.fields
        return fields.dropLast().reduce(0) { $0 + ($1.length + 3) & ~3 } + (fields.last?.length ?? 0)
    }
}
