import CNetlink
import Glibc
import HiveNet
import Testing

/// The packets that the tests build are real ones: a kernel takes and answers them. Otherwise "it was dropped" would say
/// nothing about the boundary.
@Suite struct PacketTests {
    private let lab: Lab
    private let mine = MACAddress(bits: 0x0200_0000_0001), theirs = MACAddress(bits: 0x0200_0000_0002)
    private let mine4 = IPv4Address(bits: 0x0a09_0001), theirs4 = IPv4Address(bits: 0x0a09_0002)
    private let mine6 = IPv6Address(bits: 0xfd09 << 112 | 1), theirs6 = IPv6Address(bits: 0xfd09 << 112 | 2)
    private let mark = Array("a packet of the tests'".utf8)

    private static let attacker = "/run/netns/attacker"

    /// The lab's host is the victim. The attacker's end of the wire has no address: nothing there answers by itself.
    init() throws {
        lab = try Lab()
        try lab.ip("netns add attacker")
        try lab.ipBatch([
            "link add eth0 address \(theirs) type veth peer name wire netns attacker address \(mine)",
            "link set eth0 up", "addr add \(theirs4)/24 dev eth0", "addr add \(theirs6)/64 dev eth0 nodad",
            "neigh add \(mine4) lladdr \(mine) dev eth0", "neigh add \(mine6) lladdr \(mine) dev eth0",
        ])
        try lab.ip(in: "attacker", "link set wire addrgenmode none up")
        try lab.waitForLink("eth0")
        try lab.waitForLink("wire", in: "attacker")
    }

    private func attacker<Result>(_ body: @escaping () throws -> Result) throws -> Result {
        try lab.thread.run(in: Self.attacker, body)
    }

    /// Sends frames, and returns when the victim is done with them.
    private func send(_ frames: [[UInt8]]) throws {
        try attacker {
            let wire = try Socket.packet("wire")
            for frame in frames { try wire.send(frame: frame) }
        }
        try lab.settle(from: Self.attacker, link: "wire", port: "eth0") { frame(Packet.localType, $0) }
    }

    /// What the attacker sees, from now on.
    private func listen() throws -> Socket { try attacker { try Socket.packet("wire") } }

    private func frame(_ type: UInt16, tags: [(UInt16, UInt16)] = [], _ payload: [UInt8]) -> [UInt8] {
        Packet.ethernet(to: theirs, from: mine, type: type, tags: tags, payload)
    }

    /// Whether something with this content comes back.
    private func isAnswered(_ frame: [UInt8], with content: [UInt8]) throws -> Bool {
        let wire = try listen()
        try send([frame])
        return wire.receives(content, milliseconds: 0)
    }

    @Test func udpArrivesWholeInFragmentsAndBehindHeaders() throws {
        let (four, six) = try lab.host {
            (
                try Socket.udp(Endpoint(address: "0.0.0.0", port: 53)),
                try Socket.udp(Endpoint(address: "::", port: 53))
            )
        }
        let datagram4 = Packet.udp(mine4, 4000, theirs4, 53, mark)
        let datagram6 = Packet.udp(mine6, 4000, theirs6, 53, mark)
        var broken4 = datagram4, broken6 = datagram6
        broken4[6] ^= 1
        broken6[6] ^= 1
        let ways: [(String, Socket, [[UInt8]], Bool)] = [
            ("IPv4", four, [Packet.ipv4(from: mine4, to: theirs4, protocol: 17, datagram4)], true),
            (
                "IPv4, wrong checksum", four, [Packet.ipv4(from: mine4, to: theirs4, protocol: 17, broken4)],
                false
            ),
            (
                "IPv4, fragments", four,
                Packet.fragments(from: mine4, to: theirs4, protocol: 17, cut: 16, datagram4), true
            ),
            ("IPv6", six, [Packet.ipv6(from: mine6, to: theirs6, next: 17, datagram6)], true),
            ("IPv6, wrong checksum", six, [Packet.ipv6(from: mine6, to: theirs6, next: 17, broken6)], false),
            (
                "IPv6, headers", six,
                [Packet.ipv6(from: mine6, to: theirs6, headers: [0, 60, 60], next: 17, datagram6)], true
            ),
            (
                "IPv6, fragments", six,
                Packet.fragments(from: mine6, to: theirs6, next: 17, cut: 16, datagram6), true
            ),
            (
                "IPv6, one fragment of two", six,
                [Packet.fragments(from: mine6, to: theirs6, next: 17, cut: 16, id: 8, datagram6)[1]], false
            ),
        ]
        for (name, receiver, packets, isTaken) in ways {
            try send(packets.map { frame($0[0] >> 4 == 4 ? Packet.ipv4Type : Packet.ipv6Type, $0) })
            #expect(receiver.receives(mark, milliseconds: 0) == isTaken, "\(name)")
        }
    }

