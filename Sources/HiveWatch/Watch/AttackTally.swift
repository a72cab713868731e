internal import HiveNet

/// Makes events of dropped packets: one for each agent and reason a minute, however many packets there are.
struct AttackTally {
    private struct Entry {
        var since: Double
        var more: Int
    }
    private struct Key: Hashable {
        let agent: String?
        let reason: DropReason
        /// Counted apart, so that nobody hides behind a verification.
        let verifying: Bool
    }
    private var entries: [Key: Entry] = [:]
    static let window = 60.0

    /// - Returns: an event for the first packet of its kind in a minute.
    mutating func note(_ drop: Drop, verifying: Bool = false) -> WatchEvent? {
        let key = Key(agent: drop.agent, reason: drop.reason, verifying: verifying)
        let last = entries[key]
        if let last, drop.time - last.since < Self.window, drop.time >= last.since {
            entries[key]?.more += 1
            return nil
        }
        entries[key] = Entry(since: drop.time, more: 0)
        // Somebody who invents senders does not fill our memory.
        if entries.count > 8192 { entries = entries.filter { drop.time - $0.value.since < Self.window } }
        let earlier = last.map { $0.more > 0 ? "; \($0.more) more like this were logged before" : "" } ?? ""
        let note = verifying ? "; a verification was running" : ""
        var event = WatchEvent(
            .attack, agent: drop.agent, "dropped (\(drop.reason.rawValue)): \(drop.flow)\(earlier)\(note)",
            time: drop.time)
        if verifying { event.verifying = true }
        return event
    }
}

extension Drop {
    /// `tcp 10.77.0.2:41234 -> 10.77.0.1:7000 (hived)`
    var flow: String {
        // The line without time, agent and reason, which are columns of their own.
        line.split(separator: " ", omittingEmptySubsequences: true).dropFirst(3).joined(separator: " ")
    }
}
