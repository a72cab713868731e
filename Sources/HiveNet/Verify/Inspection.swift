internal import CNetlink
internal import Glibc

/// One run of `HostNetwork.verify`. What it does stands in `run`; the parts are in the other files that extend it.
struct Inspection {
    let spec: NetworkSpec
    let options: VerificationOptions
    let observed: NetworkObservation
    /// All agents, in the order of the specification. Everything else knows them by their position.
    let stations: [Station]
    /// Who sends.
    let chosen: [Int]
    var random: SeededGenerator
    var result: Verification

    /// Everything that is tried. What is tried outside depends on the agent: `outward`, by position in here.
    var attempts: [Attempt] = []
    var outward: [Egress: [Int]] = [:]
    /// Attempts whose control arrived, by position.
    var controlled: Set<Int> = []
    /// Why an agent cannot be tested.
    var faults: [Int: String] = [:]
    private let start = ContinuousClock.now

    init(
        _ network: inout HostNetwork, _ spec: NetworkSpec, _ options: VerificationOptions, seed: UInt64
    ) throws(KernelError) {
        self.spec = spec
        self.options = options
        observed = try network.observe(spec)
        let hasIPv6 = observed.host.hasIPv6
        stations = spec.agents.map { Station($0.name, $0.address4, $0.address6, hasIPv6: hasIPv6) }
        chosen = spec.agents.indices.filter { options.agents?.contains(spec.agents[$0].name) ?? true }
        random = SeededGenerator(seed: seed)
        result = Verification(seed: seed)
        for (index, agent) in spec.agents.enumerated() {
            faults[index] = observed.fault(of: agent.name, bridge: spec.bridge)
        }
    }

    /// - Returns: the result, and whether the hive was the same all the time.
    mutating func run(
        _ network: inout HostNetwork, _ progress: (Int, Int) -> Void
    ) throws(KernelError) -> (Verification, isSame: Bool) {
        result.findings = try drift() + network.audit(spec, observed)
        guard let bridge = observed.bridgeIndex else {
            report(.untested, nil, .host, "could not test anything: there is no bridge \(spec.bridge)")
            return (finished(), true)
        }
        let before = (try network.filter.readBoundary(), try links(&network))
        let magic = UInt32.random(in: 1..<(.max - 1))
        let targets = try hostTargets(&network)
        attempts =
            Attempt.host(spec, targets) + Attempt.listeners(spec, targets.listeners)
            + Attempt.peers(spec, hasIPv6: observed.host.hasIPv6)
        planOutward(targets)
        try runControls(magic, targets)
        let senders = try openSenders(magic)
        let outside = try openOutside(magic, &network)
        // Whatever fails from here on, the link goes.
        let outcome: KernelError?
        do throws(KernelError) {
            let prober = Prober(
                spec, magic: magic, attempts: attempts, stations: stations, senders: senders,
                host: try Prober.Host(magic: magic, bridge: bridge, hasIPv6: observed.host.hasIPv6),
                outside: outside?.socket)
            defer { PacketSocket.close(prober) }
            try probe(prober, outside, &network, progress)
            outcome = nil
        } catch {
            outcome = error
        }
        try outside?.remove(&network.route)
        if let outcome { throw outcome }
        for agent in chosen {
            guard let fault = faults[agent] else { continue }
            // It has its place in the result, without a probe.
            if result.agents[stations[agent].name] == nil { result.agents[stations[agent].name] = [:] }
            report(.untested, agent, .host, probe: fault, "could not test \(stations[agent].name): \(fault)")
        }
        let after = (try network.filter.readBoundary(), try links(&network))
        return (finished(), before.0.boundary == after.0.boundary && before.1 == after.1)
    }

    /// The hive's links: one that was made anew has another index.
    private func links(_ network: inout HostNetwork) throws(KernelError) -> [String: Int32] {
        let bridge = spec.bridge
        let found = try network.route.links { name, link in name == bridge || link.group == Mark.group }
        return Dictionary(found.map { ($0.name, $0.index) }, uniquingKeysWith: { $1 })
    }

