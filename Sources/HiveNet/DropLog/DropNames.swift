/// Puts names to logged packets: agents by their link, Ethernet or IP address, and what listens on the host.
public struct DropNames: Sendable {
    private var links: [UInt32: String] = [:]
    private var agentsByLink: [String: String] = [:]
    private var agentsByMAC: [MACAddress: String] = [:]
    private var agentsByAddress: [String: String] = [:]
    private var services = HostServices()

    public init(_ observed: NetworkObservation) {
        look(elements: observed.state.boundary?.elements ?? [], links: observed.linkIndexes)
    }

    init(elements: [SetElement], links: [String: Int32]) { look(elements: elements, links: links) }

    /// After agents, or links, have changed.
    public mutating func update(_ observed: NetworkObservation) {
        look(elements: observed.state.boundary?.elements ?? [], links: observed.linkIndexes)
    }

    mutating func look(elements: [SetElement], links: [String: Int32]) {
        self.links = Dictionary(links.map { (UInt32($1), $0) }, uniquingKeysWith: { first, _ in first })
        (agentsByLink, agentsByMAC, agentsByAddress) = ([:], [:], [:])
        for element in elements {
            guard let agent = element.agent, element.set == .lease4 || element.set == .lease6 else {
                continue
            }
            let fields = element.fields
            guard fields.count == 3 else { continue }
            agentsByLink[fields[0]] = agent
            if let mac = MACAddress(fields[1]) { agentsByMAC[mac] = agent }
            agentsByAddress[fields[2]] = agent
        }
    }

    /// The agents that it knows.
    public var agents: Set<String> { Set(agentsByLink.values) }

    /// Whether looking again could bring more: it came by a link, or from an agent, that was not there the last time.
    public func knows(_ packet: LoggedPacket) -> Bool {
        let isLinkKnown = (packet.inputLink ?? packet.outputLink).map { links[$0] != nil } ?? true
        return isLinkKnown && agent(of: packet) != nil
    }

    /// - Parameter asksForServices: looks who listens on the host, at most every ten seconds. That goes through all processes'
    ///   open files.
    public mutating func name(_ packet: LoggedPacket, asksForServices: Bool = true) -> Drop {
        let headers = packet.headers
        var drop = Drop(
            time: Double(packet.time) / 1_000_000, reason: packet.reason, agent: agent(of: packet),
            protocol: headers.protocolName, source: headers.source, sourcePort: headers.sourcePort,
            destination: headers.destination, destinationPort: headers.destinationPort, type: headers.type,
            destinationAgent: headers.destination.flatMap { agentsByAddress[$0] },
            link: (packet.inputLink ?? packet.outputLink).flatMap { links[$0] }, mac: packet.mac,
            vlan: packet.vlan, user: packet.user)
        if asksForServices, packet.reason == .host, let transport = Transport(rawValue: headers.protocolName),
            let address = headers.destination, let port = headers.destinationPort
        {
            drop.service = services.owner(of: port, transport, at: address)
        }
        return drop
    }

    private func agent(of packet: LoggedPacket) -> String? {
        func byLink(_ index: UInt32?) -> String? { index.flatMap { links[$0] }.flatMap { agentsByLink[$0] } }
        // An agent cannot choose its link. Its Ethernet address the bridge table has compared before the other looks at it.
        if packet.reason.isAgents,
            let agent = byLink(packet.inputLink) ?? packet.mac.flatMap({ agentsByMAC[$0] })
        {
            return agent
        }
        guard packet.reason != .spoof else { return nil }
        return packet.headers.destination.flatMap { agentsByAddress[$0] } ?? byLink(packet.outputLink)
    }
}

extension HostNetwork {
    /// What is needed to put names to logged packets, and no more: so it costs little.
    public mutating func dropNames() throws(KernelError) -> DropNames {
        DropNames(elements: try filter.readBoundary().elements, links: try linkIndexes())
    }

    /// The same anew.
    public mutating func refresh(_ names: inout DropNames) throws(KernelError) {
        names.look(elements: try filter.readBoundary().elements, links: try linkIndexes())
    }

    /// Whether the rules in the kernel log what they drop to that group of nfnetlink_log.
    public mutating func logs(to group: UInt16) throws(KernelError) -> Bool {
        try filter.readBoundary().boundary?.logs(to: group) ?? false
    }

    private mutating func linkIndexes() throws(KernelError) -> [String: Int32] {
        Dictionary(
            try route.links { _, _ in true }.map { ($0.name, $0.index) },
            uniquingKeysWith: { first, _ in first })
    }
}

/// Who listens on the host, remembered for some seconds.
private struct HostServices: Sendable {
    private var listeners: [Listener] = []
    private var lookedAt: ContinuousClock.Instant?

    mutating func owner(of port: UInt16, _ transport: Transport, at address: String) -> String? {
        let now = ContinuousClock.now
        if lookedAt.map({ now - $0 >= .seconds(10) }) ?? true {
            lookedAt = now
            // Without the names of services a packet is worth telling all the same.
            listeners = (try? Listeners.read()) ?? []
        }
        let here = listeners.filter { $0.port == port && $0.transport == transport }
        return (here.first { $0.has(address) } ?? here.first { $0.hasAll(address) })?.owner
    }
}

extension Listener {
    fileprivate func has(_ address: String) -> Bool {
        addresses4.contains { $0.description == address } || addresses6.contains { $0.description == address }
    }
    fileprivate func hasAll(_ address: String) -> Bool {
        address.contains(":")
            ? addresses6.contains { $0.bits == 0 } : addresses4.contains { $0.bits == 0 }
    }
}
