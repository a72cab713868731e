internal import CNetlink
internal import Glibc

extension HostNetwork {
    /// Reads from the kernel what there is of a hive.
    ///
    /// - Parameter spec: what is wanted, if it is known: it tells the bridge's name, and where agents live that have no link
    ///   yet. Without it the marks on links, and the files in /run/netns, tell what is ours.
    public mutating func observe(_ spec: NetworkSpec?) throws(KernelError) -> NetworkObservation {
        let (observation, isTorn) = try observeOnce(spec)
        // The host's links are read before those inside: a pair that was made in between would pass for somebody else's.
        return isTorn ? try observeOnce(spec).observation : observation
    }

    /// - Returns: also whether the two ends of some pair do not belong together.
    private mutating func observeOnce(
        _ spec: NetworkSpec?
    ) throws(KernelError) -> (observation: NetworkObservation, isTorn: Bool) {
        var isTorn = false
        let (rules, counts, totals) = try observeRules()
        let elements = rules.boundary?.elements ?? []
        let links = try route.links { _, _ in true }
        let routes = try route.routes()
        let found = Found(links: links, spec: spec, elements: elements)
        var state = NetworkState(boundary: rules.boundary, strayLinks: found.strays)
        var facts = HostFacts()
        if let bridge = found.bridge {
            state.bridge = try observe(bridge, routes, foreignPorts: found.foreignPorts)
        }
        let forwarding = try found.bridge.map { (bridge) throws(KernelError) in
            try observeForwarding(bridge.index)
        }
        let policies = Dictionary(grouping: elements) { $0.agent ?? "" }
        let places = found.places
        let wanted = Set(spec?.agents.map(\.name) ?? [])
        let insides = try observeInsides(places, wanted: wanted, ports: found.ports, &facts)
        let closed = facts.closedNamespaces
        for (name, place) in places {
            let (webPort, egress) = Boundary.policy(of: policies[name] ?? [])
            let link = found.ports[name]
            let exists = insides.existing.contains(name) || closed.contains(name)
            var inside = insides.found[name]
            // A link of that name whose other end is not ours is not the agent's end of the pair.
            if let record = inside?.record,
                record.peerIndex != link.map({ UInt32($0.index) })
                    || link?.peerIndex != UInt32(record.index)
            {
                inside = nil
                facts.otherLinks[name, default: []].append(record)
                isTorn = true
            }
            let agent = Agent(
                namespace: exists ? NamespaceState(path: place.path(agent: name), own: place == .own) : nil,
                port: link.map {
                    Port(
                        $0, bridge: found.name(of: $0.master),
                        backup: $0.bridgePort?.backup.map { linkName($0, links) },
                        fdb: forwarding?[$0.index] ?? [])
                },
                inside: inside?.inside, webPort: webPort, egress: egress)
            // A place where there might be something, and there is nothing: not an agent.
            if agent.namespace == nil && agent.port == nil && agent.egress == nil { continue }
            state.agents[name] = agent
        }
        for agent in NamespaceDirectory.agents() {
            // A wanted agent's leftover file is replaced when its namespace is made.
            let isUsed = places[agent] == .own && (insides.existing.contains(agent) || wanted.contains(agent))
            if !isUsed { state.strayNamespaces.append(NetworkSpec.Namespace.own.path(agent: agent)) }
        }
        state.strayNamespaces.sort()
        try observeHost(links, routes, found, &facts)
        let observation = NetworkObservation(
            state: state, blocked: Self.blocked(counts), blockedInAll: totals, host: facts,
            ownership: rules.ownership, generation: rules.generation,
            bridgeIndex: found.bridge?.index,
            linkIndexes: Dictionary(
                links.map { ($0.name, $0.index) }, uniquingKeysWith: { first, _ in first }),
            freeIndex: (links.map(\.index).max() ?? 0) + 1,
            chains: rules.chains, countsSince: rules.since)
        return (observation, isTorn)
    }

    /// The tables, and what they have counted: nothing, where they are not read because they have not changed.
    private mutating func observeRules() throws(KernelError) -> (
        Memory.Rules, counts: [(element: SetElement, packets: UInt64)], totals: [String: UInt64]
    ) {
        if let known = memory?.rules, try filter.generation() == known.generation { return (known, [], [:]) }
        let read = try filter.readBoundary()
        let rules = Memory.Rules(read)
        memory?.rules = rules
        return (rules, read.counts, read.totals)
    }

