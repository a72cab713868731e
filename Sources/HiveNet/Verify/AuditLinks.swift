internal import CNetlink
internal import Glibc

extension HostNetwork {
    /// Looks for ways between the host and an agent's namespace besides the agent's pair: from the host's side, links that lead
    /// into an agent's namespace; from the inside, links besides the loopback one and the agent's end.
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
            let links = (unclear[number] ?? []).filter { $0.agent != agent }
            guard !links.isEmpty else { continue }
            let names = links.map { link, owner in
                link.words + (owner.map { ", though marked as the one of agent \($0)" } ?? "")
            }
            findings.append(
                .alarm(
                    "links", agent: agent,
                    "\(counted(links.count, "link")) of the host lead\(links.count == 1 ? "s" : "") into the agent's namespace, "
                        + "past the boundary: \(listed(names))"))
        }
        return findings
    }

    // MARK: Inside

    /// An agent can make thousands of links for itself: one finding for all of a kind.
    private func auditLinksInside(_ observed: NetworkObservation) throws(KernelError) -> [Finding] {
        var findings: [Finding] = []
        for (agent, links) in observed.host.otherLinks.sorted(by: { $0.key < $1.key }) {
            let places =
                try links.contains { $0.peerNamespace != nil } ? places(seenBy: agent, observed) : [:]
            let groups = Dictionary(grouping: links.filter { !$0.isFallback }) { Direction($0, places) }
            for (direction, links) in groups.sorted(by: { $0.key < $1.key }) {
                let names = listed(links.map(\.words).sorted())
                let count = counted(links.count, "link")
                let finding: Finding =
                    switch direction {
                    case .device:
                        .alarm(
                            "links", agent: agent,
                            "the agent has \(counted(links.count, "device")) of the machine's, past the boundary: \(names)"
                        )
                    case .known(let place):
                        .alarm(
                            "links", agent: agent,
                            "the agent has \(count) to \(place) besides its own, past the boundary: \(names)")
                    case .elsewhere:
                        .warning(
                            "links", agent: agent,
                            "the agent has \(count) to a namespace that is neither the host's nor an agent's: \(names)"
                        )
                    case .inside:
                        .warning(
                            "links", agent: agent,
                            "the agent has \(count) besides its own: \(names); that may be its own doing, and leads past "
                                + "the boundary only where something outside holds the other end")
                    }
                findings.append(finding)
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

/// Where a link in an agent's namespace leads to.
private enum Direction: Hashable, Comparable {
    /// Nowhere that a kernel's namespace could tell: it is hardware, or looks like it.
    case device
    case known(place: String)
    case elsewhere
    /// Both ends are inside, or a program holds the other one.
    case inside

    init(_ link: LinkRecord, _ places: [Int32: String]) {
        if let number = link.peerNamespace {
            self = places[number].map { .known(place: $0) } ?? .elsewhere
        } else {
            self = link.kind == nil ? .device : .inside
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
    /// `eth1 (veth)`
    fileprivate var words: String { name + (kind.map { " (\($0))" } ?? "") }

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
