internal import CNetlink
internal import Glibc

/// How much `HostNetwork.follow` looks at.
public struct FollowBounds: Sendable {
    /// More packets a second are not traced.
    public var perSecond: UInt64 = 20
    /// It ends after so many packets, or so many seconds.
    public var packets = 100
    public var seconds = 60

    public init() {}
}

/// One packet of an agent's live traffic, and what became of it.
public struct FollowedPacket: Codable, Equatable, Sendable {
    /// `TCP`, `UDP`, `ICMP`, `ICMPv6`, `ARP`, `protocol 47`, `type 0x88cc`
    public var kind: String
    /// With the port, where it has one: `10.77.0.2:41234`. Nil: it is no IP.
    public var source: String?
    public var destination: String?
    public var outcome: Way.Outcome
    public var layer: Way.Layer?
    public var rule: Way.RuleName?
    public var counter: String?
    /// `blocked: layer 3 (early), rule …`
    public var sentence: String
}

extension HostNetwork {
    /// Traces what comes in from an agent, within bounds, and hands over each packet when its way has ended.
    /// - Returns: whether all was seen: the kernel may have told more than there was room for.
    public mutating func follow(
        _ spec: NetworkSpec, agent: String, _ bounds: FollowBounds, _ body: (FollowedPacket) -> Void
    ) throws(KernelError) -> Bool {
        let link = LinkName.host(agent: agent, prefix: spec.interfacePrefix)
        guard try route.link(named: link) != nil else {
            throw KernelError("look for \(agent)'s link \(link)", code: ENODEV)
        }
        var tracer = try Tracer(.all(from: link, perSecond: bounds.perSecond))
        var following = Following(try RuleBook(&filter))
        let deadline = ContinuousClock.now + .seconds(bounds.seconds)
        var count = 0
        var isWhole = true
        while count < bounds.packets, ContinuousClock.now < deadline {
            _ = tracer.wait(milliseconds: following.isQuiet ? 100 : 20)
            var events: [(TraceEvent, Tracer.Milestone?)] = []
            do throws(KernelError) {
                var read: [TraceEvent] = []
                try tracer.read { read.append($0) }
                events = read.map { ($0, tracer.milestone($0)) }
            } catch {
                guard error.code == ENOBUFS else { throw error }
                isWhole = false
            }
            // Somebody has changed the rules meanwhile.
            if events.contains(where: { $1 == nil && !following.book.knows($0) }) {
                following.book = try RuleBook(&filter)
            }
            for (event, milestone) in events { following.add(event, milestone) }
            for packet in following.ended().prefix(bounds.packets - count) {
                body(packet)
                count += 1
            }
        }
        return isWhole
    }
}

/// Puts the events of many packets in order.
private struct Following {
    var book: RuleBook
    private var packets: [Packet] = []

    private struct Packet {
        var trail: Trail
        let identity: [UInt8]
        let summary: (kind: String, source: String?, destination: String?)
        var numbers: Set<UInt32>
        var last: ContinuousClock.Instant
    }

    /// After that the next hook does not come any more.
    private static let quiet = Duration.milliseconds(50)

    init(_ book: RuleBook) { self.book = book }

    var isQuiet: Bool { packets.isEmpty }

    mutating func add(_ event: TraceEvent, _ milestone: Tracer.Milestone?) {
        let identity = event.identity
        // Our rule that marks the packet is where it begins.
        if milestone != nil, case .rule = event.kind {
            for index in packets.indices { packets[index].numbers.remove(event.id) }
            packets.append(
                Packet(
                    trail: Trail(book), identity: identity ?? [], summary: event.summary, numbers: [event.id],
                    last: .now))
            return
        }
        // On its way from the bridge to IP it gets another number.
        let known = packets.lastIndex { $0.numbers.contains(event.id) }
        guard let index = known ?? packets.lastIndex(where: { identity != nil && $0.identity == identity })
        else { return }
        packets[index].numbers.insert(event.id)
        packets[index].last = .now
        packets[index].trail.add(event, milestone)
    }

    mutating func ended() -> [FollowedPacket] {
        let now = ContinuousClock.now
        let ended = packets.filter { $0.trail.stop != nil || now - $0.last > Self.quiet }
        packets.removeAll { $0.trail.stop != nil || now - $0.last > Self.quiet }
        return ended.map { packet in
            let (outcome, sentence) = packet.trail.ending
            return FollowedPacket(
                kind: packet.summary.kind, source: packet.summary.source,
                destination: packet.summary.destination, outcome: outcome, layer: packet.trail.stop?.layer,
                rule: packet.trail.stop?.rule, counter: packet.trail.stop?.counter, sentence: sentence)
        }
    }
}

extension Trail {
    /// From the rules, or from the last hook that it was seen at: nobody looks at the receiving end.
    fileprivate var ending: (Way.Outcome, String) {
        if let stop {
            return stop.isDropped
                ? (.blocked, "blocked: \(stop.sentence)")
                : (.unknown, "a rule hands it over, to a program or to the kernel: \(stop.sentence)")
        }
        guard let last, last.isLast else { return (.unknown, "it was last seen inside a hook") }
        switch (last.family, last.hook) {
        case (_, .input): return (.passes, "it gets through, to the host")
        case (_, .postrouting): return (.passes, "it gets through, and leaves the host")
        default: return (.unknown, "it was last seen at the end of \(last.family.name) \(last.hook.name)")
        }
    }
}

extension TraceEvent {
    /// What stays the same between the bridge and IP. Nil: this event does not show the packet.
    fileprivate var identity: [UInt8]? {
        guard let header = networkHeader, header.count >= 20 else { return nil }
        let transport = (transportHeader ?? []).prefix(4)
        // IPv4's identification, protocol and addresses; IPv6's next header and addresses.
        if header[0] >> 4 == 4 { return header[4..<6] + [header[9]] + header[12..<20] + transport }
        return header.count >= 40 ? [header[6]] + header[8..<40] + transport : header
    }

    fileprivate var summary: (kind: String, source: String?, destination: String?) {
        switch etherType {
        case Frame.arpType: return ("ARP", nil, nil)
        case Frame.ipv4Type, Frame.ipv6Type: break
        default: return ("type 0x" + String(etherType ?? 0, radix: 16), nil, nil)
        }
        guard let header = networkHeader, header.count >= 20 else { return ("IP", nil, nil) }
        let isIPv4 = etherType == Frame.ipv4Type
        guard isIPv4 || header.count >= 40 else { return ("IPv6", nil, nil) }
        let number = isIPv4 ? header[9] : header[6]
        func text(_ range: Range<Int>, port: Int) -> String {
            let octets = header[range]
            let address =
                isIPv4
                ? IPv4Address(octets: octets).map { "\($0)" } : IPv6Address(octets: octets).map { "\($0)" }
            guard [IPProtocol.tcp, IPProtocol.udp].contains(number), let transport = transportHeader,
                transport.count >= 4
            else { return address ?? "?" }
            let value = UInt16(transport[port]) << 8 | UInt16(transport[port + 1])
            return isIPv4 ? "\(address ?? "?"):\(value)" : "[\(address ?? "?")]:\(value)"
        }
        let names = [
            IPProtocol.tcp: "TCP", IPProtocol.udp: "UDP", IPProtocol.icmp: "ICMP",
            IPProtocol.icmpv6: "ICMPv6",
        ]
        let kind = names[number] ?? "protocol \(number)"
        return isIPv4
            ? (kind, text(12..<16, port: 0), text(16..<20, port: 2))
            : (kind, text(8..<24, port: 0), text(24..<40, port: 2))
    }
}
