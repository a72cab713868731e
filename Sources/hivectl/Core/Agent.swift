import HiveCommand
import HiveWire

extension Hivectl {
    static func agent() -> Command {
        var agent = Command("agent", "Show, start and stop agents")
        agent.discussion = """
            Asks the core, hived, by the operator's socket, which root and the group hive-admin may use. An \
            agent's network is there before its container is started, or it is not started.
            """
        agent.defaultSubcommand = "list"
        let options = OperatorOptions(&agent)
        agent.add(agentList(options))
        agent.add(agentShow(options))
        for verb in [LifecycleVerb.start, .stop, .restart, .pause, .resume] {
            agent.add(lifecycle(verb, options))
        }
        return agent
    }

    private static func agentList(_ options: OperatorOptions) -> Command {
        var command = Command("list", "Show all agents")
        command.discussion =
            "A row for each agent: how its container is, what it says it is at, and what it waits for."
        let json = command.flag("json", "print JSON; its schema is stable (docs/json.md)")
        command.exit(.ok, "shown")
        command.coreExits()
        command.example("Who waits for me?", "hivectl agent list")
        command.action = { values, console in
            let answer = try OperatorSession(values, options, console).ask(.agentStatus)
            let rows = answer.agentStatuses ?? []
            if try values[json] {
                try console.print(rows.json())
                return .ok
            }
            var table = Table(
                .text("AGENT"), .text("STATE"), .number("QUESTIONS"), .number("APPROVALS"), .text("STATUS"))
            for row in rows {
                let text = row.statusText.map { OperatorSession.line($0) } ?? ""
                table.add(
                    Table.Cell(row.name), Table.Cell(row.state, row.paint), Table.Cell(row.openQuestions),
                    Table.Cell(row.openApprovals), Table.Cell(text))
            }
            console.print(table.lines(console.style))
            return .ok
        }
        return command
    }

    private static func agentShow(_ options: OperatorOptions) -> Command {
        var command = Command("show", "Show one agent")
        command.discussion = "How its container is, what it says it is at, and what it waits for."
        let name = command.argument("NAME", .agent, "the agent's name")
        let json = command.flag("json", "print JSON; its schema is stable (docs/json.md)")
        command.exit(.ok, "shown")
        command.coreExits()
        command.example("One agent", "hivectl agent show alpha")
        command.action = { values, console in
            let session = try OperatorSession(values, options, console)
            let name = try values[name]
            guard let row = try session.ask(.agentStatus).agentStatuses?.first(where: { $0.name == name })
            else {
                throw Failure(.software, "There is no agent '\(name)'.")
            }
            if try values[json] {
                try console.print(row.json())
                return .ok
            }
            console.print(
                "\(console.style.paint(row.name, .strong))  \(console.style.paint(row.state, row.paint))")
            if let text = row.statusText, let time = row.statusSetAt {
                console.print("  says: \(Text.printable(text)) (\(OperatorSession.time(time)))")
            }
            if let trouble = row.trouble { console.print("  trouble: \(Text.printable(trouble))") }
            console.print("  started and stopped \(row.backend.map { "by Hive, as \($0)" } ?? "by others")")
            if let parent = row.parent { console.print("  parent: \(parent)") }
            if let url = row.url { console.print("  page: \(url)") }
            let questions = (try session.ask(.questions).questions ?? []).filter { $0.agent == name }
            for question in questions {
                console.print(
                    "  question \(question.id): \(OperatorSession.line(question.text, most: 100))".printable)
            }
            let approvals = (try session.ask(.pending).approvals ?? []).filter { $0.agent == name }
            for approval in approvals {
                console.print(
                    "  approval \(approval.id): \(OperatorSession.line(approval.text, most: 100))".printable)
            }
            return .ok
        }
        return command
    }

    private static func lifecycle(_ verb: LifecycleVerb, _ options: OperatorOptions) -> Command {
        let (abstract, word): (String, OperatorVerb) =
            switch verb {
            case .start: ("Start containers, once their network is applied", .start)
            case .stop: ("Stop containers", .stop)
            case .restart: ("Stop and start containers", .restart)
            case .pause: ("Let nothing in containers run, until they are resumed", .setPaused)
            default: ("Let paused containers go on", .setPaused)
            }
        var command = Command(verb.rawValue, abstract)
        command.discussion = """
            Returns when it is done, or says why not. The core keeps who did it, when, and what came of it.
            """
        let names = command.arguments("NAME", .agent, "the agents' names, one or more")
        let now = verb == .stop ? command.flag("now", "kill it, without giving it time to end") : nil
        command.exit(.ok, "done")
        command.coreExits()
        command.example("Two agents", "hivectl agent \(verb.rawValue) alpha beta")
        command.action = { values, console in
            let session = try OperatorSession(values, options, console)
            let names = try values[names]
            guard !names.isEmpty else { throw Failure(.usage, "Which agents? Name one or more.") }
            if word == .start || word == .stop {
                let kills = try now.map { try values[$0] } ?? false
                _ = try session.ask(word) {
                    $0.scope = .init(agentNames: names)
                    if word == .stop { $0.graceful = !kills }
                }
                return .ok
            }
            var failures: [String] = []
            for name in names {
                do {
                    _ = try session.ask(word) {
                        $0.name = name
                        if word == .setPaused { $0.paused = verb == .pause }
                    }
                } catch let failure as Failure where failure.code == .software {
                    failures += failure.sentences
                }
            }
            guard failures.isEmpty else { throw Failure(.software, failures) }
            return .ok
        }
        return command
    }
}

extension AgentStatus {
    /// One word, or two.
    var state: String {
        if let doing { return doing }
        if failed { return "failed" }
        if paused { return "paused" }
        if running { return "running" }
        return backend == nil ? "-" : "stopped"
    }

    var paint: Style.Paint {
        if failed { return .bad }
        if doing != nil || paused { return .notable }
        return running ? .good : .plain
    }
}

extension String {
    /// Without what could move a terminal's cursor.
    var printable: String { Text.printable(self) }
}
