import HiveCommand
import HiveCore
import HiveNet
import HiveWatch

/// What the commands about the network share: the files, the lock, the kernel, and the words for what goes wrong.
struct Session {
    let configPath: String
    /// Somebody named the file: it has to exist.
    let isExplicit: Bool
    let state: StateDirectory
    /// Where the watcher listens, if one runs.
    let socket: String
    let console: Console

    init(_ values: Values, _ global: GlobalOptions, _ console: Console) throws {
        configPath = try values[global.config]
        isExplicit = configPath != Configuration.standardPath
        state = StateDirectory(try values[global.state])
        socket = try values[global.socket]
        self.console = console
    }

    func load(canBeEmpty: Bool = false) throws -> Hive {
        try Hive.load(
            configPath: configPath, explicit: isExplicit, stateDirectory: state, canBeEmpty: canBeEmpty)
    }

    /// Waits to be the only one who changes the hive.
    ///
    /// The lock is in the state directory, so that whoever shares the leases shares the lock.
    func lock() throws -> FileLock {
        try state.make()
        return try state.lock { holder in
            let who = holder.map { " (process \($0))" } ?? ""
            console.note("hivectl: another command is changing the hive\(who); waiting for it to finish.")
        }
    }

    /// Makes the kernel what the hive says.
    /// - Parameters:
    ///   - hive: checked; its leases are saved before the kernel hears of an address, and after the kernel has had its
    ///     say: what cannot be applied leaves nothing behind.
    ///   - prepare: what else is to be written then.
    func apply(_ hive: Hive, prepare: () throws -> Void = {}) throws -> AppliedChanges {
        // What is wrong anyway is said before anything is done.
        _ = try hive.spec()
        let (names, isComplete) = hive.review(Names.load(state).names)
        var earlier: [Change] = []
        if !isComplete {
            // Asking for names may take seconds, and the boundary does not wait for it.
            let known = try hive.spec(names: names.usable(at: Hive.now))
            earlier = try apply(hive, known, prepare: prepare).changes
        }
        let resolved = try resolve(hive)
        var applied = try apply(hive, resolved.spec) {
            if resolved.isNews { try resolved.names.save(state) }
            if isComplete { try prepare() }
        }
        applied.changes = earlier + applied.changes
        for caution in resolved.cautions + cautions(about: resolved.spec, observed: applied.observed) {
            console.note("hivectl: \(caution)")
        }
        return applied
    }

    private func apply(
        _ hive: Hive, _ spec: NetworkSpec, prepare: () throws -> Void
    ) throws -> AppliedChanges {
        var network = try HostNetwork()
        do {
            return try network.apply(spec) {
                if hive.leasesChanged { try hive.leases.save(state) }
                try prepare()
            } progress: { [progress = console.progress] done, total in
                progress.step("\(done) of \(total) agents")
            }
        } catch let obstacle as Obstacle {
            throw failure(obstacle, hive)
        }
    }

    /// What a hive wants of the network, with what the names in its policies stand for now.
    struct Resolved {
        let spec: NetworkSpec
        let names: Names
        /// `names` differ from what the state directory holds.
        let isNews: Bool
        let cautions: [String]
    }

    /// Asks for names where need be, which may take seconds. Writes nothing.
    func resolve(_ hive: Hive) throws -> Resolved {
        // What is wrong anyway is said before anybody is asked.
        _ = try hive.spec()
        let (known, damage) = Names.load(state)
        let names = hive.resolve(known)
        let now = Hive.now
        return Resolved(
            spec: try hive.spec(names: names.usable(at: now)), names: names,
            isNews: names != known || damage != nil,
            cautions: [damage].compactMap(\.self) + names.cautions(at: now))
    }

    /// What the kernel has against the configuration, in the configuration's own terms.
    func failure(_ obstacle: Obstacle, _ hive: Hive) -> Failure {
        Failure(.configuration, hive.sentence(for: obstacle) + ".")
    }

    // MARK: What there is

    /// From the watcher if one runs, or else from the kernel.
    func show(agent: String?) throws -> ShownNetwork {
        if let watcher = try watcher() {
            guard let shown = try ask(watcher, .show, { $0.name = agent }).shown else {
                throw Failure(.unavailable, "The watcher's answer does not say what there is.")
            }
            return shown
        }
        return try ShownNetwork.observe(agent: agent, state: state, isExplicit: isExplicit) { try load() }
    }

    // MARK: The watcher

    /// Connects to the watcher that keeps the hive. Nil: none runs.
    func watcher() throws -> ControlClient? { try ControlClient(path: socket) }

    /// Asks it for something.
    /// - Throws: what it refuses, in its words and with its exit code.
    func ask(
        _ watcher: ControlClient, _ verb: ControlRequest.Verb,
        _ fill: (inout ControlRequest) -> Void = { _ in }
    ) throws -> ControlAnswer {
        var request = ControlRequest(verb)
        request.config = Watcher.absolute(configPath)
        request.state = Watcher.absolute(state.path)
        fill(&request)
        let answer = try watcher.ask(request)
        for note in answer.notes ?? [] { console.note("hivectl: \(note)") }
        guard answer.ok else {
            throw Failure(
                answer.exit.flatMap(ExitCode.init(rawValue:)) ?? .software,
                (answer.error ?? "The watcher refuses, and does not say why.").split(separator: "\n").map(
                    String.init))
        }
        return answer
    }

    /// What to say when a stream ends that was to go on until whoever reads it has enough. (Which of the two it was cannot be told:
    /// for a moment the socket of a process that has been killed still lets others in.)
    var endOfStream: Failure {
        Failure(
            .unavailable,
            "The watcher at \(socket) has ended, or hung up since this was not read for too long.")
    }

    // MARK: Telling

    func report(_ applied: AppliedChanges, json: Bool) throws {
        try report(ChangeReport(applied.changes).changes, json: json)
    }

    func report(_ changes: [ChangeReport.Item], json: Bool) throws {
        if json {
            try console.print(ChangeReport(items: changes).json())
        } else {
            for line in changes.lines(console.style) { console.print(line) }
            let number = changes.count
            console.remark(number == 0 ? "Nothing to do." : "\(number) change\(number == 1 ? "" : "s") made.")
        }
    }
}

extension [ChangeReport.Item] {
    func lines(_ style: Style) -> [String] {
        let plan = map { change in
            let sign: PlanLine.Sign =
                switch change.action {
                case .add: .add
                case .change: .change
                case .remove: .remove
                }
            return PlanLine(
                sign, change.object, detail: change.detail.isEmpty ? nil : change.detail,
                reason: change.reason.isEmpty ? nil : change.reason)
        }
        return PlanText.lines(plan, style)
    }
}

/// Words and exit codes for errors that are not the command line's.
func explain(_ error: any Error) -> Failure { Failure(Explanation(error)) }

extension Failure {
    init(_ explanation: Explanation) {
        self.init(ExitCode(rawValue: explanation.code) ?? .dataError, explanation.sentences)
    }
}
