import CNetlink
import CNftables
import Testing

@testable import HiveNet

/// Messages of nfnetlink_log, octet by octet.
private enum Log {
    static func attribute(_ type: some BinaryInteger, _ payload: [UInt8]) -> [UInt8] {
        let length = UInt16(4 + payload.count)
        return withUnsafeBytes(of: length) { [UInt8]($0) } + withUnsafeBytes(of: UInt16(type)) { [UInt8]($0) }
            + payload + [UInt8](repeating: 0, count: -payload.count & 3)
    }
    static func number(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { [UInt8]($0) }
    }
    static func header(_ family: Int32) -> [UInt8] { [UInt8(family), 0, 0, 104] }
    static func prefix(_ text: String) -> [UInt8] {
        attribute(NFULA_PREFIX.rawValue, Array(text.utf8) + [0])
    }
    static func payload(_ packet: [UInt8]) -> [UInt8] { attribute(NFULA_PAYLOAD.rawValue, packet) }
    static let macs: [UInt8] = [0x62, 0x76, 10, 77, 0, 1, 0x6a, 0x76, 10, 77, 0, 2]
    static func frame(_ type: UInt16) -> [UInt8] {
        attribute(NFULA_HWTYPE.rawValue, number(UInt16(1)))
            + attribute(NFULA_HWHEADER.rawValue, macs + number(type))
    }

    static func read(_ octets: [UInt8], now: Int64 = 7) -> LoggedPacket? {
        octets.withUnsafeBytes { LoggedPacket(message: $0, now: now) }
    }
    static func headers(_ packet: [UInt8], _ type: UInt16?) -> PacketHeaders {
        packet.withUnsafeBytes { PacketHeaders($0, etherType: type) }
    }
}

