import CNetlink
import Testing

@testable import HiveNet

/// The frames that verify sends, the filters that let them in, and how they are told from each other.
@Suite struct VerifyFrameTests {
    private let spec: NetworkSpec
    private let sender: Station
    private let other: Station
    private static let magic: UInt32 = 0xcafe_f00d

    private let attempts: [Attempt]

    init() throws {
        spec = try .sample()
        let stations = spec.agents.map { Station($0.name, $0.address4, $0.address6, hasIPv6: true) }
        (sender, other) = (stations[0], stations[1])
        var targets = HostTargets()
        targets.addresses4 = [(spec.gateway4, "hive0")]
        targets.addresses6 = [(try #require(spec.gateway6), "hive0")]
        targets.freePort = 17000
        targets.hasIPv6 = true
        attempts = Attempt.host(spec, targets) + Attempt.peers(spec, hasIPv6: true)
    }

    /// Adds up 16-bit words as RFC 1071 has it, in the slowest way: 0xffff for a header whose checksum is right.
    private func sum(_ octets: some Collection<UInt8>) -> UInt32 {
        var sum: UInt32 = 0
        for (index, octet) in octets.enumerated() { sum += UInt32(octet) << (index % 2 == 0 ? 8 : 0) }
        while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
        return sum
    }

    /// Lengths and checksums of every frame are right, by a second reckoning.
    @Test func everyFrameIsWellFormed() throws {
        #expect(attempts.count > 30)
        for (index, attempt) in attempts.enumerated() {
            let cookie = Cookie(magic: Self.magic, index: UInt32(index))
            let frame = attempt.build(sender, other, cookie).octets
            let isTagged = frame[12] == 0x81
            let packet = Array(frame[(isTagged ? 18 : 14)...])
            let type = UInt16(frame[isTagged ? 16 : 12]) << 8 | UInt16(frame[isTagged ? 17 : 13])
            switch type {
            case 0x0806: #expect(packet.count == 36, "\(attempt.words)")
            case 0x0800:
                #expect(sum(packet[..<20]) == 0xffff, "\(attempt.words)")
                #expect(Int(packet[2]) << 8 | Int(packet[3]) == packet.count, "\(attempt.words)")
                let number = packet[9]
                let body = packet[20...]
                if number == 1 { #expect(sum(body) == 0xffff, "\(attempt.words)") }
                if number == 6 || number == 17 {
                    let pseudo =
                        Array(packet[12..<20]) + [0, number] + [UInt8(body.count >> 8), UInt8(body.count)]
                    #expect(sum(pseudo + body) == 0xffff, "\(attempt.words)")
                }
                if number == 17 { #expect(Int(packet[24]) << 8 | Int(packet[25]) == body.count) }
            case 0x86dd:
                let body = packet[40...]
                #expect(Int(packet[4]) << 8 | Int(packet[5]) == body.count, "\(attempt.words)")
                let number = packet[6]
                guard [6, 17, 58].contains(number) else { continue }
                let pseudo = Array(packet[8..<40]) + [0, 0, 0, UInt8(body.count), 0, 0, 0, number]
                #expect(sum(pseudo + body) == 0xffff, "\(attempt.words)")
            default: Issue.record("\(attempt.words): of type \(type)")
            }
        }
    }

    /// Every probe passes the filters and is known by its cookie, on the wire and behind the input hook.
    @Test func everyProbeIsKnown() throws {
        for (index, attempt) in attempts.enumerated() {
            let cookie = Cookie(magic: Self.magic, index: UInt32(index))
            var frame = attempt.build(sender, other, cookie).octets
            // The kernel takes the tag off before anybody sees the frame (skb_vlan_untag).
            if frame[12] == 0x81 { frame.removeSubrange(12..<16) }
            #expect(run(.frames(Self.magic), frame), "\(attempt.words)")
            #expect(!run(.frames(Self.magic &+ 7), frame), "\(attempt.words)")
            frame.withUnsafeBytes {
                #expect(Sighting(frame: $0, magic: Self.magic) == .probe(UInt32(index)), "\(attempt.words)")
                #expect(Sighting(frame: $0, magic: Self.magic &+ 7) == nil, "\(attempt.words)")
            }
            guard frame[12] == 0x08, frame[13] == 0 else { continue }
            #expect(run(.packets(Self.magic), frame), "\(attempt.words)")
            frame[14...].withUnsafeBytes {
                #expect(Sighting($0, transport: 20, frame[23], Self.magic) == .probe(UInt32(index)))
            }
        }
    }

    /// Nothing that is cut short is read past its end, and other people's packets are nobody's probes.
    @Test func whatIsNoProbe() {
        for attempt in attempts {
            let whole = attempt.build(sender, other, Cookie(magic: Self.magic, index: 1)).octets
            for length in 0..<whole.count {
                whole[..<length].withUnsafeBytes { _ = Sighting(frame: $0, magic: Self.magic) }
                _ = run(.frames(Self.magic), Array(whole[..<length]))
            }
        }
        let zeros = [UInt8](repeating: 0, count: 60)
        #expect(!run(.frames(Self.magic), zeros))
        zeros.withUnsafeBytes { #expect(Sighting(frame: $0, magic: Self.magic) == nil) }
    }

    /// What verify answers outside with comes back as an answer: a datagram says the same, a SYN is acknowledged.
    @Test(arguments: ["198.51.100.7:443/tcp", "198.51.100.7:53/udp", "[2a00::7]:443/tcp", "[2a00::7]:53/udp"])
    func answers(_ text: String) throws {
        let outward = try #require(Outward(text))
        #expect(outward.description == text)
        let attempt = Attempt.outward(.allowed, spec, outward)
        let cookie = Cookie(magic: Self.magic, index: 77)
        let question = attempt.build(sender, other, cookie).octets
        let answer = try #require(question.withUnsafeBytes { Frame(answering: $0) }).octets
        let isIPv4 = question[12] == 8
        let (source, destination, length) = isIPv4 ? (26, 30, 4) : (22, 38, 16)
        #expect(answer[source..<(source + length)] == question[destination..<(destination + length)])
        #expect(answer[destination..<(destination + length)] == question[source..<(source + length)])
        if isIPv4 { #expect(answer[15] == Attempt.trafficClass && question[15] == Attempt.trafficClass) }
        let wanted: Sighting = outward.transport == .udp ? .probe(77) : .answer(port: cookie.port)
        answer.withUnsafeBytes { #expect(Sighting(frame: $0, magic: Self.magic) == wanted) }
        #expect(run(.frames(Self.magic), answer))
    }

    @Test func addressesThatAreMade() {
        let mac = MACAddress(bits: 0x6a76_0a4d_0002)
        #expect(IPv6Address(linkLocalOf: mac) == IPv6Address("fe80::6876:aff:fe4d:2"))
        #expect(IPv6Address("fd77::1:2345")?.solicitedNode == IPv6Address("ff02::1:ff01:2345"))
        #expect(MACAddress(group: Multicast.mdns4) == MACAddress("01:00:5e:00:00:fb"))
        #expect(MACAddress(group: Multicast.mdns6) == MACAddress("33:33:00:00:00:fb"))
    }

    // MARK: The filter's machine

    /// Runs a program as the kernel would (net/core/filter.c), as far as these programs go.
    private func run(_ filter: PacketFilter, _ frame: [UInt8]) -> Bool {
        var accumulator: UInt32 = 0
        var next = 0
        while filter.instructions.indices.contains(next) {
            let instruction = filter.instructions[next]
            next += 1
            switch Int32(instruction.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                var offset = Int(Int32(bitPattern: instruction.k))
                if offset < 0 { offset += 0x100000 + 14 }
                guard offset + 4 <= frame.count else { return false }
                accumulator = frame[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) }
            case BPF_JMP | BPF_JEQ | BPF_K:
                next += Int(accumulator == instruction.k ? instruction.jt : instruction.jf)
            case BPF_RET | BPF_K: return instruction.k != 0
            default:
                Issue.record("instruction \(instruction.code)")
                return false
            }
        }
        Issue.record("the program does not return")
        return false
    }
}
