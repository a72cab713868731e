import HiveCommand
import HiveCore
import HiveDaemon
import HiveWatch
import HiveWire

/// The command line of `hived`.
enum Hived {
    static func program() -> Program {
        Program(
            command(), version: "0.1.0", suggest: { nearest(to: $0, among: $1) },
            related: [("hivectl", 8), ("hive.json", 5), ("hive-web", 8)],
            explain: { Failure(Explanation($0)) })
    }

    static func command() -> Command {
        var command = Command("hived", "Serve the agents of a hive, their operator and its dashboard")
        command.discussion = """
            The privileged core of a hive. It listens on unix sockets only: one for each agent, on which an \
            agent asks, tells and waits, and which it is known by; one for the operator, on which everything \
            else is done; and one for the web process. It has no port.

            What an agent asks, what is answered, and what operators do is kept in the state directory, and \
            is on disk before anybody hears of it.

            Runs until it is ended; containers go on. Changes of the configuration are taken over as they are \
            made, and on SIGHUP. Every sentence is a line on standard error. Made for systemd: Type=notify.
            """
        let config = command.option(
            "config", "FILE", .file, default: Configuration.standardPath, environment: "HIVE_CONFIG",
            "the configuration")
        let state = command.option(
            "state", "DIR", .directory, default: Configuration.standardStateDirectory,
            environment: "HIVE_STATE",
            "the directory of what is kept")
        let run = command.option(
            "run", "DIR", .directory, default: "/run/hive", "the directory of the sockets")
        let watcher = command.option(
            "socket", "PATH", .file, default: ControlClient.standardPath, environment: "HIVE_SOCKET",
            "where the watcher of the network listens")
        let user = command.option(
            "web-user", "NAME", .text, default: "hive-web",
            "the user of the web process, whom alone core.sock hears")
        let salvage = command.flag(
            "salvage", "put together what is whole of a damaged journal, say what was lost, and end")
        command.exit(.ok, "ended by SIGTERM or SIGINT")
        command.exit(.usage, "the command line is wrong")
        command.exit(.dataError, "what was kept is damaged; it says where, and what to do")
        command.exit(.unavailable, "another hived is running")
        command.exit(.inputOutput, "reading or writing failed")
        command.exit(.noPermission, "needs root")
        command.exit(.configuration, "the configuration or a directory is wrong")
        command.example("In the foreground; packaging/hived.service is for systemd", "hived")
        command.action = { values, console in
            if try values[salvage] {
                console.print(try Store.salvage("\(try values[state])/core", now: Clock.now))
                return .ok
            }
            let path = try values[config]
            var options = Daemon.Options(
                configPath: path, isExplicit: path != Configuration.standardPath,
                state: StateDirectory(try values[state]))
            options.runDirectory = Watcher.absolute(try values[run])
            options.watcherSocket = try values[watcher]
            options.webUser = try values[user]
            let daemon = try Daemon(options) { console.note("hived: \($0)") }
            try daemon.serve()
            return .ok
        }
        return command
    }
}

extension Failure {
    init(_ explanation: Explanation) {
        self.init(ExitCode(rawValue: explanation.code) ?? .dataError, explanation.sentences)
    }
}

Hived.program().main()
