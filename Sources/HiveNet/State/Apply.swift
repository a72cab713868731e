internal import CNetlink
internal import Glibc

extension HostNetwork {
    /// Carries out changes, in the order that keeps every agent at least as isolated as before: what goes, while the rules
    /// that know it are still there; then rules, in one transaction; then the bridge; then what comes, down; agents' host
    /// ends up last of all.
    ///
    /// It may be killed anywhere: what was done is found by the next observation, and the rest planned again.
    ///
    /// - Parameters:
    ///   - changes: of `plan(desired:observed:)`, with the same two arguments. Empty: no request is sent.
    ///   - tables: of the boundary that is wanted.
    ///   - progress: is told how many of the agents' links have been made, and of how many.
    /// - Throws: the first error. `isConflict`: somebody changed something meanwhile; observe and plan again.
    mutating func carryOut(
        _ changes: [Change], desired: NetworkState, observed: NetworkObservation, tables: [Table],
        progress: (Int, Int) -> Void
    ) throws(KernelError) {
        guard !changes.isEmpty else { return }
        let hasIPv6 = observed.host.hasIPv6
        try removeLinks(changes, observed)
        try changeRules(changes, desired, observed, tables)
        let bridge = try changeBridge(changes, desired, observed)
        if let bridge {
            try configurePorts(changes, desired, observed, bridge: bridge)
            var work = AgentWork(changes, desired, observed, bridge: bridge)
            try makeAgents(&work, desired, hasIPv6: hasIPv6, progress: progress)
            try finish(changes, work, desired, observed, bridge: bridge)
        }
        // On the way out links and bridge are gone by now, and the rules go last.
        for change in changes {
            guard case .tables(.delete) = change.step else { continue }
            let transaction = Transaction(generation: nil)
            for label in observed.chains.keys.sorted() {
                try transaction.delete(table: Boundary.tableName, label.hasPrefix("inet") ? .inet : .bridge)
            }
            try transaction.commit(on: &filter)
        }
    }

    // MARK: What goes

    private mutating func removeLinks(
        _ changes: [Change], _ observed: NetworkObservation
    ) throws(KernelError) {
        var links: [(name: String, index: Int32)] = []
        let batch = Batch()
        for change in changes {
            switch change.step {
            case .removeLink(let name):
                if let index = observed.linkIndexes[name] { links.append((name, index)) }
            case .lower(let agent):
                guard let name = observed.state.agents[agent]?.port?.name,
                    let index = observed.linkIndexes[name]
                else { continue }
                batch.lower(name, index: index)
            case .evict(let name):
                if let index = observed.linkIndexes[name] { batch.evict(name, index: index) }
            case .removeForwarding(let agent, let mac):
                guard let port = observed.state.agents[agent]?.port,
                    let index = observed.linkIndexes[port.name]
                else { continue }
                batch.removeForwarding(mac, port: index, "remove \(mac) from the forwarding database")
            default: break
            }
        }
        if links.count == 1 {
            batch.delete(link: links[0].name, index: links[0].index)
        } else if !links.isEmpty {
            batch.delete(links)
        }
        try route.execute(batch)
        for change in changes {
            if case .removeNamespace(let path) = change.step { try NamespaceDirectory.remove(path) }
        }
    }

    // MARK: Rules

    private mutating func changeRules(
        _ changes: [Change], _ desired: NetworkState, _ observed: NetworkObservation, _ tables: [Table]
    ) throws(KernelError) {
        do {
            try changeRules(changes, desired, observed, tables, flags: keeping.flags(persists: tablesPersist))
        } catch
            where tablesPersist && (error.code == EOPNOTSUPP || error.code == EINVAL)
            && error.operation.hasPrefix("create table")
        {
            tablesPersist = false
            try changeRules(changes, desired, observed, tables, flags: keeping.flags(persists: false))
        }
    }

