internal import CNetlink
internal import Glibc

extension HostNetwork {
    /// Looks for ways between the host and an agent's namespace besides the agent's pair: from the host's side, links that lead
    /// into an agent's namespace; from the inside, links besides `lo` and the agent's end.
    ///
    /// Both sides are needed: of a link that somebody moved into the namespace whole, the host sees nothing any more.
    mutating func auditLinks(_ observed: NetworkObservation) throws(KernelError) -> [Finding] {
        let findings = try auditLinksOutside(observed) + auditLinksInside(observed)
        guard findings.isEmpty else { return findings }
        return [
            .fine(
                "links",
                "no link but its own leads into an agent's namespace, of \(counted(observed.host.namespaces.count, "namespace"))"
            )
        ]
    }

    // MARK: On the host

    private mutating func auditLinksOutside(
        _ observed: NetworkObservation
    ) throws(KernelError) -> [Finding] {
        var findings: [Finding] = []
        let groups = Dictionary(grouping: observed.host.linksElsewhere) { $0.link.peerNamespace ?? -1 }
        // The usual case costs nothing: a namespace that one link leads to, and that is a port whose agent sees its other end.
        let unclear = groups.filter { _, links in
            guard links.count == 1, let agent = links[0].agent else { return true }
            return observed.state.agents[agent]?.inside == nil
        }
        guard !unclear.isEmpty else { return [] }
        for (agent, number) in try route.numbers(ofNamespacesIn: observed) {
            for (link, owner) in unclear[number] ?? [] where owner != agent {
                let whose = owner.map { ", though it is marked as the one of agent \($0)" } ?? ""
                findings.append(
                    .alarm(
                        "links", agent: agent,
                        "the host's link \(link.name) (\(link.kind ?? "a device")) leads into the agent's namespace, past "
                            + "the boundary\(whose)"))
            }
        }
        return findings
    }

    // MARK: Inside

    private func auditLinksInside(_ observed: NetworkObservation) throws(KernelError) -> [Finding] {
        var findings: [Finding] = []
        for (agent, links) in observed.host.otherLinks.sorted(by: { $0.key < $1.key }) {
            let places =
                try links.contains { $0.peerNamespace != nil } ? places(seenBy: agent, observed) : [:]
            for link in links.sorted(by: { $0.name < $1.name }) where !link.isFallback {
                let name = "the agent has a link \(link.name)"
                if let number = link.peerNamespace {
                    if let place = places[number] {
                        findings.append(
                            .alarm(
                                "links", agent: agent,
                                "\(name) (\(link.kind ?? "a device")) that leads to \(place), past the boundary"
                            ))
                    } else {
                        findings.append(
                            .warning(
                                "links", agent: agent,
                                "\(name) (\(link.kind ?? "a device")) that leads to a namespace which is neither the host's "
                                    + "nor an agent's"))
                    }
                } else if let kind = link.kind {
                    findings.append(
                        .warning(
                            "links", agent: agent,
                            "\(name) (\(kind)) besides its own: it may be the agent's doing, and leads past the boundary "
                                + "only if something outside the namespace holds its other end"))
                } else {
                    findings.append(
                        .alarm(
                            "links", agent: agent,
                            "\(name) that is a device of the machine's, past the boundary")
                    )
                }
            }
        }
        return findings
    }

    /// Where links lead to: the host's namespace and the agents', by the numbers that one agent's namespace knows them by.
    private func places(
        seenBy agent: String, _ observed: NetworkObservation
    ) throws(KernelError) -> [Int32: String] {
        let host = try Descriptor.currentNamespace()
        guard let path = observed.state.agents[agent]?.namespace?.path,
            let namespace = try Descriptor.namespace(path: path)
        else { return [:] }
        return try onThreadOfItsOwn { (switcher) throws(KernelError) in
            try switcher.enter(namespace, "join the network namespace \(path)")
            var socket = try NetlinkSocket(family: NETLINK_ROUTE)
            var places: [Int32: String] = [:]
            for (other, number) in try socket.numbers(ofNamespacesIn: observed) where other != agent {
                places[number] = "the namespace of agent \(other)"
            }
            if let number = try socket.number(of: host) { places[number] = "the host" }
            return places
        }
    }
}

extension NetlinkSocket {
    /// The numbers by which the socket's namespace knows those of agents, sorted by agent's name. Agents it has no number for are
    /// left out.
    fileprivate mutating func numbers(
        ofNamespacesIn observed: NetworkObservation
    ) throws(KernelError) -> [(agent: String, number: Int32)] {
        var numbers: [(agent: String, number: Int32)] = []
        for (agent, identity) in observed.host.namespaces.sorted(by: { $0.key < $1.key }) {
            // Gone, or another one by now: the next look will tell.
            guard let path = observed.state.agents[agent]?.namespace?.path,
                let namespace = try Descriptor.namespace(path: path),
                try NamespaceID(of: namespace) == identity
            else { continue }
            if let number = try number(of: namespace) { numbers.append((agent, number)) }
        }
        return numbers
    }
}

extension LinkRecord {
    /// One that the kernel makes in every new namespace once a tunnel's module is loaded (`net.core.fb_tunnels_only_for_init_net`),
    /// and nobody uses.
    fileprivate var isFallback: Bool {
        let names = [
            "ipip": "tunl0", "sit": "sit0", "gre": "gre0", "gretap": "gretap0", "erspan": "erspan0",
            "vti": "ip_vti0",
            "ip6tnl": "ip6tnl0", "ip6gre": "ip6gre0", "vti6": "ip6_vti0",
        ]
        return !isUp && kind.flatMap { names[$0] } == name
    }
}
