import Foundation
import Testing

/// Whatever was there before, an apply leads to what the configuration says, and to nothing else.
@Suite struct PropertyTests {
    /// A sequence of random configurations on one host, with agents added and removed at run time and with somebody's hands
    /// in between. After each apply there is nothing left to do, and the kernel is as after one apply on a fresh host.
    @Test func everySequenceEndsWhereAFreshApplyDoes() throws {
        let faults = try concurrently(width: 4) { index -> [String]? in
            guard index < 16 else { return nil }
            var sequence = try Sequence(seed: UInt64(index) + 1)
            return try sequence.run(steps: 5)
        }
        for fault in faults.flatMap(\.self) { Issue.record("\(fault)") }
        #expect(faults.count == 16)
    }

    /// One sequence, with all that happened for the report of a fault.
    private struct Sequence {
        var random: SeededGenerator
        let seed: UInt64
        let lab = try? Lab()
        var history: [String] = []
        var configuration = RandomConfiguration()

        init(seed: UInt64) throws {
            self.seed = seed
            random = SeededGenerator(seed: seed)
        }

        mutating func run(steps: Int) throws -> [String] {
            guard let lab else { throw LabError("no lab") }
            try Self.prepare(lab)
            try lab.write(configuration: configuration.text)
            for _ in 0..<steps {
                do {
                    try step(lab)
                } catch {
                    return ["seed \(seed): \(error)\n" + history.joined(separator: "\n")]
                }
            }
            return []
        }

        /// Somebody else's namespaces, for agents in attach mode.
        private static func prepare(_ lab: Lab) throws {
            for name in RandomConfiguration.foreignNamespaces { try lab.ip("netns add \(name)") }
        }

        private mutating func step(_ lab: Lab) throws {
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let line = Sabotage.random(configuration, using: &random)
                // It may be about something that is not there.
                let result = try lab.run(["sh", "-c", line])
                history.append("  \(line)\(result.status == 0 ? "" : " (failed)")")
            }
            let result: CommandResult
            if Int.random(in: 0..<4, using: &random) == 0 {
                let arguments = configuration.changeAtRunTime(using: &random)
                history.append("  hivectl \(arguments.joined(separator: " "))")
                result = try lab.run(Lab.commandLine(arguments))
            } else {
                configuration.mutate(using: &random)
                history.append("  apply \(configuration.text)")
                try lab.write(configuration: configuration.text)
                result = try lab.hivectl("net", "apply")
            }
            guard result.status == 0 else { throw LabError("\(result)") }
            let plan = try lab.hivectl("net", "plan")
            guard plan.status == 0, plan.stdout.isEmpty else { throw LabError("plan: \(plan)") }
            // What was put there and is not ours stays, and is no part of the comparison.
            _ = try lab.run(["sh", "-c", Sabotage.tidying])
            let fresh = try lab.snapshotOfFreshApply(prepare: Self.prepare)
            let difference = try lab.difference(from: fresh)
            guard difference.isEmpty else { throw LabError(difference) }
        }
    }
}

/// A configuration that changes a little at a time.
private struct RandomConfiguration {
    static let foreignNamespaces = ["mine", "yours"]
    /// Two of them alike in their first forty characters.
    static let names = [
        "a", "bee", "c3", "d-d", "an-agent-with-a-name-that-is-long-enough-to-be-cut-x",
        "an-agent-with-a-name-that-is-long-enough-to-be-cut-y",
    ]

    struct Agent {
        var web: Int?
        var egress: String?
        /// The last part of an explicit address, or none.
        var number: Int?
        var namespace: String?

        func text(_ subnet: String) -> String {
            var members: [String] = []
            if let web { members.append("web: { port: \(web) }") }
            if let egress { members.append("egress: \(egress)") }
            if let number { members.append("address4: '\(subnet).\(number)'") }
            if let namespace { members.append("namespace: '/run/netns/\(namespace)'") }
            return "{ \(members.joined(separator: ", ")) }"
        }
    }

    /// Nothing, everything, and lists: two that are the same, one of another order, limits and services.
    static let policies: [String?] = [
        nil, "'internet'", "'internet'", "{ allow: ['9.9.9.9:443/tcp', '8.8.8.0/24'], rate: '1mbit' }",
        "{ allow: ['8.8.8.0/24', '9.9.9.9:443/tcp'], connections: 9 }",
        "{ allow: ['0.0.0.0/0', '::/0'], deny: ['10.0.0.0/8:1-1023/udp', 'internet:25/tcp'], host: ['53/udp'] }",
        "{ host: ['53/udp', '53/tcp'], connections: 3 }", "{ allow: ['internet:443/tcp'] }",
    ]

    var bridge = "hive0"
    var prefix = "hv-"
    var subnet = "10.77.0"
    var subnet6: String? = "fd77:6869:7665::/64"
    var mtu = 1500
    var user = "root"
    var agents: [String: Agent] = [:]
    /// Those that were added at run time.
    var added: Set<String> = []

