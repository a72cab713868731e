/// What the web process may ask the core for: all there is. The core trusts nothing that the web process has checked.
///
/// A line of JSON: the case's name under `request`, and what goes with it beside: `{"version":1,"request":"AnswerQuestion","id":7,"text":"…"}`.
public enum CoreVerb: String, Codable, CaseIterable, Sendable {
    case agents = "Agents"
    case questions = "Questions"
    case answerQuestion = "AnswerQuestion"
    case approvals = "Approvals"
    case approve = "Approve"
    case deny = "Deny"
    case lifecycle = "Lifecycle"
    case readAgentStateFile = "ReadAgentStateFile"
    case journal = "Journal"
    case agentConfig = "AgentConfig"
    case networkState = "NetworkState"
    case events = "Events"
    /// Tells of a request to the dashboard that was refused as none of the operator's, for the audit.
    case refused = "Refused"
}

/// What can be done to an agent's container.
public enum LifecycleVerb: String, Codable, CaseIterable, Sendable {
    case start, stop, restart, pause, resume, destroy
}

/// One line from the web process. A connection takes any number, one after another; `Events` is the last.
public struct CoreRequest: Codable, Sendable, Equatable {
    public static let version = 1
    /// Of a line, in octets, without its line feed.
    public static let longest = 64 << 10
    public static let mostJournalLines = 1000

    public var version: Int? = Self.version
    public let request: CoreVerb
    public var id: Int?
    public var text: String?
    /// An agent's, with `Lifecycle`, `Journal` and `AgentConfig`.
    public var name: String?
    public var verb: LifecycleVerb?
    public var agent: String?
    public var relPath: String?
    public var lines: Int?
    /// With `Events`: the last event that was heard of. Nil: only those to come.
    public var after: UInt64?
    /// Who is logged in at the gateway, as far as it knows: for the audit, and believed nowhere else.
    public var user: String?

    public init(_ request: CoreVerb) { self.request = request }

    enum CodingKeys: String, CodingKey {
        case version, request, id, text, name, verb, agent, lines, after, user
        case relPath = "rel_path"
    }
}

/// The answer to the web process: a line. After a good one to `Events` come `CoreEvent`s, a line each.
public struct CoreAnswer: Codable, Sendable {
    public var version = CoreRequest.version
    public let ok: Bool
    /// A sentence.
    public var error: String?
    /// With `Agents`, by name.
    public var agents: [AgentStatus]?
    /// With `Questions`: what is open, the oldest first, and then what was closed last, at most 200.
    public var questions: [Question]?
    public var approvals: [Approval]?
    public var file: StateFile?
    public var lines: [String]?
    public var config: AgentConfig?
    public var network: NetworkSummary?

    public init(ok: Bool) { self.ok = ok }
}

/// A file of an agent's own.
public struct StateFile: Codable, Sendable, Equatable {
    /// The most that is read, in octets.
    public static let most = 256 << 10

    /// Relative to the agent's state directory.
    public let path: String
    /// Of the whole file, in octets.
    public let size: Int
    /// What was read, in base64: the first `most` octets.
    public let content: String

    public init(path: String, size: Int, content: String) {
        self.path = path
        self.size = size
        self.content = content
    }
}

/// What the hive's configuration says of an agent, and which files it has.
public struct AgentConfig: Codable, Sendable, Equatable {
    public struct File: Codable, Sendable, Equatable {
        /// Relative to the agent's state directory.
        public let path: String
        public let size: Int
        public init(path: String, size: Int) {
            self.path = path
            self.size = size
        }
    }

    public let name: String
    /// JSON, as in `agents.d/NAME.json`.
    public var settings: String
    /// Where that is written: `/etc/hive/hive.json:4`.
    public var place: String
    public var address4: String?
    public var address6: String?
    /// Of the host, where the agent's files are.
    public var stateDirectory: String
    /// Regular files in it, at most 200, sorted.
    public var files: [File]

    public init(name: String, settings: String, place: String, stateDirectory: String, files: [File]) {
        self.name = name
        self.settings = settings
        self.place = place
        self.stateDirectory = stateDirectory
        self.files = files
    }
}

/// The boundary, as far as the dashboard shows it.
public struct NetworkSummary: Codable, Sendable, Equatable {
    public struct Agent: Codable, Sendable, Equatable {
        public let name: String
        public var address4: String?
        public var address6: String?
        /// Its link is there and up.
        public var isUp: Bool
        public var egress: String
        /// Packets that were stopped, by what they were after: `host`, `peer`, `spoof`, `egress`, `excess`.
        public var blocked: [String: UInt64]

        public init(name: String, isUp: Bool, egress: String, blocked: [String: UInt64]) {
            self.name = name
            self.isUp = isUp
            self.egress = egress
            self.blocked = blocked
        }
    }

    /// Whether the kernel is as it should be; nil: nobody knows, `sentence` says why.
    public var holds: Bool?
    public var sentence: String?
    /// What differs: sentences, at most 50.
    public var drift: [String]
    public var cautions: [String]
    public var agents: [Agent]
    /// By reason, all senders together.
    public var blockedInAll: [String: UInt64]
    /// Seconds since 1970-01-01 UTC: since when these are counted.
    public var since: Double?
    public var repairs: Int
    /// What the watcher saw and did last, the oldest first, at most 50.
    public var events: [CoreEvent]

    public init() {
        drift = []
        cautions = []
        agents = []
        blockedInAll = [:]
        repairs = 0
        events = []
    }
}

/// Something that has changed: a line of `Events`.
public struct CoreEvent: Codable, Sendable, Equatable {
    /// Counts up, also past an end of the core: it begins at the microseconds of the core's start.
    public var id: UInt64
    /// Seconds since 1970-01-01 UTC.
    public var time: Double
    public var kind: Kind
    public var agent: String?
    /// One sentence without a full stop, for people.
    public var sentence: String

    public enum Kind: String, Codable, CaseIterable, Sendable {
        /// An agent's row is another.
        case agent
        case question, approval
        /// Of the watcher: what it did, drift and repairs and alarms.
        case network
        /// Something was missed: look at everything again.
        case reset
    }

    public init(id: UInt64, time: Double, kind: Kind, agent: String?, sentence: String) {
        self.id = id
        self.time = time
        self.kind = kind
        self.agent = agent
        self.sentence = sentence
    }
}
