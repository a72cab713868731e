/// What tells a probe from all other packets, and one probe from another.
///
/// Two words. In TCP the sequence number and, since it means nothing in a SYN, the acknowledgement number; in everything else
/// the two words that begin eight octets behind the IP header, or behind an ARP message. So a filter finds the first of them
/// at few places, and an answer to a SYN has it plus one as its acknowledgement number.
struct Cookie {
    /// The same for all probes of one run, and drawn at random: nobody else's packet has it but by accident.
    let magic: UInt32
    /// Which probe.
    let index: UInt32
    /// The source port of TCP and UDP: tells whose answer it is.
    var port: UInt16 { Self.port(index) }

    /// Below the ephemeral ports, so that no connection of the agent's own has it.
    static func port(_ index: UInt32) -> UInt16 { 20000 + UInt16(index % 12000) }

    /// Where to look for the magic word in an Ethernet frame, in ascending order: TCP over IPv4; what else is over IPv4, and
    /// ARP; TCP over IPv6, and the reserved word of a neighbour solicitation; what else is over IPv6.
    static let places = [38, 42, 58, 62]
    /// Where an answer to a SYN has its acknowledgement number.
    static let answerPlaces = [42, 62]
    static let networkOffset = Frame.headerLength
}

/// What a frame, or a packet that a raw socket got, turns out to be.
enum Sighting: Equatable {
    /// One of our probes, or an answer that repeats its cookie.
    case probe(UInt32)
    /// A SYN-ACK or RST to the probe from this port.
    case answer(port: UInt16)

    /// - Parameter octets: of an Ethernet frame without a tag.
    init?(frame octets: UnsafeRawBufferPointer, magic: UInt32) {
        guard octets.count >= Frame.headerLength + 20 else { return nil }
        let type = octets.number16(12)
        switch type {
        case Frame.arpType:
            guard octets.count >= 50, octets.number32(42) == magic else { return nil }
            self = .probe(octets.number32(46))
        case Frame.ipv4Type:
            self.init(octets, transport: 34, octets[23], magic)
        case Frame.ipv6Type:
            self.init(octets, transport: 54, octets[20], magic)
        default: return nil
        }
    }

    /// - Parameter transport: where the transport's header begins.
    init?(_ octets: UnsafeRawBufferPointer, transport: Int, _ number: UInt8, _ magic: UInt32) {
        guard octets.count >= transport + 16 else { return nil }
        let words = (
            octets.number32(transport + 4), octets.number32(transport + 8), octets.number32(transport + 12)
        )
        switch number {
        case IPProtocol.tcp:
            if words.0 == magic {
                self = .probe(words.1)
            } else if words.1 == magic &+ 1 {
                self = .answer(port: octets.number16(transport + 2))
            } else {
                return nil
            }
        case IPProtocol.icmpv6 where words.0 == magic:
            // A neighbour solicitation: behind the target and the link address option comes the nonce (RFC 3971, 5.3.2).
            guard octets.count >= transport + 38 else { return nil }
            self = .probe(octets.number32(transport + 34))
        default:
            guard words.1 == magic else { return nil }
            self = .probe(words.2)
        }
    }
}

extension UnsafeRawBufferPointer {
    /// In network byte order. The caller has compared with `count`.
    func number16(_ offset: Int) -> UInt16 {
        UInt16(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }
    func number32(_ offset: Int) -> UInt32 {
        UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}