    var text: String {
        let subnet6 = subnet6.map { "'\($0)'" } ?? "null"
        let list = agents.filter { !added.contains($0.key) }.sorted { $0.key < $1.key }
            .map { "'\($0.key)': \($0.value.text(subnet))" }
        return """
            { network: { bridge: '\(bridge)', interfacePrefix: '\(prefix)', subnet4: '\(subnet).0/24', \
            subnet6: \(subnet6), mtu: \(mtu) }, gateway: { user: '\(user)' }, \
            agents: { \(list.joined(separator: ", ")) } }
            """
    }

    mutating func mutate(using random: inout SeededGenerator) {
        if agents.isEmpty { for name in Self.names.prefix(2) { agents[name] = Agent() } }
        for _ in 0..<Int.random(in: 1...3, using: &random) { mutateOnce(using: &random) }
    }

    private mutating func mutateOnce(using random: inout SeededGenerator) {
        func chance(_ outOf: Int) -> Bool { Int.random(in: 0..<outOf, using: &random) == 0 }
        switch Int.random(in: 0..<14, using: &random) {
        case 0: bridge = chance(2) ? "hive0" : "br.hive-1"
        case 1: prefix = chance(2) ? "hv-" : "ag."
        case 2:
            subnet = chance(2) ? "10.77.0" : "192.168.77"
            // Agents' files have addresses of the other one.
            for name in added { agents[name]?.number = nil }
            if added.contains(where: { agents[$0]?.number != nil }) { subnet = "10.77.0" }
        case 3:
            subnet6 = [nil, "fd77:6869:7665::/64", "fd00:1:2:3::/64"].randomElement(using: &random) ?? nil
        case 4: mtu = [1500, 1400, 9000].randomElement(using: &random) ?? 1500
        case 5: user = user == "root" ? "nobody" : "root"
        case 6, 7, 8:
            // Comes, goes, or is renamed.
            let name = Self.names.randomElement(using: &random) ?? "a"
            guard !added.contains(name) else { return }
            if let old = agents.removeValue(forKey: name) {
                if chance(2), let other = Self.names.first(where: { agents[$0] == nil && $0 != name }) {
                    agents[other] = old
                }
            } else {
                agents[name] = Agent()
            }
        default:
            guard
                let name = agents.keys.filter({ !added.contains($0) }).sorted().randomElement(using: &random)
            else {
                return
            }
            switch Int.random(in: 0..<5, using: &random) {
            case 0: agents[name]?.web = chance(3) ? nil : Int.random(in: 8000...8003, using: &random)
            case 1: agents[name]?.egress = Self.policies.randomElement(using: &random) ?? nil
            case 2:
                // Above all leases, which are given out from the lower end.
                let number = 100 + Int.random(in: 0..<100, using: &random)
                let isFree = !agents.values.contains { $0.number == number }
                agents[name]?.number = chance(3) || !isFree ? nil : number
            case 3:
                let free = Self.foreignNamespaces.filter { namespace in
                    !agents.values.contains { $0.namespace == namespace }
                }
                agents[name]?.namespace = chance(2) ? nil : free.first
            default: agents[name]?.web = nil
            }
        }
    }

    /// The arguments of a command that adds or removes an agent.
    mutating func changeAtRunTime(using random: inout SeededGenerator) -> [String] {
        if let name = added.min(), Bool.random(using: &random) {
            added.remove(name)
            agents[name] = nil
            return ["net", "rm", name]
        }
        guard let name = Self.names.first(where: { agents[$0] == nil }) else { return ["net", "apply"] }
        added.insert(name)
        agents[name] = Agent()
        let egress = Bool.random(using: &random) ? "internet" : "none"
        return ["net", "add", name, "--web-port", "8080", "--egress", egress]
    }
}

/// What an operator in a hurry, another program or a bug might do to what is ours.
private enum Sabotage {
    /// Takes away what is not ours and stays therefore.
    static let tidying = "ip link del foreign"

