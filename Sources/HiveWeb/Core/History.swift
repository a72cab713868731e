internal import HiveWire

/// How many packets were stopped of late, for small plots.
struct History: Sendable {
    /// Between two looks.
    static let interval = Duration.seconds(5)
    /// Looks that are remembered: ten minutes.
    static let most = 120
    static let mostAgents = 1024

    /// Packets in each interval, the oldest first.
    private(set) var agents: [String: [Double]] = [:]
    private(set) var all: [Double] = []
    private var totals: [String: UInt64] = [:]
    private var total: UInt64 = 0
    private var recorded: ContinuousClock.Instant?

    /// Takes the counters of a look. They count up; where they do not, they began anew.
    mutating func record(_ summary: NetworkSummary, at now: ContinuousClock.Instant) {
        let sums = summary.agents.prefix(Self.mostAgents).map { ($0.name, Self.sum($0.blocked)) }
        let newTotal = Self.sum(summary.blockedInAll)
        defer {
            totals = Dictionary(sums, uniquingKeysWith: { first, _ in first })
            total = newTotal
        }
        guard let last = recorded else {
            recorded = now
            return
        }
        let passed = (now - last) / Self.interval
        guard passed >= 0.8 else { return }
        recorded = now
        // After a long sleep nobody knows when it was.
        if passed > 12 { self = History(recorded: now) }
        guard passed <= 12 else { return }
        func rate(_ new: UInt64, _ old: UInt64) -> Double { Double(new >= old ? new - old : new) / passed }
        all = Array((all + [rate(newTotal, total)]).suffix(Self.most))
        var rows: [String: [Double]] = [:]
        for (name, sum) in sums {
            let row = agents[name] ?? []
            rows[name] = Array((row + [rate(sum, totals[name] ?? sum)]).suffix(Self.most))
        }
        agents = rows
    }

    init() {}
    private init(recorded: ContinuousClock.Instant) { self.recorded = recorded }

    static func sum(_ counters: [String: UInt64]) -> UInt64 {
        counters.values.reduce(0) { $0.addingReportingOverflow($1).overflow ? .max : $0 + $1 }
    }
}