    private mutating func observeForwarding(_ bridge: Int32) throws(KernelError) -> [Int32: [MACAddress]] {
        if let known = memory?.forwarding, known.bridge == bridge { return known.entries }
        let entries = try route.forwarding(bridge: bridge)
        memory?.forwarding = (bridge, entries)
        return entries
    }

    private mutating func observeNeighbours(_ bridge: Int32) throws(KernelError) -> [Neighbour] {
        if let known = memory?.neighbours, known.bridge == bridge { return known.entries }
        let entries = try route.permanentNeighbours(link: bridge)
        memory?.neighbours = (bridge, entries)
        return entries
    }

    private mutating func observe(
        _ link: LinkRecord, _ routes: [RouteRecord], foreignPorts: [String]
    ) throws(KernelError) -> Bridge {
        let addresses = try route.addresses(link: link.index)
        let over = routes.filter { $0.link == link.index }
        let networks4 = Set(addresses.compactMap(\.address4).filter { $0.length < 32 }.map(\.network))
        let networks6 = Set(
            addresses.filter { !$0.isLinkLocal }.compactMap(\.address6).filter { $0.length < 128 }.map(
                \.network))
        let missing =
            networks4.subtracting(over.compactMap(\.destination4)).map(\.description)
            + networks6.subtracting(over.compactMap(\.destination6)).map(\.description)
        return Bridge(
            name: link.name, alias: link.alias, mac: link.mac ?? MACAddress(bits: 0), mtu: link.mtu,
            up: link.isUp,
            stp: link.bridge?.stp ?? false, multicastSnooping: link.bridge?.multicastSnooping ?? false,
            addresses4: addresses.compactMap(\.address4).sorted { $0.address < $1.address },
            addresses6: addresses.compactMap(\.address6).sorted { $0.address < $1.address },
            ipv4: link.ipv4 ?? .strict(forwarding: false), ipv6: link.ipv6,
            neighbours: try observeNeighbours(link.index), foreignPorts: foreignPorts,
            missingRoutes: missing.sorted())
    }

    fileprivate mutating func observeHost(
        _ links: [LinkRecord], _ routes: [RouteRecord], _ found: Found, _ facts: inout HostFacts
    ) throws(KernelError) {
        let names = Dictionary(links.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
        // A bridge that we made under another name goes, and its routes with it.
        let ours = Set(
            links.filter {
                $0.kind == "bridge" && $0.alias == Mark.bridgeAlias || $0.index == found.bridge?.index
            }.map(\.index))
        for route in routes where !(route.link.map(ours.contains) ?? false) {
            let link = route.link.flatMap { names[$0] } ?? "nowhere"
            if let prefix = route.destination4, prefix.length > 0 { facts.routes4.append((prefix, link)) }
            if let prefix = route.destination6, prefix.length > 0 { facts.routes6.append((prefix, link)) }
        }
        let agents = Dictionary(
            found.ports.map { ($1.index, $0) }, uniquingKeysWith: { first, _ in first })
        facts.linksElsewhere = links.filter { $0.peerNamespace != nil }.map { ($0, agents[$0.index]) }
        facts.hasIPv6 = links.contains { $0.ipv6 != nil }
        facts.forwards4 = Sysctl.read("ipv4/ip_forward") == "1"
        facts.forwards6 = Sysctl.read("ipv6/conf/all/forwarding") == "1"
        // A port is ours by its alias too, when somebody took it out of our group.
        let ports = Set(found.ports.values.map(\.index))
        facts.foreignLinks = Set(
            links.filter {
                $0.group != Mark.group && $0.group != Mark.condemnedGroup && $0.alias != Mark.bridgeAlias
                    && !ports.contains($0.index)
            }
            .map(\.name))
    }

    private static func blocked(_ counts: [(element: SetElement, packets: UInt64)]) -> [String: Blocked] {
        var blocked: [String: Blocked] = [:]
        for (element, packets) in counts {
            guard let agent = element.agent else { continue }
            switch element.set {
            case .host: blocked[agent, default: Blocked()].host += packets
            case .peer, .peerFrame: blocked[agent, default: Blocked()].peer += packets
            case .spoof: blocked[agent, default: Blocked()].spoof += packets
            case .egress: blocked[agent, default: Blocked()].egress += packets
            case .excess: blocked[agent, default: Blocked()].excess += packets
            default: break
            }
        }
        return blocked
    }
}

/// The host's links, sorted out.
private struct Found {
    var bridge: LinkRecord?
    /// By agent.
    var ports: [String: LinkRecord] = [:]
    /// Where each agent lives, or should.
    var places: [String: NetworkSpec.Namespace] = [:]
    var strays: [String] = []
    var foreignPorts: [String] = []
    private let namesByIndex: [UInt32: String]

