// How the rules come to know agents and policies.

extension Boundary {
    /// How the rules come to know an agent.
    static func elements(for agent: NetworkSpec.Agent, _ spec: NetworkSpec) -> [SetElement] {
        let link = LinkName.host(agent: agent.name, prefix: spec.interfacePrefix)
        let mac = NetworkSpec.agentMAC(agent.address4)
        let name = agent.name
        let egress = agent.egress
        let chain = egress.allow.isEmpty ? nil : chain(for: egress.label)
        var elements = [
            SetElement(.lease4, [link, mac, agent.address4], agent: name),
            SetElement(.spoof, [link], agent: name),
            SetElement(.peerFrame, [link], agent: name),
            SetElement(.loggedFrame, [link], limit: LogLimit.rate, agent: name),
            SetElement(.host, [mac], agent: name),
            SetElement(.peer, [mac], agent: name),
            SetElement(.egress, [mac], agent: name),
            SetElement(.excess, [mac], agent: name),
            SetElement(.logged, [mac], limit: LogLimit.rate, agent: name),
        ]
        if chain != nil || !egress.services.isEmpty {
            elements.append(
                SetElement(.connections, [mac], limit: UInt64(egress.connections), agent: name))
        }
        // Octets; at least one.
        let rate = chain == nil ? nil : egress.rate.map { max(1, $0 / 8) }
        if let rate { elements.append(SetElement(.rate, [mac], limit: rate, agent: name)) }

        func family(
            _ address: any KeyField, lease: SetElement?, _ egressSet: AgentSet, _ rateSet: AgentSet,
            _ serviceSet: AgentSet, _ webSet: AgentSet
        ) {
            if let lease { elements.append(lease) }
            if let chain { elements.append(SetElement(egressSet, [address], target: chain, agent: name)) }
            if let rate { elements.append(SetElement(rateSet, [address], limit: rate, agent: name)) }
            for service in Set(egress.services) {
                elements.append(
                    SetElement(serviceSet, [address, service.transport.number, service.port], agent: name))
            }
            if let port = agent.webPort { elements.append(SetElement(webSet, [address, port], agent: name)) }
        }
        family(agent.address4, lease: nil, .egress4, .rate4, .service4, .web4)
        if let address6 = agent.address6 {
            family(
                address6, lease: SetElement(.lease6, [link, mac, address6], agent: name), .egress6, .rate6,
                .service6, .web6)
        }
        return elements
    }

    /// What the policies of all agents allow. Agents with the same destinations share it.
    static func policyElements(_ spec: NetworkSpec) -> [SetElement] {
        var policies: [String: Egress] = [:]
        for agent in spec.agents where !agent.egress.allow.isEmpty {
            policies[agent.egress.label] = agent.egress
        }
        return policies.flatMap { label, egress in
            allowed(IPv4Address.self, .allow4(label), egress, spec.names)
                + (spec.subnet6 == nil
                    ? [] : allowed(IPv6Address.self, .allow6(label), egress, spec.names))
        }
    }

    private static func allowed<Address: IPAddress & KeyField>(
        _ family: Address.Type, _ set: AgentSet, _ egress: Egress, _ names: [String: ResolvedName]
    ) -> [SetElement] {
        func elements(_ region: Region<Address>, _ name: String?, _ expires: Int64?) -> [SetElement] {
            region.boxes.map { box in
                SetElement(
                    set,
                    [
                        Address(bits: box.addresses.lowerBound), box.protocols.lowerBound,
                        box.ports.lowerBound,
                    ],
                    through: [
                        Address(bits: box.addresses.upperBound), box.protocols.upperBound,
                        box.ports.upperBound,
                    ],
                    agent: name, expires: expires)
            }
        }
        return elements(egress.region(family), nil, nil)
            + egress.regions(family, of: names).flatMap { elements($0.region, $0.name, $0.expires) }
    }

    /// The inverse, for one agent: what its elements say of its web port and egress policy.
    static func policy(of elements: [SetElement]) -> (webPort: UInt16?, egress: String?) {
        var webPort: UInt16?
        // The bridge table does not know where an agent may go.
        var egress: String? =
            elements.contains { $0.set.table.family == .inet } ? Egress.none.label : nil
        for element in elements {
            switch element.set {
            case .web4, .web6: webPort = element.fields.last.flatMap { UInt16($0) }
            case .egress4, .egress6: egress = element.target.flatMap { label(ofChain: $0) }
            default: break
            }
        }
        return (webPort, egress)
    }
}
