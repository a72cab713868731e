internal import HiveNet
package import HiveWatch
package import HiveWire

extension NetworkSummary {
    private static let mostSentences = 50
    private static let mostEvents = 50

    /// What the dashboard shows of the boundary.
    /// - Parameters:
    ///   - shown: of the whole hive.
    ///   - events: of the watcher's, the oldest first.
    package init(_ shown: ShownNetwork, events: [WatchEvent]) {
        self.init()
        let sentences = shown.drift.map { "\($0.action.rawValue) \($0.words)" }
        drift = Array(sentences.prefix(Self.mostSentences))
        cautions = Array(
            (shown.findings.filter { $0.severity == .alarm }.map {
                "A way round the boundary: \($0.sentence)."
            }
                + shown.cautions).prefix(Self.mostSentences))
        (holds, sentence) = Self.verdict(shown)
        agents = Set(shown.network.agents.keys).union(shown.policies.keys).sorted().map { name in
            let agent = shown.network.agents[name]
            var row = Agent(
                name: name, isUp: agent?.port?.up == true && agent?.inside?.up != false,
                egress: shown.policies[name]?.words ?? agent?.egress ?? "none",
                blocked: Self.counts(shown.blocked[name] ?? Blocked()))
            row.address4 = agent?.inside?.addresses4.first?.address.description
            row.address6 = agent?.inside?.addresses6.first?.address.description
            return row
        }
        // A counter's key is its table and its reason: `inet hive host`.
        for (key, count) in shown.blockedInAll {
            guard let reason = key.split(separator: " ").last else { continue }
            blockedInAll[String(reason), default: 0] += count
        }
        since = shown.since.map(Double.init)
        repairs = shown.watcher?.repairs ?? 0
        self.events = events.suffix(Self.mostEvents).map(CoreEvent.init)
    }

    private static func verdict(_ shown: ShownNetwork) -> (Bool?, String?) {
        guard let watcher = shown.watcher else {
            let found =
                shown.drift.isEmpty
                ? "As of now nothing is to be done" : "Something is to be done: hivectl net apply"
            return (
                nil,
                "No watcher runs, so that nobody keeps the boundary as it is: start hive-net.service. \(found)."
            )
        }
        if let refused = watcher.refused {
            return (false, "The configuration as it is now is not in force, the one before is: \(refused).")
        }
        if !watcher.quarantined.isEmpty {
            return (
                false,
                "Cut off, since somebody keeps undoing repairs: \(watcher.quarantined.joined(separator: ", "))."
            )
        }
        if let alarm = shown.findings.first(where: { $0.severity == .alarm }) {
            return (false, "There is a way round the boundary: \(alarm.sentence).")
        }
        guard watcher.holds, shown.drift.isEmpty else {
            return (false, "Something differs, and is about to be put right.")
        }
        return (true, nil)
    }

    private static func counts(_ blocked: Blocked) -> [String: UInt64] {
        [
            "host": blocked.host, "peer": blocked.peer, "spoof": blocked.spoof, "egress": blocked.egress,
            "excess": blocked.excess,
        ]
    }
}

extension CoreEvent {
    /// Something that the watcher tells. Its number is the watcher's.
    package init(_ event: WatchEvent) {
        self.init(
            id: UInt64(max(0, event.number)), time: event.time, kind: .network, agent: event.agent,
            sentence: event.sentence)
    }
}
