/// What was read of the kernel last, for a process that hears of every change: what has not changed since need not be read again.
///
/// A thousand agents' namespaces and elements are most of what there is to read, and seldom change.
///
/// A class: as a structure, within another one that cannot be copied, what is assigned to it is never freed (Swift 6.3.1).
final class Memory {
    /// What there is of our tables, but for the counts.
    struct Rules {
        /// Of the whole ruleset. Another one means that something changed, in whatever table.
        var generation: UInt32
        /// Nil: no table exists.
        var boundary: Boundary?
        var ownership: [String: TableOwnership]
        var chains: [String: [String: String]]
        /// Since when they count, in seconds since 1970-01-01 UTC.
        var since: Int64?

        init(_ read: BoundaryObservation) {
            generation = read.generation
            boundary = read.boundary
            ownership = read.ownership
            since = read.since
            chains = Dictionary(
                read.tables.map { ($0.label, $0.chains.mapValues(\.definition)) }, uniquingKeysWith: { $1 })
        }
    }

    var rules: Rules?
    /// By agent.
    var insides: [String: SeenInside] = [:]
    /// Entries of the bridge's forwarding database, by port, with the bridge's index.
    var forwarding: (bridge: Int32, entries: [Int32: [MACAddress]])?
    /// Permanent neighbours on the bridge.
    var neighbours: (bridge: Int32, entries: [Neighbour])?

    init() {}

    /// What a plan changes is read again, whether or not it could be carried out.
    func forget(_ changes: [Change]) {
        for change in changes {
            if let agent = change.agent { insides[agent] = nil }
            switch change.step {
            case .addForwarding, .removeForwarding, .makeLink, .removeLink, .configurePort, .raise, .evict:
                forwarding = nil
            case .addNeighbour, .removeNeighbour, .removeAddress, .addAddress: neighbours = nil
            case .createBridge, .configureBridge, .deleteBridge: (forwarding, neighbours) = (nil, nil)
            default: break
            }
        }
    }

    /// Says that what was read is what is wanted: then it is kept in memory once, and not twice.
    func settle(_ wanted: NetworkState) {
        if wanted.boundary != nil { rules?.boundary = .asWanted }
        for (name, seen) in insides {
            guard let inside = seen.inside, let wanted = wanted.agents[name]?.inside, inside.inside == wanted
            else { continue }
            insides[name] = SeenInside(
                agent: name, identity: seen.identity,
                inside: (wanted, inside.record), others: seen.others)
        }
        if let known = neighbours, let wanted = wanted.bridge?.neighbours, known.entries == wanted {
            neighbours = (known.bridge, wanted)
        }
    }

    /// A transaction was made that concerns none of our tables, and that nobody else's came before.
    func passOver(_ generation: UInt32) {
        if let known = rules?.generation, known &+ 1 == generation { rules?.generation = generation }
    }
}