    /// - Parameter flags: of tables that are made.
    private mutating func changeRules(
        _ changes: [Change], _ desired: NetworkState, _ observed: NetworkObservation, _ tables: [Table],
        flags: UInt32
    ) throws(KernelError) {
        let transaction = Transaction(generation: observed.generation)
        var added: [SetElement] = []
        var removed: [SetElement] = []
        var refreshed: (made: [AgentSet], gone: [AgentSet])?
        for change in changes {
            switch change.step {
            case .tables(.replace):
                for label in observed.chains.keys.sorted() {
                    try transaction.delete(
                        table: Boundary.tableName, label.hasPrefix("inet") ? .inet : .bridge)
                }
                for table in tables { try transaction.create(table, flags: flags) }
                added += desired.boundary?.elements ?? []
            case .tables(.adopt):
                for table in tables where observed.ownership[table.label] == .nobody {
                    try transaction.adopt(table)
                }
            case .tables(.refresh(let made, let gone)):
                refreshed = (made, gone)
                added += (desired.boundary?.elements ?? []).filter { made.contains($0.set) }
                for table in tables { transaction.deleteRules(of: table) }
            case .renewElement(let element):
                removed.append(element)
                added.append(element)
            case .addElement(let element): added.append(element)
            case .removeElement(let element): removed.append(element)
            default: break
            }
        }
        for (set, elements) in Dictionary(grouping: removed, by: \.set).sorted(by: { $0.key < $1.key }) {
            try transaction.remove(elements.map(\.definition), from: set.definition, in: set.table)
        }
        if let refreshed {
            for table in tables {
                let actual = observed.chains[table.label] ?? [:]
                func sets(_ all: [AgentSet]) -> [SetDefinition] {
                    all.filter { $0.table.label == table.label }.map(\.definition)
                }
                try transaction.deleteExcess(of: table, actual: actual, sets: sets(refreshed.gone))
                try transaction.addMissing(to: table, actual: actual, sets: sets(refreshed.made))
            }
        }
        for (set, elements) in Dictionary(grouping: added, by: \.set).sorted(by: { $0.key < $1.key }) {
            try transaction.add(
                elements.map { ($0.definition, $0.comment) }, to: set.definition, in: set.table)
        }
        guard !transaction.isEmpty else { return }
        try transaction.commit(on: &filter)
        // The kernel made it only because nobody had come before (nf_tables_valid_genid), and passes over 0 (nft_base_seq).
        ownGeneration = observed.generation == .max ? 1 : observed.generation + 1
    }

    // MARK: The bridge

    /// - Returns: its index, or nil if it is not wanted.
    private mutating func changeBridge(
        _ changes: [Change], _ desired: NetworkState, _ observed: NetworkObservation
    ) throws(KernelError) -> Int32? {
        guard let bridge = desired.bridge else {
            if let index = observed.bridgeIndex, let name = observed.state.bridge?.name,
                changes.contains(where: { if case .deleteBridge = $0.step { true } else { false } })
            {
                let batch = Batch()
                batch.delete(link: name, index: index)
                try route.execute(batch)
            }
            return nil
        }
        let index = observed.bridgeIndex ?? observed.freeIndex
        let batch = Batch()
        var configures = false
        for change in changes {
            switch change.step {
            case .createBridge:
                batch.create(bridge, index: index)
                configures = true
            case .configureBridge: configures = true
            case .removeAddress(let text):
                let words = "remove the address \(text) of \(bridge.name)"
                if let prefix = Prefix4(text) { batch.removeAddress(prefix, link: index, words) }
                if let prefix = Prefix6(text) { batch.removeAddress(prefix, link: index, words) }
            case .removeNeighbour(let neighbour):
                batch.removeNeighbour(neighbour, link: index, "remove the neighbour \(neighbour.address)")
            default: break
            }
        }
        if configures {
            batch.configure(
                bridge, actual: observed.state.bridge, index: index, hasIPv6: observed.host.hasIPv6)
        }
        try route.execute(batch)
        batch.removeAll()
        // Before the first address, and before it is up. (These have no netlink attribute to write.)
        if configures, observed.host.hasIPv6, let ipv6 = bridge.ipv6 { try ipv6.write(link: bridge.name) }
        if configures { batch.raise(bridge.name, index: index) }
        for change in changes {
            switch change.step {
            case .addAddress(let text):
                let words = "add the address \(text) to \(bridge.name)"
                if let prefix = Prefix4(text) { batch.addAddress(prefix, link: index, words) }
                if let prefix = Prefix6(text) { batch.addAddress(prefix, link: index, words) }
            case .addRoute(let text):
                let words = "add the route to \(text) over \(bridge.name)"
                if let network = Prefix4(text),
                    let source = bridge.addresses4.first(where: { network.contains($0.address) })
                {
                    batch.addConnectedRoute(network, from: source.address, link: index, words)
                }
                if let network = Prefix6(text),
                    let source = bridge.addresses6.first(where: { network.contains($0.address) })
                {
                    batch.addConnectedRoute(network, from: source.address, link: index, words)
                }
            default: break
            }
        }
        try route.execute(batch)
        return index
    }

