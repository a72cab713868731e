/// The last drops, a bounded number of them.
///
/// Where there is no more room, whoever has the most entries loses the oldest of them: an agent that floods pushes out its own.
public struct DropHistory: Sendable {
    /// At most so many are kept.
    public let capacity: Int
    /// Oldest first.
    public private(set) var drops: [Drop] = []
    /// Appended ever.
    public private(set) var total: UInt64 = 0
    /// Logged, and lost before they could be read.
    public private(set) var lost: UInt64 = 0
    /// Entries by agent; "" for those of none.
    private var counts: [String: Int] = [:]

    /// - Parameter capacity: at least 1.
    public init(capacity: Int = 4096) { self.capacity = max(1, capacity) }

    /// Pushed out by newer ones.
    public var forgotten: UInt64 { total - UInt64(drops.count) }

    public mutating func append(_ drop: Drop) {
        total += 1
        if drops.count == capacity { makeRoom() }
        drops.append(drop)
        counts[drop.agent ?? "", default: 0] += 1
    }

    public mutating func add(lost: UInt64) { self.lost += lost }

    /// Oldest first.
    /// - Parameter agent: nil for everybody's.
    public func drops(of agent: String?) -> [Drop] {
        guard let agent else { return drops }
        return drops.filter { $0.concerns(agent: agent) }
    }

    private mutating func makeRoom() {
        guard let most = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) })?.key,
            let index = drops.firstIndex(where: { ($0.agent ?? "") == most })
        else { return }
        drops.remove(at: index)
        let left = (counts[most] ?? 1) - 1
        counts[most] = left > 0 ? left : nil
    }
}
