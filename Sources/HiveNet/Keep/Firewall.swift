internal import CNetlink
internal import Glibc

/// What other programs' rules can do to ours, and when to look again.
struct Firewall {
    var alarms: [Finding] = []
    /// Nil: when something is heard.
    var due: ContinuousClock.Instant? = .now
    private var rest = ContinuousClock.now

    /// Somebody else's rules have changed. Many at once are one: whoever reloads a firewall changes it table by table.
    mutating func hear(at now: ContinuousClock.Instant) {
        due = due ?? max(now + .milliseconds(200), rest)
    }

    /// Where rules come and go all day, and are many, reading them is to cost a twentieth of a processor at most.
    mutating func took(_ time: Duration, at now: ContinuousClock.Instant) { rest = now + time * 20 }
}

extension Keeper {
    /// Looks whether somebody else's rules lead packets past ours, or change them before. That is told, and not undone: the table is
    /// theirs.
    func lookAtFirewall(_ now: ContinuousClock.Instant) {
        guard let spec, let due = firewall.due, now >= due else { return }
        firewall.due = nil
        let start = ContinuousClock.now
        defer {
            let end = ContinuousClock.now
            firewall.took(end - start, at: end)
        }
        do {
            let links = try network.route.links { _, _ in true }
            let alarms = try network.auditFirewall(spec, links).filter { $0.severity == .alarm }
            guard alarms != firewall.alarms else { return }
            firewall.alarms = alarms
            // It is told with a look.
            look(now)
        } catch {
            // It was being changed: once more. (What cannot be read at all `verify` says.)
            if error.isConflict { firewall.due = now + .seconds(1) }
        }
    }
}
