internal import CNetlink
internal import Glibc

// What is tried, by whom, and from where.
extension Inspection {
    /// More pairs of agents are sampled.
    static let mostPairs = 16_000
    /// So many of the host's addresses, and so many of its listeners.
    static let mostAddresses = 64, mostListeners = 256

    mutating func hostTargets(_ network: inout HostNetwork) throws(KernelError) -> HostTargets {
        var targets = HostTargets()
        let names = Dictionary(observed.linkIndexes.map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        for record in try network.route.addresses() {
            let link = names[record.link] ?? "link \(record.link)"
            if let address = record.address4?.address, !Prefix4.loopback.contains(address),
                !targets.addresses4.contains(where: { $0.address == address })
            {
                targets.addresses4.append((address, link))
            }
            if let address = record.address6?.address, address.bits != 1,
                !targets.addresses6.contains(where: { $0.address == address })
            {
                targets.addresses6.append((address, link))
            }
        }
        targets.hasIPv6 = observed.host.hasIPv6
        targets.local4 = Set(targets.addresses4.map(\.address))
        targets.local6 = Set(targets.addresses6.map(\.address))
        do throws(KernelError) {
            targets.listeners = try Listeners.read()
        } catch {
            report(
                .untested, nil, .listeners, "could not test what listens on the host: \(error.description)")
        }
        let taken = Set(targets.listeners.map(\.port)).union(
            spec.agents.flatMap { $0.egress.services.map(\.port) })
        // Where few services are, and none of these.
        targets.freePort = (17_000...19_000).first { !taken.contains($0) } ?? 17_000
        limit(&targets.addresses4, Self.mostAddresses, "IPv4 addresses of the host")
        limit(&targets.addresses6, Self.mostAddresses, "IPv6 addresses of the host")
        limit(&targets.listeners, Self.mostListeners, "listening sockets")
        return targets
    }

    /// Leaves some of them out where there are very many, and says so.
    private mutating func limit<Element>(_ list: inout [Element], _ most: Int, _ words: String) {
        guard list.count > most else { return }
        result.notes.append("\(most) of \(list.count) \(words) were chosen by the seed")
        list.shuffle(using: &random)
        list.removeLast(list.count - most)
    }

    /// Chooses addresses outside for each egress policy, and makes attempts of them.
    mutating func planOutward(_ targets: HostTargets) {
        let (subnet4, subnet6) = (spec.subnet4, spec.subnet6)
        func isElsewhere(_ address: Outward.Address) -> Bool {
            switch address {
            case .v4(let address): !subnet4.contains(address) && !targets.local4.contains(address)
            case .v6(let address):
                !(subnet6?.contains(address) ?? false) && !targets.local6.contains(address)
            }
        }
        var known: [Outward: [Verification.Target: Int]] = [:]
        func index(_ outward: Outward, _ target: Verification.Target, isReal: Bool) -> Int {
            if let index = known[outward]?[target] { return index }
            attempts.append(Attempt.outward(target, spec, outward, isReal: isReal))
            known[outward, default: [:]][target] = attempts.count - 1
            return attempts.count - 1
        }
        // In the order of agents, so that one seed always chooses the same.
        for egress in spec.agents.map(\.egress) where outward[egress] == nil {
            let plan = OutwardPlan(
                egress, names: spec.names, hasIPv6: subnet6 != nil && observed.host.hasIPv6,
                using: &random, isElsewhere: isElsewhere)
            var indexes = plan.denied.map { index($0, .denied, isReal: false) }
            indexes += plan.allowed.map { index($0, .allowed, isReal: false) }
            // What the policy opens at the host itself, at the bridge's addresses.
            for service in egress.services {
                indexes += Attempt.service(spec, service).map { attempt in
                    if let known = attempts.firstIndex(where: {
                        $0.target == .allowed && $0.words == attempt.words
                    }) {
                        return known
                    }
                    attempts.append(attempt)
                    return attempts.count - 1
                }
            }
            for real in options.targets where isElsewhere(real.address) {
                if case .v6 = real.address, subnet6 == nil { continue }
                let isAllowed = egress.allows(real, names: spec.names)
                indexes.append(index(real, isAllowed ? .allowed : .denied, isReal: true))
            }
            outward[egress] = indexes
        }
        for real in options.targets where !isElsewhere(real.address) {
            report(
                .untested, nil, .denied,
                "could not test \(real): it is an address of the host's or of an agent's")
        }
    }

    /// What an agent tries at a target, and with whom.
    mutating func aims(
        of agent: Int, _ target: Verification.Target
    ) -> [(attempt: Int, other: Int?)] {
        let egress = spec.agents[agent].egress
        let services = Set(egress.services)
        let possible: any Sequence<Int> =
            target == .denied || target == .allowed ? outward[egress] ?? [] : attempts.indices
        let wanted = possible.filter { index in
            let attempt = attempts[index]
            return attempt.target == target && controlled.contains(index)
                && !(target == .listeners && attempt.service.map(services.contains) ?? false)
        }
        guard target == .agents else { return wanted.map { ($0, nil) } }
        return others(than: agent).flatMap { other in wanted.map { ($0, other) } }
    }

    /// The other agents that can receive: all of them, or as many as the bound for pairs leaves to each.
    private mutating func others(than agent: Int) -> [Int] {
        var others = stations.indices.filter { $0 != agent && faults[$0] == nil }
        let most = max(1, Self.mostPairs / max(1, chosen.count))
        guard others.count > most else { return others }
        if !result.notes.contains(where: { $0.hasPrefix("each agent tried") }) {
            result.notes.append("each agent tried \(most) of \(others.count) others, chosen by the seed")
        }
        others.shuffle(using: &random)
        return Array(others[..<most])
    }

    // MARK: Sending

    mutating func fire(
        _ agent: Int, _ aims: [(attempt: Int, other: Int?)], _ prober: Prober, _ outside: Outside?,
        _ network: inout HostNetwork
    ) throws(KernelError) -> Range<Int> {
        var aims = aims
        // Without a far end of our own nothing is sent that might really get out.
        if outside == nil {
            aims.removeAll { attempts[$0.attempt].destination != nil && !attempts[$0.attempt].isReal }
        }
        aims.removeAll { attempts[$0.attempt].target == .allowed && isHindered(attempts[$0.attempt], agent) }
        // IPv6 knows no type of service in routes: those to destinations that somebody may really use last only as long as one
        // agent's probes, and hold for that agent alone.
        let destinations = Set(
            aims.map { attempts[$0.attempt] }.filter { !$0.isReal }.compactMap(\.destination?.address))
        let source = stations[agent].address6.map { Prefix6(host: $0) }
        do throws(KernelError) {
            try outside?.lead(to: destinations, from: source, &network.route)
        } catch {
            // IPv6's routes by source are an option of the kernel (CONFIG_IPV6_SUBTREES); what is not led might get out.
            try outside?.stopLeading(to: destinations, from: source, &network.route)
            leaveOut(&aims, agent, "could not test what goes out: \(error.description)")
        }
        let range = try prober.fire(agent, aims)
        try outside?.stopLeading(to: destinations, from: source, &network.route)
        return range
    }

    /// Gives up probes that verify would have answered.
    private mutating func leaveOut(
        _ aims: inout [(attempt: Int, other: Int?)], _ agent: Int, _ sentence: String
    ) {
        for (attempt, _) in aims where attempts[attempt].destination != nil && !attempts[attempt].isReal {
            var cell = Verification.Cell()
            cell.probes = 1
            cell.untested = 1
            add(cell, agent, attempts[attempt].target)
        }
        aims.removeAll { attempts[$0.attempt].destination != nil && !attempts[$0.attempt].isReal }
        if !result.incidents.contains(where: { $0.sentence == sentence }) {
            report(.untested, nil, .denied, sentence)
        }
    }

    /// Allowed, but the host does not route: said, and not tried.
    private mutating func isHindered(_ attempt: Attempt, _ agent: Int) -> Bool {
        let setting: String
        switch attempt.destination?.address {
        case .v4 where !observed.host.forwards4: setting = "net.ipv4.ip_forward"
        case .v6 where !observed.host.forwards6: setting = "net.ipv6.conf.all.forwarding"
        default: return false
        }
        var cell = Verification.Cell()
        cell.probes = 1
        cell.untested = 1
        add(cell, agent, .allowed)
        let sentence = "could not test what may go out: \(setting) is 0"
        if !result.incidents.contains(where: { $0.sentence == sentence }) {
            report(.untested, nil, .allowed, sentence)
        }
        return true
    }

    func waitForRealTargets(_ ranges: [Int: Range<Int>], _ prober: Prober) throws(KernelError) {
        let real = ranges.values.flatMap(\.self).filter {
            attempts[Int(prober.shots[$0].attempt)].isReal
        }
        guard let first = real.min(), let last = real.max() else { return }
        try prober.wait(for: first..<(last + 1), real: Set(real.map { UInt32($0) }), milliseconds: 1000)
    }

    /// The world outside. Nil, and said: there is none to be had.
    mutating func openOutside(_ magic: UInt32, _ network: inout HostNetwork) throws(KernelError) -> Outside? {
        guard attempts.contains(where: { $0.destination != nil && !$0.isReal }) else { return nil }
        do throws(KernelError) {
            return try Outside(
                spec, magic: magic, hasIPv6: spec.subnet6 != nil && observed.host.hasIPv6, &network.route)
        } catch {
            report(.untested, nil, .denied, "could not test what goes out: \(error.description)")
            return nil
        }
    }

    /// Opens a socket in every agent's namespace, from a thread that joins one after the other.
    mutating func openSenders(_ magic: UInt32) throws(KernelError) -> [Prober.Sender?] {
        // Half of what is counted there: a namespace is closed as soon as its socket is open. The host's receivers, the control
        // and connections to web pages need some as well.
        let others = 48
        let most = 2 * (OpenFiles.portion(most: stations.count + others) - others)
        let (spec, stations) = (spec, stations)
        let ports = spec.agents.map { agent in
            observed.state.agents[agent.name]?.port.flatMap { observed.linkIndexes[$0.name] } ?? 0
        }
        var faults = faults
        let senders = try onThreadOfItsOwn { (switcher) throws(KernelError) -> [Prober.Sender?] in
            var senders: [Prober.Sender?] = []
            for (index, agent) in spec.agents.enumerated() {
                var sender: Prober.Sender?
                if faults[index] == nil {
                    do throws(KernelError) {
                        guard index < most else { throw KernelError("open a packet socket", code: EMFILE) }
                        let socket = try PacketSocket.onLink(of: agent, .frames(magic), switcher)
                        sender = Prober.Sender(stations[index], socket, port: ports[index])
                    } catch {
                        faults[index] = error.description
                    }
                }
                senders.append(sender)
            }
            return senders
        }
        self.faults = faults
        return senders
    }
}
