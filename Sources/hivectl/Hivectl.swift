import HiveCommand
import HiveCore
import HiveWatch

/// The tree of commands. Each has a file of its own.
enum Hivectl {
    static let version = "0.1.0"

    static func program() -> Program {
        Program(
            tree(), version: version, suggest: { nearest(to: $0, among: $1) },
            related: [("hive.json", 5), ("hived", 8), ("hive-web", 8), ("hive-cni", 8)],
            morePages: { pages($0) },
            explain: explain)
    }

    static func tree() -> Command {
        var root = Command("hivectl", "Isolate the containers of AI agents from the host and from each other")
        root.discussion = """
            A hive is a host that runs many agents, each in a container of its own. Hive gives every agent a \
            link of its own, and rules in the kernel that let it reach what its egress policy says and nothing \
            else: neither the host, nor another agent.
            """
        let global = GlobalOptions(&root)
        root.add(net(global))
        root.add(gateway(global))
        root.add(agent())
        root.add(question())
        root.add(approval())
        root.add(journal())
        root.add(completion())
        return root
    }

    private static func net(_ global: GlobalOptions) -> Command {
        var net = Command("net", "Isolate agents' networks")
        net.discussion = """
            The configuration says what should be. 'plan' compares it with the kernel, 'apply' makes it so, \
            and 'show' tells what is. Without a command: 'show'.
            """
        net.defaultSubcommand = "show"
        net.add(netShow(global))
        net.add(netPlan(global))
        net.add(netApply(global))
        net.add(netWatch(global))
        net.add(netEvents(global))
        net.add(netVerify(global))
        net.add(netWhy(global))
        net.add(netDrops(global))
        net.add(netDown(global))
        net.add(netAdd(global))
        net.add(netRm(global))
        return net
    }
}

/// The options that every command understands.
struct GlobalOptions {
    let config: Key<String>
    let state: Key<String>
    let socket: Key<String>

    init(_ root: inout Command) {
        config = root.option(
            "config", "FILE", .file, default: "/etc/hive/hive.json", environment: "HIVE_CONFIG",
            "the configuration")
        state = root.option(
            "state", "DIR", .directory, default: "/var/lib/hive", environment: "HIVE_STATE",
            "the directory of leases and of agents added at run time")
        socket = root.option(
            "socket", "PATH", .file, default: ControlClient.standardPath, environment: "HIVE_SOCKET",
            "where the watcher listens, if one runs")
    }
}

extension Command {
    /// The exit codes of every command that reads the configuration and talks to the kernel.
    /// - Parameter unavailable: when it also ends with 69.
    mutating func usualExits(unavailable: String? = nil) {
        exit(.usage, "the command line is wrong")
        exit(.dataError, "a file that Hive wrote, such as the leases, is damaged")
        exit(.unavailable, (unavailable.map { "\($0), or " } ?? "") + "the kernel lacks a feature")
        exit(.software, "the kernel did not end up as it was told to, or a fault of hivectl")
        exit(.inputOutput, "reading or writing failed")
        exit(.noPermission, "needs root, or the capability CAP_NET_ADMIN")
        exit(.configuration, "the configuration or the state directory is wrong")
    }
}
