public import HiveCore
public import HiveNet
internal import HiveWire

/// A hive as a process sees it that changes it once, and ends: the files, the lock, and the kernel or the watcher, if one keeps the hive.
public struct Session {
    public let configPath: String
    /// Somebody named the file: it has to exist.
    public let isExplicit: Bool
    public let state: StateDirectory
    /// Where the watcher listens, if one runs.
    public let socket: String
    /// For each wait for the watcher, in seconds; nil: for ever.
    private let patience: Int?
    /// Hears sentences that everybody should read.
    private let note: (String) -> Void
    /// Hears how many agents of how many have their network.
    private let progress: (_ done: Int, _ total: Int) -> Void

    /// - Parameters:
    ///   - configPath: a file that is not there is an error, unless it is the standard one.
    ///   - patience: for each wait for the watcher, in seconds, where no answer takes long; nil: for ever.
    ///   - note: sentences of the watcher's and of the kernel's, each with its full stop.
    public init(
        configPath: String = Configuration.standardPath, state: StateDirectory = StateDirectory(),
        socket: String = ControlClient.standardPath, patience: Int? = nil, note: @escaping (String) -> Void,
        progress: @escaping (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) {
        self.configPath = configPath
        isExplicit = configPath != Configuration.standardPath
        self.state = state
        self.socket = socket
        self.patience = patience
        self.note = note
        self.progress = progress
    }

    public func load(canBeEmpty: Bool = false) throws -> Hive {
        try Hive.load(
            configPath: configPath, explicit: isExplicit, stateDirectory: state, canBeEmpty: canBeEmpty)
    }

    /// Waits to be the only one who changes the hive.
    ///
    /// The lock is in the state directory, so that whoever shares the leases shares the lock.
    public func lock() throws -> FileLock {
        try state.make()
        return try state.lock { holder in
            let who = holder.map { " (process \($0))" } ?? ""
            note("another command is changing the hive\(who); waiting for it to finish.")
        }
    }

    /// Makes the kernel what the hive says.
    /// - Parameters:
    ///   - hive: checked; its leases are saved before the kernel hears of an address, and after the kernel has had its
    ///     say: what cannot be applied leaves nothing behind.
    ///   - prepare: what else is to be written then.
    public func apply(_ hive: Hive, prepare: () throws -> Void = {}) throws -> AppliedChanges {
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
            note(caution)
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
            } progress: { [progress] done, total in
                progress(done, total)
            }
        } catch let obstacle as Obstacle {
            throw failure(obstacle, hive)
        }
    }

    /// What a hive wants of the network, with what the names in its policies stand for now.
    public struct Resolved {
        public let spec: NetworkSpec
        public let names: Names
        /// `names` differ from what the state directory holds.
        public let isNews: Bool
        public let cautions: [String]
    }

    /// Asks for names where need be, which may take seconds. Writes nothing.
    public func resolve(_ hive: Hive) throws -> Resolved {
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
    public func failure(_ obstacle: Obstacle, _ hive: Hive) -> Explanation.Thrown {
        Explanation.Thrown(Explanation(obstacle, hive: hive))
    }

    // MARK: What there is

    /// From the watcher if one runs, or else from the kernel.
    /// - Parameter isFresh: by what the files say at this moment, also if the watcher would take them over only in a moment.
    public func show(agent: String?, isFresh: Bool = false) throws -> ShownNetwork {
        if let watcher = try watcher() {
            let answer = try ask(watcher, .show) {
                $0.name = agent
                $0.fresh = isFresh ? true : nil
            }
            guard let shown = answer.shown else {
                throw Self.error(ServiceError.unavailable, "The watcher's answer does not say what there is.")
            }
            return shown
        }
        return try ShownNetwork.observe(agent: agent, state: state, isExplicit: isExplicit) { try load() }
    }

    // MARK: The watcher

    /// Connects to the watcher that keeps the hive. Nil: none runs.
    public func watcher() throws -> ControlClient? {
        try ControlClient(path: socket, patience: patience)
    }

    /// Asks it for something.
    /// - Throws: what it refuses, in its words and with its exit code.
    public func ask(
        _ watcher: ControlClient, _ verb: ControlRequest.Verb,
        _ fill: (inout ControlRequest) -> Void = { _ in }
    ) throws -> ControlAnswer {
        var request = ControlRequest(verb)
        request.config = Watcher.absolute(configPath)
        request.state = Watcher.absolute(state.path)
        fill(&request)
        let answer = try watcher.ask(request)
        for note in answer.notes ?? [] { self.note(note) }
        guard answer.ok else {
            throw Explanation.Thrown(
                Explanation(
                    answer.exit ?? ServiceError.software,
                    (answer.error ?? "The watcher refuses, and does not say why.").split(separator: "\n").map(
                        String.init)))
        }
        return answer
    }

    /// What to say when a stream ends that was to go on until whoever reads it has enough. (Which of the two it was cannot be told:
    /// for a moment the socket of a process that has been killed still lets others in.)
    public var endOfStream: Explanation.Thrown {
        Self.error(
            ServiceError.unavailable,
            "The watcher at \(socket) has ended, or hung up since this was not read for too long.")
    }

    private static func error(_ code: Int32, _ sentence: String) -> Explanation.Thrown {
        Explanation.Thrown(Explanation(code, [sentence]))
    }

    // MARK: Agents

    /// Adds an agent, and applies: by the watcher if one runs.
    /// - Throws: what is wrong with it. Then it is not there.
    public func add(_ name: String, _ settings: AgentSettings) throws -> [ChangeReport.Item] {
        if let watcher = try watcher() {
            let answer = try ask(watcher, .add) {
                $0.name = name
                $0.settings = settings.text
            }
            return answer.changes ?? []
        }
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        let agents = state.agents
        let hive = try load(canBeEmpty: true).adding(name, settings, in: agents)
        // The file is written when the kernel has had its say: one that cannot be applied would stop every later apply.
        let applied = try apply(hive) { try agents.add(name, settings, besides: hive.configuration) }
        return ChangeReport(applied.changes).changes
    }

    /// Removes an agent that was added, and applies: by the watcher if one runs.
    public func remove(_ name: String) throws -> [ChangeReport.Item] {
        if let watcher = try watcher() {
            return try ask(watcher, .rm) { $0.name = name }.changes ?? []
        }
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        try state.agents.remove(name, besides: try? Configuration(path: configPath))
        let hive: Hive
        do { hive = try load(canBeEmpty: true) } catch {
            // It goes all the same, and waits for nobody to mend something.
            note("nothing else was applied: \(Explanation(error).sentences.joined(separator: " "))")
            return ChangeReport(try takeOut([name])).changes
        }
        return ChangeReport(try apply(hive).changes).changes
    }

    /// Has the kernel forget agents, whatever the files say.
    public func takeOut(_ names: [String]) throws -> [Change] {
        var network = try HostNetwork()
        return try names.flatMap { try network.remove(agent: $0).changes }
    }
}
