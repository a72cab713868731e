/// When to try again what has failed: after a second, and then less and less often, once a minute at last.
struct Retry {
    private(set) var due: ContinuousClock.Instant?
    private var pause = Duration.seconds(1)

    mutating func failed(at now: ContinuousClock.Instant = .now) {
        due = now + pause
        pause = min(pause * 2, .seconds(60))
    }

    mutating func succeeded() { self = Retry() }
}
