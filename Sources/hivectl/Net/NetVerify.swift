import HiveCommand
import HiveCore
import HiveNet
import HiveWatch

extension Hivectl {
    static func netVerify(_ global: GlobalOptions) -> Command {
        var command = Command("verify", "Prove with real packets that the boundary holds")
        command.discussion = """
            From inside every agent's namespace it tries what the boundary forbids and what it allows: the \
            host at all of its addresses, whatever listens on it, every other agent, the world outside, and \
            the agent's web page from the host. It owns the receiving ends, so it knows what arrived, and what \
            did not; what did not must have been counted by a rule. The same probes are first made in a hive \
            without a boundary, where they have to arrive. No process of an agent is touched, nothing is \
            changed that stays, and when it is killed nothing is left.
            """
        let names = command.arguments(
            "NAME", .agent, "only these agents try; every other one is still a target")
        let targets = command.options(
            "target", "ADDR:PORT/PROTO",
            .described("an address and port such as 198.51.100.7:443/tcp") as Syntax<Outward>,
            "also try this real address outside")
        let seed = command.option(
            "seed", "N", .integer(0...Int(UInt32.max)), "choose what is chosen at random as that run did")
        let json = command.flag("json", "print JSON; its schema is stable (docs/json.md)")
        command.exit(.ok, "all that is forbidden was blocked, all that is allowed works")
        command.exit(.breached, "something forbidden arrived, something allowed failed, or there is an alarm")
        command.exit(.unproven, "nothing is known to be wrong, but something could not be tested")
        command.usualExits()
        command.example("After every change of the host's firewall", "hivectl net verify")
        command.example(
            "Whether what agents need is there", "hivectl net verify --target 198.51.100.7:443/tcp")
        command.example("One agent, for programs", "hivectl net verify alpha --json")
        command.action = { values, console in
            let session = try Session(values, global, console)
            let spec = try session.load().spec()
            var options = VerificationOptions()
            let chosen = try values[names]
            let known = spec.agents.map(\.name)
            for name in chosen where !known.contains(name) {
                let hint = nearest(to: name, among: known).map { " Did you mean '\($0)'?" } ?? ""
                throw Failure(.usage, "There is no agent '\(name)'.\(hint)")
            }
            if !chosen.isEmpty { options.agents = Set(chosen) }
            options.targets = try values[targets]
            options.seed = try values[seed].map { UInt64($0) }
            var network = try HostNetwork()
            let progress = console.progress
            // (Whether there is one, and whatever it says: the boundary can be verified without.)
            let watcher = session.announce(verifying: options.agents, console)
            defer { withExtendedLifetime(watcher) {} }
            let verification = try network.verify(spec, options) { done, total in
                progress.step("verifying: \(100 * done / max(1, total)) %")
            }
            if try values[json] {
                console.print(try verification.json())
            } else {
                console.print(verification.lines(console.style))
            }
            return verification.isBreached ? .breached : verification.isIncomplete ? .unproven : .ok
        }
        return command
    }
}

extension Session {
    /// Has the watcher, if there is one, note that what it sees from now on may be ours, for as long as the connection lasts.
    /// - Parameter agents: which try; nil: all.
    fileprivate func announce(verifying agents: Set<String>?, _ console: Console) -> ControlClient? {
        do {
            // (One that hangs keeps nobody from verifying.)
            guard let watcher = try ControlClient(path: socket, patience: 5) else { return nil }
            _ = try ask(watcher, .verify) { $0.agents = agents?.sorted() }
            return watcher
        } catch {
            console.note(
                "hivectl: The watcher takes these probes for attacks, since it was not told of them:")
            for words in ((error as? Failure) ?? explain(error)).sentences {
                console.note("hivectl: \(words)")
            }
            return nil
        }
    }
}

// MARK: For people

extension Verification {
    func lines(_ style: Style) -> [String] {
        var table = Table(
            [.text("AGENT")] + Target.allCases.map { .text($0.rawValue.uppercased()) })
        for (name, cells) in agents.sorted(by: { $0.key < $1.key }) {
            let none = cells.isEmpty ? Table.Cell("untested", .notable) : "-"
            table.add([.init(name)] + Target.allCases.map { cells[$0].map(Self.cell) ?? none })
        }
        var lines = agents.isEmpty ? ["no agents"] : table.lines(style)
        let groups = groups
        if !groups.isEmpty || !notes.isEmpty { lines.append("") }
        // Somebody without any rules wants the sense of it, not ten thousand lines.
        let most = 40
        for (incident, count) in groups.prefix(most) {
            let word = incident.outcome.rawValue.uppercased()
            lines.append(
                style.paint(word, incident.outcome >= .failed ? .bad : .notable) + ": "
                    + Text.printable(incident.sentence)
                    + (count > 1 ? " (and \(count - 1) more like this)" : ""))
        }
        if groups.count > most { lines.append("… and \(groups.count - most) more: --json tells all") }
        for finding in findings where finding.severity != .fine {
            lines.append(
                style.paint(
                    finding.severity.rawValue.uppercased(), finding.severity == .alarm ? .bad : .notable)
                    + ": " + Text.printable(finding.sentence))
        }
        for note in notes { lines.append("note: " + Text.printable(note)) }
        return lines + ["", summary(style)]
    }

    /// The worst first; the same probe by many agents once, with their number.
    private var groups: [(Incident, count: Int)] {
        var groups: [(Incident, count: Int)] = []
        var places: [[String]: Int] = [:]
        for incident in incidents {
            let key = [
                incident.outcome.rawValue, incident.target.rawValue, incident.probe ?? incident.sentence,
            ]
            if let place = places[key] {
                groups[place].count += 1
            } else {
                places[key] = groups.count
                groups.append((incident, 1))
            }
        }
        return Outcome.allCases.reversed().flatMap { outcome in groups.filter { $0.0.outcome == outcome } }
    }

    private static func cell(_ cell: Cell) -> Table.Cell {
        switch cell.outcome {
        case .blocked: .init("blocked \(cell.blocked)", .good)
        case .works:
            .init("works \(cell.works)" + (cell.blocked > 0 ? ", blocked \(cell.blocked)" : ""), .good)
        case .untested: .init("untested \(cell.untested)", .notable)
        case .unexplained: .init("unexplained \(cell.unexplained)", .notable)
        case .failed: .init("FAILED \(cell.failed)", .bad)
        case .reached: .init("REACHED \(cell.reached)", .bad)
        case nil: "-"
        }
    }

    private func summary(_ style: Style) -> String {
        let total = total
        let verdict =
            isBreached
            ? style.paint("The boundary does not hold", .bad)
            : isIncomplete
                ? style.paint("Not everything is proven", .notable) : style.paint("The boundary holds", .good)
        var parts = ["\(total.blocked) blocked", "\(total.works) worked"]
        for (count, word) in [
            (total.reached, "reached"), (total.failed, "failed"), (total.unexplained, "unexplained"),
            (total.untested, "untested"),
        ] where count > 0 { parts.append("\(count) \(word)") }
        let seconds = "\(milliseconds / 1000).\(milliseconds % 1000 / 100)"
        return
            "\(verdict): \(total.probes) probes of \(agents.count) agent\(agents.count == 1 ? "" : "s"), "
            + "\(parts.joined(separator: ", ")); \(controls.arrived) of \(controls.probes) controls arrived; "
            + "\(seconds) s, seed \(seed)."
    }
}
