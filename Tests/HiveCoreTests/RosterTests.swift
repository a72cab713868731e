import HiveNet
import HiveWire
import Testing

@testable import HiveCore

/// Which agents the roster comes to: over time, over a restart, and together with those that are declared.
@Suite struct RosterTests {
    private static let start = ContinuousClock.now

    private static func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    private static func answer(_ names: String...) throws -> RosterAnswer {
        let entries = names.map { "{\"name\":\"\($0)\"}" }.joined(separator: ",")
        return try RosterAnswer(Array("{\"ok\":true,\"agent_statuses\":[\(entries)]}".utf8), from: "/s")
    }

    // MARK: Over time

    @Test func whoIsGoneIsKeptForTheGracePeriod() throws {
        var follower = RosterFollower(grace: 30)
        #expect(follower.state == .unasked && follower.wanted(at: Self.at(0)).names == [])
        follower.take(try Self.answer("a", "b"), at: Self.at(0))
        #expect(follower.wanted(at: Self.at(0)).names == ["a", "b"] && follower.nextChange == nil)
        follower.take(try Self.answer("a"), at: Self.at(3))
        #expect(follower.leaving == ["b": Self.at(33)] && follower.nextChange == Self.at(33))
        follower.take(try Self.answer("a"), at: Self.at(20))
        // Nothing need be heard for it.
        #expect(follower.wanted(at: Self.at(32)).names == ["a", "b"])
        #expect(follower.wanted(at: Self.at(33)).names == ["a"])
        #expect(follower.nextChange == nil && follower.state == .healthy(since: Self.at(0)))
    }

    @Test func whoComesBackStays() throws {
        var follower = RosterFollower(grace: 30)
        follower.take(try Self.answer("a"), at: Self.at(0))
        follower.take(try Self.answer(), at: Self.at(3))
        follower.take(try Self.answer("a"), at: Self.at(32))
        #expect(follower.nextChange == nil)
        #expect(follower.wanted(at: Self.at(1000)).names == ["a"])
        // The next time counts from anew.
        follower.take(try Self.answer(), at: Self.at(1000))
        #expect(follower.nextChange == Self.at(1030))
    }

    @Test func withoutGraceTheyGoAtOnce() throws {
        var follower = RosterFollower(grace: 0)
        follower.take(try Self.answer("a", "b"), at: Self.at(0))
        follower.take(try Self.answer("b"), at: Self.at(1))
        #expect(follower.wanted(at: Self.at(1)).names == ["b"])
        #expect(follower.nextChange == nil)
    }

    @Test func troubleChangesNothingHoweverLong() throws {
        var follower = RosterFollower(grace: 30)
        follower.take(try Self.answer("a", "b"), at: Self.at(0))
        follower.take(try Self.answer("a"), at: Self.at(3))
        follower.take(failure: "first", at: Self.at(6))
        follower.take(failure: "second", at: Self.at(9))
        #expect(follower.state == .trouble("second", since: Self.at(6)))
        #expect(follower.nextChange == nil)
        #expect(follower.wanted(at: Self.at(100_000)).names == ["a", "b"])
        // The grace period begins anew.
        follower.take(try Self.answer("a"), at: Self.at(100_001))
        #expect(follower.state == .healthy(since: Self.at(100_001)))
        #expect(follower.wanted(at: Self.at(100_030)).names == ["a", "b"])
        #expect(follower.wanted(at: Self.at(100_031)).names == ["a"])
        // Who was dropped does not come back by trouble.
        follower.take(failure: "third", at: Self.at(100_040))
        #expect(follower.wanted(at: Self.at(100_041)).names == ["a"])
    }

    /// The grace period ended before the trouble began, though nobody looked.
    @Test func troubleThatComesAfterTheEndDoesNotBringBack() throws {
        var follower = RosterFollower(grace: 30)
        follower.take(try Self.answer("a"), at: Self.at(0))
        follower.take(try Self.answer(), at: Self.at(1))
        follower.take(failure: "late", at: Self.at(31))
        #expect(follower.wanted(at: Self.at(31)).names == [])
    }

    @Test func whatWasKnownStaysUntilSomebodyHealthyForgetsIt() throws {
        var follower = RosterFollower(grace: 30, known: Roster(["a", "b"]))
        #expect(follower.wanted(at: Self.at(100)).names == ["a", "b"])
        follower.take(failure: "down", at: Self.at(100))
        #expect(follower.wanted(at: Self.at(10_000)).names == ["a", "b"])
        follower.take(try Self.answer("b", "c"), at: Self.at(10_000))
        #expect(follower.wanted(at: Self.at(10_029)).names == ["a", "b", "c"])
        #expect(follower.wanted(at: Self.at(10_030)).names == ["b", "c"])
    }

    // MARK: Over a restart

    @Test func whatIsWrittenIsRead() throws {
        let directory = try TemporaryDirectory()
        try directory.state.make()
        #expect(try Roster.load(directory.state) == Roster())
        for roster in [Roster(), Roster(["b", "a", "b"])] {
            try roster.save(directory.state)
            #expect(try Roster.load(directory.state) == roster)
        }
        #expect(Roster(["b", "a", "b"]).names == ["a", "b"])
        #expect(Roster.container(of: "alpha") == "h-alpha")
    }

