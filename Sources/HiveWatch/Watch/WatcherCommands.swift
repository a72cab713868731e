internal import Glibc
internal import HiveCore
internal import HiveNet
internal import HiveWire

// What the control socket is asked for.
extension Watcher {
    func handle(_ connection: ControlConnection, _ line: [UInt8]) {
        do {
            let request = try ControlRequest(line: line)
            try check(request)
            switch request.cmd {
            case .apply: try applyAll(connection)
            case .plan: try plan(connection)
            case .show: try show(connection, agent: request.name, isFresh: request.fresh == true)
            case .add: try add(connection, request)
            case .rm: try remove(connection, request)
            case .events: try events(connection, request)
            case .drops: try drops(connection, request)
            case .verify: try verify(connection, request)
            }
        } catch {
            refuse(connection, error)
        }
    }

    /// Somebody who means another hive is not to change this one.
    private func check(_ request: ControlRequest) throws(ServiceError) {
        let (config, state) = (Self.absolute(options.configPath), Self.absolute(options.state.path))
        guard request.config ?? config == config, request.state ?? state == state else {
            throw ServiceError(
                ServiceError.unavailable,
                "the watcher (process \(getpid())) keeps the hive of \(config), with the state directory \(state): "
                    + "name these, or end it first")
        }
    }

    private func refuse(_ connection: ControlConnection, _ error: any Error) {
        answer(connection, .failure(Explanation(error, hive: hive)))
    }

    private func answer(_ connection: ControlConnection, _ answer: ControlAnswer) {
        connection.isBusy = false
        do {
            connection.send(try answer.line())
        } catch {
            connection.end()
        }
    }

    // MARK: Changing

    /// Applies what is known at once, since the boundary does not wait for name servers, and again when names have been looked up;
    /// then the connection gets its answer.
    /// - Parameter load: reads the hive, each time anew.
    private func apply(
        _ connection: ControlConnection, _ hive: Hive, prepare: @escaping () throws -> Void = {}
    ) throws {
        let (known, isComplete) = hive.review(names)
        names = known
        let first = try apply(hive, try hive.spec(names: known.usable(at: Hive.now)), prepare: prepare)
        refusal = nil
        follow(hive.configuration.roster)
        guard !isComplete else {
            finish(connection, hive, first.changes, first.observed)
            return
        }
        connection.isBusy = true
        withNames(of: hive) { [unowned self] names in
            do {
                // Of what is in force now: somebody may have added or removed agents meanwhile.
                let now = self.hive ?? hive
                let second = try apply(now, try now.spec(names: names.usable(at: Hive.now)))
                finish(connection, hive, first.changes + second.changes, second.observed)
            } catch {
                refuse(connection, error)
            }
        }
    }

    private func finish(
        _ connection: ControlConnection, _ hive: Hive, _ changes: [Change], _ observed: NetworkObservation
    ) {
        if !changes.isEmpty { tellApplied(hive, changes) }
        answer(connection, changes, hive, observed)
    }

    private func answer(
        _ connection: ControlConnection, _ changes: [Change], _ hive: Hive, _ observed: NetworkObservation
    ) {
        var good = ControlAnswer(ok: true)
        good.changes = changes.map { ChangeReport.Item($0) }
        good.notes = names.cautions(about: hive.names, at: Hive.now)
        if let spec = try? hive.spec() { good.notes? += cautions(about: spec, observed: observed) }
        answer(connection, good)
    }

    private func applyAll(_ connection: ControlConnection) throws {
        // (Without anything to apply there is a mistake somewhere: say so.)
        try apply(connection, try load(canBeEmpty: false))
    }

    private func add(_ connection: ControlConnection, _ request: ControlRequest) throws {
        guard let name = request.name, let text = request.settings else {
            throw ServiceError(ServiceError.usage, "\"add\" needs \"name\" and \"settings\"")
        }
        let agents = options.state.agents
        let settings = try AgentSettings(text: text, file: "the settings of \(name)")
        let hive = try load().adding(name, settings, in: agents)
        try apply(connection, hive) {
            try agents.add(name, settings, besides: hive.configuration)
        }
    }

