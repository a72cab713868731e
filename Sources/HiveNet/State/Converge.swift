internal import Glibc

/// What an apply did.
public struct AppliedChanges: Sendable {
    public var changes: [Change]
    /// What there is now.
    public var observed: NetworkObservation
    /// How often somebody else's change made it begin again.
    public var retries: Int
    /// Of a keeper: what was undone as fast as it was done.
    var remaining: [Change] = []
    /// Of a keeper: agents that were cut off because something got in the way in their namespaces.
    var failures: [String: KernelError] = [:]
    /// When the last change had been carried out.
    var lastDone: ContinuousClock.Instant?
}

/// After everything was carried out, something still is not as wanted: somebody works against us, or the kernel did not do
/// as it was told.
public struct NotConverged: Error, Sendable, CustomStringConvertible {
    /// What would have to be done again.
    public let remaining: [Change]

    public var description: String {
        let first = remaining.first?.description ?? ""
        let others = remaining.count > 1 ? " (and \(remaining.count - 1) more)" : ""
        return "after applying, the kernel still differs: \(first)\(others)"
    }
}

/// Everything was applied but for some agents, in whose namespaces something is in the way. They have no link now.
public struct AgentsCutOff: Error, Sendable, CustomStringConvertible {
    /// By agent.
    public let errors: [String: KernelError]

    public var description: String {
        errors.sorted { $0.key < $1.key }
            .map { "agent \($0.key) has no network: \($0.value.description)" }.joined(separator: "; ")
    }
}

extension HostNetwork {
    /// Looks, plans, and checks that nothing stands in the way.
    /// - Throws: `Obstacle`, `KernelError`.
    public mutating func plan(_ spec: NetworkSpec) throws -> (changes: [Change], observed: NetworkObservation)
    {
        let observed = try observe(spec)
        if let obstacle = obstacles(to: spec, observed: observed).first { throw obstacle }
        return (HiveNet.plan(desired: try NetworkState(spec), observed: observed), observed)
    }

