internal import HiveNet
internal import HiveWire

/// What agents have to agree on among themselves, apart from addresses.
struct HiveChecks {
    let configuration: Configuration
    /// In the order of their names.
    let agents: [Declaration]

    /// Ports of a Linux bridge: `BR_MAX_PORTS` is 1 << `BR_PORT_BITS`, 10, and port 0 is none
    /// (net/bridge/br_private.h).
    static let maximumPorts = 1023

    /// Every name once, and every link's name too.
    func names() throws(HiveError) {
        for (agent, next) in zip(agents, agents.dropFirst()) where agent.name == next.name {
            let (first, second) = agent.path.isEmpty ? (next, agent) : (agent, next)
            throw HiveError(
                .configuration,
                "\(second.source.file): the agent \(quoted(agent.name)) is in \(first.place()) already; remove one of the two"
            )
        }
        let prefix = configuration.network.interfacePrefix
        var owners: [String: Declaration] = [:]
        for agent in agents {
            let link = LinkName.host(agent: agent.name, prefix: prefix)
            guard !NetworkSettings.reserved.contains(link) else {
                throw HiveError(
                    .configuration,
                    "\(agent.place()): the agent \(quoted(agent.name)) would have the link \(quoted(link)), a name that the kernel "
                        + "uses for something else: choose another name or another network.interfacePrefix")
            }
            if let other = owners.updateValue(agent, forKey: link) {
                throw HiveError(
                    .configuration,
                    "\(agent.place()): the agents \(quoted(agent.name)) and \(quoted(other.name)) (\(other.place())) would both have the "
                        + "link \(quoted(link)): rename one of the two")
            }
        }
    }

    /// Not more agents than addresses, nor than ports of the bridge.
    func count() throws(HiveError) {
        let network = configuration.network
        let source = configuration.source
        guard agents.count <= network.capacity4 else {
            throw source.error(
                "network.subnet4",
                "is \(network.subnet4), which holds \(counted(network.capacity4, "agent")), but there are \(agents.count)"
            )
        }
        if let subnet6 = network.subnet6, let capacity = network.capacity6, agents.count > capacity {
            throw source.error(
                "network.subnet6",
                "is \(subnet6), which holds \(counted(capacity, "agent")), but there are \(agents.count)")
        }
        guard agents.count <= Self.maximumPorts else {
            throw HiveError(
                .configuration,
                "\(source.place("agents")): there are \(agents.count) agents, but a Linux bridge has only \(Self.maximumPorts) ports"
            )
        }
    }

    /// Elements of one policy's sets. Some thousand cost a packet no more than ten, but each takes the kernel a while to insert.
    static let maximumElements = 16_384

    /// No policy that comes to more elements than that: lists with many different ports, much cut out of much.
    func policies() throws(HiveError) {
        var seen: Set<String> = []
        for agent in agents where seen.insert(agent.settings.egress.label).inserted {
            let count = agent.settings.egress.elementCount
            guard count <= Self.maximumElements else {
                throw agent.error(
                    "egress",
                    "comes to \(count) ranges of addresses, protocols and ports, but a policy may have at most "
                        + "\(Self.maximumElements): write fewer entries, or the same ports with all of them")
            }
        }
    }

    /// No two agents in one namespace, as far as that shows without asking the kernel.
    func namespaces() throws(HiveError) {
        var owners: [String: Declaration] = [:]
        for agent in agents {
            let shown: String
            switch agent.settings.namespace {
            case .own: continue
            case .path(let path):
                shown = "is \(quoted(path))"
                let name = path.split(separator: "/").last.map(String.init) ?? ""
                // `ip netns` looks for them in /run/netns, which /var/run/netns leads to as well.
                if path.hasSuffix("/run/netns/\(name)"), name.hasPrefix("hive-"),
                    AgentName.isValid(String(name.dropFirst(5)))
                {
                    throw agent.error(
                        "namespace",
                        "\(shown), but namespaces called hive-NAME are those that Hive makes itself")
                }
            case .process(let pid, _): shown = "is that of process \(pid)"
            }
            if let other = owners.updateValue(agent, forKey: agent.settings.namespace.path(agent: agent.name))
            {
                throw agent.error(
                    "namespace",
                    "\(shown), which the agent \(quoted(other.name)) is in already (\(other.place("namespace")))"
                )
            }
        }
    }

