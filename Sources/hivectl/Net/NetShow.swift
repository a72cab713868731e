import HiveCommand

extension Hivectl {
    static func netShow(_ global: GlobalOptions) -> Command {
        var command = Command("show", "Show the hive's network as it is in the kernel")
        command.discussion = """
            Differences from the configuration come first, in words. Then the bridge and its addresses, and a \
            row for every agent: address, link, state, web port, egress, and how many packets were blocked on \
            their way to the host, to another agent, with a false sender, or against the egress policy. Works \
            without a configuration too.
            """
        let name = command.optionalArgument("NAME", .text, "show this agent only")
        let json = command.flag("json", "print JSON; its schema is stable")
        command.exit(.ok, "shown, whether or not there were differences")
        command.usualExits()
        command.example("The whole hive", "hivectl net show")
        command.example(
            "Packets that agents sent with a false address",
            "hivectl net show --json | jq '.agents[] | {name, spoofed: .blocked.spoofed}'")
        command.action = { values, _ in
            _ = (try values[name], try values[json])
            throw Failure(.software, "'hivectl net show' is not connected to the kernel yet.")
        }
        return command
    }
}
