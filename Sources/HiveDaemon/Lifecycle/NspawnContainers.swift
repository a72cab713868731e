internal import CLinux
internal import Glibc
internal import HiveCore
internal import HiveWire

/// A root directory that systemd-nspawn runs, as a transient service of systemd's.
struct NspawnContainers: UnitBackend {
    let systemd: Systemd

    /// Where an agent finds its socket, and its own files, inside.
    static let socketDirectory = "/run/hive/agent"
    static let stateDirectory = "/state"

    func start(_ agent: ManagedAgent) throws(ServiceError) {
        guard case .nspawn(let settings) = agent.container, let nspawn = systemd.nspawn else {
            throw ServiceError(
                ServiceError.unavailable,
                "there is no program systemd-nspawn here (on Debian: systemd-container)")
        }
        let state = try systemd.show([agent.unit], ["ActiveState"]).first?["ActiveState"]
        guard state == "inactive" || state == "failed" else { return }
        try prepare(agent, settings)
        try clear(agent)
        try systemd.runService(
            agent.unit, description: "Container of the agent \(agent.name)",
            properties: Self.properties + [Self.killMode(settings)],
            command: [nspawn] + Self.arguments(agent, settings), seconds: Lifecycle.patience,
            late:
                "\(agent.unit) is not up after \(Lifecycle.patience) seconds; systemd is still at it: look at its journal"
        )
    }

    func restart(_ agent: ManagedAgent) throws(ServiceError) {
        // (A unit that is restarted would have the settings of its start.)
        try stop(agent, graceful: true)
        try start(agent)
    }

    /// Of the service, as systemd's own systemd-nspawn@.service has them, but for devices that agents have no use for.
    private static let properties = [
        "Type=notify", "Delegate=yes", "Slice=machine.slice", "DevicePolicy=closed",
        "DeviceAllow=char-pts rw", "TasksMax=16384", "TimeoutStopSec=\(Lifecycle.patience)",
        // At a shutdown the rules, which nftables.service flushes, go after what they are for.
        "After=hive-net.service nftables.service",
        // What it exits with when it is to boot again.
        "RestartForceExitStatus=133", "SuccessExitStatus=133",
    ]

    /// Who is told that it is time. One that boots is told by nspawn, in the way of its init. A command has no init: systemd tells all
    /// processes, as it does with every service.
    private static func killMode(_ settings: ContainerSettings.Nspawn) -> String {
        settings.command.isEmpty ? "KillMode=mixed" : "KillMode=control-group"
    }

    /// A system that boots mounts things and makes devices. A command does not: without these its root cannot mount what is read-only
    /// anew, nor a /proc through which the host's kernel could be told things, nor open files by their handles.
    private static func dropped(_ settings: ContainerSettings.Nspawn) -> [String] {
        let network = ["CAP_NET_ADMIN", "CAP_NET_RAW"]
        return settings.command.isEmpty
            ? network : network + ["CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_DAC_READ_SEARCH"]
    }

    static func arguments(_ agent: ManagedAgent, _ settings: ContainerSettings.Nspawn) -> [String] {
        // A file `alpha.nspawn` beside the directory is not read, nor one in /etc: what is not in Hive's configuration does not hold.
        var words = [
            "--quiet", "--keep-unit", "--register=no", "--settings=no", "--directory=\(settings.root)",
            "--machine=\(machine(agent.name))", "--network-namespace-path=\(agent.namespace)",
            // nspawn makes no user namespace beside a network namespace of somebody else's, so that root inside is root. Then this keeps it
            // from the host's links. Its socket can be connected to. Read-only is what whoever has CAP_SYS_ADMIN can undo: a system that
            // boots. Each agent has a directory of its own, so that it hurts nobody else's socket.
            "--drop-capability=\(dropped(settings).joined(separator: ","))", "--no-new-privileges=yes",
            "--bind-ro=\(agent.socketDirectory):\(socketDirectory)", "--resolv-conf=off", "--timezone=off",
            "--link-journal=no", "--console=read-only",
        ]
        // (One that lies in the root directory is inside already.)
        if !agent.state.hasPrefix("\(settings.root)/") {
            words.append("--bind=\(agent.state):\(stateDirectory)")
        }
        words += settings.binds.map { "--bind=\($0)" } + settings.readOnlyBinds.map { "--bind-ro=\($0)" }
        guard !settings.command.isEmpty else { return words + ["--boot"] }
        // The stub of a process 1 would have told the command by SIGTERM and, right after it, by SIGHUP, which ends what wants to take its
        // time (stub_pid1()). So nspawn has nothing to say: SIGCONT, which a process 1 does not hear. (Without any signal it ends at once.)
        return words + ["--as-pid2", "--kill-signal=SIGCONT", "--"] + settings.command
    }

    /// A host's name may not end in a hyphen, and an agent's may.
    private static func machine(_ name: String) -> String {
        var name = name[...]
        while name.hasSuffix("-") { name.removeLast() }
        return String(name)
    }

    private func prepare(_ agent: ManagedAgent, _ settings: ContainerSettings.Nspawn) throws(ServiceError) {
        try Self.needDirectory(settings.root, "the root directory of the agent \(agent.name)")
        try Self.needDirectory(agent.socketDirectory, "the directory of the agent \(agent.name)'s socket")
        if agent.makesState {
            // Nobody of the host's looks into it but root. Inside, whoever may go there is the agent's business.
            do {
                try StateDirectory.makePrivate(agent.state)
            } catch { throw ServiceError(ServiceError.inputOutput, error.description) }
        }
        try Self.needDirectory(agent.state, "the state directory of the agent \(agent.name)")
    }

    private static func needDirectory(_ path: String, _ what: String) throws(ServiceError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw .last("find \(what), \(path)") }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw ServiceError(ServiceError.configuration, "\(what), \(path), is not a directory")
        }
    }

    /// Has systemd forget the unit of the last time, or there could be none of its name.
    private func clear(_ agent: ManagedAgent) throws(ServiceError) {
        // (It does so when it finds the time, and not before the last process of it is gone.)
        for _ in 0..<200 {
            try? forget(agent)
            if try systemd.show([agent.unit], ["LoadState"]).first?["LoadState"] != "loaded" { return }
            usleep(50_000)
        }
        throw ServiceError(
            ServiceError.unavailable, "systemd does not forget \(agent.unit), of the last start: try again")
    }
}
