import HiveCommand
import HiveCore
import HiveNet
import HiveWatch

extension Hivectl {
    static func netPlan(_ global: GlobalOptions) -> Command {
        var command = Command("plan", "Show what 'net apply' would change, and why")
        command.discussion = """
            A line for every change: + is added, ~ is changed, - is removed. Nothing is changed. \
            Names in egress policies are looked up as 'net apply' would.
            """
        let json = command.flag("json", "print the changes as JSON")
        command.exit(.ok, "nothing is to do")
        command.exit(.changes, "there are changes")
        command.usualExits()
        command.example("Apply only after looking", "hivectl net plan; hivectl net apply")
        command.action = { values, console in
            try plan(Session(values, global, console), console, json: try values[json])
        }
        return command
    }

    /// Also `net apply --dry-run`. Takes no lock and writes nothing.
    static func plan(_ session: Session, _ console: Console, json: Bool) throws -> ExitCode {
        if let watcher = try session.watcher() {
            return try tell(try session.ask(watcher, .plan).changes ?? [], console, json: json)
        }
        let hive = try session.load()
        let resolved = try session.resolve(hive)
        let spec = resolved.spec
        var network = try HostNetwork()
        do {
            let (changes, observed) = try network.plan(spec)
            let code = try tell(ChangeReport(changes).changes, console, json: json)
            for caution in resolved.cautions + cautions(about: spec, observed: observed) {
                console.note("hivectl: \(caution)")
            }
            return code
        } catch let obstacle as Obstacle {
            throw session.failure(obstacle, hive)
        }
    }

    private static func tell(
        _ changes: [ChangeReport.Item], _ console: Console, json: Bool
    ) throws -> ExitCode {
        if json {
            console.print(try ChangeReport(items: changes).json())
        } else {
            console.print(changes.lines(console.style))
            console.remark(changes.isEmpty ? "Nothing to do." : "\(changes.count) to do.")
        }
        return changes.isEmpty ? .ok : .changes
    }
}
