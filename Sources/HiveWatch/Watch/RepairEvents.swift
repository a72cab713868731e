internal import HiveCore
internal import HiveNet

extension WatchEvent {
    /// What there is to tell of a repair.
    /// - Parameter isFirst: it is what the watcher found when it began, and nobody's change.
    static func events(of repair: Repair, hive: Hive?, isFirst: Bool) -> [WatchEvent] {
        var events: [WatchEvent] = []
        for agent in repair.tried {
            events.append(WatchEvent(.retried, agent: agent, "is connected again, to see whether it holds"))
        }
        if !repair.items.isEmpty { events.append(isFirst ? begun(repair) : repaired(repair)) }
        for quarrel in repair.quarrels { events.append(quarantined(quarrel)) }
        for (agent, words) in repair.failures.sorted(by: { $0.key < $1.key }) {
            events.append(WatchEvent(.trouble, agent: agent, "has no network: \(words)"))
        }
        for obstacle in repair.obstacles {
            events.append(
                WatchEvent(
                    .trouble, agent: obstacle.agent,
                    hive?.sentence(for: obstacle) ?? obstacle.description))
        }
        for alarm in repair.alarms {
            events.append(WatchEvent(.alarm, agent: alarm.agent, alarm.sentence))
        }
        if let words = repair.trouble {
            events.append(WatchEvent(.trouble, "the network could not be put right: \(words)"))
        }
        return events
    }

    private static func begun(_ repair: Repair) -> WatchEvent {
        let count = repair.items.count
        return WatchEvent(
            .applied, "\(count) change\(count == 1 ? "" : "s")",
            changes: repair.items.prefix(32).map { ChangeReport.Item($0.change) })
    }

    private static func repaired(_ repair: Repair) -> WatchEvent {
        let items = repair.items.map { ChangeReport.Item($0.change) }
        var actors: [Actor] = []
        for case let actor? in repair.items.map(\.actor) where !actors.contains(actor) {
            actors.append(actor)
        }
        let agents = Set(items.map(\.agent))
        let first = items.first?.words ?? ""
        let more = items.count > 1 ? ", and \(items.count - 1) more" : ""
        let by = actors.isEmpty ? "" : "; changed by " + actors.map(\.description).joined(separator: ", ")
        let lost = repair.isAfterLoss ? "; the kernel had more to tell than there was room for" : ""
        return WatchEvent(
            .repaired, agent: agents.count == 1 ? agents.first ?? nil : nil, first + more + by + lost,
            changes: items, actors: actors.isEmpty ? nil : actors,
            milliseconds: repair.latency.map { ($0.milliseconds * 10).rounded() / 10 })
    }

    private static func quarantined(_ quarrel: Repair.Quarrel) -> WatchEvent {
        let by =
            quarrel.actors.isEmpty ? "somebody" : quarrel.actors.map(\.description).joined(separator: ", ")
        let who = quarrel.isQuarantine ? (quarrel.agent == nil ? "all agents are" : "is") + " cut off; " : ""
        let seconds = Int(quarrel.pause.milliseconds / 1000)
        return WatchEvent(
            .quarantined, agent: quarrel.agent,
            "\(who)\(by) keeps undoing repairs of \(quarrel.subject) (\(quarrel.attempts) times); the next attempt is in "
                + "\(seconds) s", actors: quarrel.actors.isEmpty ? nil : quarrel.actors)
    }
}
