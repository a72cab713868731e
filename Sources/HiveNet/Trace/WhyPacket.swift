/// Who sends the one packet.
public enum WhyOrigin: Equatable, Sendable {
    case agent(String)
    /// Somebody on a link of the host's that leads elsewhere.
    case outside
}

/// Why there is no such packet.
public enum WhyMistake: Error, Equatable {
    case noAgent(String)
    /// A sentence without a full stop.
    case notSent(String)
}

/// The one packet of `HostNetwork.why`: a SYN, a datagram or an echo request, as its sender's kernel would send it.
public struct WhyPacket: Sendable {
    public let origin: WhyOrigin
    public let target: WhyTarget
    /// Nil: from outside.
    let sender: NetworkSpec.Agent?
    /// The agent whose address it is for.
    let receiver: NetworkSpec.Agent?
    let source: Outward.Address
    let destination: Outward.Address
    let content: Frame.Content

    /// Addresses for documentation, which nobody has (RFC 5737, RFC 3849): what comes from outside comes from there.
    static let outside4 = IPv4Address(bits: 0xc000_0201)
    static let outside6 = IPv6Address(bits: 0x2001_0db8 << 96 | 1)

    public init(
        _ origin: WhyOrigin, _ target: WhyTarget, in spec: NetworkSpec
    ) throws(WhyMistake) {
        self.origin = origin
        self.target = target
        func agent(_ name: String) throws(WhyMistake) -> NetworkSpec.Agent {
            guard let agent = spec.agents.first(where: { $0.name == name }) else { throw .noAgent(name) }
            return agent
        }
        if case .agent(let name) = origin { sender = try agent(name) } else { sender = nil }
        switch target.place {
        case .host: destination = .v4(spec.gateway4)
        case .agent(let name): destination = .v4(try agent(name).address4)
        case .address(let address): destination = address
        }
        content =
            switch target.service?.transport {
            case .tcp: .syn(target.service?.port ?? 0)
            case .udp: .udp(target.service?.port ?? 0)
            case nil: .echo
            }
        let wanted = destination
        receiver = spec.agents.first { agent in
            switch wanted {
            case .v4(let address): agent.address4 == address
            case .v6(let address): agent.address6 == address
            }
        }
        switch destination {
        case .v4: source = .v4(sender?.address4 ?? Self.outside4)
        case .v6:
            guard spec.subnet6 != nil else {
                throw .notSent("the hive has no IPv6, so nothing is sent to \(destination)")
            }
            source = .v6(sender?.address6 ?? Self.outside6)
        }
        if let words = destination.oddity {
            throw .notSent("\(destination) is \(words): nobody is asked about by one packet to it")
        }
        if source == destination {
            throw .notSent(
                "\(destination) is \(sender?.name ?? "the sender")'s own address: nothing leaves it")
        }
    }

    /// `a SYN from 10.77.0.2 to 10.77.0.1 port 7000`
    var words: String {
        let kind =
            switch content {
            case .syn(let port): ("a SYN", " port \(port)")
            case .udp(let port): ("a UDP datagram", " port \(port)")
            default: ("an echo request", "")
            }
        return "\(kind.0) from \(source) to \(destination)\(kind.1)"
    }

    /// Something on the other side may answer that we recognize: a SYN and an echo request have the cookie in their answers.
    var isAnswered: Bool { if case .udp = content { false } else { true } }

    func frame(from: MACAddress, to mac: MACAddress, _ cookie: Cookie) -> Frame {
        switch (source, destination) {
        case (.v4(let source), .v4(let destination)):
            var frame = Frame(to: mac, from: from, type: Frame.ipv4Type)
            // From outside with the type of service that the routes of `Outside` are for: strict rp_filter looks for the way back.
            frame.probe(
                from: source, to: destination, content, cookie,
                trafficClass: sender == nil ? Attempt.trafficClass : 0)
            return frame
        case (.v6(let source), .v6(let destination)):
            var frame = Frame(to: mac, from: from, type: Frame.ipv6Type)
            frame.probe(from: source, to: destination, content, cookie)
            return frame
        default: return Frame(to: mac, from: from, type: 0)
        }
    }
}

extension Outward.Address {
    /// What kind of address it is that no packet leaves a link for, or one that many get.
    fileprivate var oddity: String? {
        switch self {
        case .v4(let address):
            if Prefix4.loopback.contains(address) { return "a loopback address" }
            if Prefix4.multicast.contains(address) { return "a multicast address" }
            if address.bits == .max { return "the broadcast address" }
            return address.bits >> 24 == 0 ? "nobody's address" : nil
        case .v6(let address):
            if address.bits == 1 { return "the loopback address" }
            if Prefix6.multicast.contains(address) { return "a multicast address" }
            if address.bits >> 118 == 0x3fa { return "good on one link only" }
            return address.bits == 0 ? "nobody's address" : nil
        }
    }
}
