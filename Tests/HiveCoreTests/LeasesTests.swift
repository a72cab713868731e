import HiveNet
import Testing

@testable import HiveCore

@Suite struct LeasesTests {
    private static func requests(_ agents: some Sequence<String>) -> [Leases.Request] {
        agents.map { Leases.Request(agent: $0) }
    }

    @Test func aLeaseOutlivesItsAgent() throws {
        var leases = Leases()
        func assign(_ agents: String...) throws -> [UInt32?] {
            try leases.assign(Self.requests(agents), pool: 2...5, taken4: [], taken6: [])
            return agents.map { leases.number(of: $0) }
        }
        #expect(try assign("b", "a") == [3, 2])
        #expect(try assign("b") == [3])
        #expect(try assign("c", "b") == [4, 3])  // Not 2, which waits for a.
        #expect(try assign("d") == [5])  // b and c go, in this order.
        #expect(try assign("d", "a") == [5, 2])
        #expect(try assign("d", "a", "e") == [5, 2, 3])  // The pool is exhausted; b went before c.
        #expect(try assign("d", "a", "e", "b") == [5, 2, 3, 4])  // b's own is gone, c's is not yet.
        #expect(leases.number(of: "c") == nil)
        #expect(throws: Leases.Exhausted.self) { try assign("a", "b", "c", "d", "e") }
    }