private let alpha: [UInt8] = [10, 77, 0, 2], gateway: [UInt8] = [10, 77, 0, 1]
private let ports: [UInt8] = [0xa0, 0x00, 0x1b, 0x58]  // 40960 and 7000
private func ipv4(_ number: UInt8, _ rest: [UInt8], fragment: UInt16 = 0, words: UInt8 = 5) -> [UInt8] {
    [0x40 | words, 0, 0, 60, 0, 1] + Log.number(fragment) + [64, number, 0, 0] + alpha + gateway
        + [UInt8](repeating: 1, count: max(0, Int(words) * 4 - 20)) + rest
}
private func ipv6(_ next: UInt8, _ rest: [UInt8]) -> [UInt8] {
    let network: [UInt8] = [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    return [0x60, 0, 0, 0, 0, 60, next, 64] + network + [2] + network + [1] + rest
}

struct LoggedPacketTests {
    @Test func aPacketOfTheInetTable() throws {
        let message =
            Log.header(AF_INET) + Log.attribute(NFULA_PACKET_HDR.rawValue, [8, 0, 0, 0])
            + Log.prefix("hive: host") + Log.attribute(NFULA_IFINDEX_INDEV.rawValue, Log.number(UInt32(3)))
            + Log.frame(0x0800) + Log.payload(ipv4(6, ports))
            + Log.attribute(
                NFULA_TIMESTAMP.rawValue,
                Log.number(UInt64(1_764_052_800)) + Log.number(UInt64(123_456)))
            + Log.attribute(NFULA_SEQ.rawValue, Log.number(UInt32(9)))
        let packet = try #require(Log.read(message))
        #expect(packet.reason == .host)
        #expect(packet.time == 1_764_052_800_123_456)
        #expect(packet.inputLink == 3 && packet.outputLink == nil && packet.user == nil)
        #expect(packet.mac == MACAddress(bits: 0x6a76_0a4d_0002))
        #expect(packet.vlan == nil && packet.sequence == 9)
        #expect(packet.headers.protocolName == "tcp")
        #expect(packet.headers.source == "10.77.0.2" && packet.headers.destination == "10.77.0.1")
        #expect(packet.headers.sourcePort == 40960 && packet.headers.destinationPort == 7000)
    }

    /// The port tells whose it is, and the bridge does not; the frame's header says what it carries.
    @Test func aFrameOfTheBridgeTable() throws {
        let message =
            Log.header(7) + Log.prefix("hive: spoof")
            + Log.attribute(NFULA_IFINDEX_INDEV.rawValue, Log.number(UInt32(3)))
            + Log.attribute(NFULA_IFINDEX_PHYSINDEV.rawValue, Log.number(UInt32(5))) + Log.frame(0x86dd)
            + Log.payload(ipv6(17, ports))
        let packet = try #require(Log.read(message))
        #expect(packet.inputLink == 5)
        #expect(packet.headers.protocolName == "udp" && packet.headers.source == "fd77::2")
        #expect(packet.headers.destinationPort == 7000)
        #expect(packet.time == 7, "without a time of its own it is the reader's")
    }

    @Test func tagsAreTakenOff() throws {
        let tagged =
            Log.header(7) + Log.prefix("hive: spoof") + Log.frame(0x8100)
            + Log.payload([0x20, 5, 8, 0] + ipv4(17, ports))
        let packet = try #require(Log.read(tagged))
        #expect(packet.vlan == 5 && packet.headers.protocolName == "udp")
        // Taken off by the kernel.
        let vlan = Log.attribute(
            NFULA_VLAN.rawValue, Log.attribute(NFULA_VLAN_TCI.rawValue, Log.number(UInt16(0x2006))))
        let other = try #require(
            Log.read(
                Log.header(7) + Log.prefix("hive: spoof") + vlan + Log.frame(0x0800)
                    + Log.payload(ipv4(17, ports))))
        #expect(other.vlan == 6 && other.headers.destinationPort == 7000)
        // A third is nobody's business.
        let three = Log.read(
            Log.header(7) + Log.prefix("hive: spoof") + Log.frame(0x88a8)
                + Log.payload([0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, 8, 0]))
        #expect(three?.vlan == 1 && three?.headers.protocolName == "ethertype 0x8100")
    }

    /// Whoever else logs to the group is not taken for us.
    @Test(arguments: ["", "host", "hive: ", "hive: nobody", "hive: host ", "HIVE: host"])
    func onlyOurPrefixes(text: String) {
        #expect(Log.read(Log.header(AF_INET) + Log.prefix(text) + Log.payload(ipv4(6, ports))) == nil)
    }

    @Test func aTimeThatIsNoneIsNotTaken() {
        for (seconds, part) in [(UInt64.max, UInt64(0)), (0, .max), (1 << 40, 0), (1, 1_000_000)] {
            let time = Log.attribute(NFULA_TIMESTAMP.rawValue, Log.number(seconds) + Log.number(part))
            #expect(Log.read(Log.header(AF_INET) + Log.prefix("hive: host") + time)?.time == 7)
        }
    }

    /// Every beginning of a message, and every message with some octets changed.
    @Test func noOctetsTrap() throws {
        let whole =
            Log.header(7) + Log.prefix("hive: spoof")
            + Log.attribute(NFULA_IFINDEX_INDEV.rawValue, Log.number(UInt32(3)))
            + Log.attribute(
                NFULA_VLAN.rawValue, Log.attribute(NFULA_VLAN_TCI.rawValue, Log.number(UInt16(1))))
            + Log.frame(0x86dd)
            + Log.payload(ipv6(0, [43, 0, 0, 0, 0, 0, 0, 0] + [44, 1] + [UInt8](repeating: 0, count: 30)))
        #expect(Log.read(whole) != nil)
        for count in 0...whole.count { _ = Log.read(Array(whole[..<count])) }
        var random = Seeded(31)
        var read = 0
        for _ in 0..<30_000 {
            var octets = whole
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                octets[.random(in: 0..<octets.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            octets.removeLast(.random(in: 0...octets.count / 2, using: &random))
            if Log.read(octets) != nil { read += 1 }
        }
        #expect(read > 1000, "control: it is not refused at the first octet")
        for _ in 0..<10_000 { _ = Log.read(random.octets(.random(in: 0...80, using: &random))) }
    }
}

struct PacketHeadersTests {
    @Test func protocols() {
        #expect(Log.headers(ipv4(1, [8, 0]), 0x0800).type == 8)
        #expect(Log.headers(ipv4(132, ports), 0x0800).protocolName == "sctp")
        #expect(Log.headers(ipv4(132, ports), 0x0800).destinationPort == 7000)
        #expect(Log.headers(ipv4(47, ports), 0x0800).protocolName == "protocol 47")
        #expect(Log.headers(ipv4(47, ports), 0x0800).destinationPort == nil)
        #expect(Log.headers(ipv6(58, [135]), 0x86dd).type == 135)
        #expect(Log.headers([], 0x88cc).protocolName == "ethertype 0x88cc")
        #expect(Log.headers([], 0x0027).protocolName == "llc")
        #expect(Log.headers([], nil).protocolName == "unknown")
        // IPv4's options come first.
        #expect(Log.headers(ipv4(17, ports, words: 7), 0x0800).destinationPort == 7000)
        // A header length that is none.
        #expect(Log.headers(ipv4(17, ports, words: 4), 0x0800).destinationPort == nil)
        #expect(Log.headers(ipv6(17, ports), 0x0800).source == nil, "not of that version")
    }

    @Test func arp() {
        let message: [UInt8] =
            [0, 1, 8, 0, 6, 4, 0, 1] + Log.macs[6...] + alpha + [0, 0, 0, 0, 0, 0] + gateway
        let headers = Log.headers(message, 0x0806)
        #expect(headers.protocolName == "arp" && headers.type == 1)
        #expect(headers.source == "10.77.0.2" && headers.destination == "10.77.0.1")
        #expect(Log.headers([0, 6] + message[2...], 0x0806).source == nil)
    }

    @Test func extensionHeadersAreSkipped() {
        let eight: [UInt8] = [0, 0, 0, 0, 0, 0]
        // Hop by hop, routing of 16 octets, authentication of 12, destination options.
        let chain =
            [43, 0] + eight + [51, 1] + eight + eight + [0, 0] + [60, 1] + eight + [0, 0, 0, 0] + [17, 0]
            + eight
        let headers = Log.headers(ipv6(0, chain + ports), 0x86dd)
        #expect(headers.protocolName == "udp" && headers.destinationPort == 7000)
        func fragment(_ offset: UInt16) -> PacketHeaders {
            Log.headers(ipv6(44, [6, 0] + Log.number(offset) + [0, 0, 0, 1] + ports), 0x86dd)
        }
        #expect(fragment(1).destinationPort == 7000, "the first, with more to come")
        #expect(fragment(8).protocolName == "tcp" && fragment(8).destinationPort == nil)
        #expect(Log.headers(ipv4(6, ports, fragment: 0x2000), 0x0800).destinationPort == 7000)
        #expect(Log.headers(ipv4(6, ports, fragment: 1), 0x0800).destinationPort == nil)
        // Cut off, or leading out of the packet.
        #expect(Log.headers(ipv6(0, [17, 255] + eight), 0x86dd).destinationPort == nil)
        #expect(Log.headers(ipv6(0, [17]), 0x86dd).destinationPort == nil)
    }

    @Test func noBeginningTraps() {
        let packets: [(UInt16, [UInt8])] = [
            (0x0800, ipv4(6, ports, words: 15)), (0x86dd, ipv6(0, [60, 0, 0, 0, 0, 0, 0, 0, 6, 0] + ports)),
            (0x0806, [0, 1, 8, 0, 6, 4, 0, 1] + Log.macs + alpha + gateway),
        ]
        for (type, packet) in packets {
            for count in 0...packet.count { _ = Log.headers(Array(packet[..<count]), type) }
        }
        var random = Seeded(32)
        for _ in 0..<20_000 {
            let octets =
                [UInt8.random(in: 0x44...0x6f, using: &random)]
                + random.octets(.random(in: 0...100, using: &random))
            for type: UInt16 in [0x0800, 0x86dd, 0x0806] { _ = Log.headers(octets, type) }
        }
    }
}

struct DropTests {
    private func names() throws -> DropNames {
        let spec = try NetworkSpec.sample()
        return DropNames(
            elements: spec.agents.flatMap { Boundary.elements(for: $0, spec) },
            links: ["hive0": 2, "hv-alpha": 5, "hv-beta": 6, "uplink": 7])
    }

    private func packet(_ reason: DropReason, _ octets: [UInt8], link: UInt32?, mac: UInt64? = nil) throws
        -> LoggedPacket
    {
        var packet = try #require(
            Log.read(Log.header(AF_INET) + Log.prefix("hive: \(reason)") + Log.payload(octets)))
        packet.inputLink = link
        packet.mac = mac.map { MACAddress(bits: $0) }
        packet.time = 1_764_052_800_123_456
        return packet
    }

    @Test func agentsAreKnown() throws {
        var names = try names()
        #expect(names.agents == ["alpha", "beta", "gamma"])
        let tcp = ipv4(6, ports)
        func name(_ reason: DropReason, _ link: UInt32?, _ mac: UInt64? = nil) throws -> Drop {
            names.name(try packet(reason, tcp, link: link, mac: mac), asksForServices: false)
        }
        #expect(try name(.spoof, 6, 0x6a76_0a4d_0002).agent == "beta", "the port counts, not what it says")
        #expect(try name(.host, 2, 0x6a76_0a4d_0002).agent == "alpha")
        #expect(try name(.host, 2, 0x6a76_0a4d_0009).agent == nil)
        #expect(try name(.spoof, 9).agent == nil)
        #expect(try name(.spoof, 9).link == nil && name(.spoof, 6).link == "hv-beta")
        // From elsewhere: whom it is for.
        let towards = Array(ipv4(6, ports)[..<12]) + [8, 8, 8, 8] + alpha + ports
        let outside = names.name(try packet(.outside, towards, link: 7, mac: 1), asksForServices: false)
        #expect(outside.agent == "alpha" && outside.link == "uplink" && outside.destinationAgent == "alpha")
        #expect(names.knows(try packet(.host, tcp, link: 2, mac: 0x6a76_0a4d_0002)))
        #expect(!names.knows(try packet(.host, tcp, link: 2, mac: 0x6a76_0a4d_0009)))
        #expect(!names.knows(try packet(.spoof, tcp, link: 9)))
    }

    @Test func asALine() throws {
        var names = try names()
        var drop = names.name(
            try packet(.host, ipv4(6, ports), link: 2, mac: 0x6a76_0a4d_0002), asksForServices: false)
        drop.service = "hived"
        #expect(
            drop.line
                == "2025-11-25T06:40:00.123Z  alpha         host     tcp 10.77.0.2:40960 -> 10.77.0.1:7000 (hived)"
        )
        let six = names.name(
            try #require(
                Log.read(Log.header(AF_INET6) + Log.prefix("hive: spoof") + Log.payload(ipv6(17, ports)))),
            asksForServices: false)
        #expect(six.line.hasSuffix("-             spoof    udp [fd77::2]:40960 -> [fd77::1]:7000"))
        #expect(try throughJSON(drop) == drop)
        #expect(
            try json(drop)
                == #"{"agent":"alpha","destination":"10.77.0.1","destinationPort":7000,"link":"hive0","mac":"6a:76:0a:4d:00:02","protocol":"tcp","reason":"host","service":"hived","source":"10.77.0.2","sourcePort":40960,"time":1764052800.123456}"#
        )
    }

    @Test func aHistoryIsBoundedAndFair() throws {
        var names = try names()
        let beta = names.name(try packet(.host, ipv4(6, ports), link: 6), asksForServices: false)
        let alpha = names.name(try packet(.host, ipv4(6, ports), link: 5), asksForServices: false)
        var history = DropHistory(capacity: 10)
        for _ in 0..<3 { history.append(beta) }
        for number in 0..<1000 {
            var drop = alpha
            drop.sourcePort = UInt16(number)
            history.append(drop)
        }
        #expect(history.drops.count == 10 && history.total == 1003 && history.forgotten == 993)
        #expect(history.drops(of: "beta").count == 3, "a flood pushes out its own")
        #expect(history.drops(of: "alpha").map(\.sourcePort) == (993..<1000).map { UInt16($0) })
        #expect(history.drops(of: nil).count == 10)
        history.add(lost: 4)
        #expect(history.lost == 4)
    }
}

