internal import CNetlink
internal import Glibc

/// Which of the kernel's numbers are the hive's, as of the last look.
struct KernelMap {
    var bridge: Int32?
    /// Agents by their ports.
    var ports: [Int32: String] = [:]
    /// Links of the hive by name.
    var indexes: [String: Int32] = [:]
    /// Agents by the numbers of their namespaces.
    var namespaces: [Int32: String] = [:]
    /// Links that lead into an agent's namespace and are not its own.
    var alarms: [Finding] = []

    init() {}

    init(_ observed: NetworkObservation) {
        bridge = observed.bridgeIndex
        if let bridge, let name = observed.state.bridge?.name { indexes[name] = bridge }
        for (agent, state) in observed.state.agents {
            guard let name = state.port?.name, let index = observed.linkIndexes[name] else { continue }
            ports[index] = agent
            indexes[name] = index
        }
        for (link, agent) in observed.host.linksElsewhere {
            if let agent, let number = link.peerNamespace { namespaces[number] = agent }
        }
        for (link, owner) in observed.host.linksElsewhere where owner == nil {
            guard let agent = link.peerNamespace.flatMap({ namespaces[$0] }) else { continue }
            alarms.append(
                .alarm(
                    "links", agent: agent,
                    "the link \(link.name) of the host leads into the agent's namespace, past the boundary"))
        }
    }
}

extension Keeper {
    /// Notes where what is after a look.
    func learn(_ observed: NetworkObservation) {
        let (bridge, indexes) = (map.bridge, map.indexes)
        map = KernelMap(observed)
        if map.indexes != indexes { renewDropNames() }
        settings.follow(map.indexes)
        if map.bridge != bridge, let bridge = map.bridge {
            try? hostEvents.see(only: .notices(link: bridge))
        }
        watchNamespaces()
    }

    /// Where namespaces have their files. (The directory is made with the first of them.)
    private func watchNamespaces() {
        _ = try? namespaces.add(NetworkSpec.Namespace.directory, .listed)
    }

    /// Reads what the kernel has told since the last time, and notes what of it is worth a look.
    func listen() {
        let now = ContinuousClock.now
        hostEvents.read { item in
            switch item {
            case .lost: heardTooMuch(now)
            case .message(let message, _):
                guard let notice = RouteNotice(message, namespace: nil), concerns(notice) else { return }
                evidence.note(notice, own: network.route.portID)
                look(now)
            }
        }
        agentEvents?.read { item in
            switch item {
            case .lost:
                isAfterLoss = true
                if pace.hear(nil, at: now) {
                    network.memory?.insides = [:]
                    look(now)
                }
            case .message(let message, let namespace):
                guard let namespace, let agent = map.namespaces[namespace],
                    RouteNotice(message, namespace: namespace) != nil,
                    !quarrels.isCutOff(agent), pace.hear(agent, at: now)
                else { return }
                network.memory?.insides[agent] = nil
                look(now)
            }
        }
        listenToRules(now)
        if !settings.read().isEmpty { look(now) }
        namespaces.read { _, kinds, name in
            guard kinds.contains(.lost) || name.hasPrefix("hive-") else { return }
            network.memory?.insides[String(name.dropFirst("hive-".count))] = nil
            look(now)
        }
    }

    private func listenToRules(_ now: ContinuousClock.Instant) {
        var isOurs = false
        rulesetEvents.read { item in
            switch item {
            case .lost:
                isOurs = true
                heardTooMuch(now)
            case .message(let message, _):
                switch RulesetNotice(message) {
                case .table(let family, Boundary.tableName):
                    isOurs = isOurs || Table.Family.allCases.contains { $0.rawValue == UInt16(family) }
                case .generation(let generation, let actor):
                    if !isOurs {
                        network.memory?.passOver(generation)
                        firewall.hear(at: now)
                    } else if generation != network.ownGeneration {
                        evidence.note(ruleset: actor)
                        look(now)
                    }
                    isOurs = false
                case .table, nil: break
                }
            }
        }
    }

    /// Notices were lost: everything is looked at.
    private func heardTooMuch(_ now: ContinuousClock.Instant) {
        isAfterLoss = true
        network.memory = Memory()
        look(now)
    }

    func look(_ now: ContinuousClock.Instant) {
        isDue = true
        evidence.note(at: now)
    }

    /// Whether a notice of the host's is about something of the hive's, or that could become so.
    private func concerns(_ notice: RouteNotice) -> Bool {
        guard let spec else { return false }
        func isOurs(_ index: Int32) -> Bool { index == map.bridge || map.ports[index] != nil }
        switch notice.subject {
        case .link(let index, let name, let group, let master, let elsewhere):
            if notice.isRemoval, isOurs(index) {
                network.memory?.insides[map.ports[index] ?? ""] = nil
                network.memory?.forwarding = nil
                network.memory?.neighbours = nil
            }
            return isOurs(index) || name == spec.bridge || name?.hasPrefix(spec.interfacePrefix) == true
                || group == Mark.group || master != nil && master == map.bridge.map(UInt32.init)
                || elsewhere.map { map.namespaces[$0] != nil } == true
        case .forwarding(let index):
            guard isOurs(index) else { return false }
            network.memory?.forwarding = nil
            return true
        case .neighbour(let index):
            guard index == map.bridge else { return isOurs(index) }
            network.memory?.neighbours = nil
            return true
        case .address(let index): return isOurs(index)
        // Without a link it leads nowhere, and may take agents' addresses there. Another link may get them, too; default routes do not.
        case .route(let index, let to4, let to6):
            if index.map(isOurs) ?? true { return true }
            return to4.map { $0.length > 0 && $0.overlaps(spec.subnet4) } == true
                || to6.flatMap { to in spec.subnet6.map { to.length > 0 && to.overlaps($0) } } == true
        case .setting(let index): return isOurs(index)
        case .namespaceNumber: return false
        }
    }

    /// Some agent's namespace is no longer at its file, or another one is.
    var haveNamespacesMoved: Bool {
        guard let desired = wanted?.light else { return false }
        let insides = network.memory?.insides ?? [:]
        return desired.agents.contains { name, agent in
            guard let path = agent.namespace?.path else { return false }
            return insides[name]?.identity != NamespaceID(path: path)
        }
    }
}

extension Change {
    /// The link that it is about, by the name that its words have for it.
    var link: String? {
        switch step {
        case .removeLink(let name), .evict(let name): name
        // They are on the bridge, whosever they are.
        case .addNeighbour, .removeNeighbour: nil
        default:
            // The bridge's own, and what is on an agent's port.
            agent == nil ? nil : detail.split(separator: " ").last.map(String.init)
        }
    }
}
