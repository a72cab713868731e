internal import Synchronization

/// So much and no more in some time: a bucket of tokens.
final class Allowance: Sendable {
    private let most: Double
    private let perSecond: Double
    private let state: Mutex<(left: Double, at: ContinuousClock.Instant)>

    init(most: Int, perSecond: Double) {
        self.most = Double(most)
        self.perSecond = perSecond
        state = Mutex((Double(most), .now))
    }

    /// Whether there is one left; takes it.
    func take(at now: ContinuousClock.Instant = .now) -> Bool {
        state.withLock { state in
            let passed = max((now - state.at) / .seconds(1), 0)
            state = (min(state.left + passed * perSecond, most), now)
            guard state.left >= 1 else { return false }
            state.left -= 1
            return true
        }
    }
}
