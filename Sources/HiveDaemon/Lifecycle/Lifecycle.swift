package import HiveCore
internal import HiveNet
package import HiveWire

/// Starts and stops agents' containers, after a look at their network. Blocking, each for as long as it takes: for threads of their own, and
/// one at a time for one agent.
package struct Lifecycle: Sendable {
    /// What a container may take to start or to end, in seconds.
    package static let patience = 90

    package let check: BoundaryCheck
    /// `/run/hive/agents`: a directory each, where the agent's socket is.
    package let sockets: String

    package init(check: BoundaryCheck = BoundaryCheck(), sockets: String = "/run/hive/agents") {
        self.check = check
        self.sockets = sockets
    }

    // MARK: Agents

    /// What Hive starts and stops for an agent. Nil: nothing, its configuration names no container.
    package func managed(_ name: String, in hive: Hive) -> ManagedAgent? {
        guard let settings = hive.settings[name], let container = settings.container else { return nil }
        return ManagedAgent(
            name: name, container: container, namespace: settings.namespace.path(agent: name),
            state: settings.state ?? check.state.state(of: name), makesState: settings.state == nil,
            socketDirectory: "\(sockets)/\(name)")
    }

    private func need(_ name: String, in hive: Hive) throws(ServiceError) -> ManagedAgent {
        if let agent = managed(name, in: hive) { return agent }
        guard let place = hive.place(of: name) else {
            let hint = nearest(to: name, among: hive.settings.keys.sorted()).map {
                "; did you mean \(quoted($0))?"
            }
            throw ServiceError(ServiceError.usage, "there is no agent \(quoted(name))\(hint ?? "")")
        }
        throw ServiceError(
            ServiceError.configuration,
            "Hive neither starts nor stops the agent \(name): its configuration (\(place)) has no container")
    }

    private func backend(_ agent: ManagedAgent, _ systemd: Systemd) -> any Backend {
        switch agent.container {
        case .nixos: NixOSContainers(systemd: systemd)
        case .nspawn: NspawnContainers(systemd: systemd)
        }
    }

    // MARK: What can be done

    /// Does it, and waits until it is done.
    /// - Parameters:
    ///   - graceful: with `stop` and `destroy`; see `Backend.stop`.
    ///   - hive: as the configuration is now.
    /// - Returns: sentences worth reading besides.
    /// - Throws: a sentence. `unavailable` where the network, or systemd, is not as it has to be.
    @discardableResult
    package func perform(
        _ verb: LifecycleVerb, on name: String, graceful: Bool = true, in hive: Hive
    ) throws(ServiceError) -> [String] {
        if verb == .destroy { return try destroy(name, graceful: graceful, in: hive) }
        let agent = try need(name, in: hive)
        let systemd = try Systemd()
        let backend = backend(agent, systemd)
        switch verb {
        case .start:
            try needNetwork(agent, in: hive)
            try backend.start(agent)
            try needPlace(agent, systemd, backend)
        case .restart:
            // (What runs is left running when it could not be started again.)
            try needNetwork(agent, in: hive)
            try backend.restart(agent)
            try needPlace(agent, systemd, backend)
        case .stop: try backend.stop(agent, graceful: graceful)
        case .pause: try backend.pause(agent)
        case .resume: try backend.resume(agent)
        case .destroy: break
        }
        return []
    }

    private func needNetwork(_ agent: ManagedAgent, in hive: Hive) throws(ServiceError) {
        if let words = check.obstacle(to: agent.name, in: hive) {
            throw ServiceError(ServiceError.unavailable, words)
        }
    }

    private func needPlace(
        _ agent: ManagedAgent, _ systemd: Systemd, _ backend: any Backend
    ) throws(ServiceError) {
        let words: String?
        do {
            words = try UnitPlace(systemd: systemd).objection(to: agent)
        } catch {
            words = error.description
        }
        guard let words else { return }
        var end = "it was ended at once"
        do throws(ServiceError) {
            try backend.stop(agent, graceful: false)
        } catch {
            end = "and it could not be ended: \(error.description)"
        }
        throw ServiceError(
            ServiceError.configuration,
            "\(agent.unit) was started, but \(words); \(end). It has to use \(agent.namespace)")
    }

    // MARK: How they are

    /// How the containers of all agents are that have one, asked of systemd in one go.
    /// - Returns: by agents' names.
    package func status(of hive: Hive) throws(ServiceError) -> [String: ContainerStatus] {
        let agents = hive.settings.keys.sorted().compactMap { managed($0, in: hive) }
        guard !agents.isEmpty else { return [:] }
        // (Units are units, whoever made them.)
        let found = try NixOSContainers(systemd: Systemd()).status(agents)
        return Dictionary(zip(agents.map(\.name), found)) { first, _ in first }
    }

    /// The last lines that an agent's container wrote, the oldest first. Whatever the agent wants is in them: they are for no terminal
    /// as they are.
    package func journal(of name: String, lines: Int, in hive: Hive) throws(ServiceError) -> [String] {
        let agent = try need(name, in: hive)
        let systemd = try Systemd()
        return try backend(agent, systemd).journal(
            agent, lines: min(max(lines, 1), CoreRequest.mostJournalLines))
    }
}
