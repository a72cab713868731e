/// What a keeper found changed, and put right.
public struct Repair: Sendable {
    /// What was done, and whose work it undid, where the kernel tells.
    public struct Item: Sendable {
        public let change: Change
        public let actor: Actor?
    }

    /// Something that somebody undoes again and again.
    public struct Quarrel: Sendable {
        /// `port hv-alpha isolated`: what it is about.
        public let subject: String
        /// Nil: it concerns them all, or none.
        public let agent: String?
        /// Those concerned are cut off until the next attempt.
        public let isQuarantine: Bool
        /// Repairs since it began.
        public let attempts: Int
        /// Until the next attempt.
        public let pause: Duration
        public let actors: [Actor]
    }

    public var items: [Item] = []
    /// Quarrels that this look has begun, or that go on.
    public var quarrels: [Quarrel] = []
    /// Agents whose quarantine is over, for the time being at least.
    public var tried: [String] = []
    /// Agents that something kept from being set up; they have no link. Only those that are new.
    public var failures: [String: String] = [:]
    /// What stands in the way of some agents, or of nobody in particular. Only what is new.
    public var obstacles: [Obstacle] = []
    /// Links of somebody else's that lead into an agent's namespace. Only those that are new.
    public var alarms: [Finding] = []
    /// When the last change had been made. What follows is a look whether it holds.
    var done: ContinuousClock.Instant?
    /// From the first notice that the kernel gave to the last change. Nil: it was not the kernel's notices that it began with.
    public var latency: Duration?
    /// The kernel told of more than could be kept, so that everything was looked at.
    public var isAfterLoss = false
    /// What kept the repair from being made. It is tried again.
    public var trouble: String?

    /// There is something to tell.
    public var isNews: Bool {
        !items.isEmpty || !quarrels.isEmpty || !tried.isEmpty || !failures.isEmpty || !obstacles.isEmpty
            || !alarms.isEmpty || trouble != nil
    }
}
