extension NetworkState {
    /// Everything that a specification implies.
    public init(_ spec: NetworkSpec) throws(KernelError) { self.init(spec, boundary: try Boundary(spec)) }

    init(_ spec: NetworkSpec, boundary: Boundary) {
        self.init(
            bridge: Bridge(spec),
            agents: Dictionary(uniqueKeysWithValues: spec.agents.map { ($0.name, Agent($0, spec)) }),
            boundary: boundary)
    }
}

extension Boundary {
    init(_ spec: NetworkSpec) throws(KernelError) {
        var rules: [String] = []
        for table in Boundary.tables(for: spec) { rules += try TableText(table).lines }
        self.init(
            rules: rules,
            elements: (spec.agents.flatMap { Boundary.elements(for: $0, spec) }
                + Boundary.policyElements(spec)).sorted())
    }

    /// Stands for a boundary that is known to be just what is wanted: a thousand agents' elements are most of a hive, and need not
    /// be kept to be compared with themselves.
    static let asWanted = Boundary(rules: ["as wanted"], elements: [])
}

/// What a keeper wants, as little of it as it has to keep.
final class Wanted {
    let spec: NetworkSpec
    /// With `Boundary.asWanted`.
    let light: NetworkState

    init(_ spec: NetworkSpec) {
        self.spec = spec
        light = NetworkState(spec, boundary: .asWanted)
    }

    /// - Parameter boundary: as it was observed.
    func state(for boundary: Boundary?) throws(KernelError) -> NetworkState {
        guard boundary != .asWanted else { return light }
        var state = light
        state.boundary = try Boundary(spec)
        return state
    }
}

extension Bridge {
    fileprivate init(_ spec: NetworkSpec) {
        let addresses4 = Prefix4(spec.gateway4, length: spec.subnet4.length)
        let addresses6 = spec.gateway6.flatMap { Prefix6($0, length: spec.subnet6?.length ?? 0) }
        // Routing for agents is off as long as no agent may go out.
        let forwards = spec.agents.contains { !$0.egress.allow.isEmpty }
        self.init(
            name: spec.bridge, alias: Mark.bridgeAlias, mac: spec.bridgeMAC, mtu: spec.mtu, up: true,
            stp: false,
            multicastSnooping: false,
            addresses4: [addresses4].compactMap(\.self), addresses6: [addresses6].compactMap(\.self),
            ipv4: .strict(forwarding: forwards),
            ipv6: IPv6Settings(
                disabled: spec.subnet6 == nil, acceptRA: 0, acceptRedirects: 0, proxyNDP: 0,
                generatesLinkLocal: false),
            neighbours: spec.agents.flatMap { agent in
                let mac = NetworkSpec.agentMAC(agent.address4)
                return [agent.address4.description, agent.address6?.description].compactMap(\.self).map {
                    Neighbour(address: $0, mac: mac)
                }
            }.sorted(),
            foreignPorts: [], missingRoutes: [])
    }
}

extension IPv4Settings {
    /// What a link towards agents should be. Where the kernel combines a link's value with that of `all`, this is our half:
    /// `rp_filter` is the larger of both, `route_localnet`, `send_redirects`, `proxy_arp` are either, the rest are both.
    static func strict(forwarding: Bool) -> IPv4Settings {
        IPv4Settings(
            forwarding: forwarding ? 1 : 0, rpFilter: 1, routeLocalnet: 0, acceptRedirects: 0,
            sendRedirects: 0,
            acceptSourceRoute: 0, proxyARP: 0, arpIgnore: 1)
    }
}

extension Agent {
    fileprivate init(_ agent: NetworkSpec.Agent, _ spec: NetworkSpec) {
        let mac = NetworkSpec.agentMAC(agent.address4)
        let own = agent.namespace == .own
        let gateways = [
            spec.gateway4.description, agent.address6.flatMap { _ in spec.gateway6?.description },
        ]
        self.init(
            namespace: NamespaceState(path: agent.namespace.path(agent: agent.name), own: own),
            port: Port(
                name: LinkName.host(agent: agent.name, prefix: spec.interfacePrefix),
                alias: Mark.portAlias(agent: agent.name, agent.namespace), group: Mark.group,
                mac: NetworkSpec.portMAC(agent.address4), mtu: spec.mtu, up: true, bridge: spec.bridge,
                closed: false, isolated: true, locked: true, learning: false, unicastFlood: false,
                multicastFlood: false,
                broadcastFlood: false, bpduGuard: true, hairpin: false, backup: nil,
                ipv4: .strict(forwarding: false),
                generatesLinkLocal: false, fdb: [mac]),
            inside: Inside(
                name: insideName, mac: mac, mtu: spec.mtu, up: true, loopbackUp: own ? true : nil,
                ipv6Disabled: agent.address6 == nil, generatesLinkLocal: false,
                addresses4: [Prefix4(host: agent.address4)],
                addresses6: agent.address6.map { [Prefix6(host: $0)] } ?? [],
                gateways4: [spec.gateway4],
                gateways6: agent.address6 == nil ? [] : [spec.gateway6].compactMap(\.self),
                neighbours: gateways.compactMap(\.self).map { Neighbour(address: $0, mac: spec.bridgeMAC) }
                    .sorted()),
            webPort: agent.webPort, egress: agent.egress.label)
    }
}