    func name(of index: UInt32?) -> String? { index.flatMap { namesByIndex[$0] } }

    init(links: [LinkRecord], spec: NetworkSpec?, elements: [SetElement]) {
        namesByIndex = Dictionary(
            links.map { (UInt32($0.index), $0.name) }, uniquingKeysWith: { first, _ in first })
        bridge = links.first {
            $0.kind == "bridge" && $0.alias == Mark.bridgeAlias && spec.map(\.bridge) ?? $0.name == $0.name
        }
        if bridge == nil, let spec {
            // Ours, with its alias taken away: nobody else has this address.
            bridge = links.first { $0.name == spec.bridge && $0.kind == "bridge" && $0.mac == spec.bridgeMAC }
        }
        // Whoever has a file, an entry in the rules, a link, or is wanted. What is wanted has the last word on the place.
        for agent in NamespaceDirectory.agents() { places[agent] = .own }
        for case let agent? in Set(elements.map(\.agent)) { places[agent] = .own }
        let wanted = Dictionary(
            (spec?.agents ?? []).map {
                (LinkName.host(agent: $0.name, prefix: spec?.interfacePrefix ?? ""), $0)
            },
            uniquingKeysWith: { first, _ in first })
        for link in links where link.kind == "veth" {
            if let (agent, place) = link.alias.flatMap(Mark.parse(portAlias:)) {
                // Two with one agent's mark: the wanted one is it, or else the first.
                if let other = ports[agent] {
                    let isBetter = wanted[link.name]?.name == agent
                    strays.append(isBetter ? other.name : link.name)
                    guard isBetter else { continue }
                }
                places[agent] = place
                ports[agent] = link
            } else if link.group == Mark.group || link.group == Mark.condemnedGroup {
                // Not yet named, or its name taken away: known by the link's name if it is one that is wanted.
                if let agent = wanted[link.name] {
                    ports[agent.name] = link
                } else {
                    strays.append(link.name)
                }
            }
        }
        for agent in spec?.agents ?? [] { places[agent.name] = agent.namespace }
        let portIndexes = Set(ports.values.map(\.index))
        if let bridge {
            foreignPorts = links.filter {
                $0.master == UInt32(bridge.index) && !portIndexes.contains($0.index)
                    && !strays.contains($0.name)
            }.map(\.name).sorted()
        }
        // A bridge that we made under another name.
        strays += links.filter {
            $0.kind == "bridge" && $0.alias == Mark.bridgeAlias && $0.index != bridge?.index
        }
        .map(\.name)
        strays.sort()
    }
}

/// Of a link that is not known by name, its number.
private func linkName(_ index: UInt32, _ links: [LinkRecord]) -> String {
    links.first { $0.index == Int32(bitPattern: index) }?.name ?? "link \(index)"
}

extension Port {
    fileprivate init(_ link: LinkRecord, bridge: String?, backup: String?, fdb: [MACAddress]) {
        let port = link.bridgePort
        self.init(
            name: link.name, alias: link.alias, group: link.group, mac: link.mac ?? MACAddress(bits: 0),
            mtu: link.mtu, up: link.isUp, bridge: bridge, closed: port?.isClosed ?? false,
            isolated: port?.isolated ?? false,
            locked: port == nil ? false : port?.locked, learning: port?.learning ?? true,
            unicastFlood: port?.unicastFlood ?? true, multicastFlood: port?.multicastFlood ?? true,
            broadcastFlood: port?.broadcastFlood ?? true, bpduGuard: port?.bpduGuard ?? false,
            hairpin: port?.hairpin ?? false, backup: backup, ipv4: link.ipv4 ?? .strict(forwarding: false),
            generatesLinkLocal: link.ipv6?.generatesLinkLocal ?? false, fdb: fdb)
    }
}