    /// No two agents in one container, nor with the same files.
    func containers() throws(HiveError) {
        var owners: [String: Declaration] = [:]
        var states: [String: Declaration] = [:]
        func plain(_ path: String) -> String { path.split(separator: "/").joined(separator: "/") }
        for agent in agents {
            if let state = agent.settings.state, let other = states.updateValue(agent, forKey: plain(state)) {
                throw agent.error(
                    "state",
                    "is \(quoted(state)), which is that of the agent \(quoted(other.name)) already (\(other.place("state")))"
                )
            }
            let (key, shown): (String, String)
            switch agent.settings.container {
            case .nixos(let name):
                (key, shown) = ("nixos \(name)", "the container \(quoted(name)) of NixOS's")
            case .nspawn(let nspawn): (key, shown) = ("nspawn \(plain(nspawn.root))", quoted(nspawn.root))
            case nil: continue
            }
            if let other = owners.updateValue(agent, forKey: key) {
                throw agent.error(
                    "container",
                    "is \(shown), which the agent \(quoted(other.name)) is in already (\(other.place("container")))"
                )
            }
        }
    }

    /// Every agent's parent is there, and nobody is its own forebear.
    func parents() throws(HiveError) {
        let known = Dictionary(agents.map { ($0.name, $0) }) { first, _ in first }
        for agent in agents {
            guard let parent = agent.settings.parent else { continue }
            guard parent != agent.name else {
                throw agent.error("parent", "is \(quoted(parent)), which is the agent itself")
            }
            // (Whom a roster names comes and goes, and is not to take everybody's network along.)
            guard known[parent] != nil || configuration.roster != nil else {
                let hint = nearest(to: parent, among: known.keys.sorted()).map {
                    "; did you mean \(quoted($0))?"
                }
                throw agent.error("parent", "is \(quoted(parent)), but there is no such agent\(hint ?? "")")
            }
            var way = [agent.name]
            var next = known[parent]
            while let one = next, one.name != agent.name, !way.contains(one.name) {
                way.append(one.name)
                next = one.settings.parent.flatMap { known[$0] }
            }
            guard next?.name != agent.name else {
                throw agent.error(
                    "parent",
                    "is \(quoted(parent)), which makes a circle: \((way + [agent.name]).joined(separator: ", "))"
                )
            }
        }
    }

    /// As many as are looked up in a few seconds, and far from the size that `names.json` may have.
    static let maximumNames = 1024

    /// No policy allows what no policy can: agents never reach each other, nor the host but for its services.
    func egress() throws(HiveError) {
        let network = configuration.network
        var names: Set<String> = []
        for agent in agents {
            names.formUnion(agent.settings.egress.names)
            guard names.count <= Self.maximumNames else {
                throw agent.error(
                    "egress",
                    "brings the names in egress policies to \(names.count), but at most \(Self.maximumNames) of a hive are looked up"
                )
            }
            for (index, destination) in agent.settings.egress.allow.enumerated() {
                let subnet: String
                switch destination.place {
                case .network4(let place)
                where network.subnet4.contains(place.first) && network.subnet4.contains(place.last):
                    subnet = "network.subnet4, \(network.subnet4)"
                case .network6(let place):
                    guard let subnet6 = network.subnet6, subnet6.contains(place.first),
                        subnet6.contains(place.last)
                    else { continue }
                    subnet = "network.subnet6, \(subnet6)"
                default: continue
                }
                throw agent.source.error(
                    Source.path(agent.path, "egress") + ".allow[\(index)]",
                    "is \"\(destination)\", which lies in \(subnet): agents never reach each other, and of the host only the "
                        + "services in egress.host")
            }
        }
    }
}
