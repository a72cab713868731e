/// The tables named `hive`: what keeps agents in their boxes.
public struct Boundary: Codable, Equatable, Sendable {
    /// One line for each table, chain, set and rule, in order, with a fingerprint of its contents where it has some. Two
    /// rulesets that print the same are the same.
    public var rules: [String]
    /// How the rules know the agents, sorted.
    public var elements: [SetElement]

    /// The only table name that is ever touched.
    static let tableName = "hive"

    /// The whole ruleset but for the agents, who are elements of sets.
    static func tables(for spec: NetworkSpec) -> [Table] { [bridgeTable(spec), inetTable(spec)] }

    // MARK: Who may speak: frames on the agents' ports

    private static func bridgeTable(_ spec: NetworkSpec) -> Table {
        let ports = Match.input(prefix: spec.interfacePrefix)
        let toPorts = Match.output(prefix: spec.interfacePrefix)
        let host = spec.bridgeMAC
        var table = Table(family: .bridge, name: tableName, counters: ["spoof", "peer", "outside"])
        table.sets = [.lease4, .lease6, .spoof, .peerFrame, .loggedFrame].map { (set: AgentSet) in
            set.definition
        }
        table.sets += [.noise6, .extensions6]
        table.chains = [
            Chain("prerouting", .prerouting(-300)) {
                Rule("frames from agents: is the sender the one of the lease?", ports, .goto("agent"))
            },
            Chain("agent") {
                Rule("IPv4", .etherType(.ipv4), .goto("agent4"))
                Rule("IPv6", .etherType(.ipv6), .goto("agent6"))
                Rule("ARP", .etherType(.arp), .goto("agent_arp"))
                Rule("nothing else: no VLAN tag, LLC, RARP, MPLS", .goto("spoofed"))
            },
            Chain("agent4") {
                Rule("noise: DHCP asks in vain", .from(IPv4Address(bits: 0)), .udp(from: 68, to: 67), .drop)
                Rule("link, MAC and IP belong together", .notLeased(.lease4, .ipv4Source), .goto("spoofed"))
                // The host would put them together before any hook of IP: room for a few thousand, for everybody.
                Rule("no fragments", .fragment4, .goto("spoofed"))
                Rule("to the host, or through it", .frame(to: host), .accept)
                Rule("noise: IGMP", .transport(.igmp), .drop)
                Rule("broadcast and multicast: the early chain counts them", .groupFrame, .accept)
                Rule("a frame for another agent", .goto("peered"))
            },
            Chain("agent6") {
                Rule("noise: MLD and router solicitations", .icmpv6(in: "noise6"), .drop)
                Rule("noise: is it taken?", .from(IPv6Address(bits: 0)), .icmpv6(.neighbourSolicit), .drop)
                Rule("link, MAC and IP belong together", .notLeased(.lease6, .ipv6Source), .goto("spoofed"))
                Rule("who is the gateway?", .neighbourSolicit(for: spec.gateway6), .accept)
                Rule("who is another agent?", .icmpv6(.neighbourSolicit), .goto("peered"))
                Rule("noise: nobody asks who an agent is", .leasedTarget, .drop)
                Rule("answers for somebody else", .icmpv6(.neighbourAdvert), .goto("spoofed"))
                Rule("an agent is no router", .icmpv6(.routerAdvert), .goto("spoofed"))
                Rule("an agent redirects nobody", .icmpv6(.redirect), .goto("spoofed"))
                Rule("no fragments, no options", .extensionHeader, .goto("spoofed"))
                Rule("to the host, or through it", .frame(to: host), .accept)
                Rule("multicast: the early chain counts it", .groupFrame, .accept)
                Rule("a frame for another agent", .goto("peered"))
            },
            Chain("agent_arp") {
                Rule("Ethernet and IPv4 only", .arpHeaderIsNot, .goto("spoofed"))
                Rule("noise: is it taken?", .arp(.senderIP, IPv4Address(bits: 0)), .drop)
                Rule("the frame's sender", .notLeased(.lease4, .arpSenderIP), .goto("spoofed"))
                Rule(
                    "the named sender", .notLeased(.lease4, .arpSenderIP, ether: .arpSenderMAC),
                    .goto("spoofed"))
                Rule("who is the gateway?", .arpRequest, .arp(.targetIP, spec.gateway4), .accept)
                Rule("noise: announces its own address", .leased(.lease4, .arpTargetIP), .drop)
                Rule("who is another agent?", .goto("peered"))
            },
            Chain("input", .input(-300)) {
                // Frames to these addresses skip prerouting and the bridge: br_handle_frame().
                Rule("01:80:c2:00:00:0x goes round the bridge", ports, .reservedGroupFrame, .goto("spoofed"))
            },
            Chain("forward", .forward(-300)) {
                Rule("from no agent to anybody", ports, .goto("peered"))
                logged("outside", spec, toPorts)
                Rule("from nobody to an agent", toPorts, .count("outside"), .drop)
            },
            Chain("spoofed") {
                Rule("whose port", .link(in: .spoof))
                logged("spoof", spec, .notLink(in: .loggedFrame), agents: .link(in: .loggedFrame))
                Rule("spoofed", .count("spoof"), .drop)
            },
            Chain("peered") {
                Rule("whose port", .link(in: .peerFrame))
                logged("peer", spec, .notLink(in: .loggedFrame), agents: .link(in: .loggedFrame))
                Rule("for another agent", .count("peer"), .drop)
            },
        ]
        return table
    }

