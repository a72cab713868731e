internal import HiveCommand
internal import HiveWire

extension Web {
    /// The command line.
    /// - Parameter serve: does what it is there for; `listen` nil: the socket comes from systemd.
    static func command(_ serve: @escaping (_ listen: String?, _ core: String) throws -> Void) -> Command {
        var command = Command("hive-web", "Serve the dashboard of a hive, for a gateway that speaks SCGI")
        command.discussion = """
            The web process. It renders pages and passes on what the operator does; whoever takes it over has the \
            few requests of core.sock, and nothing else. It holds no secret but the key of its pages' tokens, which \
            is made anew each time that it starts.

            Runs as a user of its own, without any capability, and refuses to do otherwise. Made for systemd: \
            Type=notify, with the socket passed on (hive-web.socket).
            """
        let listen = command.option(
            "listen", "PATH", path, "make the socket there, mode 0660, instead of taking it from systemd")
        let core = command.option("core", "PATH", path, default: "/run/hive/core.sock", "the core's socket")
        command.exit(.ok, "ended by SIGTERM or SIGINT")
        command.exit(.usage, "the command line is wrong, or systemd passed on no socket")
        command.exit(.unavailable, "something that it needs is missing")
        command.exit(.software, "a fault of hive-web")
        command.exit(.inputOutput, "a socket cannot be made")
        command.exit(.noPermission, "runs as root, or with a capability")
        command.exit(.configuration, "what systemd passed on is not a socket that it serves")
        command.example("By hand, as its user", "hive-web --listen /run/hive/web.sock")
        command.action = { values, _ in
            try serve(try values[listen], try values[core])
            return .ok
        }
        return command
    }

    private static var path: Syntax<String> {
        Syntax("an absolute path", completion: .file) { $0.hasPrefix("/") && !$0.utf8.contains(0) ? $0 : nil }
    }

    static func program() -> Program {
        Program(
            command { try run(listen: $0, core: $1) }, version: version, suggest: { _, _ in nil },
            related: [("hivectl", 8), ("hived", 8)], explain: failure)
    }

    private static func failure(_ error: any Error) -> HiveCommand.Failure {
        guard let error = error as? ServiceError else { return HiveCommand.Failure(.software, "\(error).") }
        return HiveCommand.Failure(ExitCode(rawValue: error.code) ?? .software, "\(error.description).")
    }
}
