/// When to try again what has failed: soon, and then less and less often.
public struct Retry: Sendable {
    /// Nil: nothing has failed.
    public private(set) var due: ContinuousClock.Instant?
    /// How long it waits for that.
    private(set) var pause: Duration?
    private let first, longest: Duration

    /// - Parameters:
    ///   - first: the first pause; each one after it is twice as long,
    ///   - longest: up to this one.
    public init(first: Duration = .seconds(1), longest: Duration = .seconds(60)) {
        self.first = first
        self.longest = longest
    }

    public mutating func failed(at now: ContinuousClock.Instant = .now) {
        let next = pause.map { min($0 * 2, longest) } ?? first
        pause = next
        due = now + next
    }

    public mutating func succeeded() {
        pause = nil
        due = nil
    }

    func isDue(at now: ContinuousClock.Instant) -> Bool { due.map { now >= $0 } ?? false }
}
