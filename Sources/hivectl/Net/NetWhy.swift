import HiveCommand
import HiveCore
import HiveNet

extension Hivectl {
    static func netWhy(_ global: GlobalOptions) -> Command {
        var command = Command("why", "Send one packet and tell which way it takes, and what stops it")
        command.discussion = """
            Sends one packet from the agent's namespace, as its own kernel would, with nftables tracing on for it \
            alone, and prints every hook and rule that it meets, those of other programs too. The answer comes \
            last. What rules do not decide (the bridge, routing) is concluded from where the packet was seen last, \
            and said as such.

            'host' is the hive's gateway address. A port without a protocol is TCP, no port is an echo request. \
            From 'outside' it comes in on a link of its own, from 192.0.2.1 or 2001:db8::1. What may go out does \
            go out, to the real address. Nothing is changed that stays, also when it is killed.
            """
        let from = command.argument("FROM", .text, "an agent, or 'outside'")
        let to = command.argument(
            "TO",
            .described(
                "an address or an agent, or 'host', with a port or without, such as 10.0.0.5:443/tcp, "
                    + "[2001:db8::1]:53/udp, host:7000 or beta") as Syntax<WhyTarget>,
            "ADDRESS, AGENT or 'host', and :PORT[/tcp|/udp]")
        let json = command.flag("json", "print JSON; its schema is stable (docs/json.md)")
        command.exit(.ok, "it is known what becomes of the packet, whatever that is")
        command.exit(.unproven, "the packet could not be sent, or nobody can tell what became of it")
        command.usualExits()
        command.example("Why does it not reach that?", "hivectl net why alpha 203.0.113.5:443/tcp")
        command.example("Who keeps alpha from the host's service?", "hivectl net why alpha host:7000")
        command.example("And from outside?", "hivectl net why outside alpha:8080 --json")
        command.action = { values, console in
            let session = try Session(values, global, console)
            let hive = try session.load()
            let spec = try hive.spec(names: Names.load(session.state).names.usable(at: Hive.now))
            let sender = try values[from]
            let target = try values[to]
            let packet: WhyPacket
            do throws(WhyMistake) {
                packet = try WhyPacket(
                    sender == "outside" ? .outside : .agent(sender), target, in: spec)
            } catch {
                throw error.failure(spec.agents.map(\.name))
            }
            var network = try HostNetwork()
            let way = try network.why(spec, packet)
            if try values[json] {
                console.print(try way.json())
            } else {
                console.print(way.lines(console.style))
            }
            return way.outcome == .unknown ? .unproven : .ok
        }
        return command
    }
}

extension WhyMistake {
    fileprivate func failure(_ known: [String]) -> Failure {
        switch self {
        case .noAgent(let name):
            let hint = nearest(to: name, among: known).map { " Did you mean '\($0)'?" } ?? ""
            return Failure(.usage, "There is no agent '\(name)'.\(hint)")
        case .notSent(let sentence):
            return Failure(.usage, sentence.prefix(1).uppercased() + sentence.dropFirst() + ".")
        }
    }
}

// MARK: For people

extension Way {
    func lines(_ style: Style) -> [String] {
        var lines = [Text.printable("\(from) -> \(to): \(packet)")]
        let rules = steps.compactMap { step in step.table.map { "\($0) \(step.chain ?? "")" } }
        let width = rules.map(Text.width).max() ?? 0
        for step in steps {
            if let hook = step.hook {
                lines.append("  " + style.paint(hook, .strong))
            } else if let table = step.table {
                let place = Text.pad(Text.printable("\(table) \(step.chain ?? "")"), to: width)
                let rule = Text.printable(step.rule ?? step.words ?? "")
                let verdict = Text.printable(step.verdict ?? "")
                let paint: Style.Paint = verdict == "drop" ? .bad : .plain
                lines.append("    \(place)  \(rule)  " + style.paint(verdict, paint))
            } else if let words = step.words {
                lines.append("  " + Text.printable(words))
            }
        }
        let paint: Style.Paint =
            switch outcome {
            case .passes: .good
            case .blocked: .bad
            case .unknown: .notable
            }
        return lines + [style.paint(Text.printable(sentence), paint)]
    }
}
