/// Which agents of a core daemon's roster are wanted: what its answers come to over time.
///
/// No clock and no socket of its own: whoever asks the daemon says what came of it, and when. A daemon that cannot be reached
/// or that refuses changes nothing, however long. An agent that healthy answers no longer name is wanted for the grace period
/// still, which begins with the first of an unbroken row of such answers: trouble in between begins it anew, since a daemon
/// that has just come back may not know everybody yet.
public struct RosterFollower: Equatable, Sendable {
    public typealias Instant = ContinuousClock.Instant

    /// How the daemon does.
    public enum State: Equatable, Sendable {
        /// Nothing has been heard yet.
        case unasked
        case healthy(since: Instant)
        /// - Parameter sentence: of the latest trouble, without a full stop.
        case trouble(_ sentence: String, since: Instant)
    }

    /// How long to wait between two questions where the daemon does not tell by itself.
    public static let interval = Duration.seconds(3)

    public private(set) var state = State.unasked
    /// What the latest healthy answer had that was set aside.
    public private(set) var cautions: [String] = []
    /// Agents that are wanted for the grace period only, and when it ends. None is dropped during trouble.
    public var leaving: [String: Instant] { missing.mapValues { $0 + grace } }

    private let grace: Duration
    private var present: Set<String>
    /// Since when. None of them is in `present`.
    private var missing: [String: Instant] = [:]

    /// - Parameters:
    ///   - grace: in seconds.
    ///   - known: the agents that were wanted last. They stay so until a healthy answer is without them.
    public init(grace: Int, known: Roster = Roster()) {
        self.grace = .seconds(grace)
        present = Set(known.names)
    }

    /// A healthy answer came.
    public mutating func take(_ answer: RosterAnswer, at now: Instant) {
        settle(now)
        if case .healthy = state {} else { state = .healthy(since: now) }
        cautions = answer.cautions
        let names = Set(answer.names)
        for gone in present.subtracting(names) { missing[gone] = now }
        for back in names { missing[back] = nil }
        present = names
        settle(now)
    }

    /// No answer came, or none that is healthy.
    ///
    /// - Parameter failure: a sentence without a full stop.
    public mutating func take(failure: String, at now: Instant) {
        settle(now)
        if case .trouble(_, let since) = state {
            state = .trouble(failure, since: since)
        } else {
            state = .trouble(failure, since: now)
        }
        // They leave when healthy answers have been without them for the grace period from then on.
        present.formUnion(missing.keys)
        missing = [:]
    }

    /// The agents that are to have a network now: `Roster.save` these, and give them to `Hive.load`.
    public mutating func wanted(at now: Instant) -> Roster {
        settle(now)
        return Roster(present.union(missing.keys))
    }

    /// When `wanted` becomes something else though nothing is heard; nil for never.
    public var nextChange: Instant? { missing.values.min().map { $0 + grace } }

    /// Drops those whose grace period is over.
    private mutating func settle(_ now: Instant) {
        missing = missing.filter { now < $0.value + grace }
    }
}
