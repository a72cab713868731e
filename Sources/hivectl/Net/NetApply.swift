import HiveCommand

extension Hivectl {
    static func netApply(_ global: GlobalOptions) -> Command {
        var command = Command("apply", "Make the kernel's network what the configuration says")
        command.discussion = """
            Plans, carries out, and looks again: a difference that is left is an error. Only what is missing is \
            changed, so that repeating it is cheap. It may be killed at any point; the next apply goes on from \
            there, and at no time is an agent less isolated than before. When the configuration is wrong, \
            nothing is changed. Two at once wait for each other.
            """
        let dryRun = command.flag("dry-run", "change nothing, like 'net plan'")
        let json = command.flag("json", "print the changes as JSON")
        command.exit(.ok, "the kernel is as the configuration says; with --dry-run: nothing is to do")
        command.exit(.changes, "with --dry-run: there are changes")
        command.usualExits()
        command.example("After editing the configuration", "hivectl net apply")
        command.action = { values, _ in
            _ = (try values[dryRun], try values[json])
            throw Failure(.software, "'hivectl net apply' is not connected to the kernel yet.")
        }
        return command
    }
}
