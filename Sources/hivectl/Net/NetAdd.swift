import HiveCommand
import HiveCore
import HiveNet
import HiveWatch

extension Hivectl {
    static func netAdd(_ global: GlobalOptions) -> Command {
        var command = Command("add", "Add an agent at run time")
        command.discussion = """
            Writes agents.d/NAME.json in the state directory, at once or not at all, and applies. An address \
            that is not given is leased; an agent of the same name gets the same address again. Without \
            --namespace or --pid, the agent's namespace is made: /run/netns/hive-NAME.

            DEST is an address, a network, internet, or a name of the DNS, with ports or without: \
            203.0.113.0/24, 198.51.100.7:443/tcp, [2001:db8::]/32:8000-8010/udp, internet:443/tcp, \
            api.example.org:443/tcp. The host looks names up, now and at each apply.
            """
        let name = command.argument("NAME", .text, "the agent's name: 1 to 63 of a-z 0-9 -, a letter first")
        let webPort = command.option(
            "web-port", "N", .integer(1...65535), "the TCP port of the agent's web page")
        let egress = command.option(
            "egress", "none|internet", Syntax.named, default: .none, "what it may reach outside")
        let allow = command.options("allow", "DEST", .text, "it may reach this outside, and no more")
        command.exclusive(egress, allow)
        let deny = command.options("deny", "DEST", .text, "of what it may reach, not this; no names")
        let host = command.options(
            "host", "PORT/PROTO", .text, "it may use this port of the host, such as 53/udp")
        let connections = command.option(
            "connections", "N", .integer(EgressText.connections), "it may have so many connections at a time")
        let rate = command.option(
            "rate", "R", .text, "it may send so much, and receive so much, such as 10mbit")
        let address4 = command.option(
            "address4", "A", .described("an IPv4 address such as 10.77.0.20") as Syntax<IPv4Address>,
            "its IPv4 address, within subnet4")
        let address6 = command.option(
            "address6", "A", .described("an IPv6 address such as fd77:6869:7665::20") as Syntax<IPv6Address>,
            "its IPv6 address, within subnet6")
        let namespace = command.option("namespace", "PATH", .file, "attach to this network namespace")
        let pid = command.option(
            "pid", "N", .integer(1...4_194_304), "attach to the network namespace of this process")
        command.exclusive(namespace, pid)
        let noApply = command.flag(
            "no-apply", "only write the file; 'net apply', or a watcher, does the rest")
        command.exit(.ok, "the agent is there")
        command.usualExits()
        command.example(
            "An agent with a web page and the internet",
            "hivectl net add alpha --web-port 8080 --egress internet")
        command.example(
            "An agent that may reach one service, and the host's name server",
            "hivectl net add beta --allow api.example.org:443/tcp --host 53/udp")
        command.example("A container that brings its own namespace", "hivectl net add gamma --pid 1234")
        command.action = { values, console in
            let session = try Session(values, global, console)
            var place = NetworkSpec.Namespace.own
            if let path = try values[namespace] { place = .named(by: path) }
            if let process = try values[pid].map({ Int32($0) }) {
                place = .process(process, started: ProcessStart.of(process))
            }
            var policy = EgressText()
            // (With the default of --egress there is nothing to allow.)
            policy.allow = try values[allow] + values[egress].allow.map(\.description)
            policy.deny = try values[deny]
            policy.host = try values[host]
            policy.connections = try values[connections]
            policy.rate = try values[rate]
            let settings = AgentSettings(
                webPort: try values[webPort].map { UInt16($0) }, egress: try policy.egress(),
                address4: try values[address4], address6: try values[address6], namespace: place)
            let agent = try values[name]
            guard try values[noApply] else {
                try console.report(try session.add(agent, settings), json: false)
                return .ok
            }
            let lock = try session.lock()
            defer { withExtendedLifetime(lock) {} }
            let agents = session.state.agents
            let hive = try session.load(canBeEmpty: true).adding(agent, settings, in: agents)
            if hive.leasesChanged { try hive.leases.save(session.state) }
            try agents.add(agent, settings, besides: hive.configuration)
            return .ok
        }
        return command
    }
}

extension Syntax where Value == Egress {
    /// The policies that have names.
    fileprivate static var named: Syntax {
        let policies = [Egress.none, .internet]
        return Syntax(
            "one of none, internet", completion: .words(policies.map(\.label)), spell: \.label,
            read: { text in policies.first { $0.label == text } })
    }
}
