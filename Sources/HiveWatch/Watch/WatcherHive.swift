internal import Glibc
internal import HiveCore
internal import HiveNet
internal import HiveWire

// What the files say, and how it comes into force.
extension Watcher {
    /// What came of an attempt.
    struct Applied {
        var changes: [Change]
        var observed: NetworkObservation
    }

    /// Reads the files for the first time, and has their network kept. What stands in an agent's way keeps nobody else from it.
    func begin() throws {
        // What it remembers of a roster cannot be read: then it does not begin, since it would take all of these agents' network.
        let hive = try Hive.load(
            configPath: options.configPath, explicit: options.isExplicit, stateDirectory: options.state,
            canBeEmpty: true)
        let known = hive.configuration.roster == nil ? Roster() : try Roster.load(options.state)
        follow(hive.configuration.roster, known: known)
        let (names, isComplete) = hive.review(self.names)
        let spec = try hive.spec(names: names.usable(at: Hive.now))
        let lock = try lockState()
        defer { withExtendedLifetime(lock) {} }
        if hive.leasesChanged { try hive.leases.save(options.state) }
        keeper.want(spec)
        enter(hive, names)
        if !isComplete { refreshNames() }
    }

    func load(roster: [String]? = nil, canBeEmpty: Bool = true) throws(HiveError) -> Hive {
        // A configuration that was there and is gone is a mistake, or an editor's moment: nobody's agents go with it.
        try Hive.load(
            configPath: options.configPath,
            explicit: options.isExplicit || hive?.configuration.isWritten == true,
            stateDirectory: options.state, canBeEmpty: canBeEmpty, roster: roster ?? rosterNames)
    }

    /// Another command may be about to write an agent's file. It is soon done.
    func lockState() throws -> FileLock {
        for _ in 0..<200 {
            if case .taken(let lock) = try options.state.attemptLock() { return lock }
            usleep(10_000)
        }
        throw ServiceError(
            ServiceError.unavailable,
            "another command has held the lock of \(options.state.path) for two seconds")
    }

    /// Something may have changed in the files.
    func reload() {
        hasWorked = true
        do {
            let hive = try load()
            let (names, isComplete) = hive.review(self.names)
            let spec = try hive.spec(names: names.usable(at: Hive.now))
            follow(hive.configuration.roster)
            if spec != keeper.spec {
                let applied = try apply(hive, spec, isAsked: false)
                tellApplied(hive, applied.changes)
            } else {
                enter(hive, names)
            }
            reloadRetry.succeeded()
            if refusal != nil {
                refusal = nil
                tell(WatchEvent(.applied, "the configuration is right again"))
            }
            if !isComplete { refreshNames() }
        } catch {
            if error is HiveError {
                do { _ = try withdrawRemoved() } catch {
                    tell(
                        WatchEvent(.trouble, Explanation(error, hive: hive).sentences.joined(separator: " ")))
                }
            }
            // What files say wrong is waited for; what stood in the way, another command's lock say, may go without a word.
            if !(error is HiveError) {
                reloadRetry.failed()
                reloadDue = reloadRetry.due
            }
            refuse(error)
        }
    }

    /// Where the files say something wrong what is in force stays, without those of its agents that have no file any more: a container that
    /// has ended waits for nobody to mend something. Files are not written: they may be what is wrong.
    func withdrawRemoved() throws -> [Change] {
        guard let hive else { return [] }
        let rest = try hive.withoutRemoved(from: options.state.agents)
        guard rest.agents.count < hive.agents.count else { return [] }
        let spec = try rest.spec(names: names.usable(at: Hive.now))
        let applied = try apply(rest, spec, isAsked: false, savesLeases: false)
        if !applied.changes.isEmpty { tellApplied(rest, applied.changes) }
        return applied.changes
    }

    func refuse(_ error: any Error) {
        let words = Explanation(error, hive: hive).sentences.joined(separator: " ")
        guard refusal != words else { return }
        refusal = words
        tell(WatchEvent(.refused, "what was applied before is kept: \(words)"))
    }

    // MARK: Applying