    @Test func explicitNumbersAreNotLeased() throws {
        var leases = Leases()
        let requests = Self.requests(["a", "b"]) + [Leases.Request(agent: "c", needsOnly4: true)]
        try leases.assign(requests, pool: 2...9, taken4: [2], taken6: [4])
        #expect(["a", "b", "c"].map { leases.number(of: $0) } == [3, 5, 6])
        // An agent that pins its own IPv6 address keeps its number.
        try leases.assign(requests, pool: 2...9, taken4: [2], taken6: [4, 6])
        #expect(["a", "b", "c"].map { leases.number(of: $0) } == [3, 5, 6])
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func randomComingsAndGoings(_ seed: UInt64) throws {
        var random = Seeded(state: seed)
        let pool: ClosedRange<UInt32> = 2...UInt32.random(in: 10...40, using: &random)
        let names = (0..<60).map { "a\($0)" }
        var leases = Leases()
        var present: Set<String> = []
        var model = Model()
        var givenAway = 0
        for _ in 0..<200 {
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                let name = names[Int.random(in: names.indices, using: &random)]
                if present.remove(name) == nil, present.count < pool.count { present.insert(name) }
            }
            let before = leases
            var shuffled = Array(present)
            shuffled.shuffle(using: &random)
            try leases.assign(Self.requests(shuffled), pool: pool, taken4: [], taken6: [])

            // Present agents have different numbers of the pool; in fact all on record differ.
            let numbers = leases.byAgent.values.map(\.number)
            #expect(Set(numbers).count == numbers.count)
            #expect(numbers.allSatisfy { pool.contains($0) })
            #expect(Set(leases.byAgent.filter { $0.value.released == nil }.keys) == present)
            // Who had a number keeps it, and who is back finds it.
            for name in present {
                if let number = before.number(of: name) { #expect(leases.number(of: name) == number) }
            }
            // And all is as in the plainest model of it.
            model.assign(present, pool)
            #expect(leases.byAgent.mapValues(\.number) == model.numbers)
            if before.byAgent.keys.contains(where: { leases.byAgent[$0] == nil }) { givenAway += 1 }
            // Written and read again, nothing is different.
            #expect(try Leases(text: Array(leases.text.utf8), file: "leases.json") == leases)
            // Nothing new, nothing changes.
            var again = leases
            try again.assign(Self.requests(present), pool: pool, taken4: [], taken6: [])
            #expect(again == leases)
        }
        #expect(givenAway > 0)
    }

    /// Leases as one would explain them, with a queue of those who left.
    private struct Model {
        var numbers: [String: UInt32] = [:]
        var left: [String] = []

        mutating func assign(_ present: Set<String>, _ pool: ClosedRange<UInt32>) {
            left += numbers.keys.filter { !present.contains($0) && !left.contains($0) }.sorted()
            left.removeAll { present.contains($0) }
            for name in present.sorted() where numbers[name] == nil {
                if let number = pool.first(where: { !numbers.values.contains($0) }) {
                    numbers[name] = number
                } else {
                    numbers[name] = numbers.removeValue(forKey: left.removeFirst())
                }
            }
        }
    }

    @Test func aThousandAreLeasedInMilliseconds() throws {
        var leases = Leases()
        let names = (0..<1000).map { "agent-\($0)" }
        let time = try ContinuousClock().measure {
            for round in 0..<10 {
                try leases.assign(
                    Self.requests(names.map { "\($0)-\(round)" }), pool: Leases.numbers, taken4: [],
                    taken6: [])
            }
        }
        #expect(leases.byAgent.count == 10_000)
        // Generous, for an unoptimised build on a busy machine; a quadratic search takes minutes.
        #expect(time < .seconds(10))
    }

    // MARK: In a hive

    @Test func addressesStayAcrossChangesOfTheConfiguration() throws {
        let first = try hive("{ agents: { b: {}, c: {} } }")
        #expect(first.leasesChanged)
        #expect(first.agents.map { "\($0.name) \($0.address4)" } == ["b 10.77.0.2", "c 10.77.0.3"])
        let second = try hive("{ agents: { a: {}, c: {} } }", leases: first.leases)
        #expect(second.agents.map { "\($0.name) \($0.address4)" } == ["a 10.77.0.4", "c 10.77.0.3"])
        let third = try hive("{ agents: { a: {}, b: {}, c: {} } }", leases: second.leases)
        #expect(
            third.agents.map { "\($0.name) \($0.address4)" } == ["a 10.77.0.4", "b 10.77.0.2", "c 10.77.0.3"])
        #expect(try !hive("{ agents: { a: {}, b: {}, c: {} } }", leases: third.leases).leasesChanged)
        // Numbers carry over to another subnet.
        let moved = try hive(
            "{ network: { subnet4: '10.9.8.0/24', subnet6: null }, agents: { a: {}, b: {}, c: {} } }",
            leases: third.leases)
        #expect(
            moved.agents.map { "\($0.name) \($0.address4)" } == ["a 10.9.8.4", "b 10.9.8.2", "c 10.9.8.3"])
        #expect(!moved.leasesChanged)
        // To one where they do not fit, as far as they do.
        let small = try hive(
            "{ network: { subnet4: '10.9.8.0/30' }, agents: { a: {} } }", leases: third.leases)
        #expect(small.agents.map { "\($0.name) \($0.address4)" } == ["a 10.9.8.2"])
    }

    @Test func anExplicitAddressComesAndGoes() throws {
        let leased = try hive("{ agents: { a: {}, b: {} } }")
        // What an agent has by lease can be written down, and another one can be given.
        #expect(
            try hive("{ agents: { a: { address4: '10.77.0.2' }, b: {} } }", leases: leased.leases).agents
                == leased.agents)
        let other = try hive("{ agents: { a: { address4: '10.77.0.9' }, b: {} } }", leases: leased.leases)
        #expect(other.agents.map { "\($0.address4)" } == ["10.77.0.9", "10.77.0.3"])
        // Left out again, the lease is still there.
        #expect(try hive("{ agents: { a: {}, b: {} } }", leases: other.leases).agents == leased.agents)
    }

    @Test func anExplicitAddressEvictsNobody() throws {
        let leased = try hive("{ agents: { b: {} } }").leases
        #expect(
            problem("{ agents: { b: {}, a: { address4: '10.77.0.2' } } }", leases: leased)?.description
                == "hive.json:1: agents.a.address4 is 10.77.0.2, which is leased to the agent \"b\": choose another one, or first give \"b\" another address4"
        )
        #expect(
            problem("{ agents: { b: {}, a: { address6: 'fd77:6869:7665::2' } } }", leases: leased)?
                .description
                == "hive.json:1: agents.a.address6 is fd77:6869:7665::2, which is leased to the agent \"b\": choose another one, or first give \"b\" another address6"
        )
        // As the sentences say; and who is gone has nothing to lose.
        #expect(
            problem(
                "{ agents: { b: { address4: '10.77.0.5' }, a: { address4: '10.77.0.2' } } }", leases: leased)
                == nil)
        #expect(
            problem(
                "{ agents: { b: { address6: 'fd77:6869:7665::5' }, a: { address6: 'fd77:6869:7665::2' } } }",
                leases: leased) == nil)
        #expect(problem("{ agents: { a: { address4: '10.77.0.2' } } }", leases: leased) == nil)
    }

    @Test func aFullSubnetIsSaidToBeFull() {
        let text =
            "{ network: { subnet4: '10.0.0.0/29', subnet6: 'fd00::/64' }, agents: { a: { address4: '10.0.0.2', address6: 'fd00::3' }, b: { address4: '10.0.0.4', address6: 'fd00::5' }, c: {}, d: {} } }"
        #expect(
            problem(text)?.description
                == "hive.json:1: no address is left for the agent \"d\" in 10.0.0.0/29 and fd00::/64")
        #expect(problem(text.replacing(", d: {}", with: "")) == nil)
    }
}

