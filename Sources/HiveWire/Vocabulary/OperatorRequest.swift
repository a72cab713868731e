/// What an operator may ask for, by the operator's socket.
public enum OperatorVerb: String, Codable, CaseIterable, Sendable {
    case list
    case agentStatus = "agent_status"
    case subscribeAgentStatus = "subscribe_agent_status"
    case urls, pending, approve, deny
    case setPaused = "set_paused"
    case restart, start, stop
    case questions, answer, journal, destroy
}

/// One line from an operator: a connection takes one. Unknown keys are passed over.
public struct OperatorRequest: Codable, Sendable, Equatable {
    public static let version = 1
    /// Of a line, in octets, without its line feed.
    public static let longest = 64 << 10
    public static let longestAnswer = 32 << 10

    public struct Scope: Codable, Sendable, Equatable {
        /// None of them is an error, not everybody.
        public var agentNames: [String]?
        public init(agentNames: [String]) { self.agentNames = agentNames }
        enum CodingKeys: String, CodingKey { case agentNames = "agent_names" }
    }

    public var version: Int? = Self.version
    public let cmd: OperatorVerb
    public var id: Int?
    public var name: String?
    public var text: String?
    public var paused: Bool?
    public var scope: Scope?
    /// With `stop`: nil and true give the agent time to end; false does not.
    public var graceful: Bool?
    /// With `journal`: at most so many lines, the last ones.
    public var lines: Int?

    public init(_ cmd: OperatorVerb) { self.cmd = cmd }
}

/// The answer to an operator's request: a line.
public struct OperatorAnswer: Codable, Sendable {
    public var version = OperatorRequest.version
    public let ok: Bool
    /// A sentence.
    public var error: String?
    /// With `list`: the agents' names.
    public var agents: [String]?
    /// With `agent_status` and `subscribe_agent_status`.
    public var agentStatuses: [AgentStatus]?
    public var urls: [AgentURL]?
    /// With `pending`: what is open.
    public var approvals: [Approval]?
    /// With `questions`: what is open.
    public var questions: [Question]?
    /// With `journal`.
    public var lines: [String]?
    /// Sentences worth reading besides.
    public var notes: [String]?

    public init(ok: Bool) { self.ok = ok }

    enum CodingKeys: String, CodingKey {
        case version, ok, error, agents, urls, approvals, questions, lines, notes
        case agentStatuses = "agent_statuses"
    }
}

/// Where an agent's page is.
public struct AgentURL: Codable, Sendable, Equatable {
    public let name: String
    /// A path of the gateway's origin.
    public let url: String

    public init(name: String, url: String) {
        self.name = name
        self.url = url
    }
}
