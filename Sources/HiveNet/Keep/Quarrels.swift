/// Repairs that somebody keeps undoing. Pure: the time is passed in.
///
/// A thing that had to be repaired five times within ten seconds is fought about. Then the agent that it concerns is cut off, or all
/// agents if it concerns the whole boundary, and the next attempt is made after a second; each one that fails doubles the time, up to a
/// minute. When a repair has held for as long as that, and ten seconds at least, the quarrel is over.
struct Quarrels {
    typealias Instant = ContinuousClock.Instant

    /// What a repair is about, however it differed.
    struct Subject: Hashable, Sendable {
        let object: String
        let detail: String
        let agent: String?
        /// While it is not repaired an agent may get further than it should.
        let weakens: Bool

        init(_ change: Change) {
            object = change.object
            detail = change.detail
            agent = change.agent
            weakens = change.weakens
        }
    }

    struct Quarrel {
        var since: Instant
        /// Attempts since then.
        var attempts: Int
        /// How long the next wait is.
        var delay: Duration
        /// Nothing is tried before that.
        var until: Instant
        /// It is being tried whether a repair holds.
        var isOnTrial: Bool
        var who: [Actor]
    }

    static let limit = 5
    static let window = Duration.seconds(10)
    static let longest = Duration.seconds(60)

    private(set) var quarrels: [Subject: Quarrel] = [:]
    /// When each thing was repaired, as far as it is not too long ago.
    private var repairs: [Subject: [Instant]] = [:]
    /// How often a link that had been put down was found up again.
    private var raised: [String: Int] = [:]
    /// Agents whose quarantine has ended since the last look; nil: everybody's. That they are connected again then is no repair: what
    /// it undoes was our own work.
    private var freed: Set<String?> = []

    /// Notes what was repaired.
    /// - Returns: what has become a quarrel by it, or goes on being one.
    mutating func note(_ changes: [Change], by who: (Change) -> Actor?, at now: Instant) -> [Subject] {
        var fought: [Subject] = []
        defer { freed = [] }
        for change in changes {
            switch change.step {
            case .lower(let agent) where isQuarantined(agent, at: now):
                raised[agent, default: 0] += 1
                continue
            case .raise(let agent) where isFreed(agent), .makeLink(let agent) where isFreed(agent): continue
            // (It is taken from somebody who is cut off.)
            case .removeLink where change.agent.map { isQuarantined($0, at: now) } ?? false: continue
            default: break
            }
            let subject = Subject(change)
            let actor = who(change)
            if var quarrel = quarrels[subject] {
                quarrel.attempts += 1
                // What is repaired meanwhile, since it does not wait, neither puts the next trial off nor brings it nearer.
                guard quarrel.isOnTrial else {
                    quarrel.add(actor)
                    quarrels[subject] = quarrel
                    continue
                }
                quarrel.delay = min(quarrel.delay * 2, Self.longest)
                quarrel.until = now + quarrel.delay
                quarrel.isOnTrial = false
                quarrel.add(actor)
                quarrels[subject] = quarrel
                fought.append(subject)
                continue
            }
            var times = repairs[subject, default: []].filter { now - $0 < Self.window }
            times.append(now)
            repairs[subject] = times
            if times.count >= Self.limit {
                repairs[subject] = nil
                quarrels[subject] = Quarrel(
                    since: times[0], attempts: times.count, delay: .seconds(1), until: now + .seconds(1),
                    isOnTrial: false, who: actor.map { [$0] } ?? [])
                fought.append(subject)
            }
        }
        if repairs.count > 4096 { repairs = repairs.filter { now - ($0.value.last ?? now) < Self.window } }
        return fought
    }

    /// What could not be done at all is a quarrel at once.
    mutating func refuse(_ subject: Subject, at now: Instant) {
        let last = quarrels[subject]
        let delay = last.map { min($0.delay * 2, Self.longest) } ?? .seconds(1)
        quarrels[subject] = Quarrel(
            since: last?.since ?? now, attempts: (last?.attempts ?? 0) + 1, delay: delay, until: now + delay,
            isOnTrial: false, who: [])
    }

    /// Begins trials whose time has come, and ends quarrels whose repairs have held.
    /// - Returns: what is tried again, and what is over.
    mutating func advance(to now: Instant) -> (tried: [Subject], over: [Subject]) {
        var (tried, over): ([Subject], [Subject]) = ([], [])
        for (subject, quarrel) in quarrels {
            if !quarrel.isOnTrial, now >= quarrel.until {
                quarrels[subject]?.isOnTrial = true
                tried.append(subject)
                if subject.agent != nil || subject.weakens { freed.insert(subject.agent) }
            } else if quarrel.isOnTrial, now >= quarrel.until + max(quarrel.delay, Self.window) {
                quarrels[subject] = nil
                over.append(subject)
            }
        }
        if quarrels.isEmpty { raised = [:] }
        return (tried, over)
    }

    /// When `advance` has something to do; nil: there is no quarrel.
    var deadline: Instant? {
        quarrels.values.map { $0.isOnTrial ? $0.until + max($0.delay, Self.window) : $0.until }.min()
    }

    /// What is not done meanwhile.
    /// - Parameter agents: all of them.
    func restraint(agents: some Sequence<String>) -> Restraint {
        var restraint = Restraint()
        for (subject, quarrel) in quarrels where !quarrel.isOnTrial {
            if let agent = subject.agent {
                restraint.quarantined.insert(agent)
            } else if subject.weakens {
                // (The repair itself goes on: nobody is connected, so it costs nothing to be undone.)
                restraint.quarantined.formUnion(agents)
            } else {
                restraint.held.insert(subject)
            }
        }
        restraint.severed = Set(raised.filter { $0.value >= Self.limit }.keys).intersection(
            restraint.quarantined)
        return restraint
    }

    private func isQuarantined(_ agent: String, at now: Instant) -> Bool {
        quarrels.contains { subject, quarrel in
            !quarrel.isOnTrial && (subject.agent == agent || subject.agent == nil && subject.weakens)
        }
    }

    /// It repairs what is fought about, outside of a trial, and does not cut anybody off.
    func isGoingOn(_ change: Change) -> Bool {
        switch change.step {
        case .lower, .removeLink: false
        default: quarrels[Subject(change)].map { !$0.isOnTrial } ?? false
        }
    }

    private func isFreed(_ agent: String) -> Bool { freed.contains(agent) || freed.contains(nil) }

    /// The agent is cut off at present.
    func isCutOff(_ agent: String) -> Bool { isQuarantined(agent, at: .now) }

    /// Somebody wants everything to be tried again.
    mutating func forget() { self = Quarrels() }
}

extension Quarrels.Quarrel {
    /// A few names are enough.
    fileprivate mutating func add(_ actor: Actor?) {
        guard let actor, !who.contains(actor), who.count < 4 else { return }
        who.append(actor)
    }
}

extension Change {
    /// The boundary is weaker while it has not been made: somebody could get further than they should.
    var weakens: Bool {
        switch step {
        case .tables, .addElement, .removeElement, .configureBridge, .evict, .addNeighbour, .removeNeighbour,
            .configurePort, .addForwarding, .removeForwarding, .configureInside, .lower, .removeLink:
            true
        case .renewElement, .createBridge, .deleteBridge, .addAddress, .removeAddress, .addRoute,
            .makeNamespace, .removeNamespace, .makeLink, .raise:
            false
        }
    }
}
