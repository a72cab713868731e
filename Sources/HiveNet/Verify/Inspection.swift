internal import CNetlink
internal import Glibc

/// One run of `HostNetwork.verify`.
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
    var attempts: [Attempt] = []
    /// Attempts whose control arrived, by position.
    var controlled: Set<Int> = []
    /// Why an agent cannot be tested.
    var faults: [Int: String] = [:]
    private let start = ContinuousClock.now

    /// More pairs of agents are sampled.
    static let mostPairs = 16_000

    init(
        _ network: inout HostNetwork, _ spec: NetworkSpec, _ options: VerificationOptions, seed: UInt64
    ) throws(KernelError) {
        self.spec = spec
        self.options = options
        observed = try network.observe(spec)
        stations = spec.agents.map { agent in
            Station(
                name: agent.name, mac: NetworkSpec.agentMAC(agent.address4), address4: agent.address4,
                address6: agent.address6)
        }
        chosen = spec.agents.indices.filter { options.agents?.contains(spec.agents[$0].name) ?? true }
        random = SeededGenerator(seed: seed)
        result = Verification(seed: seed)
        for (index, agent) in spec.agents.enumerated() { faults[index] = fault(of: agent) }
    }

    /// Why nothing can be sent from an agent's namespace.
    private func fault(of agent: NetworkSpec.Agent) -> String? {
        guard let actual = observed.state.agents[agent.name], actual.namespace != nil else {
            return "it has no namespace"
        }
        guard let port = actual.port else { return "it has no link" }
        guard let inside = actual.inside else {
            return "its namespace has no link \(insideName) of the hive's"
        }
        if !port.up { return "its link \(port.name) is down" }
        if !inside.up { return "\(insideName) in its namespace is down" }
        if port.bridge != spec.bridge { return "its link \(port.name) is no port of \(spec.bridge)" }
        return nil
    }

    /// - Returns: the result, and whether the hive was the same all the time.
    mutating func run(
        _ network: inout HostNetwork, _ progress: (Int, Int) -> Void
    ) throws(KernelError) -> (Verification, isSame: Bool) {
        result.findings = []  // The audit's place.
        guard let bridge = observed.bridgeIndex else {
            report(.untested, nil, .host, "could not test anything: there is no bridge \(spec.bridge)")
            return (finished(), true)
        }
        let before = try network.filter.readBoundary()
        let targets = try hostTargets(&network)
        attempts =
            Attempt.host(spec, targets) + Attempt.listeners(spec, targets.listeners) + Attempt.peers(spec)
        let magic = UInt32.random(in: 1..<(.max - 1))
        try runControls(magic, targets)
        let prober = Prober(
            spec, magic: magic, attempts: attempts, stations: stations, senders: try openSenders(magic),
            host: try Prober.Host(magic: magic, bridge: bridge, hasIPv6: spec.subnet6 != nil), outside: nil)
        var counts = Counts(before)
        let steps = chosen.count * 3
        var done = 0
        for target in [Verification.Target.host, .listeners, .agents] {
            var ranges: [Int: Range<Int>] = [:]
            for agent in chosen where faults[agent] == nil {
                ranges[agent] = try prober.fire(agent, aims(of: agent, target))
                if let fault = prober.senders[agent]?.fault { faults[agent] = fault }
                done += 1
                progress(done, steps)
            }
            let now = Counts(try network.filter.readBoundary())
            for (agent, range) in ranges { judge(agent, target, prober, range, now.since(counts)) }
            counts = now
        }
        for agent in chosen {
            guard let fault = faults[agent] else { continue }
            report(.untested, agent, .host, "could not test \(stations[agent].name): \(fault)")
        }
        let after = try network.filter.readBoundary()
        let isSame = before.boundary == after.boundary
        PacketSocket.close(prober)
        return (finished(), isSame)
    }

    private func finished() -> Verification {
        var result = result
        result.milliseconds = Int((ContinuousClock.now - start) / .milliseconds(1))
        return result
    }

    mutating func report(
        _ outcome: Verification.Outcome, _ agent: Int?, _ target: Verification.Target, _ sentence: String
    ) {
        result.incidents.append(
            Verification.Incident(
                outcome: outcome, agent: agent.map { stations[$0].name }, target: target, sentence: sentence))
    }

    // MARK: What is tried

    private func hostTargets(_ network: inout HostNetwork) throws(KernelError) -> HostTargets {
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
        targets.listeners = try Listeners.read()
        let taken = Set(targets.listeners.map(\.port)).union(
            spec.agents.flatMap { $0.egress.services.map(\.port) })
        // Somewhere above what is used by anybody.
        targets.freePort = (17_000...19_000).first { !taken.contains($0) } ?? 17_000
        return targets
    }

    /// What an agent tries at a target, and with whom.
    private mutating func aims(
        of agent: Int, _ target: Verification.Target
    ) -> [(attempt: Int, other: Int?)] {
        let services = Set(spec.agents[agent].egress.services)
        let wanted = attempts.indices.filter { index in
            let attempt = attempts[index]
            return attempt.target == target && controlled.contains(index)
                && !(attempt.service.map(services.contains) ?? false)
        }
        guard target == .agents else { return wanted.map { ($0, nil) } }
        return others(than: agent).flatMap { other in wanted.map { ($0, other) } }
    }

    /// The other agents that can receive: all of them, or as many as the bound for pairs leaves to each.
    private mutating func others(than agent: Int) -> [Int] {
        var others = stations.indices.filter { $0 != agent && faults[$0] == nil }
        let most = max(1, Self.mostPairs / max(1, chosen.count))
        guard others.count > most else { return others }
        others.shuffle(using: &random)
        return Array(others[..<most])
    }

    /// Opens a socket in every agent's namespace, from a thread that joins one after the other.
    private mutating func openSenders(_ magic: UInt32) throws(KernelError) -> [Prober.Sender?] {
        // Twice as many files as are counted there: a namespace is closed as soon as its socket is open.
        let most = OpenFiles.portion(most: 2 * stations.count)
        let (spec, stations) = (spec, stations)
        var faults = faults
        let senders = try onThreadOfItsOwn { (switcher) throws(KernelError) -> [Prober.Sender?] in
            var senders: [Prober.Sender?] = []
            for (index, agent) in spec.agents.enumerated() {
                var sender: Prober.Sender?
                if faults[index] == nil {
                    do throws(KernelError) {
                        guard index < 2 * most else {
                            throw KernelError("open a packet socket", code: EMFILE)
                        }
                        let socket = try PacketSocket.onLink(of: agent, .frames(magic), switcher)
                        sender = Prober.Sender(stations[index], socket)
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

    // MARK: Controls

    private mutating func runControls(_ magic: UInt32, _ targets: HostTargets) throws(KernelError) {
        // Two of them, made up where there are fewer.
        let made = (0..<2).map { number in
            let address4 = IPv4Address(bits: spec.subnet4.first.bits + 2 + UInt32(number))
            return Station(
                name: "control\(number)", mac: NetworkSpec.agentMAC(address4), address4: address4,
                address6: spec.subnet6.map { IPv6Address(bits: $0.first.bits + 2 + UInt128(number)) })
        }
        let agents = stations.count < 2 ? made : Array(stations[..<2])
        let control = try ControlHive(
            spec, magic: magic, agents: agents, addresses4: targets.addresses4.map(\.address),
            addresses6: targets.addresses6.map(\.address))
        let prober = Prober(
            spec, magic: magic, attempts: attempts, stations: agents, senders: control.senders.map { $0 },
            host: control.host, outside: control.outside)
        // A link that has just been raised drops frames until the kernel has noticed (linkwatch, in a work queue).
        let deadline = ContinuousClock.now + .seconds(3)
        repeat {
            let missing = attempts.indices.filter { !controlled.contains($0) }
            let range = try prober.fire(0, missing.map { ($0, attempts[$0].target == .agents ? 1 : nil) })
            for index in range where prober.arrivals[UInt32(index)] != nil {
                controlled.insert(Int(prober.shots[index].attempt))
            }
        } while controlled.count < attempts.count && prober.senders[0]?.fault == nil
            && ContinuousClock.now < deadline
            && usleep(5_000) == 0
        result.controls.probes = attempts.count
        result.controls.arrived = controlled.count
        for index in attempts.indices where !controlled.contains(index) {
            report(
                .untested, nil, attempts[index].target,
                "could not test \(attempts[index].words): its control did not arrive")
        }
        PacketSocket.close(prober)
    }

    // MARK: Judgement

    /// What became of one agent's probes to one target.
    private mutating func judge(
        _ agent: Int, _ target: Verification.Target, _ prober: Prober, _ range: Range<Int>, _ counts: Counts
    ) {
        var cell = Verification.Cell()
        for index in range {
            cell.probes += 1
            let shot = prober.shots[index]
            let answered = prober.answered.contains(UInt32(index))
            guard prober.arrivals[UInt32(index)] != nil || answered else { continue }
            cell.reached += 1
            let attempt = attempts[Int(shot.attempt)]
            let object =
                shot.other >= 0 ? "\(stations[Int(shot.other)].name) \(attempt.words)" : attempt.words
            report(
                .reached, agent, target,
                "\(stations[agent].name) reached \(object)\(answered ? ", and was answered" : "")")
        }
        if faults[agent] != nil {
            // Those that were not seen before its link failed prove nothing.
            cell.untested = cell.probes - cell.reached
        } else {
            var left = cell.probes - cell.reached
            for (counter, count) in counts.of(stations[agent].name) where left > 0 {
                let share = min(left, count)
                cell.by[counter] = share
                cell.blocked += share
                left -= share
            }
            cell.unexplained = left
            if left > 0 {
                report(
                    .unexplained, agent, target,
                    "\(left) of \(cell.probes) probes of \(stations[agent].name) did not arrive, but no counter of ours moved"
                )
            }
        }
        result.agents[stations[agent].name, default: [:]][target, default: Verification.Cell()].add(cell)
    }
}

/// Packets that were dropped, by agent and counter.
struct Counts {
    private var packets: [String: [AgentSet: UInt64]] = [:]
    /// By the named counters.
    private(set) var totals: [String: UInt64] = [:]

    init(_ observation: BoundaryObservation) {
        for (element, count) in observation.counts {
            guard let agent = element.agent else { continue }
            packets[agent, default: [:]][element.set, default: 0] += count
        }
        totals = observation.totals
    }

    func since(_ earlier: Counts) -> Counts {
        var difference = self
        for (agent, counts) in packets {
            for (set, count) in counts {
                let before = earlier.packets[agent]?[set] ?? 0
                difference.packets[agent]?[set] = count > before ? count - before : 0
            }
        }
        for (name, count) in totals {
            let before = earlier.totals[name] ?? 0
            difference.totals[name] = count > before ? count - before : 0
        }
        return difference
    }

    /// The largest first.
    func of(_ agent: String) -> [(String, Int)] {
        (packets[agent] ?? [:]).filter { $0.value > 0 }
            .sorted { ($0.value, $1.key) > ($1.value, $0.key) }.map { ($0.key.label, Int($0.value)) }
    }
}
