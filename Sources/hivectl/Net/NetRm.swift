import HiveCommand
import HiveCore
import HiveWatch

extension Hivectl {
    static func netRm(_ global: GlobalOptions) -> Command {
        var command = Command("rm", "Remove an agent that was added at run time")
        command.discussion = """
            Removes agents.d/NAME.json from the state directory, and applies. The agent's address stays \
            reserved for its name while the pool lasts. An agent of the configuration file is removed there.
            """
        let name = command.argument("NAME", .agent, "the agent's name")
        let noApply = command.flag(
            "no-apply", "only remove the file; 'net apply', or a watcher, does the rest")
        command.exit(.ok, "the agent is gone")
        command.usualExits()
        command.example("Remove an agent", "hivectl net rm alpha")
        command.action = { values, console in
            let session = try Session(values, global, console)
            let agent = try values[name]
            guard try values[noApply] else {
                try console.report(try session.remove(agent), json: false)
                return .ok
            }
            let lock = try session.lock()
            defer { withExtendedLifetime(lock) {} }
            try session.state.agents.remove(agent, besides: try? Configuration(path: session.configPath))
            return .ok
        }
        return command
    }
}
