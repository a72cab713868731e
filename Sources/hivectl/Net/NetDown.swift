import HiveCommand
import HiveCore
import HiveNet
import HiveWatch

extension Hivectl {
    static func netDown(_ global: GlobalOptions) -> Command {
        var command = Command("down", "Take the hive's network out of the kernel")
        command.discussion = """
            Removes what carries the hive's mark, and nothing else: its links and bridge, its namespaces, its \
            nftables tables, its routes. Configuration, leases and agents added at run time stay, so that \
            'net apply' brings everything back with the same addresses. Works without a configuration.
            """
        let name = command.optionalArgument("NAME", .agent, "take away this agent's part only")
        command.exit(.ok, "nothing of it is left")
        command.usualExits(unavailable: "a watcher keeps the network")
        command.example("Cut one agent off", "hivectl net down alpha")
        command.action = { values, console in
            let session = try Session(values, global, console)
            let agent = try values[name]
            if let watcher = try session.watcher() {
                throw Failure(
                    .unavailable,
                    "A watcher (process \(watcher.watcher)) keeps the hive's network, and would put everything back: end it first, "
                        + "for example with 'systemctl stop hive-net'.")
            }
            let lock = try session.lock()
            defer { withExtendedLifetime(lock) {} }
            var network = try HostNetwork()
            if let agent {
                let present = try network.observe(nil).state.agents
                guard present[agent] != nil else {
                    let hint =
                        nearest(to: agent, among: present.keys.sorted()).map { " Did you mean '\($0)'?" }
                        ?? ""
                    throw Failure(.usage, "The kernel has no agent '\(agent)'.\(hint)")
                }
            }
            try console.report(try network.remove(agent: agent), json: false)
            return .ok
        }
        return command
    }
}
