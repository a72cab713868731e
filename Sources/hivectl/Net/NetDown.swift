import HiveCommand

extension Hivectl {
    static func netDown(_ global: GlobalOptions) -> Command {
        var command = Command("down", "Take the hive's network out of the kernel")
        command.discussion = """
            Removes what carries the hive's mark, and nothing else: its links and bridge, its namespaces, its \
            nftables tables, its routes. Configuration, leases and agents added at run time stay, so that \
            'net apply' brings everything back with the same addresses. Works without a configuration.
            """
        let name = command.optionalArgument("NAME", .text, "take away this agent's part only")
        command.exit(.ok, "nothing of it is left")
        command.usualExits()
        command.example("Cut one agent off", "hivectl net down alpha")
        command.action = { values, _ in
            _ = try values[name]
            throw Failure(.software, "'hivectl net down' is not connected to the kernel yet.")
        }
        return command
    }
}