@Suite struct LeaseFileTests {
    @Test func theFileIsReadByPeopleToo() throws {
        var leases = Leases()
        #expect(leases.text == "{\n  \"version\": 1,\n  \"releases\": 0,\n  \"leases\": {}\n}\n")
        for agents in [["b", "a"], ["b"]] {
            try leases.assign(agents.map { Leases.Request(agent: $0) }, pool: 2...9, taken4: [], taken6: [])
        }
        #expect(
            leases.text == """
                {
                  "version": 1,
                  "releases": 1,
                  "leases": {
                    "a": { "number": 2, "released": 1 },
                    "b": { "number": 3 }
                  }
                }

                """)
    }

    @Test func savedAndLoaded() throws {
        let directory = try TemporaryDirectory()
        #expect(try Leases.load(directory.state) == Leases())
        try directory.state.make()
        let leases = try hive("{ \(agents(3)) }").leases
        try leases.save(directory.state)
        #expect(try Leases.load(directory.state) == leases)
        #expect(directory.mode("state/leases.json") == 0o644)
        try Leases().save(directory.state)
        #expect(try Leases.load(directory.state) == Leases())
    }

    @Test func whatAKilledProcessLeftIsClearedAway() throws {
        let directory = try TemporaryDirectory()
        try directory.state.make()
        let leases = try hive("{ \(agents(3)) }").leases
        try leases.save(directory.state)
        try directory.write("{ \"version\": 1, \"rel", to: "state/.leases.json.4711.tmp")
        #expect(try Leases.load(directory.state) == leases)
        try leases.save(directory.state)
        #expect(try DurableFile.entries(of: directory.state.path) == ["leases.json"])
    }

    @Test(arguments: [
        ("", ": the file is empty; it must hold a JSON object"),
        (
            "{ \"version\": 1,\n \"releases\": 0, \"lea",
            ":2: the string that begins here has no closing quote"
        ),
        ("{}", ": the file has no version"),
        ("{ version: 2, more: 1 }", ":1: version is 2, but this program knows only version 1"),
        ("{ version: 1, leases: {} }", ": the file has no releases"),
        ("{ version: 1, releases: 0 }", ": the file has no leases"),
        ("{ version: 1, releases: 0, leases: { a: {} } }", ":1: leases.a has no number"),
        (
            "{ version: 1, releases: 0, leases: { A: { number: 2 } } }",
            ":1: leases.A is not a name for an agent"
        ),
        (
            "{ version: 1, releases: 0, leases: {\n a: { number: 2 },\n b: { number: 2 } } }",
            ":3: leases.b.number is 2, which is the number of leases.a too"
        ),
        (
            "{ version: 1, releases: 0, leases: { a: { number: 2 }, a: { number: 3 } } }",
            ":1: leases.a is given twice, first on line 1"
        ),
        (
            "{ version: 1, releases: 0, leases: { a: { number: 1 } } }",
            ":1: leases.a.number is 1, but must be a whole number from 2 to 65534"
        ),
        (
            "{ version: 1, releases: 0, leases: { a: { number: 65535 } } }",
            ":1: leases.a.number is 65535, but must be a whole number from 2 to 65534"
        ),
        (
            "{ version: 1, releases: 4, leases: { a: { number: 2, released: 5 } } }",
            ":1: leases.a.released is 5, but must be a whole number from 1 to 4"
        ),
        (
            "{ version: 1, releases: 1e300, leases: {} }",
            ":1: releases is 1e300, but must be a whole number from 0 to 9007199254740992"
        ),
        (
            "{ version: 1, releases: 0, leases: { a: { numer: 2 } } }",
            ":1: leases.a.numer is not a known key; did you mean \"number\"?"
        ),
    ])
    func aDamagedFileIsAnErrorThatSaysWhatToDo(_ text: String, _ sentence: String) throws {
        let directory = try TemporaryDirectory()
        try directory.state.make()
        try directory.write(text, to: "state/leases.json")
        let error = #expect(throws: HiveError.self) { try Leases.load(directory.state) }
        #expect(
            error.map(directory.without)
                == "DIR/state/leases.json\(sentence). Nobody's address is changed for that: restore the file from a backup or correct it, "
                + "or remove it, and then agents without addresses of their own get new ones")
        #expect(error?.sysexit == 65)
        #expect(try directory.read("state/leases.json") == text)
    }
}