    // MARK: What may be said: packets from and to agents

    private static func inetTable(_ spec: NetworkSpec) -> Table {
        let bridge = Match.input(spec.bridge)
        let ports = Match.input(prefix: spec.interfacePrefix)
        let toBridge = Match.output(spec.bridge)
        let toPorts = Match.output(prefix: spec.interfacePrefix)
        let ours4 = spec.subnet4
        // Without IPv6 no packet has an address of ours.
        let ours6 = spec.subnet6
        var table = Table(
            family: .inet, name: tableName,
            counters: ["spoof", "host", "peer", "egress", "excess", "outside", "local"])
        let policies = Set(spec.agents.map(\.egress.label)).subtracting([Egress.none.label]).sorted()
        let sets =
            AgentSet.standing.filter { $0.table.family == .inet }
            + policies.flatMap { [AgentSet.allow4($0), .allow6($0)] }
        table.sets = sets.map(\.definition) + [.destinations]
        table.chains = [
            // Before connection tracking (-200) and before anybody's DNAT (-100): what is dropped here costs no entry.
            Chain("early", .prerouting(-300)) {
                Rule("packets from agents", bridge, .goto("from_agent"))
                Rule("IP on a port itself has gone round the bridge", ports, .goto("denied_host"))
                Rule("from elsewhere to an agent", .notLoopback, .to(ours4), .goto("denied_outside"))
                Rule("from elsewhere to an agent", .notLoopback, .to(ours6), .goto("denied_outside"))
            },
            Chain("from_agent") {
                Rule("agents have addresses of the subnet", .notFrom(ours4), .goto("denied_spoof"))
                Rule("agents have addresses of the subnet", .notFrom(ours6), .goto("denied_spoof"))
                Rule("broadcast and multicast frames", .notUnicastFrame, .goto("denied_host"))
                Rule("IPv6 multicast, in whatever frame", .to(Prefix6.multicast), .goto("denied_host"))
                Rule("loopback answers to nobody", .to(Prefix4.loopback), .goto("denied_host"))
                Rule("whose address is it?", .destination(in: "destinations"))
                Rule("another agent's", .to(ours4), .goto("denied_peer"))
                Rule("another agent's", .to(ours6), .goto("denied_peer"))
                Rule("outside", .goto("to_outside"))
            },
            Chain("to_host") {
                Rule("a service that the operator opened", .service(at: spec.gateway4), .accept)
                Rule("a service that the operator opened", .service(at: spec.gateway6), .accept)
                Rule("agents start no connection", .tcpSyn, .goto("denied_host"))
                Rule("may be an answer: input decides", .transport(.tcp), .accept)
                Rule("may be an answer: input decides", .transport(.udp), .accept)
                Rule("may be an answer: input decides", .icmp(.echoReply), .accept)
                Rule("may be an answer: input decides", .icmpv6(.echoReply), .accept)
                Rule("who is the gateway?", .neighbourSolicit(for: spec.gateway6), .accept)
                Rule("everything else", .goto("denied_host"))
            },
            // After connection tracking, still before anybody's DNAT: a published port is no way in. What is dropped here was
            // tracked, but never gets into the table of connections (nf_conntrack_confirm comes last).
            Chain("tracked", .prerouting(-150)) {
                Rule("a service that the operator opened", bridge, .service(at: spec.gateway4), .accept)
                Rule("a service that the operator opened", bridge, .service(at: spec.gateway6), .accept)
                Rule("packets from agents to the host", bridge, .isLocal, .goto("answers"))
            },
            Chain("to_outside") {
                Rule("by the agent's egress policy", .ipv4Source(in: .egress4))
                Rule("by the agent's egress policy", .ipv6Source(in: .egress6))
                Rule("no policy: nothing", .goto("denied_egress"))
            },
            // Only behind connection tracking is a connection new: what comes here early is let by.
            Chain("allowed") {
                Rule(
                    "no more connections than the policy says", .opens, .etherSource(in: .connections),
                    .goto("denied_excess"))
                Rule("out", .accept)
            },
            Chain("input", .input(0)) {
                Rule(
                    "a service that the operator opened", bridge, .service(at: spec.gateway4), .goto("served")
                )
                Rule(
                    "a service that the operator opened", bridge, .service(at: spec.gateway6), .goto("served")
                )
                Rule("packets from agents", bridge, .goto("answers"))
                Rule("IP on a port itself has gone round the bridge", ports, .goto("denied_host"))
            },
            Chain("answers") {
                Rule("agents may answer, never start", .established, .isReply, .accept)
                Rule("who is the gateway?", .neighbourSolicit(for: spec.gateway6), .accept)
                Rule("everything else", .goto("denied_host"))
            },
            Chain("served") {
                Rule(
                    "no more connections than the policy says", .opens, .etherSource(in: .connections),
                    .goto("denied_excess"))
                Rule("new or under way", .newOrEstablished, .accept)
                Rule("everything else", .goto("denied_host"))
            },
            Chain("forward", .forward(0)) {
                Rule("never from agent to agent", bridge, toBridge, .goto("denied_peer"))
                Rule("never from agent to agent", bridge, toPorts, .goto("denied_peer"))
                // An error that an agent makes up names somebody else's connection. What belongs to none is not masqueraded.
                Rule(
                    "only what is of a connection of its own", bridge, .neitherNewNorEstablished,
                    .goto("denied_egress"))
                Rule(
                    "no faster than the policy says", bridge, .etherSource(in: .rate), .goto("denied_excess"))
                Rule("outside", bridge, .goto("to_outside"))
                Rule("IP on a port itself has gone round the bridge", ports, .goto("denied_host"))
                Rule(
                    "no faster than the policy says", toBridge, .ipv4Destination(in: .rate4),
                    .goto("denied_excess"))
                Rule(
                    "no faster than the policy says", toBridge, .ipv6Destination(in: .rate6),
                    .goto("denied_excess"))
                Rule("answers to agents", toBridge, .established, .isReply, .accept)
                Rule("errors about their packets", toBridge, .related, .isReply, .transport(.icmp), .accept)
                Rule("errors about their packets", toBridge, .related, .isReply, .transport(.icmpv6), .accept)
                Rule("nothing starts from outside", toBridge, .goto("denied_outside"))
                Rule("nothing starts from outside", toPorts, .goto("denied_outside"))
            },
            Chain("output", .output(0)) {
                Rule("to agents", toBridge, .goto("to_agent"))
                Rule("noise: the host's multicast", toPorts, .to(Prefix6.multicast), .drop)
                Rule("only by way of the bridge", toPorts, .goto("denied_local"))
            },
            Chain("to_agent") {
                // Of TCP only: another user could go on with a UDP flow of root's, from the same port.
                Rule("what is under way", .transport(.tcp), .established, .accept)
                Rule("answers of services that agents may use", .established, .isReply, .accept)
                Rule("errors about it", .transport(.icmp), .related, .accept)
                Rule("errors about it", .transport(.icmpv6), .related, .accept)
                Rule("root", .user(0), .accept)
                for user in spec.gatewayUsers.sorted() {
                    Rule("the gateway, to web ports", .user(user), .goto("gateway"))
                }
                Rule("the kernel's own neighbour discovery", .icmpv6(.neighbourAdvert), .accept)
                Rule("the kernel's own neighbour discovery", .icmpv6(.neighbourSolicit), .accept)
                Rule("noise: the host's multicast", .to(Prefix4.multicast), .drop)
                Rule("noise: the host's multicast", .to(Prefix6.multicast), .drop)
                Rule("no other user", .goto("denied_local"))
            },
            Chain("gateway") {
                Rule("an agent's web port", .web(in: .web4), .accept)
                Rule("an agent's web port", .web(in: .web6), .accept)
                Rule("nothing else", .goto("denied_local"))
            },
            // From the ephemeral ports, whatever port an agent sends from: it would otherwise take that port of the host's
            // address away from the host's own services.
            Chain("postrouting", .sourceNAT(100)) {
                Rule(
                    "agents share the host's address", bridge, .notOutput(spec.bridge), .goto("share_address")
                )
            },
            Chain("share_address") {
                Rule("never a port of the host's services", .transport(.tcp), .masquerade(to: 32768...60999))
                Rule("never a port of the host's services", .transport(.udp), .masquerade(to: 32768...60999))
                Rule("what has no ports", .masquerade)
            },
            denied("spoof", nil, spec, others: .notEtherSource(in: .logged)),
            denied("host", .host, spec, others: .notEtherSource(in: .logged)),
            denied("peer", .peer, spec, others: .notEtherSource(in: .logged)),
            denied("egress", .egress, spec, others: .notEtherSource(in: .logged)),
            // What comes back from outside, by whatever kind of link.
            denied("excess", .excess, spec, others: .notInput(spec.bridge)),
            denied("outside", nil, spec), denied("local", nil, spec),
        ]
        table.chains += policies.map { label in
            Chain(chain(for: label)) {
                Rule("what the policy allows", .allowed4(by: label), .goto("allowed"))
                Rule("what the policy allows", .allowed6(by: label), .goto("allowed"))
                Rule("nothing else", .goto("denied_egress"))
            }
        }
        return table
    }