struct UTCTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (1_764_052_800, "2025-11-25T06:40:00Z"), (-1, "1969-12-31T23:59:59Z"),
        (1_709_164_800, "2024-02-29T00:00:00Z"), (253_402_300_800, "10000-01-01T00:00:00Z"),
    ])
    func thereAndBack(seconds: Int64, text: String) {
        #expect(UTC.text(seconds) == text)
        #expect(UTC.seconds(text) == seconds)
        #expect(CountsSince.seconds(comment: CountsSince.comment(seconds)) == seconds)
    }

    @Test(arguments: [
        "", "2025-11-25", "2025-11-25T06:40:00", "2025-13-25T06:40:00Z", "2025-11-25 06:40:00Z",
        "2025-11-25T06:40:60Z", "99999999999-1-1T1:1:1Z", "2025-11-25T06:40:00.5Z",
    ])
    func nothingElse(text: String) {
        #expect(UTC.seconds(text) == nil)
        #expect(CountsSince.seconds(comment: "hive: counts since \(text)") == nil)
    }

    @Test func milliseconds() {
        #expect(UTC.text(milliseconds: 1_764_052_800_007) == "2025-11-25T06:40:00.007Z")
        #expect(UTC.text(milliseconds: -1) == "1969-12-31T23:59:59.999Z")
    }
}
