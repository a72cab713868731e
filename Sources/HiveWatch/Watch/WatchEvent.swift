public import HiveNet
public import HiveWire

/// Something that the watcher saw or did: a line of `net events`.
public struct WatchEvent: Codable, Sendable {
    public enum Kind: String, Codable, CaseIterable, Sendable {
        /// The watcher has begun, or is about to end. The boundary stays.
        case started, stopped
        /// A configuration, or the set of agents, was applied; or it was not, and the one before is kept.
        case applied, refused
        case agentUp = "agent-up"
        case agentDown = "agent-down"
        /// Something had changed in the kernel, and was put right.
        case repaired
        /// Somebody undoes repairs; who is concerned is cut off. And another attempt after that.
        case quarantined, retried
        /// Something keeps an agent, or all of them, from being set up, or a repair from being made.
        case trouble
        /// A way round the boundary.
        case alarm
        /// An agent was stopped at something, and packets were dropped.
        case attack
        /// The roster's daemon, or its answer, has changed state.
        case roster
        /// Of a stream: events that its reader was too slow for.
        case lost
    }

    /// Counts up when a key changes its meaning or goes; new keys may come at any time.
    public private(set) var version = 1
    /// Counts up by one, from 1 for each watcher.
    public var number = 0
    /// Seconds since 1970-01-01 UTC.
    public let time: Double
    public let kind: Kind
    public let agent: String?
    /// One sentence without a full stop.
    public let sentence: String
    /// What was done.
    public var changes: [ChangeReport.Item]?
    /// Whose work it was, as far as the kernel tells.
    public var actors: [Actor]?
    /// From the first notice of the kernel's to the end of the repair.
    public var milliseconds: Double?
    /// `hivectl net verify` was running, whose probe this may have been. Nil: it was not.
    public var verifying: Bool?

    public init(
        _ kind: Kind, agent: String? = nil, _ sentence: String, changes: [ChangeReport.Item]? = nil,
        actors: [Actor]? = nil, milliseconds: Double? = nil, time: Double = Clock.now
    ) {
        self.kind = kind
        self.agent = agent
        self.sentence = sentence
        self.changes = changes
        self.actors = actors
        self.milliseconds = milliseconds
        self.time = time
    }
}

/// The last events, for whoever asks afterwards.
struct EventLog {
    static let most = 256
    private(set) var events: [WatchEvent] = []
    private var count = 0

    /// - Returns: the event with its number.
    mutating func add(_ event: WatchEvent) -> WatchEvent {
        var event = event
        count += 1
        event.number = count
        if events.count == Self.most { events.removeFirst() }
        events.append(event)
        return event
    }
}
