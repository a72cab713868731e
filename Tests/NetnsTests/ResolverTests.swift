import Foundation
import HiveNet
import Testing

@testable import HiveCore

/// Names in egress policies: what the host's resolver makes of what a name server says, good or bad. The server is ours, in the
/// lab's namespace; the questions go over its loopback.
@Suite struct ResolverTests {
    private typealias Record = NameServer.Record

    // MARK: Lifetimes

    @Test func lifetimesAreThoseOfTheRecordsWithinBounds() throws {
        let lab = try Lab()
        let zone: [String: [Record]] = [
            "short.example": [.a("short.example", "11.1.1.1", 5)],
            "middle.example": [.a("middle.example", "11.1.1.1", 1000)],
            "long.example": [.a("long.example", "11.1.1.1", 1_000_000)],
            "negative.example": [.a("negative.example", "11.1.1.1", 0xffff_ffff)],
            "least.example": [.a("least.example", "11.1.1.1", 900), .a("least.example", "11.1.1.2", 700)],
            "alias.example": [
                .cname("alias.example", "b.example", 2000), .cname("b.example", "c.example", 400),
                .a("c.example", "11.1.1.3", 3000),
            ],
            // In whatever order, and in whatever case.
            "mixed.example": [
                .a("TARGET.example", "11.1.1.4", 500), .cname("Mixed.Example", "target.example", 600),
            ],
        ]
        let server = try NameServer(lab) { name, type in type == 1 ? .records(zone[name] ?? []) : .records([])
        }
        defer { server.end() }
        let names = try Asking.resolve(lab, zone.keys.sorted())
        let lifetimes = names.entries.mapValues { ($0.resolved?.expires ?? 0) - ($0.resolved?.resolved ?? 0) }
        #expect(
            lifetimes == [
                "short.example": 300, "middle.example": 1000, "long.example": 86_400, "negative.example": 300,
                "least.example": 700, "alias.example": 400, "mixed.example": 500,
            ])
        #expect(Asking.addresses(names.entries["alias.example"]) == ["11.1.1.3"])
        #expect(Asking.addresses(names.entries["least.example"]) == ["11.1.1.1", "11.1.1.2"])
        #expect(names.cautions(at: 1_000_000) == [])
    }

    @Test func bothFamiliesAreAskedFor() throws {
        let lab = try Lab()
        let server = try NameServer(lab) { name, type in
            switch (name, type) {
            case ("both.example", 1): .records([.a(name, "11.1.1.1", 900)])
            case ("both.example", 28): .records([.aaaa(name, "2a11::5", 800), .aaaa(name, "2a11::4", 900)])
            case ("six.example", 28): .records([.aaaa(name, "2a11::6", 900)])
            // What was not asked for is not taken.
            case ("odd.example", 1): .records([.a(name, "11.1.1.9"), .aaaa(name, "2a11::9")])
            // Half an answer is used, for a short time.
            case ("half.example", 1): .records([.a(name, "11.1.1.2", 9000)])
            case ("half.example", 28): .code(2)
            default: .records([])
            }
        }
        defer { server.end() }
        let names = try Asking.resolve(lab, ["both.example", "six.example", "odd.example", "half.example"])
        #expect(Asking.addresses(names.entries["both.example"]) == ["11.1.1.1", "2a11::4", "2a11::5"])
        #expect(names.entries["both.example"]?.resolved?.expires == 1_000_800)
        #expect(Asking.addresses(names.entries["six.example"]) == ["2a11::6"])
        #expect(Asking.addresses(names.entries["odd.example"]) == ["11.1.1.9"])
        #expect(Asking.addresses(names.entries["half.example"]) == ["11.1.1.2"])
        #expect(names.entries["half.example"]?.resolved?.expires == 1_000_300)
    }

    // MARK: What is refused

    /// Each next to a control: the same name with a public address is fine.
    @Test func noNameStandsForAnAddressInside() throws {
        let lab = try Lab()
        try lab.ip("link add up0 type veth peer name up1")
        try lab.ip("addr add 11.0.0.1/24 dev up0")
        try lab.ip("addr add 2a11::1/64 dev up0 nodad")
        let special4 = Lab.special4 + ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "10.77.0.3"]
        let special6 =
            Lab.special6 + ["::1", "::", "fe80::1", "ff02::1", "::ffff:11.1.1.1", "fd77:6869:7665::1"]
        var bad: [String: [Record]] = [:]
        for (index, address) in (special4 + ["11.0.0.1", "12.0.0.9"]).enumerated() {
            bad["a\(index).example"] = [.a("a\(index).example", address)]
            // A mixed answer is refused as a whole.
            bad["m\(index).example"] = [
                .a("m\(index).example", "11.1.1.1"), .a("m\(index).example", address),
            ]
        }
        for (index, address) in (special6 + ["2a11::1"]).enumerated() {
            bad["b\(index).example"] = [.aaaa("b\(index).example", address)]
        }
        // So is one that is mixed over the families.
        bad["x.example"] = [.a("x.example", "11.1.1.1"), .aaaa("x.example", "fd00:1::1")]
        bad["y.example"] = [.a("y.example", "10.1.2.3"), .aaaa("y.example", "2a11:1::1")]
        let isHostile = Flag(true)
        let server = try NameServer(lab) { [bad] name, type in
            let records = bad[name] ?? []
            guard isHostile.value else { return .records(type == 1 ? [.a(name, "11.1.1.1")] : []) }
            return .records(records.filter { $0.type == type })
        }
        defer { server.end() }
        // The agents' own subnet is public here.
        let more = "network: { subnet4: '12.0.0.0/16' },"
        let config = { (names: [String]) in
            Asking.policy(names, more: more).replacingOccurrences(of: "10.77.0.2", with: "12.0.0.2")
        }
        let hive = try Hive(
            Configuration(text: Array(config(bad.keys.sorted()).utf8), file: "hive.json"), added: [],
            leases: Leases())
        let refused = try lab.host { hive.resolve(Names(), at: 1000, ask: Resolver.addresses(ofAll:)) }
        for (name, records) in bad {
            let entry = refused.entries[name]
            #expect(entry?.problem?.kind == .refused && entry?.resolved == nil, "\(name) \(records)")
        }
        #expect(refused.usable(at: 1000).isEmpty)
        #expect(refused.cautions(at: 1000).count == bad.count)
        #expect(
            refused.entries["a\(special4.count).example"]?.problem?.reason
                == "it resolves to 11.0.0.1, an address of this host")
        #expect(
            refused.entries["m\(special4.count + 1).example"]?.problem?.reason
                == "it resolves to 12.0.0.9, an address of the agents' subnet")
        // The control, and the way back: refused names are asked for at each apply.
        isHostile.value = false
        let good = try lab.host { hive.resolve(refused, at: 1001, ask: Resolver.addresses(ofAll:)) }
        #expect(good.usable(at: 1001).count == bad.count)
        #expect(good.cautions(at: 1001) == [])
    }

    // MARK: Hostile answers

    @Test func answersThatAreNone() throws {
        let lab = try Lab()
        let replies: [String: NameServer.Reply] = [
            "none.example": .code(3), "broken.example": .code(2), "refusing.example": .code(5),
            "empty.example": .records([]),
            "stranger.example": .records([.a("other.example", "11.1.1.1")]),
            "suffix.example": .records([.a("a.suffix.example", "11.1.1.1"), .a("example", "11.1.1.1")]),
            "circle.example": .records([
                .cname("circle.example", "round.example"), .cname("round.example", "circle.example"),
            ]),
            "open.example": .records([.cname("open.example", "nowhere.example")]),
            // Alias and address at once: the alias is followed.
            "two.example": .records([.cname("two.example", "nowhere.example"), .a("two.example", "11.1.1.1")]
            ),
            "wide.example": .records([
                Record(owner: "wide.example", type: 1, lifetime: 1, data: [11, 1, 1, 1, 1])
            ]),
            "narrow.example": .records([Record(owner: "narrow.example", type: 1, lifetime: 1, data: [11, 1])]
            ),
            "cut.example": .truncated([.a("cut.example", "11.1.1.1")]),
            "promise.example": .bytes([], answers: 9),
            "loop.example": .bytes([0xc0, 0x0c, 0xc0, 0xff, 0, 1, 0, 1], answers: 1),
            "garbage.example": .bytes((0..<200).map { UInt8($0) }, answers: 3),
        ]
        let server = try NameServer(lab) { name, type in
            if name == "good.example" { return .records(type == 1 ? [.a(name, "11.1.1.1")] : []) }
            return replies[name] ?? .silence
        }
        defer { server.end() }
        let names = try Asking.resolve(lab, replies.keys.sorted() + ["good.example"])
        for name in replies.keys {
            let entry = names.entries[name]
            #expect(
                entry?.resolved == nil && entry?.problem?.kind == .failed,
                "\(name): \(String(describing: entry))")
        }
        #expect(names.entries["none.example"]?.problem?.reason == "there is no such name")
        #expect(names.entries["empty.example"]?.problem?.reason == "it has no address")
        #expect(names.entries["cut.example"]?.problem?.reason == "the answer does not fit into a datagram")
        // The control: the server is heard.
        #expect(Asking.addresses(names.entries["good.example"]) == ["11.1.1.1"])
    }

    /// Bytes as they come: some answer is made of them or none, and nothing else happens.
    @Test func bytesOfAnyKind() {
        var random = SeededGenerator(seed: 53)
        let question = NameServer.encode("a.example") + [0, 1, 0, 1]
        let whole = NameServer.message(
            [0, 1], question,
            [.cname("a.example", "b.example"), .a("b.example", "11.1.1.1"), .aaaa("b.example", "2a11::1")])
        #expect(DNSAnswer(whole, for: "a.example")?.addresses4 == [IPv4Address(literal: "11.1.1.1")])
        for length in 0..<whole.count { #expect(DNSAnswer(Array(whole[..<length]), for: "a.example") == nil) }
        var read = 0
        for _ in 0..<20_000 {
            var message = whole
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                message[Int.random(in: message.indices, using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
            }
            if let answer = DNSAnswer(message, for: "a.example") {
                read += 1
                #expect(answer.addresses4.count + answer.addresses6.count <= 3)
            }
        }
        #expect(read > 1000)
    }

    @Test func manyAddressesAreBounded() throws {
        let lab = try Lab()
        let server = try NameServer(lab) { name, type in
            .records(
                type == 1 ? (0..<70).reversed().map { .a(name, "11.1.2.\($0)") } : [.aaaa(name, "2a11::1")])
        }
        defer { server.end() }
        let names = try Asking.resolve(lab, ["m.example"])
        #expect(Asking.addresses(names.entries["m.example"]) == (0..<64).map { "11.1.2.\($0)" })
    }

    // MARK: The host's files

    @Test func theHostsOwnFilesAreAFallback() throws {
        let lab = try Lab()
        let hosts = """
            11.1.1.7 file.example
            2a11::7 file.example
            11.1.1.8 silent.example
            11.1.1.9 both.example
            10.0.0.1 inside.example

            """
        let server = try NameServer(lab, hosts: hosts) { name, type in
            switch name {
            case "both.example": .records(type == 1 ? [.a(name, "11.1.1.1")] : [])
            case "file.example": .code(3)
            default: .silence
            }
        }
        defer { server.end() }
        let names = try Asking.resolve(
            lab, ["both.example", "file.example", "silent.example", "inside.example", "nowhere.example"])
        #expect(Asking.addresses(names.entries["file.example"]) == ["11.1.1.7", "2a11::7"])
        #expect(names.entries["file.example"]?.resolved?.expires == 1_000_300)
        #expect(Asking.addresses(names.entries["silent.example"]) == ["11.1.1.8"])
        #expect(Asking.addresses(names.entries["both.example"]) == ["11.1.1.1"])
        #expect(names.entries["inside.example"]?.problem?.kind == .refused)
        // Whoever looks into the files asks the name servers no third time.
        let questions = server.takeQuestions()
        for name in ["silent.example", "nowhere.example"] {
            #expect(questions.count { $0 == "\(name) 1" } == 2, "\(questions)")
            #expect(!questions.contains("\(name) 28"), "\(questions)")
        }
        #expect(names.entries["nowhere.example"]?.problem?.reason == "no name server gave an answer")
    }
}
