internal import CNftables

/// The vocabulary of the boundary's page: each word is a run of instructions. Offsets are those of the protocols' headers.
typealias Match = [Expression]

extension Match {
    // MARK: Verdicts

    static var accept: Match { [.verdict(.accept)] }
    static var drop: Match { [.verdict(.drop)] }
    static func goto(_ chain: String) -> Match { [.verdict(.goto(chain))] }
    static func count(_ counter: String) -> Match { [.counter(counter)] }
    /// `log prefix "hive: host" group 104 snaplen 128`
    static func log(_ reason: String, _ group: UInt16) -> Match {
        [.log(prefix: LoggedPacket.prefix + reason, group: group, length: LogLimit.octets)]
    }
    /// `limit rate 5/second burst 10 packets`
    static var logLimit: Match { [.limit(packets: LogLimit.rate, burst: LogLimit.burst)] }
    static var masquerade: Match { [.masquerade(hasPorts: false)] }
    static func masquerade(to ports: ClosedRange<UInt16>) -> Match {
        [
            .load(ports.lowerBound.keyOctets, .portMinimum), .load(ports.upperBound.keyOctets, .portMaximum),
            .masquerade(hasPorts: true),
        ]
    }

    // MARK: Links

    static func input(_ name: String) -> Match { [.meta(.inputName), .compare(.equal, name.keyOctets)] }
    static func notInput(_ name: String) -> Match {
        [.meta(.inputName), .compare(.notEqual, name.keyOctets)]
    }
    static func output(_ name: String) -> Match { [.meta(.outputName), .compare(.equal, name.keyOctets)] }
    static func notOutput(_ name: String) -> Match {
        [.meta(.outputName), .compare(.notEqual, name.keyOctets)]
    }
    /// `iifname "hv-*"`: only so many octets are compared.
    static func input(prefix: String) -> Match {
        [.meta(.inputName), .compare(.equal, [UInt8](prefix.utf8))]
    }
    static func output(prefix: String) -> Match {
        [.meta(.outputName), .compare(.equal, [UInt8](prefix.utf8))]
    }
    static var notLoopback: Match { [.meta(.inputName), .compare(.notEqual, "lo".keyOctets)] }
    /// `iifname @spoof`
    static func link(in set: AgentSet) -> Match { [.meta(.inputName), .lookup(set: set.definition.name)] }

    static func notLink(in set: AgentSet) -> Match {
        [.meta(.inputName), .lookup(set: set.definition.name, inverted: true)]
    }

    // MARK: Ethernet

    enum EtherType: UInt16 { case ipv4 = 0x0800, arp = 0x0806, ipv6 = 0x86dd }

    /// From the frame itself, where a VLAN tag shows (nft_payload_copy_vlan), not from `meta protocol`, where it does not.
    static func etherType(_ type: EtherType) -> Match {
        [.payload(.link, offset: 12, length: 2), .compare(.equal, type.rawValue.keyOctets)]
    }
    static func frame(to mac: MACAddress) -> Match {
        [.payload(.link, offset: 0, length: 6), .compare(.equal, mac.octets)]
    }
    /// Broadcast or multicast.
    static var groupFrame: Match {
        [.payload(.link, offset: 0, length: 1), .mask([1]), .compare(.equal, [1])]
    }
    /// 01:80:c2:00:00:00 to …:0f, IEEE 802.1D table 7-10.
    static var reservedGroupFrame: Match {
        [
            .payload(.link, offset: 0, length: 6), .mask([0xff, 0xff, 0xff, 0xff, 0xff, 0xf0]),
            .compare(.equal, [0x01, 0x80, 0xc2, 0, 0, 0]),
        ]
    }
    /// Not `PACKET_HOST`.
    static var notUnicastFrame: Match { [.meta(.packetType), .compare(.notEqual, [0])] }
    /// `ether saddr @host`
    static func etherSource(in set: AgentSet) -> Match {
        isEthernet + [.payload(.link, offset: 6, length: 6), .lookup(set: set.definition.name)]
    }
    static func notEtherSource(in set: AgentSet) -> Match {
        isEthernet + [
            .payload(.link, offset: 6, length: 6), .lookup(set: set.definition.name, inverted: true),
        ]
    }
    /// `ARPHRD_ETHER`, in host byte order.
    private static var isEthernet: Match { [.meta(.inputType), .compare(.equal, [1, 0])] }

    // MARK: Leases

    /// Where an address stands in a frame.
    enum Place {
        case etherSource, ipv4Source, ipv6Source, arpSenderMAC, arpSenderIP, arpTargetIP, ndTarget

        func load(_ register: Expression.Register) -> Expression {
            switch self {
            case .etherSource: .payload(.link, offset: 6, length: 6, register)
            case .ipv4Source: .payload(.network, offset: 12, length: 4, register)
            case .ipv6Source: .payload(.network, offset: 8, length: 16, register)
            case .arpSenderMAC: .payload(.network, offset: 8, length: 6, register)
            case .arpSenderIP: .payload(.network, offset: 14, length: 4, register)
            case .arpTargetIP: .payload(.network, offset: 24, length: 4, register)
            case .ndTarget: .payload(.transport, offset: 8, length: 16, register)
            }
        }
    }

    static func leased(_ set: AgentSet, _ address: Place, ether: Place = .etherSource) -> Match {
        lease(set, address, ether, inverted: false)
    }
    static func notLeased(_ set: AgentSet, _ address: Place, ether: Place = .etherSource) -> Match {
        lease(set, address, ether, inverted: true)
    }
    /// `iifname . ether saddr . ip saddr @lease4`: 16, 8 and 4 or 16 octets of registers.
    private static func lease(_ set: AgentSet, _ address: Place, _ ether: Place, inverted: Bool) -> Match {
        [
            .meta(.inputName), ether.load(.init(word: 4)), address.load(.init(word: 6)),
            .lookup(set: set.definition.name, inverted: inverted),
        ]
    }
    /// A neighbour advertisement for an address of the agent's own.
    static var leasedTarget: Match { icmpv6(.neighbourAdvert) + leased(.lease6, .ndTarget) }

    // MARK: ARP

    /// Not: hardware type 1, protocol type 0x0800, lengths 6 and 4.
    static var arpHeaderIsNot: Match {
        [.payload(.network, offset: 0, length: 6), .compare(.notEqual, [0, 1, 8, 0, 6, 4])]
    }
    static var arpRequest: Match { [.payload(.network, offset: 6, length: 2), .compare(.equal, [0, 1])] }
    enum ARPField { case senderIP, targetIP }
    static func arp(_ field: ARPField, _ address: IPv4Address) -> Match {
        [
            (field == .senderIP ? Place.arpSenderIP : .arpTargetIP).load(.first),
            .compare(.equal, address.octets),
        ]
    }
}

/// How much of what is dropped goes to the log.
enum LogLimit {
    /// Packets a second, of each agent, and of everybody else together by each rule.
    static let rate: UInt64 = 5
    /// And so many at once.
    static let burst: UInt32 = 10
    /// Octets of each from its network header on: IPv6's, some extension headers, and ports.
    static let octets: UInt32 = 128
}
