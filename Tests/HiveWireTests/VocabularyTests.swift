import HiveWire
import Testing

/// What can be said on which socket.
@Suite struct VocabularyTests {
    /// All that an operator can do, on either socket, in the words of both.
    private static let authority =
        OperatorVerb.allCases.map(\.rawValue) + CoreVerb.allCases.map(\.rawValue)
        + LifecycleVerb.allCases.map(\.rawValue)

    /// Nothing that an agent can say is anything that an operator can say.
    @Test func agentsAndOperatorsDoNotMeet() {
        let agents = Set(AgentVerb.allCases.map { Self.plain($0.rawValue) })
        let operators = Set(Self.authority.map(Self.plain))
        #expect(agents.isDisjoint(with: operators))
        // What there is, in full: who adds a word thinks about it here.
        #expect(agents == ["ask", "looseends", "setstatus", "requestapproval", "withdraw"])
        #expect(
            Set(OperatorVerb.allCases.map(\.rawValue)) == [
                "list", "agent_status", "subscribe_agent_status", "urls", "pending", "approve", "deny",
                "set_paused",
                "restart", "start", "stop", "questions", "answer", "journal", "destroy",
            ])
        #expect(
            Set(CoreVerb.allCases.map(\.rawValue)) == [
                "Agents", "Questions", "AnswerQuestion", "Approvals", "Approve", "Deny", "Lifecycle",
                "ReadAgentStateFile", "Journal", "AgentConfig", "NetworkState", "Events", "Refused",
            ])
    }

    /// However it is written.
    private static func plain(_ word: String) -> String { word.lowercased().filter { $0 != "_" } }

    /// The types do not read each other's verbs; each reads its own.
    @Test func anOperatorsVerbIsNoAgents() throws {
        for verb in Self.authority {
            for key in ["cmd", "request"] {
                let line = Array(
                    "{\"version\":1,\"\(key)\":\"\(verb)\",\"id\":1,\"name\":\"alpha\",\"text\":\"x\"}".utf8)
                #expect(throws: ServiceError.self) { try AgentRequest(line: line) }
            }
        }
        for verb in OperatorVerb.allCases {
            #expect(try OperatorRequest(line: Array("{\"cmd\":\"\(verb.rawValue)\"}".utf8)).cmd == verb)
        }
        for verb in CoreVerb.allCases {
            #expect(try CoreRequest(line: Array("{\"request\":\"\(verb.rawValue)\"}".utf8)).request == verb)
        }
        for verb in AgentVerb.allCases {
            let line = Array("{\"cmd\":\"\(verb.rawValue)\"}".utf8)
            #expect(try AgentRequest(line: line).cmd == verb)
            #expect(throws: ServiceError.self) { try OperatorRequest(line: line) }
            #expect(throws: ServiceError.self) { try CoreRequest(line: line) }
        }
    }

    /// No request of an agent's can name an agent: whose socket it is says that.
    @Test func noRequestOfAnAgentsNamesAnybody() throws {
        let names = Mirror(reflecting: AgentRequest(.ask)).children.compactMap(\.label)
        #expect(Set(names) == ["version", "cmd", "text", "options", "key", "wait", "id"])
    }

    @Test(arguments: [
        ("", "a request is one line of JSON, such as {\"version\":1,\"cmd\":\"loose_ends\"}"),
        ("[]", "a request is one line of JSON, such as {\"version\":1,\"cmd\":\"loose_ends\"}"),
        ("{\"cmd\":\"ask\"", "a request is one line of JSON, such as {\"version\":1,\"cmd\":\"loose_ends\"}"),
        ("{}", "a request needs \"cmd\", as in {\"version\":1,\"cmd\":\"loose_ends\"}"),
        ("{\"version\":2,\"cmd\":\"ask\"}", "the request is of version 2, but version 1 is spoken here"),
        ("{\"cmd\":\"ask\",\"text\":7}", "the value of \"text\" is not one that it can have"),
        ("{\"cmd\":\"ask\",\"options\":[\"a\",1]}", "the value of \"Index 1\" is not one that it can have"),
        (
            "{\"cmd\":\"a\\u001b\"}",
            "there is no request \"a\\u{1b}\"; there are ask, loose_ends, set_status, request_approval, withdraw"
        ),
    ])
    func whatIsWrongIsSaid(line: String, words: String) {
        let error = #expect(throws: ServiceError.self) { try AgentRequest(line: Array(line.utf8)) }
        #expect(error?.description == words)
    }

    @Test func unknownKeysArePassedOver() throws {
        let line = Array(
            #"{"cmd":"stop","reason":{"a":[1]},"scope":{"agent_names":["a"],"all":true},"x":null}"#.utf8)
        let request = try OperatorRequest(line: line)
        #expect(request.scope?.agentNames == ["a"])
        // Depth is no way to the stack.
        let deep = Array(#"{"cmd":"ask","x":"#.utf8) + [UInt8](repeating: UInt8(ascii: "["), count: 60_000)
        #expect(throws: ServiceError.self) { try AgentRequest(line: deep) }
    }
}
