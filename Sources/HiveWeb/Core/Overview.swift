internal import HiveWire
internal import Synchronization

/// Everything that the dashboard shows, at one time.
struct Overview: Sendable {
    var agents: [AgentStatus]
    var questions: [Question]
    var approvals: [Approval]
    /// Nil: `networkTrouble` says why.
    var network: NetworkSummary?
    var networkTrouble: String?
    var history = History()

    var openQuestions: [Question] { questions.filter { $0.state == .open } }
    var openApprovals: [Approval] { approvals.filter { $0.state == .open } }
}

/// Asks the core for an overview, at most twice a second however many look, and remembers the network's counters.
final class Overviews: Sendable {
    private let client: CoreClient
    /// Held while the core is asked: whoever comes meanwhile gets the same answer.
    private let latest = Mutex(Latest())
    private let state = Mutex(State())

    private struct Latest {
        var overview: Overview?
        var taken = ContinuousClock.now
        /// Of the changes that it has seen.
        var change = 0
    }

    private struct State {
        var change = 0
        var looked: ContinuousClock.Instant?
        var network: (summary: NetworkSummary, at: ContinuousClock.Instant)?
        var history = History()
    }

    /// How old an overview may be, if nothing is known to have changed.
    static let freshness = Duration.milliseconds(500)
    static let networkFreshness = Duration.seconds(2)
    /// How long counters are followed after somebody has looked.
    static let interest = Duration.seconds(600)

    init(_ client: CoreClient) { self.client = client }

    /// Something is another: the next look asks the core.
    /// - Parameter ofNetwork: the boundary is.
    func change(ofNetwork: Bool = false) {
        state.withLock {
            $0.change += 1
            if ofNetwork { $0.network = nil }
        }
    }

    /// Somebody has looked within the last minutes.
    var isOfInterest: Bool {
        state.withLock { $0.looked.map { .now - $0 < Self.interest } ?? false }
    }

    func look(until deadline: ContinuousClock.Instant) throws(CoreTrouble) -> Overview {
        // (Before the lock: an overview has to be of a later time than this.)
        let change = state.withLock {
            $0.looked = .now
            return $0.change
        }
        let result = latest.withLock { latest -> Result<Overview, CoreTrouble> in
            if let overview = latest.overview, latest.change >= change, .now - latest.taken < Self.freshness {
                return .success(overview)
            }
            do throws(CoreTrouble) {
                let seen = state.withLock(\.change)
                let taken = ContinuousClock.now
                let overview = try ask(until: deadline)
                latest = Latest(overview: overview, taken: taken, change: seen)
                return .success(overview)
            } catch {
                latest.overview = nil
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func ask(until deadline: ContinuousClock.Instant) throws(CoreTrouble) -> Overview {
        let connection = try client.connect(until: deadline)
        let agents = try connection.ask(CoreRequest(.agents)).agents ?? []
        let questions = try connection.ask(CoreRequest(.questions)).questions ?? []
        let approvals = try connection.ask(CoreRequest(.approvals)).approvals ?? []
        var overview = Overview(agents: agents, questions: questions, approvals: approvals)
        let known = state.withLock { state in
            state.network.flatMap { .now - $0.at < Self.networkFreshness ? $0.summary : nil }
        }
        if let known {
            overview.network = known
        } else {
            do throws(CoreTrouble) {
                overview.network = try observe(connection)
            } catch .refused(let sentence) {
                overview.networkTrouble = sentence
            }
        }
        overview.history = state.withLock(\.history)
        return overview
    }

    /// Takes the counters, for plots.
    func sample(until deadline: ContinuousClock.Instant) {
        do {
            _ = try observe(try client.connect(until: deadline))
        } catch {
            state.withLock { $0.network = nil }
        }
    }

    private func observe(_ connection: CoreConnection) throws(CoreTrouble) -> NetworkSummary? {
        guard let summary = try connection.ask(CoreRequest(.networkState)).network else {
            throw .refused("The core says nothing of the network")
        }
        state.withLock {
            $0.network = (summary, .now)
            $0.history.record(summary, at: .now)
        }
        return summary
    }
}
