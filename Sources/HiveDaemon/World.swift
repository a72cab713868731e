internal import HiveCore
internal import HiveNet
internal import HiveWatch
internal import HiveWire
internal import Synchronization

/// The hive as its files say, and what the core does by it outside of itself.
final class World: Sendable {
    private let options: Daemon.Options
    private let hive = Mutex<Hive?>(nil)
    private let check: BoundaryCheck
    private let lifecycle: Lifecycle

    init(_ options: Daemon.Options) {
        self.options = options
        check = BoundaryCheck(
            configPath: options.configPath, state: options.state, socket: options.watcherSocket)
        lifecycle = Lifecycle(check: check, sockets: RunDirectory(path: options.runDirectory).agents)
    }

    /// Reads the files again.
    func load() throws(HiveError) -> Hive {
        let loaded = try Hive.load(
            configPath: options.configPath, explicit: options.isExplicit, stateDirectory: options.state,
            canBeEmpty: true)
        hive.withLock { $0 = loaded }
        return loaded
    }

    func entries(of hive: Hive) -> [AgentEntry] {
        hive.agents.map { agent in
            let settings = hive.settings[agent.name]
            let backend: String? =
                switch settings?.container {
                case .nixos: "nixos"
                case .nspawn: "nspawn"
                case nil: nil
                }
            return AgentEntry(
                name: agent.name, parent: settings?.parent,
                hasPage: agent.webPort != nil || hive.webSockets[agent.name] != nil, backend: backend)
        }
    }

    /// As it was read last.
    private func current() throws(ServiceError) -> Hive {
        guard let hive = hive.withLock({ $0 }) else {
            throw ServiceError(ServiceError.configuration, "there is no configuration")
        }
        return hive
    }

    var hands: Hands {
        let (check, lifecycle, state) = (check, lifecycle, options.state)
        return Hands(
            states: { [self] _ in
                try lifecycle.status(of: current()).mapValues { status in
                    ContainerState(
                        isRunning: status.state == .running, isFailed: status.state == .failed,
                        isPaused: status.isPaused, result: status.result)
                }
            },
            perform: { [self] verb, agent, graceful in
                try lifecycle.perform(verb, on: agent, graceful: graceful, in: current())
            },
            journal: { [self] agent, lines in try lifecycle.journal(of: agent, lines: lines, in: current()) },
            readFile: { [self] agent, path in
                try AgentFiles(of: agent, in: current(), state: state).read(path)
            },
            config: { [self] agent in try AgentConfig(of: agent, in: current(), state: state) },
            network: { NetworkSummary(try check.show(nil), events: []) })
    }
}
