package import HiveCore
internal import HiveWire

/// A way to run agents. Everything waits until it is done, or for as long as is said there; for a thread of its own.
///
/// None of it looks at the network: `Lifecycle` does, before.
protocol Backend: Sendable {
    /// Starts what does not run. What runs already is left as it is.
    func start(_ agent: ManagedAgent) throws(ServiceError)
    /// Ends it.
    /// - Parameter graceful: it gets its time, `Lifecycle.patience`. Otherwise it is killed.
    func stop(_ agent: ManagedAgent, graceful: Bool) throws(ServiceError)
    func restart(_ agent: ManagedAgent) throws(ServiceError)
    /// Keeps all its processes from running, with all that they have.
    func pause(_ agent: ManagedAgent) throws(ServiceError)
    func resume(_ agent: ManagedAgent) throws(ServiceError)
    /// - Returns: one for each.
    func status(_ agents: [ManagedAgent]) throws(ServiceError) -> [ContainerStatus]
    /// The last lines that it wrote, the oldest first.
    func journal(_ agent: ManagedAgent, lines: Int) throws(ServiceError) -> [String]
}

/// An agent that Hive starts and stops.
package struct ManagedAgent: Sendable, Equatable {
    package let name: String
    package let container: ContainerSettings
    /// The file of its network namespace.
    package let namespace: String
    /// The agent's own files on the host.
    package let state: String
    /// The state directory is where Hive puts it, and nobody has to have made it.
    package let makesState: Bool
    /// Of the host: where the agent's socket is.
    package let socketDirectory: String

    package init(
        name: String, container: ContainerSettings, namespace: String, state: String, makesState: Bool,
        socketDirectory: String
    ) {
        self.name = name
        self.container = container
        self.namespace = namespace
        self.state = state
        self.makesState = makesState
        self.socketDirectory = socketDirectory
    }

    /// systemd's unit. Names of agents and of containers have nothing in them that systemd would take for something else.
    package var unit: String {
        switch container {
        case .nixos(let name): "container@\(name).service"
        case .nspawn: "hive-agent-\(name).service"
        }
    }

    /// `nixos` or `nspawn`.
    package var backend: String {
        switch container {
        case .nixos: "nixos"
        case .nspawn: "nspawn"
        }
    }
}

/// How a container is.
package struct ContainerStatus: Sendable, Equatable {
    package enum State: String, Sendable { case running, starting, stopping, stopped, failed }

    package var state: State
    package var isPaused: Bool
    /// Why it failed, in systemd's word: `exit-code`, `signal`, `timeout`, `oom-kill`. Nil: it has not.
    package var result: String?
    /// How often systemd has restarted it by itself.
    package var restarts: Int

    package init(state: State, isPaused: Bool = false, result: String? = nil, restarts: Int = 0) {
        self.state = state
        self.isPaused = isPaused
        self.result = result
        self.restarts = restarts
    }

    static let properties = ["Id", "ActiveState", "SubState", "Result", "FreezerState", "NRestarts"]

    /// - Parameter properties: of `systemctl show`.
    init(_ properties: [String: String]) {
        state =
            switch properties["ActiveState"] {
            case "active", "reloading": .running
            case "activating": .starting
            case "deactivating": .stopping
            case "failed": .failed
            default: .stopped
            }
        isPaused = ["frozen", "freezing"].contains(properties["FreezerState"])
        result = state == .failed ? properties["Result"] : nil
        restarts = properties["NRestarts"].flatMap { Int($0) } ?? 0
    }
}