    // MARK: Ports that exist

    private mutating func configurePorts(
        _ changes: [Change], _ desired: NetworkState, _ observed: NetworkObservation, bridge: Int32
    ) throws(KernelError) {
        let batch = Batch()
        for change in changes {
            guard case .configurePort(let agent) = change.step, let port = desired.agents[agent]?.port,
                let actual = observed.state.agents[agent]?.port, let index = observed.linkIndexes[port.name]
            else { continue }
            // A bridge that was made anew is another one, even under the same name.
            if actual.bridge != port.bridge || observed.bridgeIndex != bridge {
                batch.join(port.name, index: index, bridge: bridge)
            }
            // Below 1280 it has no IPv6, and gets it back, with an address, when the MTU rises while it is up.
            if actual.mtu < 1280 { batch.lower(port.name, index: index) }
            batch.reset(port, actual: actual, index: index)
            batch.configure(port, index: index, hasIPv6: observed.host.hasIPv6)
            if actual.closed, actual.bridge == port.bridge { batch.open(port.name, index: index) }
        }
        try route.execute(batch)
    }

    // MARK: The end

    /// Forwarding entries and neighbours, and then up.
    private mutating func finish(
        _ changes: [Change], _ work: AgentWork, _ desired: NetworkState, _ observed: NetworkObservation,
        bridge: Int32
    ) throws(KernelError) {
        let batch = Batch()
        let losesAddress = changes.contains { if case .removeAddress = $0.step { true } else { false } }
        if let actual = observed.state.bridge, losesAddress || actual.mac != desired.bridge?.mac {
            // Those that were there are gone with the change of the bridge's own address, or with its last IP address
            // (fib_disable_ip).
            for neighbour in desired.bridge?.neighbours ?? [] {
                batch.addNeighbour(neighbour, link: bridge, "add the neighbour \(neighbour.address) again")
            }
        }
        for change in changes {
            switch change.step {
            case .addNeighbour(let neighbour):
                batch.addNeighbour(
                    neighbour, link: bridge, "add the neighbour \(neighbour.address) at \(neighbour.mac)")
            case .addForwarding(let agent, let mac):
                guard let index = work.portIndexes[agent] else { continue }
                batch.addForwarding(mac, port: index, "add \(mac) to the forwarding database")
            default: break
            }
        }
        for agent in work.toRaise {
            guard let index = work.portIndexes[agent], let port = desired.agents[agent]?.port else {
                continue
            }
            batch.raise(port.name, index: index)
        }
        try route.execute(batch)
    }
}

extension SetElement {
    /// For the kernel, which knows nothing of agents.
    fileprivate var definition: SetDefinition.Element {
        // What has expired meanwhile is let go by the kernel itself.
        let lifetime = expires.map { UInt64(max(1, $0 - Int64(time(nil)))) * 1000 }
        return SetDefinition.Element(key: key, end: end, target: target, limit: limit, lifetime: lifetime)
    }
}

extension IPv6Settings {
    /// Writes what netlink cannot.
    func write(link: String) throws(KernelError) {
        let directory = "ipv6/conf/\(link)/"
        try Sysctl.write(directory + "accept_ra", "\(acceptRA)")
        try Sysctl.write(directory + "accept_redirects", "\(acceptRedirects)")
        try Sysctl.write(directory + "proxy_ndp", "\(proxyNDP)")
        try Sysctl.write(directory + "disable_ipv6", disabled ? "1" : "0")
    }
}
