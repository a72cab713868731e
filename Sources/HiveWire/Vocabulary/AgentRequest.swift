/// What an agent may ask for, by its own socket: all there is. Whose socket a request came in on is who asks; the request names nobody.
///
/// None of these is an operator's: that is another type, `OperatorVerb`, which is read on other sockets.
public enum AgentVerb: String, Codable, CaseIterable, Sendable {
    /// A question to the operator. Answered at once with its id; what the operator says follows on the same connection as an
    /// `AgentNotice`, if the agent waits, or by `loose_ends`.
    case ask
    /// The agent's own open questions and requests for approval, and what was said to those that it has not withdrawn.
    case looseEnds = "loose_ends"
    /// A line for the operator on what the agent is at.
    case setStatus = "set_status"
    /// Asks for the operator's approval of something that the agent describes.
    case requestApproval = "request_approval"
    /// Takes back something that is open, or has done with something that is decided.
    case withdraw
}

/// One line from an agent. Unknown keys are passed over.
public struct AgentRequest: Codable, Sendable, Equatable {
    public static let version = 1
    /// Of a line, in octets, without its line feed.
    public static let longest = 64 << 10
    /// In octets of UTF-8.
    public static let longestText = 16 << 10
    public static let longestStatus = 500
    public static let longestOption = 200
    public static let mostOptions = 16
    public static let longestKey = 64

    public var version: Int? = Self.version
    public let cmd: AgentVerb
    /// With `ask`, `set_status` and `request_approval`. An empty status is none.
    public var text: String?
    /// With `ask`: answers that are offered. The operator may say something else.
    public var options: [String]?
    /// With `ask` and `request_approval`: chosen by the agent. While a question with this key is open, the same request finds it instead
    /// of making another; and when it is answered, the same text finds it until it is withdrawn. So somebody who does not know whether it
    /// was heard, or who was interrupted while it waited, can say it again.
    public var key: String?
    /// With `ask`, `request_approval` and `loose_ends`: keep the connection, and tell there what comes.
    public var wait: Bool?
    /// With `withdraw`.
    public var id: Int?

    public init(_ cmd: AgentVerb) { self.cmd = cmd }
}

/// The answer to an agent's request: a line.
public struct AgentAnswer: Codable, Sendable {
    public var version = AgentRequest.version
    public let ok: Bool
    /// A sentence.
    public var error: String?
    /// Of what was asked.
    public var id: Int?
    /// With `loose_ends`.
    public var questions: [Question]?
    public var approvals: [Approval]?

    public init(ok: Bool) { self.ok = ok }
}

/// What an agent that waits is told between answers: a line.
public struct AgentNotice: Codable, Sendable {
    public var version = AgentRequest.version
    /// `answer`, `approved` or `denied`.
    public let event: String
    public let id: Int
    /// With `answer`: what the operator said.
    public var text: String?

    public init(event: String, id: Int, text: String? = nil) {
        self.event = event
        self.id = id
        self.text = text
    }
}
