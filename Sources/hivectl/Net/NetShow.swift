import HiveCommand
import HiveCore
import HiveNet
import HiveWatch

extension Hivectl {
    static func netShow(_ global: GlobalOptions) -> Command {
        var command = Command("show", "Show the hive's network as it is in the kernel")
        command.discussion = """
            Differences from the configuration come first, in words. Then the bridge and its addresses, and a \
            row for every agent: address, link, state, web port, egress, and how many packets were blocked on \
            their way to the host, to another agent, with a false sender, or against the egress policy. Policies \
            that are lists follow in words, and what the names in them stand for; 'show' itself looks up no \
            name. Works without a configuration too.

            ALARM marks a way round the boundary: a process of an agent's with power over the host's links, or \
            a link into an agent's namespace that is not its own, or another program's rules that take \
            packets past Hive's.

            --check is for programs that are about to start something behind the boundary: where nobody can say \
            what should be, for want of a configuration or of an answer, it does not hold. It looks at what 'show' \
            shows; 'net verify' proves more.
            """
        let name = command.optionalArgument("NAME", .agent, "show this agent only")
        let json = command.flag("json", "print JSON; its schema is stable (docs/json.md)")
        let check = command.flag(
            "check", "print nothing, unless the boundary does not hold: then say why, and exit with 3")
        command.exclusive(json, check)
        command.exit(.ok, "shown, whether or not there were differences; with --check, the boundary holds")
        command.exit(.breached, "with --check: it does not")
        command.usualExits()
        command.example("The whole hive", "hivectl net show")
        command.example("Whether something may be started behind it", "hivectl net show alpha --check")
        command.example(
            "Packets that agents sent with a false address", "hivectl net show --json | jq '.blocked[].spoof'"
        )
        command.action = { values, console in
            let agent = try values[name]
            if try values[check] {
                // (A watcher that does not answer is not waited for.)
                let session = try Session(values, global, console, patience: 10)
                guard let words = try session.show(agent: agent, isFresh: true).obstacle(to: agent) else {
                    return .ok
                }
                throw Failure(.breached, "The boundary does not hold: \(words).")
            }
            let shown = try Session(values, global, console).show(agent: agent)
            if try values[json] {
                console.print(try shown.json())
            } else {
                console.print(shown.lines(console.style))
            }
            return .ok
        }
        return command
    }
}

extension ShownNetwork {
    // MARK: For people

    func lines(_ style: Style) -> [String] {
        var lines = differences(style) + alarms(style) + watcherTroubles(style)
        for caution in cautions { lines.append(style.paint("note: ", .notable) + Text.printable(caution)) }
        if !lines.isEmpty { lines.append("") }
        guard let bridge = network.bridge else {
            lines.append("no bridge\(network.boundary == nil ? ", no rules" : "")")
            return lines + (network.agents.isEmpty ? [] : table(style)) + egress() + keeper()
        }
        let addresses = bridge.addresses4.map(\.description) + bridge.addresses6.map(\.description)
        lines.append(
            "bridge \(bridge.name)  \(addresses.joined(separator: "  "))  mtu \(bridge.mtu)  \(bridge.up ? "up" : "down")"
        )
        if network.boundary == nil { lines.append(style.paint("no rules: nothing is denied", .bad)) }
        lines.append("")
        return lines + table(style) + egress() + keeper()
    }

    /// What of the watcher's state somebody should know.
    private func watcherTroubles(_ style: Style) -> [String] {
        guard let watcher else { return [] }
        var lines: [String] = []
        if !watcher.holds { lines.append("the watcher has not yet put everything right") }
        if !watcher.quarantined.isEmpty {
            lines.append(
                "cut off, since somebody keeps undoing repairs: \(watcher.quarantined.joined(separator: ", ")); "
                    + "'hivectl net events' tells more")
        }
        if let refused = watcher.refused {
            lines.append("the configuration was refused, and the one before is in force: \(refused)")
        }
        return lines.map { style.paint("WATCHER", .bad) + ": " + Text.printable($0) }
    }

    /// Who keeps the network.
    private func keeper() -> [String] {
        guard let watcher else { return [] }
        let tables = watcher.ownsTables ? "; nobody else can change the tables" : ""
        var lines = [
            "",
            "Kept by process \(watcher.process) since \(ShownName.time(Int64(watcher.since))); "
                + "repairs so far: \(watcher.repairs)\(tables).",
        ]
        if let roster = watcher.roster { lines.append("Roster: \(Text.printable(roster)).") }
        return lines
    }

