internal import Glibc
internal import HiveCore
internal import HiveNet
internal import HiveWatch
internal import HiveWire

/// Containers of a runtime as agents of a hive: made, found again, looked at and taken away.
///
/// The runtime's word for a container's place in a network is kept in the agent's file (`Attachment`); there is no second list that could
/// differ. An agent of a runtime is one like all others: the same rules, a lease of the same pool, `hivectl net show` shows it.
struct Attaching {
    let session: Session

    /// What a container has got.
    struct Attached: Equatable {
        let agent: String
        let hostLink: String
        let hostMAC: String
        let link: String
        let mac: String
        let mtu: UInt32
        /// With their lengths, each with its gateway.
        let addresses: [(address: String, gateway: String)]

        static func == (left: Attached, right: Attached) -> Bool {
            left.agent == right.agent && left.addresses.map(\.address) == right.addresses.map(\.address)
        }
    }

    // MARK: Making

    /// - Parameters:
    ///   - hint: what people call the container.
    ///   - settings: all but namespace and attachment.
    ///   - namespace: a path.
    func attach(_ attachment: Attachment, hint: String?, _ settings: AgentSettings, namespace: String) throws
        -> Attached
    {
        var settings = settings
        settings.namespace = try Self.namespace(namespace)
        settings.attachment = attachment
        let known = try session.state.agents.attachments()
        try sweep(known)
        if let (name, other) = known.first(where: { $0.value.attachment == attachment }), !other.isLeftOver {
            throw Self.attachedAlready(attachment, as: name)
        }
        let name = attachment.agentName(hint: hint)
        do { _ = try session.add(name, settings) } catch {
            // By another process, at the same time. (What fails later than that, in the kernel, is told as what it is.)
            guard RuntimeFault(error).code == .configuration,
                try session.state.agents.attachments().contains(where: { $0.value.attachment == attachment })
            else {
                throw error
            }
            throw Self.attachedAlready(attachment, as: name)
        }
        return try describe(name)
    }

    private static func attachedAlready(_ attachment: Attachment, as name: String) -> RuntimeFault {
        RuntimeFault(
            .attached,
            "the container \(attachment.container) is attached to the network \(attachment.network) already, as agent \(name)"
        )
    }

    /// The namespace at a path, by the name that it keeps: another path that leads there may lead elsewhere tomorrow.
    private static func namespace(_ path: String) throws(RuntimeFault) -> NetworkSpec.Namespace {
        guard path.hasPrefix("/") else {
            throw RuntimeFault(.environment, "CNI_NETNS is \(quoted(path)), but must be an absolute path")
        }
        switch NamespaceFile.look(path) {
        case .namespace: break
        case .missing: throw RuntimeFault(.noContainer, "there is no network namespace at \(path)")
        case .other: throw RuntimeFault(.environment, "what is at \(path) is no network namespace")
        case .unknown(let code):
            throw RuntimeFault(.inputOutput, "cannot look at \(path): \(String(cString: strerror(code)))")
        }
        // A process's is a link that leads nowhere, and goes with the process.
        if case .process(let id, let started) = NetworkSpec.Namespace.named(by: path) {
            return .process(id, started: started)
        }
        guard let real = realpath(path, nil) else { return .path(path) }
        defer { free(real) }
        return .path(String(cString: real))
    }

    /// Takes away what is left of containers that have gone without a word, so that it does not become more and more. They are part of
    /// nothing any more; only their files are there.
    private func sweep(_ known: [String: AgentSettings]) throws {
        guard known.contains(where: { $0.value.isLeftOver }) else { return }
        let lock = try session.lock()
        defer { withExtendedLifetime(lock) {} }
        // (Looked at anew: while this waited for the lock a container may have come back under its old name.)
        for (name, settings) in try session.state.agents.attachments() where settings.isLeftOver {
            try removeFile(of: name)
        }
    }

    private func describe(_ name: String) throws -> Attached {
        let spec = try session.load().spec()
        guard let agent = try NetworkState(spec).agents[name], let port = agent.port,
            let inside = agent.inside
        else {
            throw RuntimeFault(.software, "the agent \(name) is gone as soon as it was made")
        }
        var addresses: [(String, String)] = []
        for (address, gateway) in zip(inside.addresses4, inside.gateways4) {
            addresses.append((address.description, gateway.description))
        }
        for (address, gateway) in zip(inside.addresses6, inside.gateways6) {
            addresses.append((address.description, gateway.description))
        }
        return Attached(
            agent: name, hostLink: port.name, hostMAC: port.mac.description, link: inside.name,
            mac: inside.mac.description, mtu: inside.mtu, addresses: addresses)
    }

