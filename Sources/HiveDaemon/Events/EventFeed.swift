internal import Glibc
internal import HiveWire

/// What has changed, for whoever wants to be told: numbered, and kept for a while for those who come back.
struct EventFeed {
    static let most = 1024
    private var events: [CoreEvent] = []
    /// The number of the next one.
    private(set) var next: UInt64

    /// Numbers go on past an end of the process, since they begin at the time: no process has an event each microsecond.
    init() {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        next = UInt64(max(time.tv_sec, 0)) * 1_000_000 + UInt64(time.tv_nsec / 1000)
    }

    mutating func add(_ kind: CoreEvent.Kind, _ agent: String?, _ sentence: String) -> CoreEvent {
        let event = CoreEvent(id: next, time: Clock.now, kind: kind, agent: agent, sentence: sentence)
        next += 1
        if events.count == Self.most { events.removeFirst() }
        events.append(event)
        return event
    }

    /// Those after an event; where some of them are not known any more, `reset` comes first.
    mutating func since(_ id: UInt64) -> [CoreEvent] {
        let newer = events.filter { $0.id > id }
        // (Any number may be asked for, and the greatest has none after it.)
        let isKnown = events.contains { $0.id == id } || id &+ 1 == newer.first?.id || id &+ 1 == next
        guard !isKnown else { return newer }
        let reset = CoreEvent(
            id: newer.first.map { $0.id - 1 } ?? next - 1, time: Clock.now, kind: .reset, agent: nil,
            sentence: "events were missed")
        return [reset] + newer
    }
}
