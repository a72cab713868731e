/// The boundary's sets and maps whose elements are agents. Everything else in the ruleset is constant, so the number of
/// rules does not grow with the number of agents.
///
/// The table is always `hive`.
public enum AgentSet: Int, Sendable, CaseIterable, Comparable {
    /// Who may speak: link, Ethernet address and IP address that belong together.
    case lease4
    case lease6
    /// Counts, by link, frames whose sender was not the one of the lease, and other forgeries.
    case spoof
    /// Counts, by link, frames for other agents.
    case peerFrame
    /// Count, by Ethernet address, packets that were dropped on their way to the host, to another agent, outwards.
    case host
    case peer
    case egress
    /// From an agent's address to the chain of its egress policy. Absent: nothing may go out.
    case egress4
    case egress6
    /// Address and port that the gateway's user may connect to.
    case web4
    case web6

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// `bridge hive lease4`
    public var label: String { "\(table.label) \(definition.name)" }

    var table: Table { Table(family: isBridge ? .bridge : .inet, name: Boundary.tableName) }

    private var isBridge: Bool {
        switch self {
        case .lease4, .lease6, .spoof, .peerFrame: true
        default: false
        }
    }

    var definition: SetDefinition {
        switch self {
        case .lease4: SetDefinition(name: "lease4", fields: [.linkName, .etherAddress, .ipv4Address])
        case .lease6: SetDefinition(name: "lease6", fields: [.linkName, .etherAddress, .ipv6Address])
        case .spoof: SetDefinition(name: "spoof", fields: [.linkName], counts: true)
        case .peerFrame: SetDefinition(name: "peer", fields: [.linkName], counts: true)
        case .host: SetDefinition(name: "host", fields: [.etherAddress], counts: true)
        case .peer: SetDefinition(name: "peer", fields: [.etherAddress], counts: true)
        case .egress: SetDefinition(name: "egress", fields: [.etherAddress], counts: true)
        case .egress4: SetDefinition(name: "egress4", fields: [.ipv4Address], holdsVerdicts: true)
        case .egress6: SetDefinition(name: "egress6", fields: [.ipv6Address], holdsVerdicts: true)
        case .web4: SetDefinition(name: "web4", fields: [.ipv4Address, .port])
        case .web6: SetDefinition(name: "web6", fields: [.ipv6Address, .port])
        }
    }
}

/// As text: `bridge hive lease4`.
extension AgentSet: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let set = Self.allCases.first(where: { $0.label == text }) else {
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
