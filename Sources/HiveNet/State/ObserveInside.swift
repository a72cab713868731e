internal import CNetlink
internal import Glibc

/// What was found in agents' namespaces.
struct Insides {
    var found: [String: (inside: Inside, record: LinkRecord)] = [:]
    /// Agents whose namespace exists, and may be looked at.
    var existing: Set<String> = []
}

/// What was seen in an agent's namespace.
struct SeenInside {
    let agent: String
    let identity: NamespaceID
    /// The agent's end of its pair. Nil: there is no link of that name.
    let inside: (inside: Inside, record: LinkRecord)?
    /// Links besides that and the loopback one.
    let others: [LinkRecord]
}

extension HostNetwork {
    /// Looks into agents' namespaces, from a thread that joins one after the other. No process in them is touched.
    ///
    /// - Parameters:
    ///   - places: by agent.
    ///   - wanted: the agents that are to stay. Of a namespace's they come first: an agent that goes may have another one's place.
    ///   - ports: the host's ends of agents' pairs.
    mutating func observeInsides(
        _ places: [String: NetworkSpec.Namespace], wanted: Set<String>, ports: [String: LinkRecord],
        _ facts: inout HostFacts
    ) throws(KernelError) -> Insides {
        // In order of names, so that of two agents in one namespace it is always the same one that has a fault.
        var sorted = places.sorted { $0.key < $1.key }
        let known = sorted.compactMap { agent, place in remembered(agent, place, ports[agent]) }
        let isKnown = Set(known.map(\.agent))
        if !known.isEmpty { sorted.removeAll { isKnown.contains($0.key) } }
        guard !sorted.isEmpty else { return merge([], known, wanted, &facts) }
        let host = try NamespaceID.current()
        // Reading takes no lock of the kernel's that is worth mentioning, so two threads are nearly twice as fast. With few
        // agents it is not worth the second one.
        let half = sorted.count < 64 ? sorted.count : sorted.count / 2
        let threads = [sorted[..<half], sorted[half...]].filter { !$0.isEmpty }.map { places in
            Thread { [faults = receiveBuffer.faults] (switcher) throws(KernelError) in
                try Look(places, host, faults, switcher)
            }
        }
        // All are waited for, also when one has failed.
        let looks = threads.map { $0.result() }
        return merge(try looks.map { (look) throws(KernelError) in try look.get() }, known, wanted, &facts)
    }

    /// What was seen the last time, if it is the same namespace with the same link.
    private func remembered(
        _ agent: String, _ place: NetworkSpec.Namespace, _ port: LinkRecord?
    ) -> SeenInside? {
        // (The number of a namespace that is gone may soon be that of another, but no pair leads into both.)
        guard let seen = memory?.insides[agent], let record = seen.inside?.record, let port,
            port.peerIndex == UInt32(record.index), record.peerIndex == UInt32(port.index),
            seen.identity == NamespaceID(path: place.path(agent: agent))
        else { return nil }
        return seen
    }

    private mutating func merge(
        _ looks: [Look], _ known: [SeenInside], _ wanted: Set<String>, _ facts: inout HostFacts
    ) -> Insides {
        var insides = Insides()
        var owners: [NamespaceID: String] = [:]
        for look in looks { facts.namespaceFaults.merge(look.faults) { $1 } }
        var found = looks.flatMap(\.found)
        if !known.isEmpty { found = (found + known).sorted { $0.agent < $1.agent } }
        if memory != nil {
            memory?.insides = Dictionary(found.map { ($0.agent, $0) }, uniquingKeysWith: { $1 })
        }
        for seen in found.filter({ wanted.contains($0.agent) }) + found.filter({ !wanted.contains($0.agent) })
        {
            let (agent, identity) = (seen.agent, seen.identity)
            if let owner = owners[identity] {
                facts.namespaceFaults[agent] = .isAlso(agent: owner)
                continue
            }
            owners[identity] = agent
            facts.namespaces[agent] = identity
            if !seen.others.isEmpty { facts.otherLinks[agent] = seen.others }
            insides.existing.insert(agent)
            insides.found[agent] = seen.inside
        }
        return insides
    }
}

/// What one thread saw in one namespace after the other.
private struct Look {
    var found: [SeenInside] = []
    var faults: [String: NamespaceFault] = [:]