    @Test func aDamagedFileIsNoEmptyRoster() throws {
        let directory = try TemporaryDirectory()
        try directory.state.make()
        for text in [
            "", "[]", "{}", "{ version: 2, agents: [] }", "{ version: 1 }", "{ version: 1, agents: {} }",
            "{ version: 1, agents: [7] }", "{ version: 1, agents: ['A'] }",
            "{ version: 1, agents: [], more: 1 }",
        ] {
            try directory.write(text, to: "state/roster.json")
            let error = #expect(throws: HiveError.self, "\(text)") { try Roster.load(directory.state) }
            #expect(error?.kind == .dataError)
            #expect(error?.description.contains("state/roster.json") == true, "\(text)")
            #expect(error?.description.contains("Nobody's network is taken away for that") == true)
        }
        try directory.write("{ version: 1, agents: ['a'] }", to: "state/roster.json")
        #expect(try Roster.load(directory.state).names == ["a"])
    }

    // MARK: Together with others

    @Test func rosterAgentsJoinTheDeclaredOnes() throws {
        let configuration = try Configuration(
            text: Array("{ agents: { alpha: { web: { port: 8080 } } } }".utf8), file: "hive.json")
        let beta = try Declaration(
            name: "beta", text: Array("{ egress: 'internet' }".utf8), file: "agents.d/beta.json")
        let hive = try Hive(
            configuration, added: [beta], leases: Leases(), roster: ["gamma", "beta", "alpha", "gamma"])
        let rows = hive.agents.map {
            "\($0.name) \($0.address4) \($0.webPort.map(String.init) ?? "-") \($0.egress.label) \($0.namespace)"
        }
        #expect(
            rows == [
                "alpha 10.77.0.2 8080 none own", "beta 10.77.0.3 - internet own",
                "gamma 10.77.0.4 - none own",
            ])
        // With the one that is added it is the same.
        let directory = try TemporaryDirectory()
        let more = try hive.adding("gamma", AgentSettings(webPort: 80), in: directory.state.agents)
        #expect(more.agents.map(\.name) == ["alpha", "beta", "gamma"])
        #expect(more.agents.last?.webPort == 80)
    }

    @Test func rosterAgentsAreCheckedLikeOthers() throws {
        let nobody = try Configuration(
            text: Array("{ network: { subnet4: '10.0.0.0/30' } }".utf8), file: "hive.json")
        func problem(_ roster: [String], _ configuration: Configuration) -> String? {
            do throws(HiveError) {
                _ = try Hive(configuration, added: [], leases: Leases(), roster: roster)
                return nil
            } catch {
                return error.description
            }
        }
        #expect(problem(["a"], nobody) == nil)
        #expect(
            problem(["a", "b"], nobody)
                == "hive.json:1: network.subnet4 is 10.0.0.0/30, which holds 1 agent, but there are 2")
        #expect(
            problem(["A"], nobody)
                == "the roster: \"A\" is not a name for an agent: it must be \(AgentName.rule)")
        #expect(
            problem(["long-agent-157412", "long-agent-26568"], Configuration(defaultsFor: "hive.json"))
                == "the roster: the agents \"long-agent-26568\" and \"long-agent-157412\" (the roster) would both have the "
                + "link \"hv-long_tudhjp8\": rename one of the two")
    }

    /// Whom it names is wanted as long as the configuration has a roster, whatever is known of it.
    @Test func aRosterIsAgentsEnoughWhereThereIsOne() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/hive.json"
        func agents(_ roster: [String]?) throws -> [String] {
            try Hive.load(configPath: path, stateDirectory: directory.state, roster: roster).agents.map(
                \.name)
        }
        for roster in [nil, ["a"]] { #expect(throws: HiveError.self) { try agents(roster) } }
        try directory.state.make()
        try Roster(["b"]).save(directory.state)
        try directory.write("{ roster: { hostSocket: '/s' } }", to: "hive.json")
        #expect(try agents(["a"]) == ["a"] && agents(nil) == ["b"] && agents([]) == [])
        try directory.write("{}", to: "hive.json")
        #expect(try agents(["a"]) == [] && agents(nil) == [])
    }

    // MARK: Configuration

    @Test func theSectionIsRead() throws {
        #expect(try hive("{}").configuration.roster == nil)
        #expect(
            try hive("{ roster: { hostSocket: '/run/h.sock' } }").configuration.roster
                == RosterSettings(hostSocket: "/run/h.sock", grace: 30))
        for grace in [0, 3600] {
            #expect(
                try hive("{ roster: { hostSocket: '/s', grace: \(grace) } }").configuration.roster?.grace
                    == grace)
        }
        #expect(
            try hive("{ roster: { hostSocket: '/\(String(repeating: "x", count: 106))' } }").configuration
                .roster != nil)
    }

    static let wrong: [(text: String, sentence: String)] = [
        ("{ roster: '/s' }", "hive.json:1: roster is \"/s\" (a string), but must be an object"),
        (
            "{\n roster: {} }",
            "hive.json:2: roster has no hostSocket: write { hostSocket: \"/run/hyperhive/host.sock\" }, or leave roster out"
        ),
        (
            "{ roster: { socket: '/s' } }",
            "hive.json:1: roster.socket is not a known key; known here: \"hostSocket\", \"grace\""
        ),
        (
            "{ roster: { hostSocket: 7 } }",
            "hive.json:1: roster.hostSocket is 7 (a number), but must be the path of a unix socket"
        ),
        (
            "{ roster: { hostSocket: 's' } }",
            "hive.json:1: roster.hostSocket is \"s\", but must be an absolute path"
        ),
        (
            "{ roster: { hostSocket: '/a\\0b' } }",
            "hive.json:1: roster.hostSocket is \"/a\\u{0}b\", but the path of a unix socket may have at most 107 bytes, and no control characters"
        ),
        (
            "{ roster: { hostSocket: '/s', grace: 3601 } }",
            "hive.json:1: roster.grace is 3601, but must be a whole number from 0 to 3600"
        ),
    ]

    @Test(arguments: wrong) func wrongSectionsEarnASentence(_ text: String, _ sentence: String) {
        #expect(problem(text)?.description == sentence)
    }
}