    /// Makes the kernel's network what is wanted, and looks whether it is.
    ///
    /// - Parameters:
    ///   - prepare: called once, when nothing stands in the way and before anything is changed: for what has to be on disk
    ///     before the kernel hears of it.
    ///   - progress: is told how many agents' links have been made, and of how many.
    /// - Throws: `Obstacle` before anything was changed, `KernelError`, `NotConverged`, `AgentsCutOff` when all the others
    ///   are applied, what `prepare` throws.
    public mutating func apply(
        _ spec: NetworkSpec, prepare: () throws -> Void = {}, progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> AppliedChanges {
        try converge(to: .specification(spec, try NetworkState(spec), despite: []), prepare, progress)
    }

    /// Takes away everything that is ours, or one agent, and nothing else.
    /// - Parameter agent: nil for everything.
    public mutating func remove(agent: String?) throws -> AppliedChanges {
        try converge(to: agent.map { .without(agent: $0) } ?? .nothing, {}, { _, _ in })
    }

    enum Goal {
        /// - Parameter despite: agents that have no network when something stands in their way, instead of nobody having one.
        case specification(NetworkSpec, NetworkState, despite: Set<String>)
        /// The same, for a keeper: what somebody fights about is left, and told.
        case kept(Wanted, Restraint)
        case without(agent: String)
        case nothing

        var specification: NetworkSpec? {
            switch self {
            case .specification(let spec, _, _): spec
            case .kept(let wanted, _): wanted.spec
            case .without, .nothing: nil
            }
        }

        /// Why something goes.
        var unwanted: String { specification == nil ? "taken down" : "not in the configuration" }

        fileprivate var restraint: Restraint? {
            if case .kept(_, let restraint) = self { restraint } else { nil }
        }

        /// - Throws: `Obstacle`.
        func state(_ observed: NetworkObservation) throws -> NetworkState {
            switch self {
            case .specification(let spec, let state, let despite):
                var wanted = state
                for obstacle in obstacles(to: spec, observed: observed) {
                    guard let agent = obstacle.agent, despite.contains(agent) else { throw obstacle }
                    wanted.cutOff(agent: agent, observed.state)
                }
                return wanted
            case .kept(let goal, let restraint):
                // Whom something stands in the way of has no network; the others keep theirs. Somebody else's link in the bridge's
                // place is in everybody's way.
                let state = try goal.state(for: observed.state.boundary)
                var wanted = restraint.applied(to: state, observed.state)
                for obstacle in obstacles(to: goal.spec, observed: observed) {
                    if case .bridgeNameTaken = obstacle { throw obstacle }
                    if let agent = obstacle.agent { wanted.cutOff(agent: agent, observed.state) }
                }
                return wanted
            case .without(let agent): return observed.state.without(agent: agent)
            case .nothing: return NetworkState()
            }
        }
    }

    /// Observe, plan, carry out, observe again, until there is nothing left to do.
    ///
    /// An agent that gets in the way, from inside its own namespace, is cut off; the others do not wait for it.
    mutating func converge(
        to goal: Goal, _ prepare: () throws -> Void = {}, _ progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> AppliedChanges {
        let tables = goal.specification.map(Boundary.tables(for:)) ?? []
        var observed = try observe(goal.specification)
        var done: [Change] = []
        var failures: [String: KernelError] = [:]
        var conflicts = 0
        var passes = 0
        // A foreign change between looking and doing is met by looking again. Somebody who never stops gets an error: after eight
        // times, or where it was the ruleset that moved, which no agent can have it do, not before some time has gone by. (On
        // a busy machine it may move whenever we are not looking.)
        let patience = 8
        let end = ContinuousClock.now + .seconds(10)
        var isFirst = true
        var lastDone: ContinuousClock.Instant?
        while true {
            var wanted = try goal.state(observed)
            for agent in failures.keys { wanted.cutOff(agent: agent, observed.state) }
            if isFirst { try prepare() }
            isFirst = false
            var changes = HiveNet.plan(
                desired: wanted, observed: observed, unwanted: goal.unwanted, owner: owner)
            if let held = goal.restraint?.held, !held.isEmpty {
                changes.removeAll { held.contains(Quarrels.Subject($0)) }
            }
            if changes.isEmpty {
                if goal.restraint?.held.isEmpty ?? true { memory?.settle(wanted) }
                break
            }
            if let port = observed.foreignOwner(besides: owner), changes.contains(where: \.needsTables) {
                throw Obstacle.tablesAreOwned(port: port)
            }
            // Further passes take care of what the kernel, or somebody else, did meanwhile. After the third somebody works
            // against us, or the kernel did not do as it was told.
            if passes == 3 {
                if goal.restraint != nil {
                    return AppliedChanges(
                        changes: done, observed: observed, retries: conflicts, remaining: changes,
                        failures: failures, lastDone: lastDone)
                }
                // Where only agents are concerned, it is they who undo it, from inside.
                let agents = changes.map(\.agent)
                guard agents.allSatisfy({ $0.map { failures[$0] == nil } ?? false }) else {
                    throw NotConverged(remaining: changes)
                }
                for change in changes {
                    guard let agent = change.agent, failures[agent] == nil else { continue }
                    failures[agent] = KernelError(
                        "set up its link", code: EBUSY,
                        explanation: "it is undone from inside, or does not hold: \(change)")
                }
                passes = 0
                continue
            }
            memory?.forget(changes)
            do {
                try carryOut(changes, desired: wanted, observed: observed, tables: tables, progress: progress)
                done += changes
                lastDone = .now
                passes += 1
            } catch {
                if error.isConflict, conflicts < patience || error.isRulesetMoved && .now < end {
                    conflicts += 1
                } else if let agent = error.agent, failures[agent] == nil {
                    failures[agent] = error
                } else {
                    throw error
                }
            }
            observed = try observe(goal.specification)
        }
        if !failures.isEmpty, goal.restraint == nil { throw AgentsCutOff(errors: failures) }
        return AppliedChanges(
            changes: done, observed: observed, retries: conflicts, failures: failures,
            lastDone: lastDone)
    }
}

extension NetworkState {
    /// The same network, in which an agent keeps its namespace and has no link.
    mutating func cutOff(agent name: String, _ actual: NetworkState) {
        agents[name] = Agent(namespace: actual.agents[name]?.namespace)
    }

    /// The same network without one agent.
    func without(agent name: String) -> NetworkState {
        var rest = self
        guard let agent = rest.agents.removeValue(forKey: name) else { return rest }
        // By what the host knows of it. What its own end of the pair has for an address an agent can choose: another's.
        var macs = Set(agent.port?.fdb ?? [])
        for element in rest.boundary?.elements ?? [] where element.agent == name {
            macs.formUnion(element.fields.compactMap { MACAddress($0) })
        }
        rest.bridge?.neighbours.removeAll { macs.contains($0.mac) }
        rest.boundary?.elements.removeAll { $0.agent == name }
        return rest
    }
}
