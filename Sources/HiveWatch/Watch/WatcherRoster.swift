internal import Glibc
internal import HiveCore
internal import HiveNet
internal import HiveWire

/// What a thread has heard of the core daemon.
enum RosterNews: Sendable {
    /// - Parameter source: of which client, since an older one may have something to say still.
    case answer(RosterAnswer, source: ObjectIdentifier)
    case failure(String, source: ObjectIdentifier)
    /// It has not told of a change that it was to tell of.
    case silence(source: ObjectIdentifier)

    /// A later answer, or failure, of the same client says all.
    func isOutdated(by client: ObjectIdentifier) -> Bool {
        switch self {
        case .answer(_, let source), .failure(_, let source): source == client
        case .silence: false
        }
    }
}

/// The core daemon that is followed, and what is known of its agents.
final class RosterKeeper {
    let settings: RosterSettings
    let client: RosterClient
    var follower: RosterFollower
    /// What was saved, and is in force.
    var known: Roster
    /// When to try again what could not be applied: a daemon that has told of a change does not tell of it again.
    var retry = Retry()

    init(_ settings: RosterSettings, known: Roster) throws(HiveError) {
        self.settings = settings
        self.known = known
        client = try RosterClient(socket: settings.hostSocket)
        follower = RosterFollower(grace: settings.grace, known: known)
    }

    deinit { client.stop() }

    /// When the network has to follow again though nothing is heard; nil for never.
    var due: ContinuousClock.Instant? { [follower.nextChange, retry.due].compactMap(\.self).min() }

    /// For `net show`.
    var sentence: String {
        let count = known.names.count
        let agents = "\(count) agent\(count == 1 ? "" : "s")"
        switch follower.state {
        case .unasked: return "\(settings.hostSocket) has not answered yet; \(agents) known from before"
        case .healthy: return "\(settings.hostSocket) answers: \(agents)"
        case .trouble(let words, _): return "\(words); \(agents) known from before are kept"
        }
    }
}

extension Watcher {
    /// Agents that only the roster names are wanted too. Nil: none is followed yet, so whom it named last.
    var rosterNames: [String]? { roster?.known.names }

    /// Follows the daemon that the configuration names, or none.
    ///
    /// With the roster its agents go out of the configuration, at once: `grace` is for what a daemon says. `roster.json` stays, so that
    /// whoever puts the roster back has them back, whether a watcher ran meanwhile or not.
    func follow(_ settings: RosterSettings?, known: Roster? = nil) {
        guard settings != roster?.settings else { return }
        // (What cannot be read was an error of `load` already.)
        let last = known ?? roster?.known ?? (try? Roster.load(options.state)) ?? Roster()
        roster = nil
        guard let settings else { return }
        do {
            let keeper = try RosterKeeper(settings, known: last)
            roster = keeper
            let (client, worker) = (keeper.client, rosterWorker)
            try rosterWorker.run { Self.ask(client, worker) }
        } catch {
            tell(WatchEvent(.roster, "\(settings.hostSocket) cannot be asked: \(error)"))
        }
    }

    /// Asks for as long as anybody wants to know. For a thread of its own.
    private static func ask(_ client: RosterClient, _ worker: Worker<RosterNews>) {
        let source = ObjectIdentifier(client)
        var isSubscribing = true
        while !client.isStopped {
            var isThere = false
            do throws(HiveError) {
                let answer = try client.ask()
                isThere = true
                worker.post(.answer(answer, source: source)) { $0.isOutdated(by: source) }
            } catch {
                worker.post(.failure(error.description, source: source)) { $0.isOutdated(by: source) }
            }
            // One that is not there may know of subscriptions when it comes.
            if isSubscribing, isThere {
                var hasAnswered = false
                do throws(HiveError) {
                    try client.follow { answer in
                        hasAnswered = true
                        worker.post(.answer(answer, source: source)) { $0.isOutdated(by: source) }
                    }
                    // For good: whoever has forgotten us once may do so again.
                    isSubscribing = false
                    worker.post(.silence(source: source))
                } catch {
                    // Not every daemon knows it: then it is asked now and then.
                    isSubscribing = hasAnswered
                }
            }
            client.pause(RosterFollower.interval)
        }
    }

    func take(_ news: RosterNews) {
        guard let roster else { return }
        let own = ObjectIdentifier(roster.client)
        let before = roster.follower.state
        let now = ContinuousClock.now
        switch news {
        case .answer(let answer, let source) where source == own:
            let cautions = roster.follower.cautions
            roster.follower.take(answer, at: now)
            for words in roster.follower.cautions where !cautions.contains(words) {
                tell(WatchEvent(.roster, words))
            }
        case .failure(let words, let source) where source == own:
            roster.follower.take(failure: words, at: now)
        case .silence(let source) where source == own:
            let words =
                "\(roster.settings.hostSocket) has not told of a change, and is asked every few seconds from now on"
            tell(WatchEvent(.roster, words))
            return
        default: return
        }
        // First what follows from it: the sentence counts the agents that are in force.
        rosterChanged()
        if !before.isLike(roster.follower.state) { tell(WatchEvent(.roster, roster.sentence)) }
    }

    /// Has the network follow the roster, where it has changed.
    func rosterChanged() {
        guard let roster else { return }
        let wanted = roster.follower.wanted(at: .now)
        guard wanted != roster.known else { return roster.retry.succeeded() }
        hasWorked = true
        do {
            let hive = try load(roster: wanted.names)
            let (names, isComplete) = hive.review(self.names)
            let spec = try hive.spec(names: names.usable(at: Hive.now))
            let applied = try apply(hive, spec, isAsked: false) { try wanted.save(options.state) }
            roster.known = wanted
            roster.retry.succeeded()
            tellApplied(hive, applied.changes)
            if !isComplete { refreshNames() }
        } catch {
            roster.retry.failed()
            let words = Explanation(error, hive: hive).sentences.joined(separator: " ")
            let event = WatchEvent(.trouble, "the roster could not be applied: \(words)")
            if log.events.last(where: { $0.kind == .trouble })?.sentence != event.sentence { tell(event) }
        }
    }
}

extension RosterFollower.State {
    /// But for how long, and how the trouble is worded.
    fileprivate func isLike(_ other: Self) -> Bool {
        switch (self, other) {
        case (.unasked, .unasked), (.healthy, .healthy), (.trouble, .trouble): true
        default: false
        }
    }
}
