internal import HiveNet
internal import HiveWire

extension ShownNetwork {
    /// Whether the boundary holds, so that something may be started behind it: as far as `show` looks. Where nobody can say what
    /// should be, it does not. (`verify` tells more: what could not be looked into is no alarm here.)
    ///
    /// - Parameter name: an agent, and then this was shown of it alone; nil: the whole hive.
    /// - Returns: why it does not: a sentence without a full stop; or nil.
    public func obstacle(to name: String?) -> String? {
        let apply = "apply it with: hivectl net apply"
        let whose = name.map { "the network of \($0)" } ?? "the network"
        func concerns(_ agent: String?) -> Bool { name == nil || agent == nil || agent == name }
        if let refused = watcher?.refused {
            return "the configuration is not in force, for the watcher refuses it: \(refused)"
        }
        if let agent = watcher?.quarantined.first(where: { concerns($0) }) {
            return
                "the watcher has cut \(agent) off, since somebody keeps undoing what it repairs: see hivectl net events"
        }
        if configuration == nil {
            return "there is no configuration to compare \(whose) with"
                + (cautions.first.map { ": \($0)" } ?? "")
        }
        if let agent = unreadable?.first(where: { concerns($0) }) {
            return "the kernel does not let Hive look into the namespace of \(agent)"
        }
        let drift = drift.filter { concerns($0.agent) }
        if let first = drift.first {
            let more = drift.count > 1 ? ", and \(drift.count - 1) more" : ""
            return
                "\(whose) is not applied (to do: \(first.action.rawValue) \(first.words)\(more)): \(apply)"
        }
        // (Without drift all this is so, as long as the answer is what it should be. That the watcher has something left to do elsewhere,
        // `holds`, is no matter of this agent's.)
        guard network.boundary != nil, network.bridge?.up == true else {
            return "\(whose) is not there: \(apply)"
        }
        for agent in name.map({ [$0] }) ?? policies.keys.sorted() {
            let there = network.agents[agent]
            guard policies[agent] != nil, there?.namespace != nil, there?.port?.up == true,
                there?.egress != nil
            else { return "the network of \(agent) is not there: \(apply)" }
        }
        if let alarm = findings.first(where: { $0.severity == .alarm && concerns($0.agent) }) {
            return "there is a way round the boundary: \(alarm.sentence)"
        }
        return nil
    }
}
