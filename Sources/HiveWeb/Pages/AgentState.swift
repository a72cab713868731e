internal import Glibc
internal import HiveWire

/// What an agent's container is at, in a word.
struct AgentState {
    let word: String
    private let style: String

    init(_ status: AgentStatus) {
        (word, style) =
            if let doing = status.doing { (doing, "busy") } else if status.failed {
                ("failed", "bad")
            } else if status.paused { ("paused", "odd") } else if status.running { ("running", "good") } else
            { ("stopped", "off") }
    }

    func put(_ html: inout HTML) {
        html.put(.span, .class("badge \(style)"), text: word)
    }
}

/// The time of day, which can be set.
enum Clock {
    /// Seconds since 1970-01-01 UTC.
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
