import HiveCommand
import HiveCore
import HiveWatch

extension Hivectl {
    static func netWatch(_ global: GlobalOptions) -> Command {
        var command = Command("watch", "Keep the network as the configuration says")
        command.discussion = """
            Runs until it is ended. Applies, hears of every change that the kernel tells of, and puts right at \
            once what somebody has changed: links, port flags, forwarding entries, neighbours, settings, \
            addresses, namespaces, rules. It makes the nftables tables its own, so that nobody else can change \
            or flush them (Linux 6.9; before, they are repaired). Changes of the configuration and of agents \
            added at run time are applied as they are made; a wrong configuration is refused, and the one \
            before is kept. What somebody undoes again and again is left for a while, and then the agents that \
            it concerns are cut off meanwhile.

            However it ends, the boundary stays, and so do established connections; the next one takes it over. \
            While it runs, 'net apply', 'plan', 'show', 'add', 'rm', 'events' and 'drops' ask it, by a socket \
            that root and the group hive-admin may use. Every event is a line on standard error. Made for \
            systemd: Type=notify, ready when the boundary holds, with a watchdog if it is asked for one.
            """
        let shares = command.flag(
            "share-tables", "leave the tables to everybody, and repair them, as with older kernels")
        command.exit(.ok, "ended by SIGTERM or SIGINT")
        command.usualExits()
        command.example("In the foreground; packaging/hive-net.service is for systemd", "hivectl net watch")
        command.action = { values, console in
            let session = try Session(values, global, console)
            var options = Watcher.Options(
                configPath: session.configPath, isExplicit: session.isExplicit, state: session.state,
                socket: session.socket)
            options.sharesTables = try values[shares]
            let watcher = try Watcher(options) { event in
                // The journal, or whatever else gets it, has times of its own.
                console.note("hivectl: \(event.words)")
            }
            try watcher.run()
            return .ok
        }
        return command
    }
}

extension WatchEvent {
    /// Without its time: `repaired: alpha: link hv-alpha (isolated false -> true), 3.1 ms`
    var words: String {
        let whose = agent.map { "\($0): " } ?? ""
        let took = milliseconds.map { " (\($0) ms)" } ?? ""
        return "\(kind.rawValue): \(whose)\(sentence)\(took)"
    }
}
