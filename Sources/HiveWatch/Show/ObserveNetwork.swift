public import HiveCore
internal import HiveNet

extension ShownNetwork {
    /// What is in the kernel, compared with a hive: for where no watcher runs that could be asked. It looks from the calling thread's
    /// network namespace, and changes nothing.
    ///
    /// - Parameters:
    ///   - agent: only this one, or nil for all.
    ///   - isExplicit: somebody named the configuration. Otherwise what is wrong with it becomes a caution, and nothing is compared.
    ///   - load: reads the hive.
    /// - Throws: an explanation, where there is no such agent.
    public static func observe(
        agent: String?, state: StateDirectory, isExplicit: Bool, load: () throws -> Hive
    ) throws -> ShownNetwork {
        let (known, damage) = Names.load(state)
        var sources = Sources(hive: nil, spec: nil, names: known, words: [damage].compactMap(\.self))
        do {
            let hive = try load()
            sources.spec = try hive.spec(names: known.usable(at: Hive.now))
            sources.hive = hive
        } catch let error as HiveError where !isExplicit {
            // What is in the kernel is worth showing all the more.
            sources.words.append("No configuration to compare with: \(error.description).")
        }
        var kernel = try HostNetwork()
        let observed = try kernel.observe(sources.spec)
        let changes = try sources.spec.map { plan(desired: try NetworkState($0), observed: observed) } ?? []
        return try ShownNetwork(
            sources, observed, changes: changes,
            findings: try kernel.auditWaysRound(sources.spec, observed), agent: agent)
    }
}
