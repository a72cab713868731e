import HiveNet
import Testing

@testable import HiveCore

/// What is kept of names, and for how long. (What a name server says is tested with one, in NetnsTests.)
@Suite struct NamesFileTests {
    private static let objection = Objection(
        subnet4: NetworkSettings().subnet4, subnet6: NetworkSettings().subnet6,
        host4: Set(["12.0.0.1"].compactMap(IPv4Address.init)), host6: [])

    private static func addresses(_ texts: String...) -> Resolver.Answer {
        .addresses(texts.compactMap(IPv4Address.init), texts.compactMap(IPv6Address.init), lifetime: 900)
    }

    private static func known() -> Names {
        var names = Names()
        names.update(["a.example", "b.example", "c.example"], at: 1000, objection: objection) { _ in
            [
                "a.example": addresses("11.1.1.1", "2a11::1"), "b.example": addresses("10.0.0.1"),
                "c.example": .failure("\"\\ \u{1b}[2J\n"),
            ]
        }
        return names
    }

    @Test func whatIsWrittenIsRead() throws {
        let names = Self.known()
        #expect(try Names(text: Array(names.text.utf8), file: "names.json") == names)
        #expect(names.entries["b.example"]?.problem?.kind == .refused)
        let directory = try TemporaryDirectory()
        try directory.state.make()
        #expect(Names.load(directory.state).names == Names() && Names.load(directory.state).caution == nil)
        try names.save(directory.state)
        #expect(Names.load(directory.state).names == names && Names.load(directory.state).caution == nil)
        #expect(directory.mode("state/names.json") == 0o644)
    }

    @Test func aDamagedFileIsSaidAndForgotten() throws {
        let directory = try TemporaryDirectory()
        try directory.state.make()
        for text in [
            "", "[]", "{}", "{ version: 2, names: {} }", "{ version: 1 }",
            "{ version: 1, names: { 'a.example': 7 } }",
            "{ version: 1, names: { '10.0.0.1': {} } }", "{ version: 1, names: { 'internet': {} } }",
            "{ version: 1, names: { 'a.example': { addresses: ['11.1.1.1'] } } }",
            "{ version: 1, names: { 'a.example': { addresses: ['x'], resolved: 1, expires: 400 } } }",
            "{ version: 1, names: { 'a.example': { addresses: [], resolved: 1, expires: 400 } } }",
            "{ version: 1, names: { 'a.example': { addresses: ['11.1.1.1'], resolved: 1, expires: 99999999 } } }",
            "{ version: 1, names: { 'a.example': { problem: { kind: 'other', reason: '', when: 1 } } } }",
        ] {
            try directory.write(text, to: "state/names.json")
            let (names, caution) = Names.load(directory.state)
            #expect(names == Names(), "\(text)")
            #expect(caution?.contains("names.json") == true, "\(text)")
            #expect(caution?.hasSuffix("the names in egress policies are looked up anew.") == true, "\(text)")
        }
        // The control.
        try directory.write(
            "{ version: 1, names: { 'a.example': { addresses: ['11.1.1.1'], resolved: 1, expires: 400 } } }",
            to: "state/names.json")
        #expect(Names.load(directory.state).caution == nil)
        #expect(Names.load(directory.state).names.usable(at: 399).keys.sorted() == ["a.example"])
        #expect(Names.load(directory.state).names.usable(at: 400).isEmpty)
    }

    @Test func onlyWhatIsDueIsAskedFor() {
        let known = Self.known()
        func asked(_ names: [String], at now: Int64) -> [String] {
            var asked: [String] = []
            var copy = known
            copy.update(names, at: now, objection: Self.objection) { names in
                asked = names
                return [:]
            }
            return asked
        }
        // Lifetime 900, from 1000: due when less than 300 seconds are left.
        #expect(asked(["a.example"], at: 1600) == [])
        #expect(asked(["a.example"], at: 1601) == ["a.example"])
        #expect(asked(["a.example", "d.example"], at: 1001) == ["d.example"])
        // Trouble is asked about each time.
        #expect(asked(["a.example", "b.example", "c.example"], at: 1001) == ["b.example", "c.example"])
        // The clock was put back: what was said in the future is not believed.
        #expect(asked(["a.example"], at: 999) == ["a.example"])
        #expect(known.usable(at: 999).isEmpty)
    }

    /// The host gets an address that a name stands for: from then on the name is refused, though nobody was asked.
    @Test func whatHasBecomeInsideIsRefused() {
        var names = Self.known()
        let later = Objection(
            subnet4: NetworkSettings().subnet4, subnet6: nil,
            host4: Set(["11.1.1.1"].compactMap(IPv4Address.init)), host6: [])
        names.update(["a.example"], at: 1001, objection: later) { _ in
            ["a.example": .failure("nobody answered")]
        }
        #expect(names.usable(at: 1001).isEmpty)
        names.update(["a.example"], at: 1002, objection: later) { _ in
            ["a.example": Self.addresses("11.1.1.1")]
        }
        #expect(
            names.cautions(at: 1002) == [
                "a.example is refused, and reaches nothing: it resolves to 11.1.1.1, an address of this host."
            ])
    }

    @Test func theSpecHoldsTheNamesOfItsPoliciesAlone() throws {
        let hive = try hive(
            "{ agents: { b: { egress: { allow: ['b.example', 'a.example:443/tcp'] } }, a: { egress: { allow: ['a.example'] } } } }"
        )
        #expect(hive.names == ["a.example", "b.example"])
        var known = Self.known()
        known.entries["z.example"] = known.entries["a.example"]
        #expect(try hive.spec(names: known.usable(at: 1001)).names.keys.sorted() == ["a.example"])
        #expect(try hive.spec().names.isEmpty)
        var asked = false
        let without = try HiveCoreTests.hive("{ agents: { a: { egress: 'internet' } } }")
        _ = without.resolve(known, at: 1001) { _ in
            asked = true
            return [:]
        }
        #expect(!asked)
    }
}
