internal import CNetlink
internal import Glibc

extension Prober.Host {
    /// Opens the host's receiving ends in the calling thread's namespace.
    /// - Parameter bridge: its index. The groups of mDNS are joined on it, so that what is sent to them would be received.
    init(magic: UInt32, bridge: Int32, hasIPv6: Bool) throws(KernelError) {
        self.init(
            tap: try PacketSocket(
                link: 0, .framesAndBarriers(magic, Prober.barrierMagic(magic), exceptOn: bridge)))
        let filter = PacketFilter.packets(magic)
        let odd = [IPProtocol.gre, IPProtocol.esp, IPProtocol.sctp]
        for number in [IPProtocol.tcp, IPProtocol.udp, IPProtocol.icmp] + odd {
            let socket = try PacketSocket(raw: AF_INET, protocol: number, filter)
            if number == IPProtocol.udp { try socket.join(Multicast.mdns4, link: bridge) }
            raw.append((socket, true, number))
        }
        guard hasIPv6 else { return }
        for number in [IPProtocol.tcp, IPProtocol.udp, IPProtocol.icmpv6] + odd {
            let socket = try PacketSocket(raw: AF_INET6, protocol: number, filter)
            // Fails where the bridge has no IPv6: then nobody else can be in the group either.
            if number == IPProtocol.udp { try? socket.join(Multicast.mdns6, link: bridge) }
            raw.append((socket, false, number))
        }
    }
}

extension Frame {
    /// The answer to a UDP datagram, which says the same, or to a SYN: addresses and ports change sides. Nil for anything else.
    ///
    /// The sums stay right where two addends change places (RFC 1071, section 2).
    init?(answering frame: UnsafeRawBufferPointer) {
        guard frame.count >= Frame.headerLength + 20 else { return nil }
        let isIPv4 = frame.number16(12) == Frame.ipv4Type
        let transport = isIPv4 ? 34 : 54
        guard isIPv4 || frame.number16(12) == Frame.ipv6Type, frame.count >= transport + 16 else {
            return nil
        }
        let number = isIPv4 ? frame[23] : frame[20]
        let trafficClass = isIPv4 ? frame[15] : frame[14] << 4 | frame[15] >> 4
        // It came to the link's own address, since the link asks nobody for addresses: and there the answer goes.
        guard let mac = MACAddress(octets: frame[0..<6]) else { return nil }
        self.init(to: mac, from: mac, type: frame.number16(12))
        func fill<Address: IPAddress>(_: Address.Type) {
            let length = Address.width / 8
            let start = isIPv4 ? 26 : 22
            guard let from = Address(octets: frame[start..<(start + length)]),
                let to = Address(octets: frame[(start + length)..<(start + 2 * length)])
            else { return }
            packet(from: to, to: from, protocol: number, trafficClass: trafficClass) { answer in
                let ports = (frame.number16(transport), frame.number16(transport + 2))
                if number == IPProtocol.udp {
                    answer.udp(from: ports.1, to: ports.0) {
                        $0.append(frame.number32(transport + 8))
                        $0.append(frame.number32(transport + 12))
                    }
                } else {
                    answer.tcp(
                        from: ports.1, to: ports.0, flags: TCPFlags.syn | TCPFlags.ack, sequence: 1,
                        acknowledgement: frame.number32(transport + 4) &+ 1)
                }
            }
        }
        guard number == IPProtocol.udp || number == IPProtocol.tcp else { return nil }
        if isIPv4 { fill(IPv4Address.self) } else { fill(IPv6Address.self) }
    }
}
