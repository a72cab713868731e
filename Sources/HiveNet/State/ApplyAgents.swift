internal import CNetlink
internal import Glibc

/// What is to be done for agents, gathered from a plan.
struct AgentWork {
    /// Agents that get a pair, sorted.
    var toMake: [String] = []
    /// Agents whose namespace is made first.
    var namespaces: Set<String> = []
    /// Agents whose end of the pair exists and is wrong.
    var toConfigure: [String] = []
    /// Agents whose host end goes up at the end.
    var toRaise: [String] = []
    /// Of agents' host ends, those to come included: an index is chosen, not awaited.
    var portIndexes: [String: Int32] = [:]
    /// The namespaces that were looked at: what is at their paths by now may be another one.
    let identities: [String: NamespaceID]
    let bridge: Int32

    init(_ changes: [Change], _ desired: NetworkState, _ observed: NetworkObservation, bridge: Int32) {
        self.bridge = bridge
        identities = observed.host.namespaces
        for (name, agent) in observed.state.agents {
            if let port = agent.port { portIndexes[name] = observed.linkIndexes[port.name] }
        }
        var free = max(observed.freeIndex, bridge + 1)
        for change in changes {
            switch change.step {
            case .makeNamespace(let agent): namespaces.insert(agent)
            case .makeLink(let agent):
                toMake.append(agent)
                toRaise.append(agent)
                portIndexes[agent] = free
                free += 1
            case .configureInside(let agent): toConfigure.append(agent)
            case .raise(let agent): toRaise.append(agent)
            // A port that was put down to become one of the bridge.
            case .configurePort(let agent):
                if observed.state.agents[agent]?.port?.up == true { toRaise.append(agent) }
            default: break
            }
        }
    }
}

/// An agent's namespace, held open.
private final class OpenNamespace {
    let agent: String
    let descriptor: Descriptor
    /// A socket of that namespace.
    var socket: NetlinkSocket

    init(agent: String, descriptor: consuming Descriptor, socket: consuming NetlinkSocket) {
        self.agent = agent
        self.descriptor = descriptor
        self.socket = socket
    }
}

extension HostNetwork {
    /// Makes agents' namespaces and pairs, and sets up their ends. Host ends stay down.
    mutating func makeAgents(
        _ work: inout AgentWork, _ desired: NetworkState, hasIPv6: Bool, progress: (Int, Int) -> Void
    ) throws(KernelError) {
        guard !work.toMake.isEmpty || !work.toConfigure.isEmpty else { return }
        if !work.namespaces.isEmpty { try NamespaceDirectory.prepare() }
        let job = work
        try onThreadOfItsOwn { (switcher) throws(KernelError) in
            // A portion at a time, which bounds the number of open files: two for each namespace.
            let portion = OpenFiles.portion(most: 128)
            for start in stride(from: 0, to: job.toMake.count, by: portion) {
                let agents = job.toMake[start..<min(start + portion, job.toMake.count)]
                try make(agents, job, desired, hasIPv6, switcher)
                progress(agents.endIndex, job.toMake.count)
            }
            for agent in job.toConfigure {
                guard let namespace = try open(agent, job, desired, switcher) else { continue }
                try configureOrSayWhose(namespace, desired, hasIPv6: hasIPv6, isNew: false, switcher)
            }
        }
    }

    private mutating func make(
        _ agents: ArraySlice<String>, _ work: AgentWork, _ desired: NetworkState, _ hasIPv6: Bool,
        _ switcher: borrowing NamespaceSwitch
    ) throws(KernelError) {
        var namespaces: [OpenNamespace] = []
        for agent in agents {
            if work.namespaces.contains(agent), let path = desired.agents[agent]?.namespace?.path {
                try switcher.make(at: path)
                namespaces.append(
                    OpenNamespace(
                        agent: agent, descriptor: try Descriptor.currentNamespace(),
                        socket: try NetlinkSocket(family: NETLINK_ROUTE, receiveBuffer: receiveBuffer)))
            } else if let namespace = try open(agent, work, desired, switcher) {
                try removeOrphan(in: namespace, desired)
                namespaces.append(namespace)
            }
        }
        let batch = Batch(capacity: 1 << 17)
        for namespace in namespaces {
            guard let agent = desired.agents[namespace.agent], let port = agent.port,
                let inside = agent.inside,
                let index = work.portIndexes[namespace.agent]
            else { continue }
            batch.agent = namespace.agent
            batch.createPair(
                port, inside: inside, index: index, bridge: work.bridge, namespace: namespace.descriptor)
            batch.configure(port, index: index, hasIPv6: hasIPv6)
            for mac in port.fdb {
                batch.addForwarding(
                    mac, port: index, "add \(mac) to the forwarding database for \(port.name)")
            }
        }
        try route.execute(batch)
        for namespace in namespaces {
            try configureOrSayWhose(namespace, desired, hasIPv6: hasIPv6, isNew: true, switcher)
        }
    }

    /// The end of an earlier pair is in the way of a new one when somebody has taken its other end out of the host, perhaps to another
    /// agent. With the end goes the pair. In a namespace that is somebody else's, what does not look like ours stays, and is in the
    /// way.
    private func removeOrphan(in namespace: OpenNamespace, _ desired: NetworkState) throws(KernelError) {
        guard let agent = desired.agents[namespace.agent], let inside = agent.inside,
            let link = try namespace.socket.link(named: inside.name),
            agent.namespace?.own == true || link.kind == "veth" && link.mac == inside.mac
        else { return }
        let batch = Batch(capacity: 1 << 10)
        batch.agent = namespace.agent
        batch.delete(link: link.name, index: link.index)
        try namespace.socket.execute(batch)
    }