    /// Makes the kernel's network what a hive wants.
    /// - Parameters:
    ///   - isAsked: as `Keeper.apply` takes it.
    ///   - prepare: what else is to be written, when nothing stands in the way.
    /// - Throws: `Obstacle` and what `prepare` throws, before anything was changed; the rest afterwards.
    func apply(
        _ hive: Hive, _ spec: NetworkSpec, isAsked: Bool = true, savesLeases: Bool = true,
        prepare: () throws -> Void = {}
    ) throws -> Applied {
        let lock = try lockState()
        defer { withExtendedLifetime(lock) {} }
        let before = keeper.spec
        var isPrepared = false
        do {
            let applied = try keeper.apply(
                spec, isAsked: isAsked,
                prepare: {
                    if savesLeases, hive.leasesChanged { try hive.leases.save(options.state) }
                    try prepare()
                    isPrepared = true
                })
            enter(hive, names)
            tellAgents(before, spec)
            return Applied(changes: applied.changes, observed: applied.observed)
        } catch {
            if isPrepared {
                enter(hive, names)
                tellAgents(before, spec)
            }
            throw error
        }
    }

    /// Notes what is in force now.
    private func enter(_ hive: Hive, _ names: Names) {
        self.hive = hive.withoutText
        self.names = names
        dueNames()
        openDrops()
    }

    private func tellAgents(_ before: NetworkSpec?, _ now: NetworkSpec) {
        let (old, new) = (Set(before?.agents.map(\.name) ?? []), Set(now.agents.map(\.name)))
        // A list is enough where many come or go at once.
        for (kind, names, words) in [
            (WatchEvent.Kind.agentDown, old.subtracting(new), "gone"), (.agentUp, new.subtracting(old), "up"),
        ] where !names.isEmpty {
            for name in names.sorted().prefix(32) { tell(WatchEvent(kind, agent: name, words)) }
            if names.count > 32 {
                tell(WatchEvent(kind, "\(words): \(names.count - 32) agents more"))
            }
        }
    }

    func tellApplied(_ hive: Hive, _ changes: [Change]) {
        let count = changes.count
        let items = changes.prefix(32).map { ChangeReport.Item($0) }
        tell(
            WatchEvent(
                .applied,
                "\(hive.configuration.file): \(count) change\(count == 1 ? "" : "s")", changes: items))
    }

    // MARK: Names of the DNS

    /// Calls a closure when all names of a hive's policies have been looked up as far as they are going to be: at once, or when a
    /// thread is done with it.
    func withNames(of hive: Hive, _ body: @escaping (Names) -> Void) {
        let (known, isComplete) = hive.review(names)
        guard !isComplete else { return body(known) }
        lookupCount += 1
        let number = lookupCount
        do {
            try lookups.start { (number, hive.resolve(known)) }
            waiting[number] = body
        } catch {
            body(known)
        }
    }

    func take(_ found: Names, _ number: Int) {
        guard let body = waiting.removeValue(forKey: number) else { return }
        hasWorked = true
        let before = names
        names.merge(found, at: Hive.now)
        if names != before {
            if let lock = try? lockState() {
                // Not to know them after a restart is no reason not to use them now.
                try? names.save(options.state)
                withExtendedLifetime(lock) {}
            }
        }
        body(names)
        dueNames()
    }

    /// Looks up what is about to expire, and has the rules follow.
    func refreshNames() {
        guard let hive else { return }
        withNames(of: hive) { [unowned self] names in
            guard let hive = self.hive, let spec = try? hive.spec(names: names.usable(at: Hive.now)),
                spec != keeper.spec
            else { return }
            do {
                _ = try apply(hive, spec, isAsked: false)
            } catch {
                tell(WatchEvent(.trouble, Explanation(error, hive: hive).sentences.joined(separator: " ")))
            }
        }
    }

    private func dueNames() {
        guard let hive, let due = names.nextLookup(of: hive.names, at: Hive.now) else {
            namesDue = nil
            return
        }
        // At least some seconds, also where the clock was set back.
        namesDue = .now + .seconds(max(5, min(due - Hive.now, 86_400)))
    }
}
