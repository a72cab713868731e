/// A question of an agent's to the operator.
public struct Question: Codable, Sendable, Equatable {
    public enum State: String, Codable, Sendable { case open, answered, withdrawn }

    /// Of questions and approvals together, from 1; never used twice.
    public let id: Int
    public let agent: String
    public var text: String
    /// Answers that the agent offers; none: it asks for any.
    public var options: [String]
    /// The agent's own name for it.
    public var key: String?
    /// Seconds since 1970-01-01 UTC.
    public let asked: Double
    public var state: State
    public var answer: String?
    /// When it was answered or withdrawn.
    public var closed: Double?
    /// Not all of it is here, as only the web process is told: there is too much for it.
    public var isCut: Bool?

    public init(
        id: Int, agent: String, text: String, options: [String] = [], key: String? = nil, asked: Double
    ) {
        self.id = id
        self.agent = agent
        self.text = text
        self.options = options
        self.key = key
        self.asked = asked
        state = .open
    }
}

/// Something that an agent wants the operator to approve.
public struct Approval: Codable, Sendable, Equatable {
    public enum State: String, Codable, Sendable { case open, approved, denied, withdrawn }

    public let id: Int
    public let agent: String
    /// What would be approved, in the agent's words.
    public var text: String
    public var key: String?
    public let asked: Double
    public var state: State
    /// When it was decided or withdrawn.
    public var closed: Double?
    /// As of a question.
    public var isCut: Bool?

    public init(id: Int, agent: String, text: String, key: String? = nil, asked: Double) {
        self.id = id
        self.agent = agent
        self.text = text
        self.key = key
        self.asked = asked
        state = .open
    }
}

/// One action of an operator's: kept for good.
public struct AuditEntry: Codable, Sendable, Equatable {
    /// Counts up by one.
    public var number: Int
    /// Seconds since 1970-01-01 UTC.
    public let time: Double
    /// Whose: `uid 1000 (alice)` on the operator's socket, as the kernel says; `web (alice)` as hive-web says.
    public let who: String
    /// The verb and what it was about: `answer 7 (alpha)`, `stop alpha`.
    public let what: String
    /// `done`, `begun`, or a sentence that says why not.
    public let result: String

    public init(number: Int = 0, time: Double, who: String, what: String, result: String) {
        self.number = number
        self.time = time
        self.who = who
        self.what = what
        self.result = result
    }
}

/// One agent, as operators see it: a row of `agent_status`.
public struct AgentStatus: Codable, Sendable, Equatable {
    public let name: String
    public var running = false
    public var failed = false
    /// Nothing here knows of updates or logins, or reminds: these say no, for clients that look for them.
    public var needsUpdate = false
    public var needsLogin = false
    public var paused = false
    public var pendingReminders = 0
    public var parent: String?
    public var deployedSHA: String?
    public var activeModel: String?
    /// What the agent says that it is at.
    public var statusText: String?
    /// Seconds since 1970-01-01 UTC.
    public var statusSetAt: Double?
    /// Where its own page is: a path of the gateway's origin. Nil: it has none.
    public var url: String?
    /// How it is started and stopped: `nixos`, `nspawn`; nil: not by Hive.
    public var backend: String?
    /// What is being done to it: `starting`, `stopping`, `restarting`, `destroying`.
    public var doing: String?
    /// Why the last of that failed: a sentence.
    public var trouble: String?
    public var openQuestions = 0
    public var openApprovals = 0

    public init(name: String) { self.name = name }

    enum CodingKeys: String, CodingKey {
        case name, running, failed, paused, parent, url, backend, doing, trouble
        case needsUpdate = "needs_update"
        case needsLogin = "needs_login"
        case pendingReminders = "pending_reminders"
        case deployedSHA = "deployed_sha"
        case activeModel = "active_model"
        case statusText = "status_text"
        case statusSetAt = "status_set_at"
        case openQuestions = "open_questions"
        case openApprovals = "open_approvals"
    }
}
