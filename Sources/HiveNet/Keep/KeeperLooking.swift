// What a keeper tells whoever asks. None of it changes anything.
extension Keeper {
    /// What this process cannot hear of, in sentences.
    public var limits: [String] {
        var limits: [String] = []
        if agentEvents == nil {
            limits.append(
                "changes inside agents' namespaces are not noticed at once: the capability CAP_NET_BROADCAST is missing"
            )
        }
        if let problem = settings.problem {
            limits.append("changes of some links' settings are not noticed at once: \(problem)")
        }
        return limits
    }

    /// Everything as it is now, with the counts.
    public func observe() throws(KernelError) -> NetworkObservation { try observe(spec) }

    /// What is remembered is neither used, since the counts are not, nor touched.
    private func observe(_ spec: NetworkSpec?) throws(KernelError) -> NetworkObservation {
        let memory = network.memory
        network.memory = nil
        defer { network.memory = memory }
        return try network.observe(spec)
    }

    /// What is left to be done.
    public func differences(_ observed: NetworkObservation) throws(KernelError) -> [Change] {
        guard let spec else { return [] }
        return HiveNet.plan(desired: try NetworkState(spec), observed: observed, owner: network.owner)
    }

    /// What would be changed to make another specification so.
    public func plan(_ spec: NetworkSpec) throws -> (changes: [Change], observed: NetworkObservation) {
        // By what is asked for: there an agent may live in another namespace, which is no obstacle unless somebody looks.
        let observed = try observe(spec)
        if let obstacle = obstacles(to: spec, observed: observed).first { throw obstacle }
        return (
            HiveNet.plan(desired: try NetworkState(spec), observed: observed, owner: network.owner), observed
        )
    }

    /// Ways round the boundary that somebody has.
    public func auditWaysRound(_ observed: NetworkObservation) throws(KernelError) -> [Finding] {
        // Other programs' rules were looked at when they last changed (`lookAtFirewall`). Only where that is still to come it is done now:
        // reading them may take long, and whoever asks often is not to have it done as often.
        let isKnown = firewall.due == nil
        return try network.auditWaysRound(isKnown ? nil : spec, observed) + (isKnown ? firewall.alarms : [])
    }

    // MARK: Names for drops

    /// What puts names to logged packets: agents as they are wanted, links as they were at the last look.
    public func dropNames() -> DropNames {
        if let knownDropNames { return knownDropNames }
        knownDropNames = DropNames(elements: [], links: [:])
        renewDropNames()
        return knownDropNames ?? DropNames(elements: [], links: [:])
    }

    /// Gives them back: they remember who listens on the host, for some seconds.
    public func keep(_ names: DropNames) { knownDropNames = names }

    /// What names drops by has changed.
    func renewDropNames() {
        guard let spec else { return }
        knownDropNames?.look(
            elements: spec.agents.flatMap { Boundary.elements(for: $0, spec) }, links: map.indexes)
    }
}
