/// How often a keeper looks, so that whoever makes noise does not keep it busy. Pure: the time is passed in.
///
/// The first look comes at once. While one finds nothing to do and the noise goes on, further ones wait for as long as the last one took,
/// so that looking takes at most half of one processor. An agent that changes something inside its namespace all the time is looked
/// at once a second.
struct Pace {
    typealias Instant = ContinuousClock.Instant

    /// The next look is not made before.
    private(set) var next = ContinuousClock.now
    /// Agents whose insides are to be looked at later, and when. `nil`: everybody's.
    private var later: [String?: Instant] = [:]
    /// When each agent's inside began to be noisy, and how often it was.
    private var noise: [String?: (since: Instant, count: Int)] = [:]

    /// A look does not wait.
    mutating func hurry() { next = ContinuousClock.now }

    mutating func took(_ duration: Duration, at now: Instant, isQuiet: Bool) {
        next = isQuiet ? now + min(duration, .milliseconds(250)) : now
    }

    /// Something happened in an agent's namespace.
    /// - Parameter agent: nil: in one that is not known, since notices were lost.
    /// - Returns: it is to be looked at now.
    mutating func hear(_ agent: String?, at now: Instant) -> Bool {
        let window = Duration.seconds(1)
        let limit = agent == nil ? 2 : 20
        guard let last = noise[agent], now - last.since < window else {
            noise[agent] = (now, 1)
            return true
        }
        noise[agent]?.count += 1
        guard last.count >= limit else { return true }
        if later[agent] == nil { later[agent] = last.since + window }
        return false
    }

    /// When insides are to be looked at that were put off; nil: none.
    var insides: Instant? { later.values.min() }

    /// Agents whose time has come. Nil: none; one of them nil: everybody.
    mutating func takeInsides(at now: Instant) -> [String?]? {
        let due = later.filter { now >= $0.value }.map(\.key)
        guard !due.isEmpty else { return nil }
        for agent in due {
            later[agent] = nil
            noise[agent] = nil
        }
        return due
    }
}