    /// Counts by agent where the sender is one, logs, counts, drops. Several rules, because a look-up that finds nothing ends
    /// its rule, and the drop must not end with it.
    /// - Parameter others: matches what comes from no agent. Nil: nothing here comes from one.
    private static func denied(
        _ reason: String, _ set: AgentSet?, _ spec: NetworkSpec, others: Match? = nil
    ) -> Chain {
        Chain("denied_\(reason)") {
            if let set { Rule("which agent", .etherSource(in: set)) }
            logged(reason, spec, others ?? [], agents: others.map { _ in .etherSource(in: .logged) })
            Rule("denied: \(reason)", .count(reason), .drop)
        }
    }

    /// What the comments of rules begin with that only log.
    static let logComment = "some of it to the log"

    /// What is about to be dropped goes to the log, so much of it a second: of every agent by itself, so that none of them
    /// keeps another's packets out of it, and of everybody else together.
    /// - Parameters:
    ///   - others: matches senders that are no agent.
    ///   - agents: looks into a set with a limit for each agent. Nil: it comes from none.
    private static func logged(
        _ reason: String, _ spec: NetworkSpec, _ others: Match, agents: Match? = nil
    ) -> [Rule] {
        guard let group = spec.logGroup else { return [] }
        let log = Match.log(reason, group)
        return (agents.map { [Rule("\(logComment): an agent's", $0, log)] } ?? [])
            + [Rule(logComment, others, .logLimit, log)]
    }

    /// Whether what is dropped goes to that group: by the rule of one reason, as all of them are made together.
    func logs(to group: UInt16) throws(KernelError) -> Bool {
        let table = Table(family: .inet, name: Self.tableName)
        let rule = Rule(Self.logComment, .logLimit, .log("local", group))
        let line = TableText.rule(try RuleObject.make(rule, chain: "denied_local", in: table))
        return rules.contains("rule \(table.label) denied_local: \(line)")
    }

    /// A chain that only counts and drops: why, says the rule that leads there.
    static func isDenial(chain: String) -> Bool {
        chain.hasPrefix("denied_") || chain == "spoofed" || chain == "peered"
    }

    /// The chain of an egress policy, by its label. `none` has no chain: such an agent is not in the map.
    static func chain(for label: String) -> String { chainPrefix + label }

    /// The inverse: nil for a chain that is no policy's.
    static func label(ofChain chain: String) -> String? {
        chain.hasPrefix(chainPrefix) ? String(chain.dropFirst(chainPrefix.count)) : nil
    }

    private static let chainPrefix = "egress_"
}
