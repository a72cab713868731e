import CNetlink
import Testing

@testable import HiveNet

/// What comes out of the kernel is well-formed; what is not must not make us read beyond it, nor stop.
struct AttributesTests {
    private func types(_ octets: [UInt8]) -> [UInt16] {
        var found: [UInt16] = []
        octets.withUnsafeBytes { Attributes<OuterScope>(bytes: $0).forEach { type, _ in found.append(type) } }
        return found
    }

    @Test func readsUntilALengthDoesNotFit() {
        let two: [UInt8] = [5, 0, 1, 0, 7, 0, 0, 0, 8, 0, 5, 0, 1, 2, 3, 4]
        #expect(types(two) == [1, 5])
        #expect(types([]) == [])
        for count in 0..<4 { #expect(types([UInt8](two.prefix(count))) == []) }
        // The last attribute's padding may be missing.
        #expect(types([UInt8](two.prefix(5))) == [1])
        for count in 5..<two.count { #expect(types([UInt8](two.prefix(count))) == [1]) }
        // Shorter than its own header, and longer than what is there.
        #expect(types([3, 0, 1, 0, 7, 0, 0, 0]) == [])
        #expect(types([0, 0, 1, 0, 7, 0, 0, 0]) == [])
        #expect(types([0xff, 0xff, 1, 0, 7, 0, 0, 0]) == [])
        #expect(types(two + [0, 0, 0, 0] + two) == [1, 5])
    }

    @Test func theTypesFlagsAreNotPartOfIt() {
        #expect(types([4, 0, 3, 0x80, 4, 0, 3, 0x40, 4, 0, 3, 0xc0]) == [3, 3, 3])
    }

    @Test func ofTwoTheFirstCounts() {
        let octets: [UInt8] = [5, 0, 1, 0, 7, 0, 0, 0, 5, 0, 1, 0, 8, 0, 0, 0]
        octets.withUnsafeBytes { #expect(Attributes<OuterScope>(bytes: $0)[.octet] == 7) }
    }

    @Test func valuesThatAreTooShortAreAbsent() {
        // One octet each for: UInt8, String, nest, nest, UInt32.
        let octets = (1...5).flatMap { type -> [UInt8] in [5, 0, UInt8(type), 0, 7, 0, 0, 0] }
        octets.withUnsafeBytes { bytes in
            let outer = Attributes<OuterScope>(bytes: bytes)
            #expect(outer[.octet] == 7)
            #expect(outer[.text] == "\u{7}")
            #expect(outer[.number] == nil)
            #expect(outer[.inner][.short] == nil)
            #expect(outer[.inner][.deep][.six] == nil)
        }
    }

    @Test func addressesOfAnotherLengthAreAbsent() {
        for count in 0..<20 {
            let octets = [UInt8(4 + count), 0, 1, 0] + [UInt8](repeating: 1, count: count)
            octets.withUnsafeBytes { bytes in
                #expect((Attributes<DeepScope>(bytes: bytes)[.four] != nil) == (count == 4))
                let address: IPv6Address? = Attributes<AddressScope>(bytes: bytes)[.address]
                #expect((address != nil) == (count == 16))
                #expect((Attributes<LinkScope>(bytes: bytes)[.address] != nil) == (count == 6))
            }
        }
    }

    @Test func textEndsAtTheNULOrTheEnd() {
        func text(_ payload: [UInt8]) -> String? {
            ([UInt8(4 + payload.count), 0, 2, 0] + payload).withUnsafeBytes {
                Attributes<OuterScope>(bytes: $0)[.text]
            }
        }
        #expect(text([]) == "")
        #expect(text([0]) == "")
        #expect(text(Array("lo".utf8)) == "lo")
        #expect(text(Array("lo\0x".utf8)) == "lo")
        #expect(text([0xff, 0xfe, 0]) == "\u{fffd}\u{fffd}")
    }

    @Test func noOctetsTrap() {
        var random = Seeded(5)
        var (seen, outside) = (0, 0)
        for _ in 0..<20_000 {
            var octets = random.octets(.random(in: 0...64, using: &random))
            // Small lengths and types, so that many are nearly right.
            for index in octets.indices where index % 4 != 0 && Bool.random(using: &random) {
                octets[index] = 0
            }
            octets.withUnsafeBytes { bytes in
                let outer = Attributes<OuterScope>(bytes: bytes)
                outer.forEach { _, payload in
                    seen += 1
                    guard let start = bytes.baseAddress, let inner = payload.baseAddress else { return }
                    if !(inner >= start + 4 && inner + payload.count <= start + bytes.count) { outside += 1 }
                }
                _ = (
                    outer[.octet], outer[.text], outer[.number], outer[.inner][.mac],
                    outer[.inner][.deep][.four]
                )
            }
        }
        #expect(seen > 1000)
        #expect(outside == 0)
    }
}

struct LinkRecordTests {
    /// A port of a bridge, as the kernel describes one.
    private func append(to batch: Batch) throws {
        var header = ifinfomsg()
        header.ifi_index = 7
        header.ifi_flags = UInt32(IFF_UP.rawValue)
        let port = try #require(try NetworkState(.sample()).agents["alpha"]?.port)
        batch.append(RTM_NEWLINK, flags: 0, header: header, "test", of: LinkScope.self) { link in
            link.put(.name, port.name)
            link.put(.alias, port.alias ?? "")
            link.put(.group, port.group)
            link.put(.address, port.mac)
            link.put(.mtu, port.mtu)
            link.put(.master, 3)
            link.put(.peerIndex, 2)
            link.put(.linkInfo) { info in
                info.put(.kind, "veth")
                info.put(.portKind, "bridge")
                info.put(.bridgePort) { flags in
                    flags.put(.isolated, 1)
                    flags.put(.bpduGuard, 1)
                    flags.put(.learning, 0)
                }
            }
            link.put(.addressFamilies) { families in
                families.put(.inet) {
                    $0.put(.settings) { IPv4Settings.strict(forwarding: true).put(in: $0) }
                }
                families.put(.inet6) { $0.put(.addressGeneration, UInt8(IN6_ADDR_GEN_MODE_NONE.rawValue)) }
            }
        }
    }

    @Test func isReadFromAMessage() throws {
        let batch = Batch()
        try append(to: batch)
        let message = try #require(batch.messages.first)
        var brief: (String, LinkRecord.Brief)?
        let link = try #require(
            LinkRecord(message) { name, what in
                brief = (name, what)
                return true
            })
        #expect(
            brief?.0 == "hv-alpha" && brief?.1.index == 7 && brief?.1.master == 3
                && brief?.1.group == Mark.group)
        #expect(
            link.index == 7 && link.isUp && link.name == "hv-alpha" && link.kind == "veth" && link.mtu == 1500
        )
        #expect(link.alias == "hive: agent alpha" && link.group == Mark.group && link.master == 3)
        #expect(link.peerIndex == 2 && link.mac?.description == "6e:76:0a:4d:00:02")
        let port = try #require(link.bridgePort)
        #expect(port.isolated && port.bpduGuard && !port.learning && !port.hairpin && port.locked == nil)
        #expect(link.bridge == nil && link.ipv6 == nil)
        #expect(LinkRecord(message) { _, _ in false } == nil)
    }

