internal import HiveCore
internal import HiveWire

/// What the two backends have in common: a service of systemd's.
protocol UnitBackend: Backend {
    var systemd: Systemd { get }
}

extension UnitBackend {
    func stop(_ agent: ManagedAgent, graceful: Bool) throws(ServiceError) {
        let late =
            "\(agent.unit) did not end within \(Lifecycle.patience) seconds; systemd is still at it: look at its journal, "
            + "or stop it without giving it time"
        do throws(ServiceError) {
            if !graceful {
                // (In this order, since what is killed while it is not to stop is started again where its unit says so.)
                try systemd.control("stop", agent.unit, options: ["--no-block"], seconds: 20, late: late)
                try? systemd.control(
                    "kill", agent.unit, options: ["--signal=KILL", "--kill-who=all"], seconds: 20, late: late)
            }
            try systemd.control("stop", agent.unit, seconds: Lifecycle.patience + 5, late: late)
        } catch {
            // (A transient unit that has ended is there no more: it is stopped.)
            guard try status([agent]).first?.state == .stopped else { throw error }
        }
        // That it was ended by a signal is no failure: it was we who had it sent. (That it had to be killed in the end, is.)
        if let left = try status([agent]).first, left.state == .failed, !graceful || left.result != "timeout"
        {
            try forget(agent)
        }
    }

    /// Has systemd forget that it failed.
    func forget(_ agent: ManagedAgent) throws(ServiceError) {
        try systemd.control(
            "reset-failed", agent.unit, seconds: 20, late: "systemd did not answer within 20 seconds")
    }

    func pause(_ agent: ManagedAgent) throws(ServiceError) {
        try needRunning(agent, "paused")
        try systemd.control(
            "freeze", agent.unit, seconds: 20, late: "\(agent.unit) could not be paused within 20 seconds")
    }

    func resume(_ agent: ManagedAgent) throws(ServiceError) {
        try needRunning(agent, "resumed")
        try systemd.control(
            "thaw", agent.unit, seconds: 20, late: "\(agent.unit) could not be resumed within 20 seconds")
    }

    private func needRunning(_ agent: ManagedAgent, _ what: String) throws(ServiceError) {
        guard try status([agent]).first?.state == .running else {
            throw ServiceError(
                ServiceError.usage,
                "the agent \(agent.name) cannot be \(what): its container (\(agent.unit)) does not run")
        }
    }

    func status(_ agents: [ManagedAgent]) throws(ServiceError) -> [ContainerStatus] {
        try systemd.show(agents.map(\.unit), ContainerStatus.properties).map { ContainerStatus($0) }
    }

    func journal(_ agent: ManagedAgent, lines: Int) throws(ServiceError) -> [String] {
        try systemd.journal(agent.unit, lines: lines)
    }
}

/// Containers of NixOS's module: the template `container@.service`, whose instances its configuration describes.
struct NixOSContainers: UnitBackend {
    let systemd: Systemd

    func start(_ agent: ManagedAgent) throws(ServiceError) {
        guard try systemd.show([agent.unit], ["LoadState"]).first?["LoadState"] == "loaded" else {
            throw ServiceError(
                ServiceError.configuration,
                "there is no unit \(agent.unit): the configuration of NixOS has no such container, or is not in force"
            )
        }
        try systemd.control("start", agent.unit, seconds: Lifecycle.patience, late: late(agent))
    }

    func restart(_ agent: ManagedAgent) throws(ServiceError) {
        // (It thaws what is paused. One that has failed too often within a short time is started all the same: somebody asks for it.)
        try? forget(agent)
        try systemd.control("restart", agent.unit, seconds: 2 * Lifecycle.patience, late: late(agent))
    }

    private func late(_ agent: ManagedAgent) -> String {
        "\(agent.unit) is not up after \(Lifecycle.patience) seconds; systemd is still at it: look at its journal"
    }
}
