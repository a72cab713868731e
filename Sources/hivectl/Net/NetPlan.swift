import HiveCommand

extension Hivectl {
    static func netPlan(_ global: GlobalOptions) -> Command {
        var command = Command("plan", "Show what 'net apply' would change, and why")
        command.discussion = """
            A line for every change: + is added, ~ is changed, - is removed. Nothing is changed.
            """
        let json = command.flag("json", "print the changes as JSON")
        command.exit(.ok, "nothing is to do")
        command.exit(.changes, "there are changes")
        command.usualExits()
        command.example("Apply only after looking", "hivectl net plan; hivectl net apply")
        command.action = { values, _ in
            _ = try values[json]
            throw Failure(.software, "'hivectl net plan' is not connected to the kernel yet.")
        }
        return command
    }
}
