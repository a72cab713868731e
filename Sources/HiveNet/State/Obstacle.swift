/// Why a specification cannot be carried out on this host as it is. Nothing is changed then.
public enum Obstacle: Error, Equatable, Sendable, CustomStringConvertible {
    /// A link that is not ours has the bridge's name.
    case bridgeNameTaken(String)
    /// A link that is not ours has the name of an agent's link.
    case linkNameTaken(String, agent: String)
    /// A link that is not ours has a name that begins as those of agents' links do, and the rules would take it for one.
    case prefixTaken(String, prefix: String)
    /// The host reaches part of the agents' network over another link.
    case subnet4IsRouted(Prefix4, route: Prefix4, link: String)
    case subnet6IsRouted(Prefix6, route: Prefix6, link: String)
    case namespaceDoesNotExist(String, agent: String)
    /// The process that it is named by has ended, and another one has its number.
    case namespaceIsAnothers(String, agent: String)
    case namespaceIsSymbolicLink(String, agent: String)
    case namespaceIsTheHosts(String, agent: String)
    case namespaceIsShared(String, agent: String, other: String)
    /// The kernel does not let us open it, or join it: it is that of a process that has more capabilities than we
    /// (ptrace_may_access), or behind a directory that we may not search.
    case namespaceIsClosed(String, agent: String, reason: String)
    /// The specification has an IPv6 subnet and the kernel no IPv6.
    case noIPv6
    /// Somebody else's netlink socket owns our tables: another process keeps the hive.
    case tablesAreOwned(port: UInt32)

    public var description: String {
        switch self {
        case .bridgeNameTaken(let name):
            "there is a link \(name) already, and it is not Hive's bridge"
        case .linkNameTaken(let name, let agent):
            "there is a link \(name) already, and it is not the one of agent \(agent)"
        case .prefixTaken(let name, let prefix):
            "there is a link \(name) that is not Hive's; the rules would take whatever begins with \(prefix) for an agent's"
        case .subnet4IsRouted(let subnet, let route, let link):
            "the host routes \(route) over \(link), which overlaps with \(subnet)"
        case .subnet6IsRouted(let subnet, let route, let link):
            "the host routes \(route) over \(link), which overlaps with \(subnet)"
        case .namespaceDoesNotExist(let path, let agent):
            "the network namespace \(path) of agent \(agent) does not exist"
        case .namespaceIsAnothers(let path, let agent):
            "the process whose network namespace \(path) agent \(agent) was given has ended, and another one has its number"
        case .namespaceIsSymbolicLink(let path, let agent):
            "the network namespace \(path) of agent \(agent) is a symbolic link; name the namespace's own file"
        case .namespaceIsTheHosts(let path, let agent):
            "the network namespace \(path) of agent \(agent) is the host's own"
        case .namespaceIsShared(let path, let agent, let other):
            "the network namespace \(path) of agent \(agent) is that of agent \(other) too"
        case .namespaceIsClosed(let path, let agent, let reason):
            "the kernel does not let Hive open the network namespace \(path) of agent \(agent): \(reason)"
        case .tablesAreOwned(let port):
            "the nftables tables named hive belong to another process, which keeps them (netlink port \(port)): a watcher"
        case .noIPv6:
            "this kernel has no IPv6; the configuration can say so with subnet6: null"
        }
    }
}

extension Obstacle {
    /// The agent whose it is; nil: it is everybody's.
    public var agent: String? {
        switch self {
        case .linkNameTaken(_, let agent), .namespaceDoesNotExist(_, let agent),
            .namespaceIsAnothers(_, let agent), .namespaceIsSymbolicLink(_, let agent),
            .namespaceIsTheHosts(_, let agent),
            .namespaceIsShared(_, let agent, _), .namespaceIsClosed(_, let agent, _):
            agent
        case .bridgeNameTaken, .prefixTaken, .subnet4IsRouted, .subnet6IsRouted, .noIPv6, .tablesAreOwned: nil
        }
    }
}

/// What stands in the way, in the order in which an operator would want to hear of it. Pure.
public func obstacles(to spec: NetworkSpec, observed: NetworkObservation) -> [Obstacle] {
    var found: [Obstacle] = []
    let host = observed.host
    if spec.subnet6 != nil, !host.hasIPv6 { found.append(.noIPv6) }
    if observed.state.bridge == nil, observed.linkIndexes[spec.bridge] != nil {
        found.append(.bridgeNameTaken(spec.bridge))
    }
    for (route, link) in host.routes4 where route.overlaps(spec.subnet4) {
        found.append(.subnet4IsRouted(spec.subnet4, route: route, link: link))
    }
    if let subnet6 = spec.subnet6 {
        for (route, link) in host.routes6 where route.overlaps(subnet6) {
            found.append(.subnet6IsRouted(subnet6, route: route, link: link))
        }
    }
    for agent in spec.agents.sorted(by: { $0.name < $1.name }) {
        let link = LinkName.host(agent: agent.name, prefix: spec.interfacePrefix)
        if host.foreignLinks.contains(link) { found.append(.linkNameTaken(link, agent: agent.name)) }
        let path = agent.namespace.path(agent: agent.name)
        switch host.namespaceFaults[agent.name] {
        case .isTheHosts: found.append(.namespaceIsTheHosts(path, agent: agent.name))
        case .isAlso(let other): found.append(.namespaceIsShared(path, agent: agent.name, other: other))
        case .isSymbolicLink: found.append(.namespaceIsSymbolicLink(path, agent: agent.name))
        case .doesNotExist: found.append(.namespaceDoesNotExist(path, agent: agent.name))
        case .isAnothers: found.append(.namespaceIsAnothers(path, agent: agent.name))
        case .isClosed(let reason):
            found.append(.namespaceIsClosed(path, agent: agent.name, reason: reason))
        case nil: break
        }
    }
    let names = Set(spec.agents.map { LinkName.host(agent: $0.name, prefix: spec.interfacePrefix) })
    for link in host.foreignLinks.sorted() where link.hasPrefix(spec.interfacePrefix) && !names.contains(link)
    {
        found.append(.prefixTaken(link, prefix: spec.interfacePrefix))
    }
    return found
}

/// What the host does that keeps a specification from working as an operator would expect, though nothing stands in the way
/// of applying it. Sentences.
public func cautions(about spec: NetworkSpec, observed: NetworkObservation) -> [String] {
    let host = observed.host
    guard let agent = spec.agents.filter({ !$0.egress.allow.isEmpty }).map(\.name).min() else { return [] }
    var words: [String] = []
    if !host.forwards4 {
        words.append(
            "net.ipv4.ip_forward is 0, so the host forwards nothing: agents such as \(agent) cannot reach outside by IPv4. "
                + "Hive does not switch it on, because that makes every link of the host a router's.")
    }
    if spec.subnet6 != nil, !host.forwards6 {
        words.append(
            "net.ipv6.conf.all.forwarding is 0: agents such as \(agent) cannot reach outside by IPv6.")
    }
    return words
}
