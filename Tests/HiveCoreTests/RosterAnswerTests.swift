import HiveWire
import Testing

@testable import HiveCore

/// What is made of a daemon's line.
@Suite struct RosterAnswerTests {
    private static func answer(_ text: String) throws(HiveError) -> RosterAnswer {
        try RosterAnswer(Array(text.utf8), from: "/s")
    }

    private static func agents(_ entries: String) -> String {
        "{\"version\":1,\"ok\":true,\"agent_statuses\":[\(entries)]}"
    }

    @Test func namesAreReadWhateverElseIsThere() throws {
        for text in [
            Self.agents(#"{"name":"beta","running":true},{"name":"alpha","running":false}"#),
            // Keys that nobody knows, and types that nobody expects, in what is not needed.
            #"{"ok":true,"x":[{"y":null}],"agent_statuses":[{"name":"alpha","running":"maybe","q":1e999},{"running":{},"name":"beta"}]}"#,
            #" { "version" : 0, "ok" : true, "error": 7, "agent_statuses" : [ {"name":"alpha"}, {"name":"b\u0065ta"} ] } "#
                + "\r",
            #"{"version":null,"ok":true,"agent_statuses":[{"name":"alpha"},{"name":"beta"}]}"#,
        ] {
            let answer = try Self.answer(text)
            #expect(answer.names == ["alpha", "beta"], "\(text)")
            #expect(answer.cautions.isEmpty, "\(text)")
        }
        #expect(try Self.answer(Self.agents("")).names == [])
    }

    /// An answer and the whole sentence that it earns.
    static let wrong: [(text: String, sentence: String)] = [
        ("", "gave an empty answer"),
        (" \t\r", "gave an empty answer"),
        (
            "x",
            "gave an answer that is not understood: answer:1: unexpected \"x\" where a value is expected; a string needs quotes"
        ),
        ("[]", "gave an answer that is not understood: answer: the file is a list, but must be an object"),
        (
            #"{"ok":true,"agent_statuses":[{"name":"alpha""#,
            "gave an answer that is not understood: answer:1: the text ends inside the object that begins on line 1; is the file complete?"
        ),
        (
            #"{"ok":true,"agent_statuses":[],"agent_statuses":[{"name":"a"}]}"#,
            "gave an answer that is not understood: answer:1: agent_statuses is given twice, first on line 1"
        ),
        (
            String(repeating: "[", count: 100_000),
            "gave an answer that is not understood: answer:1: objects and lists are nested more than 64 deep"
        ),
        (
            #"{"version":2,"ok":true,"agent_statuses":[]}"#,
            "speaks version 2 of the protocol, but only version 1 is known here"
        ),
        (
            #"{"version":"1","ok":true,"agent_statuses":[]}"#,
            "gave an answer whose version is \"1\" (a string), which is not a whole number"
        ),
        (
            #"{"version":1.5,"ok":true,"agent_statuses":[]}"#,
            "gave an answer whose version is 1.5 (a number), which is not a whole number"
        ),
        (
            #"{"version":2,"ok":false,"error":"new"}"#,
            "speaks version 2 of the protocol, but only version 1 is known here"
        ),
        (#"{"version":1,"ok":false,"error":"not \u001b[2Jnow"}"#, "refuses to answer: \"not \\u{1b}[2Jnow\""),
        (#"{"version":1,"ok":false}"#, "refuses to answer, and does not say why"),
        (
            #"{"version":1,"ok":false,"error":[],"agent_statuses":[]}"#,
            "refuses to answer, and does not say why"
        ),
        (#"{"version":1,"agent_statuses":[]}"#, "gave an answer without \"ok\": true or false"),
        (#"{"ok":1,"agent_statuses":[]}"#, "gave an answer without \"ok\": true or false"),
        (#"{"version":1,"ok":true}"#, "gave an answer without a list \"agent_statuses\""),
        (#"{"ok":true,"agent_statuses":{"name":"a"}}"#, "gave an answer without a list \"agent_statuses\""),
        (
            agents((0...4096).map { "{\"name\":\"a\($0)\"}" }.joined(separator: ",")),
            "names 4097 agents, but at most 4096 are followed"
        ),
        (
            "\"" + String(repeating: "x", count: RosterAnswer.maximumSize) + "\"",
            "gave an answer of more than 4 MiB"
        ),
    ]

    @Test(arguments: wrong) func wrongAnswersEarnASentence(_ text: String, _ sentence: String) {
        #expect(throws: HiveError(.dataError, "the daemon at /s \(sentence)")) { try Self.answer(text) }
    }

    @Test func bytesThatAreNoTextAreRefused() {
        #expect(throws: HiveError.self) { try RosterAnswer([0x7b, 0xff, 0x7d], from: "/s") }
    }

    @Test func theLimitItselfIsFine() throws {
        let names = (0..<4096).map { "{\"name\":\"a\($0)\"}" }.joined(separator: ",")
        #expect(try Self.answer(Self.agents(names)).names.count == 4096)
    }

    @Test func whatIsNoNameIsSetAside() throws {
        let answer = try Self.answer(
            Self.agents(
                #"{"name":"Alpha"},{"name":"beta"},{"name":7},{},[],{"name":"beta"},{"name":"../x\n"},{"name":"gamma"}"#
            ))
        #expect(answer.names == ["beta", "gamma"])
        let rule = "which is not a name for an agent: it must be \(AgentName.rule)"
        #expect(
            answer.cautions == [
                "the daemon at /s names \"Alpha\", \(rule)",
                "the daemon at /s gives agent_statuses[2] no name",
                "the daemon at /s gives agent_statuses[3] no name",
                "the daemon at /s gives agent_statuses[4] no name",
                "the daemon at /s names the agent \"beta\" twice",
                "the daemon at /s names \"../x\\u{a}\", \(rule)",
            ])
        let many = try Self.answer(Self.agents((0..<100).map { "\($0)" }.joined(separator: ",")))
        #expect(many.cautions.count == 16)
        #expect(many.cautions.last == "the daemon at /s has 85 more entries that are set aside")
    }
}
