import CNetlink
import Glibc
import HiveNet
import Testing

/// Threat 16: headers that are not where a rule looks for them, because they come in another fragment.
@Suite struct ThreatFragmentTests {
    private let mark = TwoAgents.mark("in pieces")

    private func send(_ packets: [[UInt8]], type: UInt16, _ hive: TwoAgents) throws {
        for packet in packets {
            try hive.send(
                Packet.ethernet(to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: type, packet),
                as: hive.alpha)
        }
        try hive.settle(hive.alpha)
    }

    /// With all layers gone it still does not arrive: the kernel takes no first fragment without its headers (RFC 8200, section
    /// 4.5, ipv6frag_thdr_truncated()), and counts a header error. The control: what is cut elsewhere it puts together.
    @Test func theHeaderInTheSecondFragment() throws {
        let hive = try TwoAgents()
        let receiver = try hive.hostUDP(7016, ipv6: true)
        let (from, to) = (hive.alpha.address6, TwoAgents.gateway6)
        let udp = Packet.udp(from, 4000, to, 7016, mark)
        let options: UInt8 = 60
        // Cut after the options, so that the UDP header is in the second; and after the UDP header.
        func hidden(_ id: UInt32) -> [[UInt8]] {
            Packet.fragments(
                from: from, to: to, next: options, cut: 8, id: id, Packet.options(next: 17) + udp)
        }
        func plain(_ id: UInt32) -> [[UInt8]] {
            Packet.fragments(
                from: from, to: to, next: options, cut: 16, id: id, Packet.options(next: 17) + udp)
        }
        func headerErrors() throws -> Int {
            let lines = try hive.lab.must("cat /proc/thread-self/net/snmp6").stdout.split(separator: "\n")
            let words = lines.map { $0.split { " \t".contains($0) } }
            return words.first { $0.first == "Ip6InHdrErrors" }.flatMap { Int($0[1]) } ?? -1
        }
        for (id, packets) in [(1, hidden(1)), (2, plain(2))] {
            let before = try hive.lab.blocked("alpha")["spoof"] ?? 0
            try send(packets, type: Packet.ipv6Type, hive)
            #expect(!receiver.receives(mark, milliseconds: 0), "\(id), with every layer in place")
            #expect(try hive.lab.blocked("alpha")["spoof"] ?? 0 == before + 2)
        }
        for layer in TwoAgents.Layer.allCases { try hive.disable(layer) }
        let errors = try headerErrors()
        try send(hidden(3), type: Packet.ipv6Type, hive)
        #expect(!receiver.receives(mark, milliseconds: 0), "the kernel put together what it should not")
        // (As soon as connection tracking is there, its defragmentation comes first, and has the same rule.)
        #expect(try headerErrors() >= errors)
        try send(plain(4), type: Packet.ipv6Type, hive)
        #expect(receiver.receives(mark, milliseconds: 0), "control: cut after the header")
    }

    /// TCP's flags in the second fragment: the frame table takes no fragments. Where it is gone, connection tracking puts them
    /// together (-400) before the early chain (-300) sees a packet, so that no rule ever looks at half a header.
    @Test func theFlagsInTheSecondFragment() throws {
        let hive = try TwoAgents()
        let receiver = try hive.hostRaw(Int32(IPPROTO_TCP))
        let (from, to) = (hive.alpha.address4, TwoAgents.gateway4)
        let segment = Packet.tcp(from, 5000, to, 7016, flags: Packet.Flags.syn, mark)
        var id: UInt16 = 0
        func arrives() throws -> Bool {
            id += 1
            let pieces = Packet.fragments(from: from, to: to, protocol: 6, cut: 8, id: id, segment)
            try send(pieces, type: Packet.ipv4Type, hive)
            return receiver.receives(mark, milliseconds: 0)
        }
        #expect(try !arrives())
        let layers: [TwoAgents.Layer] = [.bridgeTable, .early, .tracked, .input]
        for layer in layers {
            for other in layers where other != layer { try hive.disable(other) }
            #expect(try !arrives(), "\(layer) alone")
            try hive.lab.apply()
        }
        for layer in layers { try hive.disable(layer) }
        #expect(try arrives(), "control")
    }
}
