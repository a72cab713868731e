import HiveCommand
import HiveWire

extension Hivectl {
    static func question() -> Command {
        var question = Command("question", "Show and answer agents' questions")
        question.discussion = "What agents ask, and the answers to it, by the core, hived."
        question.defaultSubcommand = "list"
        let options = OperatorOptions(&question)

        var list = Command("list", "Show open questions")
        list.discussion = "Each with its number, whose it is, since when, and the answers that are offered."
        let json = list.flag("json", "print JSON; its schema is stable (docs/json.md)")
        list.exit(.ok, "shown")
        list.coreExits()
        list.example("What is asked?", "hivectl question list")
        list.action = { values, console in
            let questions = try OperatorSession(values, options, console).ask(.questions).questions ?? []
            if try values[json] {
                try console.print(questions.json())
                return .ok
            }
            for question in questions {
                console.print(heading(question.id, question.agent, question.asked, console))
                show(question.text, console)
                for option in question.options { console.print("    - \(Text.printable(option))") }
            }
            if questions.isEmpty { console.remark("Nobody asks anything.") }
            return .ok
        }
        question.add(list)

        var answer = Command("answer", "Answer a question")
        answer.discussion = "The agent hears it at once if it waits, and otherwise when it looks."
        let id = answer.argument("ID", .integer(1...Int.max), "the question's number")
        let text = answer.argument("TEXT", .text, "the answer")
        answer.exit(.ok, "answered")
        answer.coreExits()
        answer.example("In one's own words", "hivectl question answer 7 'Yes, but not before Friday.'")
        answer.action = { values, console in
            let (id, text) = (try values[id], try values[text])
            _ = try OperatorSession(values, options, console).ask(.answer) {
                $0.id = id
                $0.text = text
            }
            return .ok
        }
        question.add(answer)
        return question
    }

    static func approval() -> Command {
        var approval = Command("approval", "Show and decide what agents want approved")
        approval.discussion = "What agents want to do, and may not do before somebody has approved it."
        approval.defaultSubcommand = "list"
        let options = OperatorOptions(&approval)

        var list = Command("list", "Show what waits for approval")
        list.discussion = "Each with its number, whose it is, and since when."
        let json = list.flag("json", "print JSON; its schema is stable (docs/json.md)")
        list.exit(.ok, "shown")
        list.coreExits()
        list.example("What is wanted?", "hivectl approval list")
        list.action = { values, console in
            let approvals = try OperatorSession(values, options, console).ask(.pending).approvals ?? []
            if try values[json] {
                try console.print(approvals.json())
                return .ok
            }
            for approval in approvals {
                console.print(heading(approval.id, approval.agent, approval.asked, console))
                show(approval.text, console)
            }
            if approvals.isEmpty { console.remark("Nothing waits for approval.") }
            return .ok
        }
        approval.add(list)

        for verb in [OperatorVerb.approve, .deny] {
            var command = Command(
                verb.rawValue, verb == .approve ? "Approve what an agent wants" : "Deny what an agent wants")
            command.discussion =
                "The agent hears it at once if it waits, and otherwise when it looks. It is final."
            command.example("The one with this number", "hivectl approval \(verb.rawValue) 7")
            let id = command.argument("ID", .integer(1...Int.max), "its number")
            command.exit(.ok, "decided")
            command.coreExits()
            command.action = { values, console in
                let id = try values[id]
                _ = try OperatorSession(values, options, console).ask(verb) { $0.id = id }
                return .ok
            }
            approval.add(command)
        }
        return approval
    }

    static func journal() -> Command {
        var command = Command("journal", "Show what an agent's container has written")
        command.discussion =
            "The last lines of its unit's journal, with nothing in them that could move the cursor."
        command.example("The last ten lines", "hivectl journal alpha --lines 10")
        let options = OperatorOptions(&command)
        let name = command.argument("NAME", .agent, "the agent's name")
        let lines = command.option(
            "lines", "N", .integer(1...CoreRequest.mostJournalLines), default: 200,
            "at most N lines, the last ones")
        command.exit(.ok, "shown")
        command.coreExits()
        command.action = { values, console in
            let (name, lines) = (try values[name], try values[lines])
            let answer = try OperatorSession(values, options, console).ask(.journal) {
                $0.name = name
                $0.lines = lines
            }
            for line in answer.lines ?? [] { console.print(Text.printable(line)) }
            return .ok
        }
        return command
    }

    private static func heading(_ id: Int, _ agent: String, _ time: Double, _ console: Console) -> String {
        "\(console.style.paint("\(id)", .strong))  \(agent)  \(console.style.paint(OperatorSession.time(time), .faint))"
    }

    /// A text of an agent's: its lines, and nothing that moves the cursor.
    private static func show(_ text: String, _ console: Console) {
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            console.print("    " + Text.printable(String(line)))
        }
    }
}
