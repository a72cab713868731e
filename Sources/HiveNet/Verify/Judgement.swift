extension Inspection {
    /// What became of one agent's probes to a target that it must not reach.
    mutating func judge(
        _ agent: Int, _ target: Verification.Target, _ prober: Prober, _ range: Range<Int>, _ counts: Counts
    ) {
        let name = stations[agent].name
        var cell = Verification.Cell()
        let range = leaveOutMangled(range, agent, target, prober, &cell)
        for index in range {
            cell.probes += 1
            let answered = prober.answered.contains(UInt32(index))
            let place = prober.arrivals[UInt32(index)]
            guard place != nil || answered else { continue }
            cell.reached += 1
            var addition = answered ? ", and was answered" : ""
            if case .agent(let witness) = place, witness != Int(prober.shots[index].other) {
                addition += ", and \(stations[witness].name) saw it"
            }
            report(
                .reached, agent, target, probe: attempts[Int(prober.shots[index].attempt)].words,
                "\(name) reached \(words(prober.shots[index]))\(addition)")
        }
        if faults[agent] != nil {
            // Those that were not seen before its link failed prove nothing.
            cell.untested = cell.probes - cell.reached
        } else {
            cell.unexplained = cell.count(range.count - cell.reached, by: counts.of(name, target))
            if cell.unexplained > 0 {
                report(
                    .unexplained, agent, target, probe: "unexplained",
                    "\(cell.unexplained) of \(range.count) probes of \(name) did not arrive, but no counter of ours moved"
                )
            }
        }
        add(cell, agent, target)
    }

    /// Takes out the probes that did not come out of the agent's link as they were sent, wherever they arrived: an agent that may
    /// set rules in its own namespace can drop them there, or make others of them.
    private mutating func leaveOutMangled(
        _ range: Range<Int>, _ agent: Int, _ target: Verification.Target, _ prober: Prober,
        _ cell: inout Verification.Cell
    ) -> [Int] {
        let whole = range.filter { prober.emerged.contains(UInt32($0)) }
        let mangled = range.count - whole.count
        guard mangled > 0, faults[agent] == nil else { return faults[agent] == nil ? whole : Array(range) }
        cell.probes += mangled
        cell.untested += mangled
        report(
            .untested, agent, target, probe: "mangled",
            "could not test \(mangled) of \(range.count) probes of \(stations[agent].name): they do not come out of its link as "
                + "they were sent; something in its namespace drops or changes them")
        return whole
    }

    /// What became of one agent's probes to where it may go.
    /// - Parameter failures: is given the position of each incident that is a failure, with its agent and attempt.
    mutating func judgeAllowed(
        _ agent: Int, _ prober: Prober, _ range: Range<Int>, _ counts: Counts,
        _ failures: inout [(incident: Int, agent: Int, attempt: Int)]
    ) {
        let name = stations[agent].name
        var cell = Verification.Cell()
        let range = leaveOutMangled(range, agent, .allowed, prober, &cell)
        var excess = counts.excess(of: name)
        for index in range {
            cell.probes += 1
            let attempt = attempts[Int(prober.shots[index].attempt)]
            // At the host itself it is enough that it arrives: whether anybody listens is not the boundary's business.
            let isThere = attempt.service != nil && prober.arrivals[UInt32(index)] == .host
            if isThere || prober.answered.contains(UInt32(index)) {
                cell.works += 1
            } else if faults[agent] != nil {
                cell.untested += 1
            } else if attempt.isReal, attempt.destination?.transport == .udp {
                cell.untested += 1
                report(
                    .untested, agent, .allowed,
                    "could not test whether \(name) reaches \(attempt.words): a datagram need not be answered"
                )
            } else if excess > 0 {
                // Its own connections may have used up what the policy grants: no fault of the boundary.
                excess -= 1
                cell.untested += 1
                report(
                    .untested, agent, .allowed,
                    "could not test whether \(name) reaches \(attempt.words): it has as many connections, or sends as much, "
                        + "as its policy allows")
            } else {
                cell.failed += 1
                let how =
                    attempt.isReal
                    ? "no answer came"
                    : prober.arrivals[UInt32(index)] != nil
                        ? "it arrived, and the answer did not come back" : "it did not arrive"
                failures.append((result.incidents.count, agent, Int(prober.shots[index].attempt)))
                report(
                    .failed, agent, .allowed, probe: attempt.words,
                    "\(name) may reach \(attempt.words), but \(how)")
            }
        }
        add(cell, agent, .allowed)
    }

    /// Finds out which probes no counter of ours moved for: makes them once more, one by one, by the first agent that it
    /// happened to. For all of them that would take too long.
    mutating func explain(
        _ target: Verification.Target, _ prober: Prober, _ outside: Outside?, _ network: inout HostNetwork
    ) throws(KernelError) {
        guard target != .web, target != .allowed,
            let place = result.incidents.firstIndex(where: {
                $0.outcome == .unexplained && $0.target == target
            }),
            let agent = stations.firstIndex(where: { $0.name == result.incidents[place].agent })
        else { return }
        var silent: [String] = []
        var tried: Set<Int> = []
        for aim in aims(of: agent, target) where tried.insert(aim.attempt).inserted && faults[agent] == nil {
            let before = Counts(try network.filter.readBoundary())
            let range = try fire(agent, [aim], prober, outside, &network)
            let counts = Counts(try network.filter.readBoundary()).since(before)
            if counts.of(stations[agent].name, target).isEmpty, !range.isEmpty,
                prober.arrivals[UInt32(range.lowerBound)] == nil
            {
                silent.append(attempts[aim.attempt].words)
            }
        }
        guard !silent.isEmpty else { return }
        let more = silent.count > 5 ? " and \(silent.count - 5) more" : ""
        result.incidents[place].sentence += ": \(silent.prefix(5).joined(separator: ", "))\(more)"
    }

    /// Finds out whether it was a rule of ours that stopped what is allowed: makes such probes once more, each by the first agent
    /// whose failed. (Not from the counts of all together: an agent's kernel refuses answers that it did not ask for, and what
    /// it says then is counted.)
    mutating func explain(
        _ failures: [(incident: Int, agent: Int, attempt: Int)], _ prober: Prober, _ outside: Outside?,
        _ network: inout HostNetwork
    ) throws(KernelError) {
        var tried: Set<Int> = []
        for failure in failures where tried.insert(failure.attempt).inserted && tried.count <= 16 {
            let before = Counts(try network.filter.readBoundary())
            let range = try fire(failure.agent, [(failure.attempt, nil)], prober, outside, &network)
            let counters = Counts(try network.filter.readBoundary()).since(before)
                .of(
                    stations[failure.agent].name,
                    attempts[failure.attempt].service == nil ? .denied : .listeners
                ).map(\.0)
            let isAnswered = range.contains {
                prober.answered.contains(UInt32($0)) || prober.arrivals[UInt32($0)] == .host
            }
            result.incidents[failure.incident].sentence +=
                isAnswered
                ? " (a second one did)"
                : counters.isEmpty
                    ? " (no counter of ours moved)" : " (counted by \(counters.joined(separator: ", ")))"
        }
    }

    private func words(_ shot: Prober.Shot) -> String {
        let words = attempts[Int(shot.attempt)].words
        return shot.other >= 0 ? "\(stations[Int(shot.other)].name) \(words)" : words
    }
}

extension Verification.Cell {
    /// Takes as many of the probes for blocked as counters have moved.
    /// - Returns: how many are left.
    mutating func count(_ probes: Int, by counters: [(String, Int)]) -> Int {
        var left = probes
        for (counter, count) in counters where left > 0 {
            let share = min(left, count)
            by[counter, default: 0] += share
            blocked += share
            left -= share
        }
        return left
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

    /// Packets of an agent's that were more than its policy allows.
    func excess(of agent: String) -> Int { Int(clamping: packets[agent]?[.excess] ?? 0) }

    /// Those that can have moved for a target, the likeliest first: an agent that has traffic of its own moves others.
    func of(_ agent: String, _ target: Verification.Target) -> [(String, Int)] {
        let likely: [AgentSet] =
            switch target {
            // Link-local addresses of the host's other links are no address of the host's on this one.
            case .host, .listeners: [.host, .spoof, .egress]
            case .agents: [.peerFrame, .peer, .spoof, .host]
            case .denied, .allowed: [.egress]
            case .web: []
            }
        return likely.compactMap { set in
            packets[agent]?[set].flatMap { $0 > 0 ? (set.label, Int(clamping: $0)) : nil }
        }
    }
}
