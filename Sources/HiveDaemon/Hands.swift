internal import HiveWire

/// What the core does in the world: systemd, files, the watcher. Everything here may take long, and is called on threads of its own.
struct Hands: Sendable {
    /// How the containers of these agents are.
    var states: @Sendable (_ agents: [String]) throws -> [String: ContainerState]
    /// - Parameter graceful: with `stop`: the container has time to end.
    /// - Returns: sentences worth reading.
    var perform: @Sendable (_ verb: LifecycleVerb, _ agent: String, _ graceful: Bool) throws -> [String]
    var journal: @Sendable (_ agent: String, _ lines: Int) throws -> [String]
    var readFile: @Sendable (_ agent: String, _ path: String) throws -> StateFile
    var config: @Sendable (_ agent: String) throws -> AgentConfig
    var network: @Sendable () throws -> NetworkSummary
}

/// How a container is, as systemd says.
struct ContainerState: Equatable, Sendable {
    var isRunning = false
    var isFailed = false
    var isPaused = false
    /// Why it has failed: a word of systemd's.
    var result: String?
}

/// What is known of containers.
struct Containers {
    private(set) var states: [String: ContainerState] = [:]
    /// What is being done to whom.
    private(set) var doing: [String: LifecycleVerb] = [:]
    /// Why the last of that failed.
    private(set) var trouble: [String: String] = [:]
    /// When `states` were asked for.
    var asked: ContinuousClock.Instant?
    /// When asking for them failed the last time, if that was the last.
    var failed: ContinuousClock.Instant?
    var isAsking = false
    /// Something was done to one of them since they were asked for.
    var isStale = false
    /// Who waits for them.
    var waiting: [() -> Void] = []

    /// - Returns: the agents whose state is another one.
    mutating func take(_ new: [String: ContainerState]) -> [String] {
        defer { states = new }
        return Set(new.keys).union(states.keys).filter { new[$0] != states[$0] }.sorted()
    }

    mutating func begin(_ verb: LifecycleVerb, _ agent: String) {
        doing[agent] = verb
        trouble[agent] = nil
    }

    mutating func end(_ agent: String, trouble words: String?) {
        doing[agent] = nil
        trouble[agent] = words
    }

    mutating func forget(_ agent: String) {
        states[agent] = nil
        trouble[agent] = nil
    }

    func fill(_ row: inout AgentStatus) {
        let state = states[row.name] ?? ContainerState()
        row.running = state.isRunning
        row.failed = state.isFailed
        row.paused = state.isPaused
        row.doing = doing[row.name].map(Self.words)
        row.trouble =
            trouble[row.name] ?? (state.isFailed ? state.result.map { "its unit has failed: \($0)" } : nil)
    }

    private static func words(_ verb: LifecycleVerb) -> String {
        switch verb {
        case .start: "starting"
        case .stop: "stopping"
        case .restart: "restarting"
        case .pause: "pausing"
        case .resume: "resuming"
        case .destroy: "destroying"
        }
    }
}
