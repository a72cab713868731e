/// How many requests somebody may make: a token bucket.
struct Allowance {
    private let burst: Double
    private let perSecond: Double
    private var tokens: Double
    private var filled = ContinuousClock.now

    /// - Parameter burst: at once.
    init(burst: Double, perSecond: Double) {
        self.burst = burst
        self.perSecond = perSecond
        tokens = burst
    }

    /// An agent's. Beyond it the agent waits, and nobody else.
    static var ofAgent: Allowance { Allowance(burst: 100, perSecond: 50) }

    /// - Returns: when to try again; nil: it is granted.
    mutating func take(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        tokens = min(burst, tokens + (now - filled) / .seconds(1) * perSecond)
        filled = now
        guard tokens >= 1 else { return now + .seconds((1 - tokens) / perSecond) }
        tokens -= 1
        return nil
    }
}
