import FoundationEssentials
import HiveCommand
import HiveCore
import HiveGateway
import HiveWatch

extension Hivectl {
    static func gateway(_ global: GlobalOptions) -> Command {
        var gateway = Command("gateway", "Serve the dashboard and agents' pages on one origin, through nginx")
        gateway.discussion = """
            nginx takes the operator's requests: '/' is the dashboard, '/agent/NAME/' an agent's own page. \
            These commands write its configuration from the hive's, have it checked, and put it in force. \
            Without a command: 'show'.
            """
        gateway.defaultSubcommand = "show"
        let options = GatewayOptions(&gateway)
        gateway.add(gatewayShow(global, options))
        gateway.add(gatewayRender(global, options))
        gateway.add(gatewayApply(global, options))
        gateway.add(gatewayWatch(global, options))
        return gateway
    }
}

/// The options that every command of the gateway understands.
struct GatewayOptions {
    private let directory: Key<String>
    private let standalone: Key<Bool>
    private let nginx: Key<String>
    private let pidFile: Key<String?>

    init(_ command: inout Command) {
        directory = command.option(
            "directory", "DIR", .directory, default: Gateway.standardDirectory,
            environment: "HIVE_GATEWAY", "where the files for nginx are")
        standalone = command.flag(
            "standalone", "nginx does nothing else: a whole configuration, and no part of another one")
        nginx = command.option(
            "nginx", "PROGRAM", .file, default: "nginx", environment: "HIVE_NGINX", "nginx")
        pidFile = command.option(
            "pid-file", "FILE", .file,
            "where the running nginx has its number; /run/nginx.pid, with --standalone DIR/nginx.pid")
    }

    func options(_ values: Values) throws -> Gateway.Options {
        var options = Gateway.Options()
        options.directory = Watcher.absolute(try values[directory])
        options.isStandalone = try values[standalone]
        options.nginx = try values[nginx]
        options.pidFile = try values[pidFile]
        return options
    }
}

extension Command {
    mutating func gatewayExits() {
        exit(.usage, "the command line is wrong")
        exit(.inputOutput, "reading or writing failed, or nginx does not do as it was told")
        exit(.noPermission, "needs root")
        exit(.configuration, "the configuration is wrong, or nginx has something against what came of it")
    }
}
