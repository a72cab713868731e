internal import HiveCore
internal import HiveWire

/// Starting and stopping, and how containers are.
extension Core {
    /// How old what is known of containers may be.
    static let freshness = Duration.seconds(1)

    /// Asks how the containers are, unless it is known, and goes on then.
    func withStates(_ body: @escaping () -> Void) {
        let managed = agents.filter { $0.backend != nil }.map(\.name)
        let isFresh = containers.asked.map { .now - $0 < Self.freshness } ?? false
        guard !managed.isEmpty, !isFresh || containers.isAsking else { return body() }
        containers.waiting.append(body)
        askStates()
    }

    func askStates() {
        guard !containers.isAsking else { return }
        let managed = agents.filter { $0.backend != nil }.map(\.name)
        containers.isAsking = true
        let asked = ContinuousClock.now
        work.start { [hands] in
            try hands.states(managed)
        } then: { [self] outcome in
            containers.isAsking = false
            switch outcome {
            case .success(let states):
                // (What has ended meanwhile may not be in it yet.)
                containers.asked = containers.isStale ? nil : asked
                containers.isStale = false
                for name in containers.take(states) { rowChanged(name) }
            case .failure(let error):
                (containers.asked, containers.failed) = (nil, .now)
                tellOnce("the state of containers is not known: \(Self.sentence(error))")
            }
            let waiting = containers.waiting
            containers.waiting = []
            for body in waiting { body() }
        }
    }

    /// Does something to a container, if it can be begun.
    /// - Parameters:
    ///   - who: for the audit, which has a line when it begins and one when it has ended.
    ///   - then: gets sentences worth reading, or what went wrong.
    func perform(
        _ verb: LifecycleVerb, _ name: String, graceful: Bool = true, who: String,
        then: @escaping (Result<[String], any Error>) -> Void
    ) throws {
        let entry = try entry(name)
        guard entry.backend != nil || verb == .destroy else {
            throw ServiceError(
                ServiceError.configuration,
                "the agent \(quoted(name)) has no container that Hive starts and stops: the configuration says none"
            )
        }
        if let other = containers.doing[name] {
            throw ServiceError(
                ServiceError.unavailable,
                "the agent \(quoted(name)) is busy: \(other.rawValue) has not ended yet")
        }
        let what = "\(verb.rawValue) \(name)\(verb == .stop && !graceful ? " (not graceful)" : "")"
        try store.audit(who: who, what: what, result: Self.begun, now: Clock.now)
        containers.begin(verb, name)
        rowChanged(name)
        afterwards { [self] in
            emit(.agent, agent: name, "\(verb.rawValue) was asked for by \(who)")
            work.start { [hands] in
                try hands.perform(verb, name, graceful)
            } then: { [self] outcome in
                ended(verb, name, who: who, what: what, outcome)
                then(outcome)
            }
        } orElse: { [self] in
            containers.end(name, trouble: nil)
            then(
                .failure(
                    ServiceError(ServiceError.inputOutput, "it was not begun, since that cannot be kept")))
        }
    }

    /// The result of what goes on.
    private static let begun = "begun"

    /// What a core that was killed had begun has no result. Nobody will ever know more, and that is said.
    func settleAudit() throws {
        var open: [String: AuditEntry] = [:]
        for entry in store.auditTail(1000)
        where LifecycleVerb.allCases.contains(where: { entry.what.hasPrefix("\($0.rawValue) ") }) {
            open[entry.what] = entry.result == Self.begun ? entry : nil
        }
        for entry in open.values.sorted(by: { $0.number < $1.number }) {
            try store.audit(
                who: entry.who, what: entry.what, result: "not known: hived ended before it did",
                now: Clock.now)
        }
        try store.commit()
    }

    private func ended(
        _ verb: LifecycleVerb, _ name: String, who: String, what: String,
        _ outcome: Result<[String], any Error>
    ) {
        var trouble: String?
        if case .failure(let error) = outcome { trouble = Self.sentence(error) }
        containers.end(name, trouble: trouble)
        containers.asked = nil
        containers.isStale = containers.isAsking
        do {
            try store.audit(who: who, what: what, result: trouble ?? "done", now: Clock.now)
            if verb == .destroy, trouble == nil {
                containers.forget(name)
                try store.forget(agent: name, now: Clock.now)
                reload()
            }
        } catch {
            say(Self.sentence(error))
        }
        rowChanged(name)
        emit(
            .agent, agent: name,
            trouble.map { "\(verb.rawValue) failed: \($0)" } ?? "\(verb.rawValue) is done")
        askStates()
    }
}

extension Core {
    /// How often containers are looked at while somebody wants to know.
    static let interval = Duration.seconds(3)

    private var isFollowed: Bool {
        server.clients.values.contains { $0.stream == .statuses || $0.stream == .events }
    }

    /// When there is something to do by itself; nil: nobody follows what happens.
    var deadline: ContinuousClock.Instant? {
        guard isFollowed, !containers.isAsking, agents.contains(where: { $0.backend != nil }) else {
            return nil
        }
        return (containers.asked ?? containers.failed).map { $0 + Self.interval } ?? .now
    }

    func runTimers(_ now: ContinuousClock.Instant) {
        if let deadline, deadline <= now { askStates() }
    }
}