    private mutating func probe(
        _ prober: Prober, _ outside: Outside?, _ network: inout HostNetwork, _ progress: (Int, Int) -> Void
    ) throws(KernelError) {
        let targets = Verification.Target.allCases
        var counts = Counts(try network.filter.readBoundary())
        let forwarding = try forwarding(&network)
        for (done, target) in targets.enumerated() {
            var ranges: [Int: Range<Int>] = [:]
            var web: [WebResult] = []
            var failures: [(incident: Int, agent: Int, attempt: Int)] = []
            if target == .web {
                web = tryWebPorts(prober)
            } else {
                for (position, agent) in chosen.enumerated() where faults[agent] == nil {
                    progress(done * chosen.count + position, targets.count * chosen.count)
                    ranges[agent] = try fire(agent, aims(of: agent, target), prober, outside, &network)
                    if let fault = prober.senders[agent]?.fault { faults[agent] = fault }
                }
                if target == .allowed { try waitForRealTargets(ranges, prober) }
            }
            let now = Counts(try network.filter.readBoundary())
            let difference = now.since(counts)
            for agent in chosen {
                guard let range = ranges[agent] else { continue }
                if target == .allowed {
                    judgeAllowed(agent, prober, range, difference, &failures)
                } else {
                    judge(agent, target, prober, range, difference)
                }
            }
            judge(web, difference)
            try explain(target, prober, outside, &network)
            try explain(failures, prober, outside, &network)
            if target == .agents { try putBack(forwarding, &network) }
            counts = Counts(try network.filter.readBoundary())
        }
    }

    private func forwarding(_ network: inout HostNetwork) throws(KernelError) -> [Int32: [MACAddress]] {
        guard let bridge = observed.bridgeIndex else { return [:] }
        return try network.route.forwarding(bridge: bridge)
    }

    /// Where a port lets an agent pass for another one, the bridge has learnt now that the other one is there, static entry or not
    /// (br_fdb_update): that is put back, so that nobody's packets go astray for having been proved to.
    private func putBack(
        _ before: [Int32: [MACAddress]], _ network: inout HostNetwork
    ) throws(KernelError) {
        let after = try forwarding(&network)
        guard after != before else { return }
        let ours = Set(stations.map(\.mac))
        func entries(_ those: [Int32: [MACAddress]], notIn others: [Int32: [MACAddress]]) -> [(
            Int32, MACAddress
        )] {
            those.flatMap { port, macs in
                macs.filter { ours.contains($0) && others[port]?.contains($0) != true }.map { (port, $0) }
            }
        }
        let batch = Batch()
        for (port, mac) in entries(after, notIn: before) {
            batch.removeForwarding(mac, port: port, "remove \(mac), which verify had the bridge learn")
        }
        for (port, mac) in entries(before, notIn: after) {
            batch.addForwarding(mac, port: port, "put \(mac) back into the forwarding database")
        }
        do throws(KernelError) {
            try network.route.execute(batch)
        } catch {
            // A port has gone meanwhile: an agent that takes its end away ends nobody's proof.
            guard error.code == ENODEV else { throw error }
        }
    }

    /// What an apply would change.
    ///
    /// Probes try a few of the packets that there are. Where the rules are others than they should be, that these were stopped
    /// proves nothing of the rest.
    private mutating func drift() throws(KernelError) -> [Finding] {
        let changes = plan(desired: try NetworkState(spec), observed: observed)
        guard let first = changes.first else { return [] }
        func words(_ change: Change, of count: Int) -> String {
            "\(change.object) \(change.detail) (\(change.reason))"
                + (count > 1 ? ", and \(count - 1) more" : "")
        }
        let ours = changes.filter(\.isOfTheRules)
        if let first = ours.first, observed.bridgeIndex != nil {
            report(
                .untested, nil, .host,
                "could not test for good: the rules are not those of the configuration, and may let through what no "
                    + "probe tries: \(words(first, of: ours.count))")
        }
        return [
            Finding(
                .warning, "drift",
                "the kernel differs from the configuration: \(words(first, of: changes.count))")
        ]
    }

    private func finished() -> Verification {
        var result = result
        result.milliseconds = Int((ContinuousClock.now - start) / .milliseconds(1))
        return result
    }

    mutating func report(
        _ outcome: Verification.Outcome, _ agent: Int?, _ target: Verification.Target, probe: String? = nil,
        _ sentence: String
    ) {
        result.incidents.append(
            Verification.Incident(
                outcome: outcome, agent: agent.map { stations[$0].name }, target: target, probe: probe,
                sentence: sentence))
    }

    mutating func add(_ cell: Verification.Cell, _ agent: Int, _ target: Verification.Target) {
        guard cell.probes > 0 else { return }
        result.agents[stations[agent].name, default: [:]][target, default: Verification.Cell()].add(cell)
    }
}

extension NetworkObservation {
    /// Why nothing can be sent from an agent's namespace.
    func fault(of agent: String, bridge: String) -> String? {
        guard let actual = state.agents[agent], actual.namespace != nil else { return "it has no namespace" }
        guard let port = actual.port else { return "it has no link" }
        if host.closedNamespaces.contains(agent) { return "the kernel does not let Hive open its namespace" }
        guard let inside = actual.inside else {
            return "its namespace has no link \(insideName) of the hive's"
        }
        if !port.up { return "its link \(port.name) is down" }
        if !inside.up { return "\(insideName) in its namespace is down" }
        if port.bridge != bridge { return "its link \(port.name) is no port of \(bridge)" }
        return nil
    }
}