    init(
        _ places: ArraySlice<(key: String, value: NetworkSpec.Namespace)>, _ host: NamespaceID,
        _ transport: (any TransportFaults)?, _ switcher: borrowing NamespaceSwitch
    ) throws(KernelError) {
        let buffer = NetlinkSocket.ReceiveBuffer(faults: transport)
        for (agent, place) in places {
            do throws(KernelError) {
                try look(agent, place, host, buffer, switcher)
            } catch  where error.code == ELOOP {
                // A link in place of a file of ours is replaced, or removed, like any leftover.
                if place != .own { faults[agent] = .isSymbolicLink }
            } catch  where error.isPermission && place != .own {
                // Somebody else's namespace is that agent's matter; with our own ones it is we who lack something.
                faults[agent] = .isClosed(reason: error.reason)
            }
        }
    }

    private mutating func look(
        _ agent: String, _ place: NetworkSpec.Namespace, _ host: NamespaceID,
        _ buffer: NetlinkSocket.ReceiveBuffer, _ switcher: borrowing NamespaceSwitch
    ) throws(KernelError) {
        let path = place.path(agent: agent)
        guard let namespace = try Descriptor.namespace(path: path) else {
            if place != .own { faults[agent] = .doesNotExist }
            return
        }
        // (Asked after the namespace was opened: whoever has the number now had it then.)
        if case .process(let id, let started?) = place {
            let now = ProcessStart.of(id)
            guard now == started else {
                faults[agent] = now == nil ? .doesNotExist : .isAnothers
                return
            }
        }
        let identity = try NamespaceID(of: namespace)
        guard identity != host else {
            faults[agent] = .isTheHosts
            return
        }
        try switcher.enter(namespace, "join the network namespace \(path)")
        var socket = try NetlinkSocket(family: NETLINK_ROUTE, receiveBuffer: buffer)
        var inside: (inside: Inside, record: LinkRecord)?
        var others: [LinkRecord] = []
        do throws(KernelError) {
            let links = try socket.links { _, _ in true }
            others = links.filter { $0.name != insideName && !$0.isLoopback }
            inside = try socket.inside(links, own: place == .own)
        } catch {
            // What never holds still long enough to be read is as good as not there: the link is made anew, and one agent does
            // not keep everybody else's from being looked at. Any other failure is the host's, and no reason to touch a link.
            guard error.code == EINTR else { throw error }
        }
        found.append(SeenInside(agent: agent, identity: identity, inside: inside, others: others))
    }
}

extension NetlinkSocket {
    /// Reads the agent's end of the pair and what belongs to it, in the socket's namespace.
    fileprivate mutating func inside(
        _ links: [LinkRecord], own: Bool
    ) throws(KernelError) -> (inside: Inside, record: LinkRecord)? {
        guard let link = links.first(where: { $0.name == insideName }) else { return nil }
        let loopback = links.first { $0.name == "lo" }
        let addresses = try addresses(link: link.index)
        let defaults = try routes().filter { $0.link == link.index }
        let gateways4 = defaults.filter { $0.destination4?.length == 0 }.compactMap(\.gateway4).sorted()
        let gateways6 = defaults.filter { $0.destination6?.length == 0 }.compactMap(\.gateway6).sorted()
        var neighbours: [Neighbour] = []
        for gateway in gateways4 {
            if let found = try permanentNeighbour(gateway, link: link.index) { neighbours.append(found) }
        }
        for gateway in gateways6 {
            if let found = try permanentNeighbour(gateway, link: link.index) { neighbours.append(found) }
        }
        let inside = Inside(
            name: link.name, mac: link.mac ?? MACAddress(bits: 0), mtu: link.mtu, up: link.isUp,
            loopbackUp: own ? loopback?.isUp ?? false : nil, ipv6Disabled: link.ipv6?.disabled ?? true,
            generatesLinkLocal: link.ipv6?.generatesLinkLocal ?? false,
            addresses4: addresses.compactMap(\.address4).sorted { $0.address < $1.address },
            addresses6: addresses.filter { !$0.isLinkLocal }.compactMap(\.address6)
                .sorted { $0.address < $1.address },
            gateways4: gateways4, gateways6: gateways6, neighbours: neighbours.sorted())
        return (inside, link)
    }
}
