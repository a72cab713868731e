import FoundationEssentials
import HiveCommand
import HiveCore
import HiveGateway
import HiveWatch

extension Hivectl {
    static func gatewayShow(_ global: GlobalOptions, _ gateway: GatewayOptions) -> Command {
        var command = Command("show", "Show listeners, pages, and whether each answers")
        command.discussion = """
            Asks nginx whether it serves the configuration in force, each listener, and each agent's page once. \
            Changes nothing.
            """
        let json = command.flag("json", "print JSON; its schema is stable (docs/json.md)")
        command.exit(.ok, "shown")
        command.gatewayExits()
        command.example("Whether every page answers", "hivectl gateway show --standalone")
        command.action = { values, console in
            let session = try Session(values, global, console)
            let shown = try Gateway(try gateway.options(values), state: session.state)
                .show(try session.load())
            if try values[json] {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
                console.print(String(decoding: try encoder.encode(shown), as: UTF8.self))
            } else {
                for line in lines(shown, console.style) { console.print(line) }
            }
            return .ok
        }
        return command
    }

    private static func lines(_ shown: ShownGateway, _ style: Style) -> [String] {
        guard shown.enabled else { return ["The gateway is off: gateway.enable is not true."] }
        var lines: [String] = []
        let state =
            shown.served
            ? style.paint("served by nginx", .good) : style.paint("not served by nginx", .bad)
        lines.append("configuration \(shown.generation ?? "none"), \(state)")
        if !shown.current {
            lines.append("It is not what the hive's files say: 'hivectl gateway apply' puts it in force.")
        }
        var listeners = Table(.text("LISTENER"), .text("STATE"))
        for listener in shown.listeners {
            listeners.add(
                .init(listener.address),
                .init(listener.answers ? "answers" : "does not answer", listener.answers ? .good : .bad))
        }
        var pages = Table(.text("AGENT"), .text("PATH"), .text("UPSTREAM"), .text("STATE"))
        for page in shown.pages {
            let words = page.status.map { "answers \($0)" } ?? (page.answers ? "no HTTP" : "does not answer")
            pages.add(
                .init(page.agent), .init(page.path), .init(page.upstream),
                .init(words, page.status == nil ? .bad : .good))
        }
        lines += [""] + listeners.lines(style) + [""]
        lines += shown.pages.isEmpty ? ["no agent has a page"] : pages.lines(style)
        return lines
    }
}
