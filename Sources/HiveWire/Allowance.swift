/// How many requests somebody may make: a token bucket. (Time that goes back gives nothing and takes nothing.)
package struct Allowance: Sendable {
    private let burst: Double
    private let perSecond: Double
    private var tokens: Double
    private var filled = ContinuousClock.now

    /// - Parameter burst: at once.
    package init(burst: Double, perSecond: Double) {
        self.burst = burst
        self.perSecond = perSecond
        tokens = burst
    }

    /// - Returns: when to try again; nil: it is granted.
    package mutating func take(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        tokens = min(burst, tokens + max((now - filled) / .seconds(1), 0) * perSecond)
        filled = now
        guard tokens >= 1 else { return now + .seconds((1 - tokens) / perSecond) }
        tokens -= 1
        return nil
    }
}