    /// Read, the settings are an array of numbers; written, they are attributes. Numbered from 1 both.
    @Test func settingsAreReadFromTheKernelsArray() throws {
        var numbers = [UInt32](repeating: 0, count: 40)
        numbers[Int(IPV4_DEVCONF_FORWARDING) - 1] = 1
        numbers[Int(IPV4_DEVCONF_RP_FILTER) - 1] = 2
        numbers[Int(IPV4_DEVCONF_ROUTE_LOCALNET) - 1] = 3
        numbers[Int(IPV4_DEVCONF_ARP_IGNORE) - 1] = 4
        let settings = numbers.withUnsafeBytes { payload in
            ([UInt8(4 + payload.count), 0, UInt8(IFLA_INET_CONF), 0] + payload).withUnsafeBytes {
                IPv4Settings(Attributes<INETScope>(bytes: $0))
            }
        }
        #expect(
            settings
                == IPv4Settings(
                    forwarding: 1, rpFilter: 2, routeLocalnet: 3, acceptRedirects: 0, sendRedirects: 0,
                    acceptSourceRoute: 0, proxyARP: 0, arpIgnore: 4))
        // An older kernel's array ends earlier: what it lacks is 0.
        let short = [UInt8]([8, 0, UInt8(IFLA_INET_CONF), 0, 1, 0, 0, 0]).withUnsafeBytes {
            IPv4Settings(Attributes<INETScope>(bytes: $0))
        }
        #expect(short?.forwarding == 1 && short?.arpIgnore == 0)
        #expect([UInt8]().withUnsafeBytes { IPv4Settings(Attributes<INETScope>(bytes: $0)) } == nil)
    }

    @Test func noMessageTraps() throws {
        let batch = Batch()
        try append(to: batch)
        let whole = [UInt8](batch.bytes)
        let size = MemoryLayout<nlmsghdr>.size
        var random = Seeded(6)
        var read = 0
        for round in 0..<20_000 {
            var octets = whole
            // Cut short, or with a few octets changed behind the message's header, or both.
            if round % 2 == 0 { octets.removeLast(.random(in: 0...(whole.count - size), using: &random)) }
            for _ in 0..<Int.random(in: 0...4, using: &random) where octets.count > size {
                octets[.random(in: size..<octets.count, using: &random)] = .random(
                    in: 0...255, using: &random)
            }
            let words = UnsafeMutableRawBufferPointer.allocate(byteCount: octets.count, alignment: 16)
            defer { words.deallocate() }
            words.copyBytes(from: octets)
            words.baseAddress?.assumingMemoryBound(to: nlmsghdr.self).pointee.nlmsg_len = UInt32(octets.count)
            let message = try #require(NetlinkSocket.Message(UnsafeRawBufferPointer(words)))
            if LinkRecord(message, where: { _, _ in true }) != nil { read += 1 }
        }
        // Most of those that were not cut, nor have an attribute that does not fit, are read; a message without a name is not.
        #expect((8000..<20_000).contains(read))
    }

    @Test func aMessageTooShortForItsHeaderIsNone() throws {
        for length in [0, 15, 16] {
            let batch = Batch()
            batch.append(reserve: 64, "test") { header in
                header.pointee = nlmsghdr()
                header.pointee.nlmsg_len = UInt32(MemoryLayout<nlmsghdr>.size + length)
            }
            let message = try #require(batch.messages.first)
            #expect((message.parse(ifinfomsg.self, of: LinkScope.self) != nil) == (length == 16))
        }
    }
}