    // MARK: Taking away

    /// What is not there is gone already.
    func detach(_ attachment: Attachment) throws { try remove { $0 == attachment } }

    /// Takes away what a network has besides what the runtime names. Other networks, and agents of nobody's, are not touched.
    func collect(network: String, keeping valid: Set<Attachment>) throws {
        try remove { $0.network == network && !valid.contains($0) }
    }

    /// All at once: a thousand are one change of the kernel's.
    private func remove(_ isMeant: (Attachment) -> Bool) throws {
        func meant() throws -> [String] {
            try session.state.agents.attachments().filter { $0.value.attachment.map(isMeant) ?? false }.map(
                \.key)
        }
        guard let last = try meant().max() else { return }
        if let watcher = try session.watcher() {
            var names: [String]
            do {
                let lock = try session.lock()
                defer { withExtendedLifetime(lock) {} }
                names = try meant().sorted()
                for name in names where name != last { try removeFile(of: name) }
            }
            if !names.contains(last) { names.append(last) }
            // Whichever the watcher takes away, it takes all with it that have no file any more. One that it has nothing of was taken
            // away for somebody else, perhaps before the others' files went.
            for name in names.reversed() {
                do {
                    _ = try session.ask(watcher, .rm) { $0.name = name }
                    return
                } catch {
                    guard RuntimeFault(error).code == .configuration,
                        try session.state.agents.attachments()[name] == nil
                    else { throw error }
                }
            }
            return
        }
        let lock = try session.lock()
        defer { withExtendedLifetime(lock) {} }
        let names = try meant()
        try takeOut(names)
        // Last, so that whoever is killed before, or told that it did not work, finds them again.
        for name in names { try removeFile(of: name) }
    }

    /// Has the kernel forget agents, also where the configuration cannot be read, or has something against it: their containers go, and wait
    /// for nobody to mend it.
    private func takeOut(_ names: [String]) throws {
        do { _ = try session.apply(try session.load(canBeEmpty: true).removing(Set(names))) } catch {
            _ = try session.takeOut(names)
        }
    }

    private func removeFile(of name: String) throws {
        do { try session.state.agents.remove(name, besides: nil) } catch {
            // Somebody else may have just removed it; otherwise it is refused.
            guard error.kind == .usage, try session.state.agents.attachments()[name] == nil else {
                throw error
            }
        }
    }

    // MARK: Looking

    /// - Returns: what the agent has, as it should be.
    /// - Throws: what differs from it.
    func check(_ attachment: Attachment) throws -> Attached {
        let known = try session.state.agents.attachments()
        guard let (name, settings) = known.first(where: { $0.value.attachment == attachment }) else {
            throw RuntimeFault(
                .drift,
                "the container \(attachment.container) is not attached to the network \(attachment.network)")
        }
        guard !settings.isLeftOver else {
            throw RuntimeFault(
                .drift, "the network namespace of the container \(attachment.container) is gone")
        }
        let shown = try session.show(agent: name)
        var words = shown.drift.map { "\($0.action.rawValue) \($0.object) \($0.detail) \($0.reason)" }
        words += shown.findings.map(\.sentence)
        if shown.unreadable?.contains(name) == true { words.append("its namespace cannot be looked into") }
        guard words.isEmpty else {
            throw RuntimeFault(
                .drift, "the network of agent \(name) is not as it should be",
                details: words.joined(separator: "; "))
        }
        return try describe(name)
    }

    /// Whether another container could be attached now.
    /// - Throws: why not.
    func checkReadiness() throws {
        let hive = try session.load(canBeEmpty: true)
        // (Names, addresses and ports of the bridge: as if there were one more.)
        let probe = Attachment(network: "status", container: "status", interface: "eth0").agentName(hint: nil)
        let more = try hive.adding(probe, AgentSettings(), in: session.state.agents)
        if let watcher = try session.watcher() {
            if let words = try session.ask(watcher, .show).shown?.watcher?.refused {
                throw RuntimeFault(.unavailable, words)
            }
            return
        }
        var network = try HostNetwork()
        do { _ = try network.plan(try more.spec()) } catch let obstacle as Obstacle {
            throw session.failure(obstacle, more)
        }
    }
}
