/// Whose probes may be among what is dropped: somebody has said that `hivectl net verify` runs, and is still connected.
///
/// This hides nothing. What is dropped meanwhile is told all the same, with a note, and counts apart from what is dropped otherwise.
struct Verifying {
    /// Nil: all.
    let agents: Set<String>?
    let end: ContinuousClock.Instant

    /// Nobody has a boundary verified for longer: a thousand agents take seconds. Whoever stays connected is cut off then.
    static let longest = Duration.seconds(600)
    /// What was sent last is heard of later: the kernel gathers packets for a second (NFULNL_TIMEOUT_DEFAULT).
    static let echo = Duration.seconds(2)

    /// - Parameter agent: nil: nobody knows whose it was.
    func concerns(_ agent: String?) -> Bool { agent.map { agents?.contains($0) ?? true } ?? true }
}
