import HiveCommand
import HiveCore
import HiveGateway
import HiveWatch

extension Hivectl {
    static func gatewayRender(_ global: GlobalOptions, _ gateway: GatewayOptions) -> Command {
        var command = Command("render", "Print the configuration for nginx")
        command.discussion = """
            What 'apply' would install, for the agents that there are now: the part for 'http', or with \
            --standalone the whole. Nothing is written. The tokens in it open agents' pages.
            """
        command.exit(.ok, "printed")
        command.gatewayExits()
        command.example("What nginx would be told", "hivectl gateway render | less")
        command.action = { values, console in
            let session = try Session(values, global, console)
            let options = try gateway.options(values)
            let rendering = try Gateway(options, state: session.state).render(try session.load())
            if options.isStandalone { console.print(rendering.main) }
            console.print(rendering.configuration)
            return .ok
        }
        return command
    }

    static func gatewayApply(_ global: GlobalOptions, _ gateway: GatewayOptions) -> Command {
        var command = Command("apply", "Put the configuration of nginx in force")
        command.discussion = """
            Writes the files, has nginx check them, puts them in place in one step, tells nginx, and waits until \
            it answers with them. When nginx has something against them, or does not come to serve them, what \
            was there before stays, and its own words are shown. An nginx that serves something else besides \
            needs one line, in http: include /run/hive/nginx/current/hive[.]conf;
            """
        let noReload = command.flag("no-reload", "tell no nginx that runs")
        command.exit(.ok, "in force; or nginx does not run, which is said")
        command.gatewayExits()
        command.example("An nginx of its own", "hivectl gateway apply --standalone")
        command.action = { values, console in
            let session = try Session(values, global, console)
            var options = try gateway.options(values)
            options.reloads = !(try values[noReload])
            let applied = try Gateway(options, state: session.state).apply(try session.load())
            for caution in applied.cautions { console.note("hivectl: \(caution)") }
            if applied.isNew { console.print("gateway \(applied.generation)") }
            return .ok
        }
        return command
    }

    static func gatewayWatch(_ global: GlobalOptions, _ gateway: GatewayOptions) -> Command {
        var command = Command("watch", "Keep the configuration of nginx as the hive's files say")
        command.discussion = """
            Runs until it is ended, and applies: at once, when the configuration, agents, leases or the roster \
            change, when an agent makes its socket anew, and when tokens have had their time. It is asleep in \
            between. nginx goes on when it ends. Made for systemd: Type=notify.
            """
        command.exit(.ok, "ended by SIGTERM or SIGINT")
        command.gatewayExits()
        command.example(
            "In the foreground; packaging/hive-gateway.service is for systemd",
            "hivectl gateway watch --standalone")
        command.action = { values, console in
            let session = try Session(values, global, console)
            let watcher = try GatewayWatcher(
                .init(
                    configPath: session.configPath, isExplicit: session.isExplicit, state: session.state,
                    gateway: try gateway.options(values))
            ) { console.note("hivectl: \($0)") }
            try watcher.run()
            return .ok
        }
        return command
    }
}
