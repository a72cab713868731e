import Glibc
import HiveCommand
import HiveCore
import HiveNet

/// What the commands about the network share: the files, the lock, the kernel, and the words for what goes wrong.
struct Session {
    let configPath: String
    /// Somebody named the file: it has to exist.
    let isExplicit: Bool
    let state: StateDirectory
    let console: Console

    init(_ values: Values, _ global: GlobalOptions, _ console: Console) throws {
        configPath = try values[global.config]
        isExplicit = configPath != Configuration.standardPath
        state = StateDirectory(try values[global.state])
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

    func report(_ applied: AppliedChanges, json: Bool) throws {
        if json {
            try console.print(ChangeReport(applied.changes).json())
        } else {
            for line in applied.changes.lines(console.style) { console.print(line) }
            console.remark(applied.changes.isEmpty ? "Nothing to do." : "\(counted(applied.changes.count)).")
        }
    }

    private func counted(_ number: Int) -> String { "\(number) change\(number == 1 ? "" : "s") made" }
}

extension [Change] {
    func lines(_ style: Style) -> [String] {
        let plan = map { change in
            PlanLine(
                PlanLine.Sign(rawValue: change.kind.rawValue) ?? .change, change.object,
                detail: change.detail.isEmpty ? nil : change.detail,
                reason: change.reason.isEmpty ? nil : change.reason)
        }
        return PlanText.lines(plan, style)
    }
}

private let needsRoot = "Hive's network needs root, or the capabilities CAP_NET_ADMIN and CAP_SYS_ADMIN."

/// Words and exit codes for errors that are not the command line's.
func explain(_ error: any Error) -> Failure {
    switch error {
    case let error as HiveError:
        let isQuestion = error.description.last == "?"
        let sentences = [error.description + (isQuestion ? "" : ".")]
        guard error.kind == .noPermission else {
            return Failure(ExitCode(rawValue: error.sysexit) ?? .dataError, sentences)
        }
        return Failure(.noPermission, sentences + [needsRoot])
    case let error as KernelError where error.isPermission:
        return Failure(
            .noPermission, "\(error.description).", needsRoot)
    case let error as KernelError
    where [EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT, ENOSYS].contains(error.code):
        return Failure(
            .unavailable, "\(error.description).", "The kernel seems to lack a feature that Hive needs.")
    case let error as KernelError: return Failure(.software, "\(error.description).")
    case let error as Obstacle: return Failure(.configuration, "\(error.description).")
    case let error as AgentsCutOff:
        return Failure(
            .software,
            error.errors.sorted { $0.key < $1.key }.map { "agent \($0.key) has no network: \($0.value)." }
                + ["Everything else is applied."])
    case let error as NotConverged:
        return Failure(
            .software, "\(error.description).",
            "Something else changes the same objects, or the kernel did not do as it was told.")
    default: return Failure(.software, "\(error)")
    }
}