    /// What goes wrong inside a namespace is that agent's matter.
    private func configureOrSayWhose(
        _ namespace: OpenNamespace, _ desired: NetworkState, hasIPv6: Bool, isNew: Bool,
        _ switcher: borrowing NamespaceSwitch
    ) throws(KernelError) {
        do {
            try configure(namespace, desired, hasIPv6: hasIPv6, isNew: isNew, switcher)
        } catch {
            throw error.of(namespace.agent)
        }
    }

    /// - Returns: nil if the namespace is gone, or is not the one that was looked at: the observation after this one will say so.
    private func open(
        _ agent: String, _ work: AgentWork, _ desired: NetworkState, _ switcher: borrowing NamespaceSwitch
    ) throws(KernelError) -> OpenNamespace? {
        guard let namespace = desired.agents[agent]?.namespace else { return nil }
        do throws(KernelError) {
            guard let descriptor = try Descriptor.namespace(path: namespace.path) else { return nil }
            if let seen = work.identities[agent], try NamespaceID(of: descriptor) != seen { return nil }
            try switcher.enter(descriptor, "join the network namespace \(namespace.path)")
            return OpenNamespace(
                agent: agent, descriptor: descriptor,
                socket: try NetlinkSocket(family: NETLINK_ROUTE, receiveBuffer: receiveBuffer))
        } catch  where error.isPermission && !namespace.own {
            throw error.of(agent)
        }
    }

    /// Makes the agent's end what it should be.
    private func configure(
        _ namespace: OpenNamespace, _ desired: NetworkState, hasIPv6: Bool, isNew: Bool,
        _ switcher: borrowing NamespaceSwitch
    ) throws(KernelError) {
        guard let agent = desired.agents[namespace.agent], let inside = agent.inside,
            let link = try namespace.socket.link(named: inside.name)
        else { return }
        let path = agent.namespace?.path ?? ""
        if hasIPv6, link.ipv6.map(\.disabled) != inside.ipv6Disabled {
            try switcher.enter(namespace.descriptor, "join the network namespace \(path)")
            try Sysctl.write("ipv6/conf/\(inside.name)/disable_ipv6", inside.ipv6Disabled ? "1" : "0")
        }
        let batch = Batch(capacity: 1 << 12)
        let index = link.index
        let place = "in \(path)"
        if inside.loopbackUp == true { batch.raise("lo", index: 1) }
        batch.configure(inside, actual: link, hasIPv6: hasIPv6)
        batch.raise(inside.name, index: index)
        if !isNew { try removeExcess(inside, link, &namespace.socket, batch, place) }
        for prefix in inside.addresses4 {
            batch.addAddress(prefix, link: index, "add the address \(prefix) \(place)")
        }
        for prefix in inside.addresses6 {
            batch.addAddress(prefix, link: index, "add the address \(prefix) \(place)")
        }
        for gateway in inside.gateways4 {
            batch.addDefaultRoute(gateway, link: index, "add the default route via \(gateway) \(place)")
        }
        for gateway in inside.gateways6 {
            batch.addDefaultRoute(gateway, link: index, "add the default route via \(gateway) \(place)")
        }
        for neighbour in inside.neighbours {
            batch.addNeighbour(neighbour, link: index, "add the neighbour \(neighbour.address) \(place)")
        }
        try namespace.socket.execute(batch)
    }

    /// Of an end that is there already: what is too much.
    private func removeExcess(
        _ inside: Inside, _ link: LinkRecord, _ socket: inout NetlinkSocket, _ batch: Batch, _ place: String
    ) throws(KernelError) {
        let index = link.index
        let routes = try socket.routes().filter { $0.link == index }
        // Of two routes to one gateway, with different metrics, both go: what is wanted is added afterwards.
        for gateway in inside.gateways4 {
            let same = routes.filter { $0.destination4?.length == 0 && $0.gateway4 == gateway }
            for _ in same where same.count > 1 {
                batch.removeDefaultRoute(
                    gateway, link: index, "remove the default route via \(gateway) \(place)")
            }
        }
        for gateway in inside.gateways6 {
            let same = routes.filter { $0.destination6?.length == 0 && $0.gateway6 == gateway }
            for _ in same where same.count > 1 {
                batch.removeDefaultRoute(
                    gateway, link: index, "remove the default route via \(gateway) \(place)")
            }
        }
        for route in routes {
            if route.destination4?.length == 0, let gateway = route.gateway4,
                !inside.gateways4.contains(gateway)
            {
                batch.removeDefaultRoute(
                    gateway, link: index, "remove the default route via \(gateway) \(place)")
                let neighbour = Neighbour(address: "\(gateway)", mac: link.mac ?? MACAddress(bits: 0))
                batch.removeNeighbour(neighbour, link: index, "remove the neighbour \(gateway) \(place)")
            }
            if route.destination6?.length == 0, let gateway = route.gateway6,
                !inside.gateways6.contains(gateway)
            {
                batch.removeDefaultRoute(
                    gateway, link: index, "remove the default route via \(gateway) \(place)")
                let neighbour = Neighbour(address: "\(gateway)", mac: link.mac ?? MACAddress(bits: 0))
                batch.removeNeighbour(neighbour, link: index, "remove the neighbour \(gateway) \(place)")
            }
        }
        for address in try socket.addresses(link: index) {
            if let prefix = address.address4, !inside.addresses4.contains(prefix) {
                batch.removeAddress(prefix, link: index, "remove the address \(prefix) \(place)")
            }
            if let prefix = address.address6, !address.isLinkLocal, !inside.addresses6.contains(prefix) {
                batch.removeAddress(prefix, link: index, "remove the address \(prefix) \(place)")
            }
        }
    }
}