    private func remove(_ connection: ControlConnection, _ request: ControlRequest) throws {
        guard let name = request.name else { throw ServiceError(ServiceError.usage, "\"rm\" needs \"name\"") }
        do {
            let lock = try lockState()
            defer { withExtendedLifetime(lock) {} }
            // (Whose parent it is says the configuration of before, where that of now is wrong.)
            try options.state.agents.remove(
                name, besides: (try? Configuration(path: options.configPath)) ?? hive?.configuration)
        } catch {
            // Its file went already, by somebody who counts on this.
            guard hive?.isRemoved(name, from: options.state.agents) == true else { throw error }
        }
        let wanted: Hive
        do { wanted = try load() } catch {
            let changes = try withdrawRemoved()
            refuse(error)
            var good = ControlAnswer(ok: true)
            good.changes = changes.map { ChangeReport.Item($0) }
            let words = Explanation(error, hive: hive).sentences.joined(separator: " ")
            good.notes = ["nothing else was applied: \(words)"]
            answer(connection, good)
            return
        }
        try apply(connection, wanted)
    }

    // MARK: Looking

    private func plan(_ connection: ControlConnection) throws {
        let hive = try load(canBeEmpty: false)
        connection.isBusy = true
        withNames(of: hive) { [unowned self] names in
            do {
                let (changes, observed) = try keeper.plan(hive.spec(names: names.usable(at: Hive.now)))
                answer(connection, changes, hive, observed)
            } catch {
                refuse(connection, error)
            }
        }
    }

    /// - Parameter isFresh: what has been written to the files meanwhile is taken over first, though there may be more to come.
    private func show(_ connection: ControlConnection, agent: String?, isFresh: Bool) throws {
        if isFresh, reloadDue != nil { reload() }
        let observed = try keeper.observe()
        let sources = ShownNetwork.Sources(hive: hive, spec: keeper.spec, names: names, words: [])
        var shown = try ShownNetwork(
            sources, observed, changes: try keeper.differences(observed),
            findings: try keeper.auditWaysRound(observed), agent: agent)
        shown.watcher = ShownWatcher(
            process: getpid(), since: started, ownsTables: keeper.ownsTables, holds: keeper.holds,
            repairs: repairs, quarantined: keeper.quarantined.sorted(), refused: refusal,
            roster: roster?.sentence)
        var good = ControlAnswer(ok: true)
        good.shown = shown
        answer(connection, good)
    }

    private func events(_ connection: ControlConnection, _ request: ControlRequest) throws {
        answer(connection, ControlAnswer(ok: true))
        let past = log.events.suffix(max(0, request.last ?? EventLog.most))
        for event in past { connection.send(try event.line()) }
        if request.follow == true {
            connection.stream = .events
        } else {
            connection.endWhenSent()
        }
    }

    /// Only root may: it is root alone who can send what is verified with.
    private func verify(_ connection: ControlConnection, _ request: ControlRequest) throws {
        guard connection.user == 0 else {
            throw ServiceError(
                ServiceError.noPermission, "only root can say that the boundary is being verified")
        }
        connection.stream = .verifying(
            Verifying(agents: request.agents.map(Set.init), end: .now + Verifying.longest))
        answer(connection, ControlAnswer(ok: true))
    }

    private func drops(_ connection: ControlConnection, _ request: ControlRequest) throws {
        if let agent = request.name, hive?.agents.contains(where: { $0.name == agent }) != true {
            let known = hive?.agents.map(\.name) ?? []
            let hint = nearest(to: agent, among: known).map { " Did you mean '\($0)'?" } ?? ""
            throw Explanation.Thrown(
                Explanation(ServiceError.usage, ["There is no agent '\(agent)'.\(hint)"]))
        }
        if let problem = drops.problem {
            let isWanted = hive?.configuration.network.logGroup != nil
            throw ServiceError(isWanted ? ServiceError.unavailable : ServiceError.configuration, problem)
        }
        answer(connection, ControlAnswer(ok: true))
        let past = drops.history.drops(of: request.name).suffix(max(0, request.last ?? .max))
        for drop in past { connection.send(try drop.line()) }
        if request.follow == true {
            connection.stream = .drops(agent: request.name)
        } else {
            connection.endWhenSent()
        }
    }
}
