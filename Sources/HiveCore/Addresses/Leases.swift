/// Which number each agent has in the subnets: stable addresses for agents that were not given any.
///
/// A lease is a number, not an address: an agent with the number 20 has the 20th address after the first of
/// `subnet4`, and of `subnet6`. So leases carry over to another subnet wherever they fit.
///
/// A lease is never forgotten for as long as there are numbers that nobody ever had. When an agent goes, its
/// lease is released and waits for it; only when all numbers have been had is a released one given away, the
/// one released longest ago first.
public struct Leases: Equatable, Sendable {
    struct Lease: Equatable, Sendable {
        var number: UInt32
        /// Nil while the agent is present; otherwise when it went, as a count of all releases so far.
        var released: UInt64?
    }

    /// 0 is the network, 1 the host. The end bounds the file; of larger subnets the rest can be given out as
    /// explicit addresses only.
    public static let numbers: ClosedRange<UInt32> = 2...65_534

    /// By agent. No two have the same number.
    private(set) var byAgent: [String: Lease] = [:]
    /// How many leases have been released so far.
    private(set) var releases: UInt64 = 0

    /// No leases yet.
    public init() {}

    init(byAgent: [String: Lease], releases: UInt64) {
        self.byAgent = byAgent
        self.releases = releases
    }

    /// The number of an agent, present or gone.
    public func number(of agent: String) -> UInt32? { byAgent[agent]?.number }

    /// An agent that needs a number.
    struct Request {
        let agent: String
        /// It has an IPv6 address of its own and needs the number for IPv4 alone.
        var needsOnly4 = false
    }

    /// There is no number left for this agent.
    struct Exhausted: Error {
        let agent: String
    }

    /// Gives every agent a number: its own if it has one that fits, otherwise one that was never given, otherwise
    /// the one released longest ago. Agents that have a lease and are not asked for are released.
    ///
    /// The result depends only on the arguments, not on the order of the requests.
    ///
    /// - Parameters:
    ///   - pool: the numbers that the subnets have.
    ///   - taken4: numbers of explicit IPv4 addresses, which no lease may have.
    ///   - taken6: numbers of explicit IPv6 addresses, which no lease may have that gives an IPv6 address.
    mutating func assign(
        _ requests: [Request], pool: ClosedRange<UInt32>, taken4: Set<UInt32>, taken6: Set<UInt32>
    ) throws(Exhausted) {
        let requests = requests.sorted { $0.agent < $1.agent }
        release(allBut: Set(requests.map(\.agent)))

        var unserved: [String] = []
        for request in requests {
            let agent = request.agent
            let number = byAgent[agent]?.number
            if let number, pool.contains(number), !taken4.contains(number),
                request.needsOnly4 || !taken6.contains(number)
            {
                byAgent[agent]?.released = nil
            } else {
                byAgent[agent] = nil
                unserved.append(agent)
            }
        }
        guard !unserved.isEmpty else { return }

        let taken = taken4.union(taken6)
        let had = Set(byAgent.values.map(\.number))
        var fresh = pool.lazy.filter { !had.contains($0) && !taken.contains($0) }.makeIterator()
        // Sorted only when it comes to that; the last is the one released longest ago.
        var reusable: [(agent: String, lease: Lease)]?
        for agent in unserved {
            if let number = fresh.next() {
                byAgent[agent] = Lease(number: number, released: nil)
                continue
            }
            var waiting = reusable ?? released(in: pool, except: taken)
            guard let oldest = waiting.popLast() else { throw Exhausted(agent: agent) }
            reusable = waiting
            byAgent[oldest.agent] = nil
            byAgent[agent] = Lease(number: oldest.lease.number, released: nil)
        }
    }

    private mutating func release(allBut present: Set<String>) {
        let gone = byAgent.filter { $0.value.released == nil && !present.contains($0.key) }
        for agent in gone.keys.sorted() {
            releases += 1
            byAgent[agent]?.released = releases
        }
    }

    private func released(in pool: ClosedRange<UInt32>, except taken: Set<UInt32>) -> [(
        agent: String, lease: Lease
    )] {
        byAgent.filter {
            $0.value.released != nil && pool.contains($0.value.number) && !taken.contains($0.value.number)
        }
        .map { (agent: $0.key, lease: $0.value) }
        .sorted { ($0.lease.released ?? 0, $0.agent) > ($1.lease.released ?? 0, $1.agent) }
    }
}