    /// A shell command line.
    static func random(_ configuration: RandomConfiguration, using random: inout SeededGenerator) -> String {
        let bridge = configuration.bridge
        // Any of our links, whatever its name.
        let link =
            "$(ip -o link show group 1751742053 | cut -d: -f2 | cut -d@ -f1 | sort | "
            + "sed -n \(Int.random(in: 1...2, using: &random))p)"
        let name = configuration.agents.keys.sorted().randomElement(using: &random) ?? "a"
        let inside = "hive-\(name)"
        let on = ["on", "off"].randomElement(using: &random) ?? "on"
        let port =
            [
                "isolated off", "learning on", "flood on", "mcast_flood on", "bcast_flood on", "locked off",
                "hairpin on",
                "guard off",
            ].randomElement(using: &random) ?? ""
        let setting4 =
            [
                "rp_filter 0", "rp_filter 2", "route_localnet 1", "accept_redirects 1", "send_redirects 1",
                "accept_source_route 1", "proxy_arp 1", "arp_ignore 0", "forwarding 1",
            ].randomElement(using: &random) ?? ""
        let setting6 =
            ["accept_ra 2", "accept_redirects 1", "proxy_ndp 1", "disable_ipv6 1", "disable_ipv6 0"]
            .randomElement(using: &random) ?? ""
        let chain =
            [
                "early", "input", "forward", "output", "from_agent", "answers", "allowed", "served",
                "egress_internet",
            ]
            .randomElement(using: &random)
            ?? ""
        let set =
            [
                "host", "peer", "egress", "web4", "egress4", "connections", "rate4", "service4",
                "allow4_internet",
            ]
            .randomElement(using: &random) ?? ""
        func write(_ family: String, _ link: String, _ setting: String) -> String {
            let words = setting.split(separator: " ")
            return "echo \(words.last ?? "") > /proc/sys/net/\(family)/conf/\(link)/\(words.first ?? "")"
        }
        let lines = [
            "bridge link set dev \(link) \(port)", "bridge link set dev \(link) \(port)",
            "ip link set \(link) down", "ip link set \(link) mtu 1300", "ip link set \(link) nomaster",
            "ip link set \(link) alias ''", "ip link set \(link) alias 'hive: agent nobody'",
            "ip link set \(link) group 0",
            "ip link set \(link) address 02:00:00:00:00:77",
            "ip link del \(link)", "ip link set \(link) down name renamed",
            "ip link set \(bridge) down", "ip link set \(bridge) mtu 1300",
            "ip link set \(bridge) address 02:00:00:00:00:78", "ip link del \(bridge)",
            "ip link set \(bridge) type bridge stp_state 1",
            "ip link set \(bridge) type bridge mcast_snooping 1",
            "ip link add foreign type veth peer name foreign2; ip link set foreign up master \(bridge)",
            "ip addr add 10.77.0.99/24 dev \(bridge)", "ip addr flush dev \(bridge)",
            "ip -6 addr add fd77:6869:7665::99/64 dev \(bridge)",
            "ip neigh flush nud permanent dev \(bridge)",
            "ip neigh replace 10.77.0.2 lladdr 02:00:00:00:00:79 nud permanent dev \(bridge)",
            "ip neigh replace 10.77.0.77 lladdr 02:00:00:00:00:79 nud permanent dev \(bridge)",
            "bridge fdb add 02:00:00:00:00:80 dev \(link) master static",
            "bridge fdb del 6a:76:0a:4d:00:02 dev \(link) master",
            "nft delete table inet hive", "nft delete table bridge hive", "nft flush table inet hive",
            "nft flush ruleset",
            "nft flush chain inet hive \(chain)", "nft add rule inet hive \(chain) accept",
            "nft insert rule inet hive \(chain) accept", "nft add chain inet hive other",
            "nft flush set inet hive \(set)", "nft flush set bridge hive lease4",
            "nft add element inet hive host '{ 02:00:00:00:00:81 }'",
            "nft add element bridge hive lease4 '{ hv-a . 6a:76:0a:4d:00:02 . 10.77.0.44 }'",
            "nft add element inet hive allow4_internet '{ 10.1.1.1 . tcp . 22 }'",
            "nft add element inet hive service4 '{ 10.77.0.2 . tcp . 22 }'",
            "nft add set inet hive allow4_internet '{ type ipv4_addr; }'",
            "nft delete set inet hive allow4_internet",
            "nft add element inet hive web4 '{ 10.77.0.2 . 22 }'", "nft add counter inet hive other",
            write("ipv4", link, setting4), write("ipv4", bridge, setting4), write("ipv6", bridge, setting6),
            "ip -n \(inside) addr add 10.77.0.97/32 dev eth0", "ip -n \(inside) addr flush dev eth0",
            "ip -n \(inside) link set eth0 down", "ip -n \(inside) link set lo down",
            "ip -n \(inside) link del eth0",
            "ip -n \(inside) route del default", "ip -n \(inside) -6 route del default",
            "ip -n \(inside) route add default via 10.77.0.1 dev eth0 onlink metric 5",
            "ip -n \(inside) neigh flush nud permanent dev eth0", "ip -n \(inside) link set eth0 mtu 1300",
            "ip -n \(inside) link set eth0 address 02:00:00:00:00:82",
            "ip -n \(inside) link set eth0 down name eth9",
            "ip netns exec \(inside) sh -c '\(write("ipv6", "eth0", "disable_ipv6 \(on == "on" ? 1 : 0)"))'",
            "ip netns del \(inside)", "umount /run/netns/\(inside)",
        ]
        return lines.randomElement(using: &random) ?? ""
    }
}
