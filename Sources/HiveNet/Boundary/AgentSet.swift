/// The boundary's sets and maps whose elements come and go: agents, and what the policies of agents allow. Everything else in
/// the ruleset is constant, so the number of rules does not grow with the number of agents.
///
/// The table is always `hive`.
public enum AgentSet: Hashable, Sendable {
    /// Who may speak: link, Ethernet address and IP address that belong together.
    case lease4
    case lease6
    /// Counts, by link, frames whose sender was not the one of the lease, and other forgeries.
    case spoof
    /// Counts, by link, frames for other agents.
    case peerFrame
    /// How many dropped frames a second of an agent go to the log, by link.
    case loggedFrame
    /// Count, by Ethernet address, packets that were dropped on their way to the host, to another agent, outwards, and for being
    /// more than the agent may send.
    case host
    case peer
    case egress
    case excess
    /// How many dropped packets a second of an agent go to the log, by Ethernet address.
    case logged
    /// From an agent's address to the chain of its egress policy. Absent: nothing may go out.
    case egress4
    case egress6
    /// Destination, protocol and port that a policy allows, by the policy's label.
    case allow4(String)
    case allow6(String)
    /// Agent, protocol and port that the agent may use of the host.
    case service4
    case service6
    /// How many connections an agent may have at a time, by its Ethernet address.
    case connections
    /// How many octets a second may come from an agent, by its Ethernet address, and go to it, by its IP address.
    case rate
    case rate4
    case rate6
    /// Address and port that the gateway's user may connect to.
    case web4
    case web6

    /// All but those of policies, in order.
    public static let standing: [AgentSet] = [
        .lease4, .lease6, .spoof, .peerFrame, .loggedFrame, .host, .peer, .egress, .excess, .logged, .egress4,
        .egress6, .service4, .service6, .connections, .rate, .rate4, .rate6, .web4, .web6,
    ]

    /// The set of that name in a table of ours; nil: it is none of these.
    init?(named name: String, in family: Table.Family) {
        let policies: [(String, (String) -> AgentSet)] = [
            (Self.allow4Prefix, Self.allow4), (Self.allow6Prefix, Self.allow6),
        ]
        for (prefix, make) in policies where family == .inet && name.hasPrefix(prefix) {
            self = make(String(name.dropFirst(prefix.count)))
            return
        }
        guard
            let set = Self.standing.first(where: { $0.definition.name == name && $0.table.family == family })
        else { return nil }
        self = set
    }

    private static let allow4Prefix = "allow4_"
    private static let allow6Prefix = "allow6_"

    /// `bridge hive lease4`
    public var label: String { "\(table.label) \(definition.name)" }

    var table: Table { Table(family: isBridge ? .bridge : .inet, name: Boundary.tableName) }

    private var isBridge: Bool {
        switch self {
        case .lease4, .lease6, .spoof, .peerFrame, .loggedFrame: true
        default: false
        }
    }

    /// Comes and goes with a policy, and its elements are no agents.
    var isPolicy: Bool {
        switch self {
        case .allow4, .allow6: true
        default: false
        }
    }

    var definition: SetDefinition {
        switch self {
        case .lease4: SetDefinition(name: "lease4", fields: [.linkName, .etherAddress, .ipv4Address])
        case .lease6: SetDefinition(name: "lease6", fields: [.linkName, .etherAddress, .ipv6Address])
        case .spoof: SetDefinition(name: "spoof", fields: [.linkName], statement: .counter)
        case .peerFrame: SetDefinition(name: "peer", fields: [.linkName], statement: .counter)
        case .loggedFrame: SetDefinition(name: "logged", fields: [.linkName], statement: .packets)
        case .host: SetDefinition(name: "host", fields: [.etherAddress], statement: .counter)
        case .peer: SetDefinition(name: "peer", fields: [.etherAddress], statement: .counter)
        case .egress: SetDefinition(name: "egress", fields: [.etherAddress], statement: .counter)
        case .excess: SetDefinition(name: "excess", fields: [.etherAddress], statement: .counter)
        case .logged: SetDefinition(name: "logged", fields: [.etherAddress], statement: .packets)
        case .egress4: SetDefinition(name: "egress4", fields: [.ipv4Address], holdsVerdicts: true)
        case .egress6: SetDefinition(name: "egress6", fields: [.ipv6Address], holdsVerdicts: true)
        case .allow4(let label): Self.destinations(Self.allow4Prefix + label, .ipv4Address)
        case .allow6(let label): Self.destinations(Self.allow6Prefix + label, .ipv6Address)
        case .service4:
            SetDefinition(name: "service4", fields: [.ipv4Address, .transportProtocol, .port])
        case .service6:
            SetDefinition(name: "service6", fields: [.ipv6Address, .transportProtocol, .port])
        case .connections:
            SetDefinition(name: "connections", fields: [.etherAddress], statement: .connections)
        case .rate: SetDefinition(name: "rate", fields: [.etherAddress], statement: .rate)
        case .rate4: SetDefinition(name: "rate4", fields: [.ipv4Address], statement: .rate)
        case .rate6: SetDefinition(name: "rate6", fields: [.ipv6Address], statement: .rate)
        case .web4: SetDefinition(name: "web4", fields: [.ipv4Address, .port])
        case .web6: SetDefinition(name: "web6", fields: [.ipv6Address, .port])
        }
    }

    private static func destinations(_ name: String, _ address: SetDefinition.Field) -> SetDefinition {
        SetDefinition(
            name: name, fields: [address, .transportProtocol, .port], isInterval: true, hasTimeouts: true)
    }
}

extension AgentSet: Comparable {
    /// By table, then in the order of `standing`, those of policies last.
    public static func < (left: Self, right: Self) -> Bool {
        let (first, second) = (left.rank, right.rank)
        return first != second ? first < second : left.definition.name < right.definition.name
    }

    private var rank: Int {
        switch self {
        case .lease4: 0
        case .lease6: 1
        case .spoof: 2
        case .peerFrame: 3
        case .loggedFrame: 4
        case .host: 5
        case .peer: 6
        case .egress: 7
        case .excess: 8
        case .logged: 9
        case .egress4: 10
        case .egress6: 11
        case .service4: 12
        case .service6: 13
        case .connections: 14
        case .rate: 15
        case .rate4: 16
        case .rate6: 17
        case .web4: 18
        case .web6: 19
        case .allow4: 20
        case .allow6: 21
        }
    }
}

/// As text: `bridge hive lease4`.
extension AgentSet: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[1] == Boundary.tableName,
            let family = Table.Family.allCases.first(where: { $0.name == words[0] }),
            let set = AgentSet(named: String(words[2]), in: family)
        else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "there is no set '\(text)'")
        }
        self = set
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(label)
    }
}
