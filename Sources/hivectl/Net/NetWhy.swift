import FoundationEssentials
import HiveCommand
import HiveCore
import HiveNet
import HiveWatch

extension Hivectl {
    static func netWhy(_ global: GlobalOptions) -> Command {
        var command = Command("why", "Send one packet and tell which way it takes, and what stops it")
        command.discussion = """
            Sends one packet from the agent's namespace, as its own kernel would, with nftables tracing on for it \
            alone, and prints every hook and rule that it meets, those of other programs too. The answer comes \
            last. What rules do not decide (the bridge, routing) is concluded from where the packet was seen last, \
            and said as such. Where no packet can be sent, it tells what the configuration's rules alone \
            say, and says so.

            'host' is the hive's gateway address. A port without a protocol is TCP, no port is an echo request. \
            From 'outside' it comes in on a link of its own, from 192.0.2.1 or 2001:db8::1. What may go out does \
            go out, to the real address. Nothing is changed that stays, also when it is killed.

            With --follow it sends nothing and traces what the agent itself sends, a line for each packet: at \
            most 20 a second, until --count or --seconds are over.
            """
        let from = command.argument("FROM", .agent, "an agent, or 'outside'")
        let to = command.optionalArgument(
            "TO",
            .described(
                "an address or an agent, or 'host', with a port or without, such as 10.0.0.5:443/tcp, "
                    + "[2001:db8::1]:53/udp, host:7000 or beta") as Syntax<WhyTarget>,
            "ADDRESS, AGENT or 'host', and :PORT[/tcp|/udp]")
        let follow = command.flag("follow", "trace what the agent sends, instead of a packet to TO")
        let count = command.option(
            "count", "N", .integer(1...1_000_000), default: 100, "with --follow: end after so many packets")
        let seconds = command.option(
            "seconds", "S", .integer(1...86_400), default: 60, "with --follow: end after so many seconds")
        let json = command.flag("json", "print JSON; its schema is stable (docs/json.md)")
        command.exit(.ok, "it is known what becomes of the packet, whatever that is")
        command.exit(.unproven, "the packet could not be sent, or nobody can tell what became of it")
        command.usualExits()
        command.example("Why does it not reach that?", "hivectl net why alpha 203.0.113.5:443/tcp")
        command.example("Who keeps alpha from the host's service?", "hivectl net why alpha host:7000")
        command.example("What does it try all the time?", "hivectl net why alpha --follow --count 20")
        command.example("And from outside?", "hivectl net why outside alpha:8080 --json")
        command.action = { values, console in
            let session = try Session(values, global, console)
            let hive = try session.load()
            let spec = try hive.spec(names: Names.load(session.state).names.usable(at: Hive.now))
            let sender = try values[from]
            if try values[follow] {
                guard try values[to] == nil else {
                    throw Failure(
                        .usage, "With --follow there is no TO: all that '\(sender)' sends is traced.")
                }
                guard spec.agents.contains(where: { $0.name == sender }) else {
                    throw WhyMistake.noAgent(sender).failure(spec.agents.map(\.name))
                }
                var bounds = FollowBounds()
                bounds.packets = try values[count]
                bounds.seconds = try values[seconds]
                return try Self.follow(spec, sender, bounds, json: try values[json], console)
            }
            guard let target = try values[to] else {
                throw Failure(.usage, "TO is missing: where the packet is to go.")
            }
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

    private static func follow(
        _ spec: NetworkSpec, _ agent: String, _ bounds: FollowBounds, json: Bool, _ console: Console
    ) throws -> ExitCode {
        var network = try HostNetwork()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let isWhole = try network.follow(spec, agent: agent, bounds) { packet in
            if json, let line = try? encoder.encode(packet) {
                console.print(String(decoding: line, as: UTF8.self))
            } else {
                console.print(packet.line(console.style))
            }
            console.flush()
        }
        if !isWhole {
            console.note("hivectl: the kernel told more than there was room for; packets are missing.")
        }
        return .ok
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

extension FollowedPacket {
    func line(_ style: Style) -> String {
        let way = [source, destination].compactMap(\.self).joined(separator: " -> ")
        let paint: Style.Paint = outcome == .passes ? .good : outcome == .blocked ? .bad : .notable
        return Text.printable(kind + (way.isEmpty ? "" : " " + way)) + "  "
            + style.paint(Text.printable(sentence), paint)
    }
}

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