    /// The policies that are more than a word, and the names in them.
    private func egress() -> [String] {
        var lines: [String] = []
        let special = policies.filter(\.value.isSpecial).sorted { $0.key < $1.key }
        if !special.isEmpty {
            lines += ["", "Egress policies:"] + special.map { "  \($0): \($1.words)" }
        }
        if !names.isEmpty {
            lines += ["", "Names:"]
            lines += names.sorted { $0.key < $1.key }.map { "  \($0): \(Text.printable($1.words))" }
        }
        return lines
    }

    private func differences(_ style: Style) -> [String] {
        guard !drift.isEmpty else { return [] }
        let file = configuration ?? "the configuration"
        guard
            network.bridge != nil || network.boundary != nil
                || network.agents.values.contains(where: { $0.port != nil })
        else { return ["Nothing of \(file) is in the kernel: 'hivectl net apply' puts it there."] }
        // Somebody who has not applied yet wants one sentence, not a thousand lines.
        let most = 20
        var lines = [
            style.paint("DRIFT", .bad)
                + ": the kernel differs from \(file) in \(drift.count) "
                + "place\(drift.count == 1 ? "" : "s"); 'hivectl net apply' puts it right."
        ]
        lines += drift.prefix(most).map { item in
            let what = Text.printable(
                [item.object, item.detail].filter { !$0.isEmpty }.joined(separator: " "))
            let reason = item.reason.isEmpty ? "" : " (\(Text.printable(item.reason)))"
            return "  to \(item.action): \(what)\(reason)"
        }
        if drift.count > most { lines.append("  … and \(drift.count - most) more: hivectl net plan") }
        return lines
    }

    private func alarms(_ style: Style) -> [String] {
        findings.map { finding in
            let whose = finding.agent.map { "agent \($0): " } ?? ""
            return style.paint("ALARM", .bad) + ": " + Text.printable(whose + finding.sentence)
        }
    }

    private func table(_ style: Style) -> [String] {
        var table = Table(
            .text("AGENT"), .text("ADDRESS"), .text("LINK"), .text("STATE"), .number("WEB"), .text("EGRESS"),
            .number("TO-HOST"), .number("TO-PEER"), .number("SPOOFED"), .number("TO-OUTSIDE"),
            .number("EXCESS"))
        for (name, agent) in network.agents.sorted(by: { $0.key < $1.key }) {
            let count = blocked[name] ?? Blocked()
            let state = unreadable?.contains(name) == true ? "unreadable" : Self.state(of: agent)
            let address = agent.inside?.addresses4.first.map { "\($0.address)" }
            table.add(
                .init(name), .init(address ?? "-"), .init(agent.port?.name ?? "-"),
                .init(state, state == "up" ? .good : .bad), .init(agent.webPort.map { "\($0)" } ?? "-"),
                .init(Self.short(agent.egress)), .init(count.host), .init(count.peer),
                .init(count.spoof), .init(count.egress), .init(count.excess))
        }
        let lines = table.lines(style)
        return network.agents.isEmpty
            ? ["no agents"]
            : lines + [
                "", "TO-HOST, TO-PEER, SPOOFED, TO-OUTSIDE and EXCESS count the packets that were blocked.",
            ] + totals()
    }

    /// By reason, the two tables together, those of senders who are no agent included.
    private func totals() -> [String] {
        guard network.boundary != nil else { return [] }
        let counts = DropReason.allCases.map { reason in
            let count = blockedInAll.filter { $0.key.hasSuffix(" \(reason.rawValue)") }.reduce(0) {
                $0 + $1.value
            }
            return "\(reason.rawValue) \(count)"
        }
        let start = since.map { " since \(ShownName.time($0))" } ?? ""
        return ["In all\(start): \(counts.joined(separator: ", "))."]
    }

    /// A fingerprint says nothing to people.
    private static func short(_ label: String?) -> String {
        guard let label else { return "-" }
        return label.hasPrefix("policy-") ? "policy" : label
    }

    private static func state(of agent: Agent) -> String {
        if agent.namespace == nil { return "no namespace" }
        guard let port = agent.port else { return "no link" }
        guard agent.inside != nil else { return "no link inside" }
        if agent.egress == nil { return "no rules" }
        return port.up ? (agent.inside?.up == true ? "up" : "down inside") : "down"
    }
}
