internal import CNetlink
internal import CNftables

/// Why the boundary dropped a packet. The raw values are the names of its counters.
public enum DropReason: String, Codable, CaseIterable, Sendable {
    /// Towards the host: its addresses, broadcast and multicast.
    case host
    /// Towards another agent.
    case peer
    /// With a false sender, or otherwise forged.
    case spoof
    /// Outwards, against the egress policy.
    case egress
    /// More than the policy says.
    case excess
    /// From elsewhere, for an agent.
    case outside
    /// From a user of the host who may not, for an agent.
    case local

    /// It comes from an agent's port.
    var isAgents: Bool { self != .outside && self != .local }
}

/// A packet that the boundary dropped, as the kernel logged it: links are numbers, and nobody has a name yet.
public struct LoggedPacket: Equatable, Sendable {
    public var reason: DropReason
    /// Microseconds since 1970-01-01 UTC.
    public var time: Int64
    /// Indexes of the links that it came in by and was to leave by; of bridged ones, the bridge's ports.
    public var inputLink: UInt32?
    public var outputLink: UInt32?
    /// The Ethernet address that it came from.
    public var mac: MACAddress?
    /// Of a tagged frame.
    public var vlan: UInt16?
    /// The user id of the socket that it came from: of the host's own packets.
    public var user: UInt32?
    public var headers: PacketHeaders
    /// Counts the packets of the group, so that lost ones show.
    public var sequence: UInt32?

    /// What the rules put before the reason: others may log to the same group.
    static let prefix = "hive: "

    /// Reads an `NFULNL_MSG_PACKET`, and traps on no octets whatever.
    /// - Parameters:
    ///   - payload: what follows the netlink header: `nfgenmsg` and attributes.
    ///   - now: microseconds since 1970-01-01 UTC, for a packet without a time of its own (`__build_packet_message` gives none
    ///     behind the routing decision).
    /// - Returns: nil for what is no packet of our rules.
    public init?(message payload: UnsafeRawBufferPointer, now: Int64) {
        guard let header = Self.header(payload), let reason = header.attributes[.prefix].flatMap(Self.reason)
        else { return nil }
        let attributes = header.attributes
        self.reason = reason
        time = attributes[.time]?.microseconds ?? now
        inputLink = (attributes[.inputPort] ?? attributes[.inputLink]).map { UInt32(bigEndian: $0) }
        outputLink = (attributes[.outputPort] ?? attributes[.outputLink]).map { UInt32(bigEndian: $0) }
        user = attributes[.user].map { UInt32(bigEndian: $0) }
        sequence = Self.sequence(attributes)
        vlan = attributes[.vlan][.tag].map { UInt16(bigEndian: $0) & 0xfff }
        var type: UInt16?
        let isEthernet = attributes[.hardwareType].map { UInt16(bigEndian: $0) } == UInt16(ARPHRD_ETHER)
        if isEthernet, let frame = attributes.payload(UInt16(NFULA_HWHEADER.rawValue)),
            frame.count >= Frame.headerLength
        {
            mac = MACAddress(octets: frame[6..<12])
            type = UInt16(bigEndian: frame.loadUnaligned(fromByteOffset: 12, as: UInt16.self))
        }
        // Behind the bridge's hooks there is nothing but IP, whatever the frame's header says by now.
        switch Int32(header.family) {
        case AF_INET: type = Frame.ipv4Type
        case AF_INET6: type = Frame.ipv6Type
        default: type = type ?? attributes[.packetType].map { UInt16(bigEndian: $0) }
        }
        var packet =
            attributes.payload(UInt16(NFULA_PAYLOAD.rawValue)) ?? UnsafeRawBufferPointer(start: nil, count: 0)
        // Tags that the kernel has left in the frame: an outer and an inner one.
        for _ in 0..<2 where type == UInt16(ETH_P_8021Q) || type == UInt16(ETH_P_8021AD) {
            guard packet.count >= 4 else { break }
            let tag = UInt16(bigEndian: packet.loadUnaligned(as: UInt16.self))
            type = UInt16(bigEndian: packet.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            vlan = vlan ?? tag & 0xfff
            packet = UnsafeRawBufferPointer(rebasing: packet[4...])
        }
        headers = PacketHeaders(packet, etherType: type)
    }

    private static func header(
        _ payload: UnsafeRawBufferPointer
    ) -> (family: UInt8, attributes: Attributes<LogScope>)? {
        let size = MemoryLayout<nfgenmsg>.size
        guard payload.count >= size else { return nil }
        let rest = UnsafeRawBufferPointer(rebasing: payload[size...])
        return (payload.loadUnaligned(as: nfgenmsg.self).nfgen_family, Attributes(bytes: rest))
    }

    private static func sequence(_ attributes: Attributes<LogScope>) -> UInt32? {
        attributes[.sequence].map { UInt32(bigEndian: $0) }
    }

    /// The sequence number alone: of others' packets in the group, too.
    static func sequence(message payload: UnsafeRawBufferPointer) -> UInt32? {
        header(payload).flatMap { sequence($0.attributes) }
    }

    private static func reason(prefix text: String) -> DropReason? {
        text.hasPrefix(prefix) ? DropReason(rawValue: String(text.dropFirst(prefix.count))) : nil
    }
}
