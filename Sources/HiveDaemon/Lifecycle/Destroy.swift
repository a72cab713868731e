internal import HiveCore
internal import HiveNet
internal import HiveWatch
internal import HiveWire

extension Lifecycle {
    /// Ends an agent that was made at run time, and takes away its network and its settings. Its files stay.
    func destroy(_ name: String, graceful: Bool, in hive: Hive) throws(ServiceError) -> [String] {
        // Before anything is ended: one of the configuration's file is removed there.
        do {
            let configuration = try? Configuration(path: check.configPath)
            try check.state.agents.checkRemoval(of: name, besides: configuration)
        } catch {
            throw ServiceError(error.sysexit, error.description)
        }
        let agent = managed(name, in: hive)
        if let agent {
            let backend = NixOSContainers(systemd: try Systemd())
            do throws(ServiceError) {
                try backend.stop(agent, graceful: graceful)
            } catch {
                // It has had its time.
                try backend.stop(agent, graceful: false)
            }
            guard try backend.status([agent]).first?.state != .running else {
                throw ServiceError(
                    ServiceError.unavailable, "\(agent.unit) still runs, so that \(name) is not destroyed")
            }
        }
        do {
            try remove(name)
        } catch {
            throw ServiceError(
                Explanation(error).code,
                "the agent \(name) is ended, but it could not be removed: \(BoundaryCheck.words(error))")
        }
        var kept =
            "The files of \(name) are kept: \(agent?.state ?? hive.settings[name]?.state ?? check.state.state(of: name))"
        if case .nspawn(let nspawn) = agent?.container { kept += " and \(nspawn.root)" }
        return [kept + "."]
    }

    /// As `hivectl net rm` does.
    private func remove(_ name: String) throws {
        let session = check.session(patience: 120)
        if let watcher = try session.watcher() {
            _ = try session.ask(watcher, .rm) { $0.name = name }
            return
        }
        let state = check.state
        let lock = try state.lock { _ in }
        defer { withExtendedLifetime(lock) {} }
        try state.agents.remove(name, besides: try? Configuration(path: check.configPath))
        let hive: Hive
        do { hive = try session.load(canBeEmpty: true) } catch {
            // Whatever the files say wrong: it goes.
            _ = try session.takeOut([name])
            return
        }
        // What is known of names does: an agent less needs none that are not known.
        let names = Names.load(state).names
        var network = try HostNetwork()
        _ = try network.apply(try hive.spec(names: names.usable(at: Hive.now))) {
            if hive.leasesChanged { try hive.leases.save(state) }
        }
    }
}
