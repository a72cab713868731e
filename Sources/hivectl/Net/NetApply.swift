import HiveCommand
import HiveWatch

extension Hivectl {
    static func netApply(_ global: GlobalOptions) -> Command {
        var command = Command("apply", "Make the kernel's network what the configuration says")
        command.discussion = """
            Plans, carries out, and looks again: a difference that is left is an error. Only what is missing is \
            changed, so that repeating it is cheap. It may be killed at any point; the next apply goes on from \
            there, and at no time is an agent less isolated than before. When the configuration is wrong, \
            nothing is changed. Two at once wait for each other. Names in egress policies are looked up by the \
            host where what is known of them expires soon; one that cannot be looked up reaches nothing, which \
            is said, and is no error.
            """
        let dryRun = command.flag("dry-run", "change nothing, like 'net plan'")
        let json = command.flag("json", "print the changes as JSON")
        command.exit(.ok, "the kernel is as the configuration says; with --dry-run: nothing is to do")
        command.exit(.changes, "with --dry-run: there are changes")
        command.usualExits()
        command.example("After editing the configuration", "hivectl net apply")
        command.action = { values, console in
            let session = try Session(values, global, console)
            if try values[dryRun] { return try plan(session, console, json: try values[json]) }
            if let watcher = try session.watcher() {
                try console.report(try session.ask(watcher, .apply).changes ?? [], json: try values[json])
                return .ok
            }
            // The configuration is read under the lock: what is applied last is what was written last.
            let lock = try session.lock()
            defer { withExtendedLifetime(lock) {} }
            try console.report(try session.apply(try session.load()), json: try values[json])
            return .ok
        }
        return command
    }
}
