/// What a keeper leaves undone for the time being, because somebody undoes it again and again.
struct Restraint: Equatable {
    /// Agents that are cut off: their links are down, and nothing else of them is repaired.
    var quarantined: Set<String> = []
    /// Of these, those whose links somebody keeps raising: they have none.
    var severed: Set<String> = []
    /// Changes that weaken nothing while they are not made.
    var held: Set<Quarrels.Subject> = []

    /// What is wanted meanwhile.
    func applied(to wanted: NetworkState, _ actual: NetworkState) -> NetworkState {
        guard !quarantined.isEmpty else { return wanted }
        var state = wanted
        for name in quarantined {
            guard !severed.contains(name), let agent = actual.agents[name], var port = agent.port,
                agent.inside != nil, agent.namespace?.own == wanted.agents[name]?.namespace?.own
            else {
                state.cutOff(agent: name, actual)
                continue
            }
            // As it is, but down: what is wrong with it does no harm so, and is not fought about. (The rules stay as they should be.)
            port.up = false
            state.agents[name]?.port = port
            state.agents[name]?.inside = agent.inside
        }
        return state
    }
}
