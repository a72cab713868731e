internal import CNetlink
internal import Glibc

extension Keeper {
    /// Somebody else's rules have changed: whether they lead packets past ours, or change them before. That is told, and not undone: the
    /// table is theirs.
    func lookAtFirewall(_ now: ContinuousClock.Instant) {
        guard let spec, let due = firewall.due, now >= due else { return }
        firewall.due = nil
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