    @Test func pingIsAnswered() throws {
        let rest = [0, 1, 0, 7] + mark
        let echo4 = Packet.icmp(type: 8, rest)
        #expect(
            try isAnswered(
                frame(Packet.ipv4Type, Packet.ipv4(from: mine4, to: theirs4, protocol: 1, echo4)),
                with: Packet.icmp(type: 0, rest)))
        let echo6 = Packet.icmpv6(from: mine6, to: theirs6, type: 128, rest)
        #expect(
            try isAnswered(
                frame(Packet.ipv6Type, Packet.ipv6(from: mine6, to: theirs6, next: 58, echo6)),
                with: Packet.icmpv6(from: theirs6, to: mine6, type: 129, rest)))
        var broken = echo4
        broken[2] ^= 1
        #expect(
            try !isAnswered(
                frame(Packet.ipv4Type, Packet.ipv4(from: mine4, to: theirs4, protocol: 1, broken)),
                with: Packet.icmp(type: 0, rest)))
    }

    @Test func tcpIsAnswered() throws {
        let listeners = try lab.host {
            (
                try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 80)),
                try Socket.tcpListener(Endpoint(address: "::", port: 80))
            )
        }
        // From port 80, acknowledging the next sequence number. Behind it the header's length (with options), SYN and ACK.
        for (port, flags) in [(UInt16(80), UInt8(0x12)), (81, 0x14)] {
            let begin = Packet.be16(port) + [0x13, 0x88]
            let syn4 = Packet.tcp(mine4, 5000, theirs4, port, flags: Packet.Flags.syn)
            let syn6 = Packet.tcp(mine6, 5000, theirs6, port, flags: Packet.Flags.syn)
            for syn in [
                frame(Packet.ipv4Type, Packet.ipv4(from: mine4, to: theirs4, protocol: 6, syn4)),
                frame(Packet.ipv6Type, Packet.ipv6(from: mine6, to: theirs6, next: 6, syn6)),
            ] {
                let wire = try listen()
                try send([syn])
                let isIPv4 = syn[12] == 0x08
                let segment = isIPv4 ? 34 : 54
                var answer: [UInt8] = []
                repeat {
                    answer = try #require(wire.receive(milliseconds: 1000))
                } while answer.count < segment + 20 || Array(answer[segment..<segment + 4]) != begin
                #expect(Array(answer[segment + 8..<segment + 12]) == [0, 0, 0, 2])
                #expect(answer[segment + 13] == flags)
            }
        }
        withExtendedLifetime(listeners) {}
    }

    @Test func neighboursAreFoundAndTakenIn() throws {
        // ARP: who has? The answer has its address.
        let request = Packet.arp(operation: 1, senderMAC: mine, sender: mine4, target: theirs4)
        let reply = Packet.arp(
            operation: 2, senderMAC: theirs, sender: theirs4, targetMAC: mine, target: mine4)
        #expect(
            try isAnswered(
                Packet.ethernet(to: Packet.broadcast, from: mine, type: Packet.arpType, request), with: reply)
        )
        // Neighbour discovery, where the answer says that it was asked for.
        let solicit = Packet.neighbourSolicit(from: mine6, to: theirs6, target: theirs6, source: mine)
        #expect(try isAnswered(frame(Packet.ipv6Type, solicit), with: [0x40, 0, 0, 0] + theirs6.octets))
        // An advertisement overrides what is known, as an attacker's would.
        let liar = MACAddress(bits: 0x0200_0000_0666)
        let lie = Packet.neighbourAdvert(from: mine6, to: theirs6, target: mine6, mac: liar)
        try lab.ip("neigh change \(mine6) lladdr \(mine) dev eth0 nud reachable")
        try send([frame(Packet.ipv6Type, lie)])
        let known = try lab.neighbours().first { $0.dst == "\(mine6)" }
        #expect(known?.lladdr == "\(liar)")
    }

    @Test func aRouterIsBelieved() throws {
        let router = IPv6Address(bits: 0xfe80 << 112 | 1)
        #expect(!(try lab.must("ip -6 route").stdout.contains("default")))
        let advert = Packet.routerAdvert(from: router, source: mine)
        let all = MACAddress(bits: 0x3333_0000_0001)
        try send([Packet.ethernet(to: all, from: mine, type: Packet.ipv6Type, advert)])
        #expect(try lab.must("ip -6 route").stdout.contains("default via \(router)"))
    }

    /// Tagged with priority only, once: the kernel takes the tag off, and the packet is one like any other.
    @Test func aPriorityTagIsTakenOff() throws {
        let receiver = try lab.host { try Socket.udp(Endpoint(address: "0.0.0.0", port: 53)) }
        let packet = Packet.ipv4(
            from: mine4, to: theirs4, protocol: 17, Packet.udp(mine4, 1, theirs4, 53, mark))
        let ways: [(String, [(UInt16, UInt16)], Bool)] = [
            ("VLAN 0", [(Packet.vlanType, 0)], true), ("VLAN 7", [(Packet.vlanType, 7)], false),
            ("QinQ 0", [(Packet.providerType, 0), (Packet.vlanType, 0)], true),
        ]
        for (name, tags, isTaken) in ways {
            try send([frame(Packet.ipv4Type, tags: tags, packet)])
            #expect(receiver.receives(mark, milliseconds: 0) == isTaken, "\(name)")
        }
    }
}
