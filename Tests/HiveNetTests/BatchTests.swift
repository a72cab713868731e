import CNetlink
import Testing

@testable import HiveNet

enum OuterScope {}
enum InnerScope {}
enum DeepScope {}
extension Attribute where Scope == OuterScope, Value == UInt8 {
    static var octet: Self { .init(1, "OUTER_OCTET") }
}
extension Attribute where Scope == OuterScope, Value == String {
    static var text: Self { .init(2, "OUTER_TEXT") }
}
extension Attribute where Scope == OuterScope, Value == Nested<InnerScope> {
    static var inner: Self { .init(3, "OUTER_INNER") }
    static var withHeader: Self { .init(4, "OUTER_WITH_HEADER") }
}
extension Attribute where Scope == OuterScope, Value == UInt32 {
    static var number: Self { .init(5, "OUTER_NUMBER") }
}
extension Attribute where Scope == InnerScope, Value == UInt16 {
    static var short: Self { .init(1, "INNER_SHORT") }
}
extension Attribute where Scope == InnerScope, Value == MACAddress {
    static var mac: Self { .init(2, "INNER_MAC") }
}
extension Attribute where Scope == InnerScope, Value == Nested<DeepScope> {
    static var deep: Self { .init(3, "INNER_DEEP") }
}
extension Attribute where Scope == DeepScope, Value == IPv4Address {
    static var four: Self { .init(1, "DEEP_FOUR") }
}
extension Attribute where Scope == DeepScope, Value == IPv6Address {
    static var six: Self { .init(2, "DEEP_SIX") }
}
extension Attribute where Scope == DeepScope, Value == Int32 {
    static var signed: Self { .init(3, "DEEP_SIGNED") }
}

extension Batch {
    /// Its messages, split by the lengths in their headers.
    var messages: [NetlinkSocket.Message] {
        var found: [NetlinkSocket.Message] = []
        var offset = 0
        while offset < count {
            let rest = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[offset...])
            guard let message = NetlinkSocket.Message(rest) else { break }
            found.append(message)
            offset += (message.payload.count + MemoryLayout<nlmsghdr>.size + 3) & ~3
        }
        return found
    }
}

extension NetlinkSocket.Message {
    /// The message at the beginning of a buffer that begins at a multiple of four.
    init?(_ bytes: UnsafeRawBufferPointer) {
        let size = MemoryLayout<nlmsghdr>.size
        guard bytes.count >= size, let start = bytes.baseAddress else { return nil }
        let header = start.assumingMemoryBound(to: nlmsghdr.self)
        let length = Int(header.pointee.nlmsg_len)
        guard length >= size, length <= bytes.count else { return nil }
        self.init(
            type: header.pointee.nlmsg_type, header: header,
            payload: UnsafeRawBufferPointer(rebasing: bytes[size..<length]))
    }
}

struct BatchTests {
    private func put(_ text: String, in batch: Batch, _ operation: String = "test") {
        batch.append(17, flags: NLM_F_ACK, header: UInt32(0xfeed), operation, of: OuterScope.self) { outer in
            outer.put(.octet, 7)
            outer.put(.text, text)
            outer.put(.inner) { inner in
                inner.put(.short, 0x1234)
                inner.put(.mac, MACAddress(bits: 0x6a76_0a4d_0002))
                inner.put(.deep) { deep in
                    deep.put(.four, IPv4Address(bits: 0x0a4d_0001))
                    deep.put(.six, IPv6Address(bits: 0xfd77 << 112 | 1))
                    deep.put(.signed, -5)
                }
            }
            outer.put(.withHeader, header: UInt64(0xabcd)) { $0.put(.short, 0x4321) }
            outer.put(.number, 0xdead_beef)
        }
    }

    private func check(_ message: NetlinkSocket.Message, text: String) throws {
        let (header, outer) = try #require(message.parse(UInt32.self, of: OuterScope.self))
        #expect(header == 0xfeed)
        #expect(outer[.octet] == 7)
        #expect(outer[.text] == text)
        #expect(outer[.inner][.short] == 0x1234)
        #expect(outer[.inner][.mac] == MACAddress(bits: 0x6a76_0a4d_0002))
        let deep = outer[.inner][.deep]
        #expect(deep[.four]?.description == "10.77.0.1")
        #expect(deep[.six]?.description == "fd77::1")
        #expect(deep[.signed] == -5)
        let nest = try #require(outer.payload(Attribute<OuterScope, Nested<InnerScope>>.withHeader.type))
        #expect(nest.loadUnaligned(as: UInt64.self) == 0xabcd)
        let behind = Attributes<InnerScope>(bytes: UnsafeRawBufferPointer(rebasing: nest[8...]))
        #expect(behind[.short] == 0x4321)
        #expect(outer[.number] == 0xdead_beef)
    }

    @Test func whatOneKeyWritesItReads() throws {
        let batch = Batch()
        put("hv-alpha", in: batch)
        let messages = batch.messages
        #expect(messages.count == 1)
        let message = try #require(messages.first)
        #expect(message.type == 17)
        #expect(message.header.pointee.nlmsg_flags == UInt16(NLM_F_REQUEST | NLM_F_ACK))
        try check(message, text: "hv-alpha")
    }

    @Test func theBytesAreThoseOfTheProtocol() {
        let batch = Batch()
        batch.append(16, flags: 0, header: UInt32(0), "test", of: OuterScope.self) { outer in
            outer.put(.octet, 7)
            outer.put(.inner) { $0.put(.mac, MACAddress(bits: 0x0102_0304_0506)) }
        }
        let expected: [UInt8] = [
            44, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // struct nlmsghdr
            0, 0, 0, 0,  // the family's header
            5, 0, 1, 0, 7, 0, 0, 0,  // without the padding in the length
            16, 0, 3, 0x80,  // NLA_F_NESTED
            10, 0, 2, 0, 1, 2, 3, 4, 5, 6, 0, 0,
        ]
        #expect([UInt8](batch.bytes) == expected)
    }

    @Test func everyMessageBeginsAtAMultipleOfFour() throws {
        let batch = Batch()
        let texts = (0..<40).map { String(repeating: "x", count: $0) }
        for text in texts { put(text, in: batch) }
        #expect(batch.requests.allSatisfy { $0.offset % 4 == 0 })
        let messages = batch.messages
        #expect(messages.count == texts.count)
        for (message, text) in zip(messages, texts) { try check(message, text: text) }
    }

    /// Nests remember where they began, and the beginning moves with the buffer.
    @Test(arguments: [1, 16, 64, 100, 1 << 14])
    func theBufferGrowsInsideNests(capacity: Int) throws {
        let batch = Batch(capacity: capacity)
        let long = String(repeating: "y", count: 3000)
        for number in 0..<8 {
            batch.append(20, flags: 0, header: UInt32(number), "test", of: OuterScope.self) { outer in
                outer.put(.inner) { inner in
                    for _ in 0..<200 { inner.put(.mac, MACAddress(bits: 1)) }
                    inner.put(.deep) { deep in
                        for _ in 0..<300 { deep.put(.six, IPv6Address(bits: 2)) }
                        deep.put(.four, IPv4Address(bits: 3))
                    }
                    inner.put(.short, 4)
                }
                outer.put(.text, long)
            }
        }
        let messages = batch.messages
        #expect(messages.count == 8)
        for (number, message) in messages.enumerated() {
            let (header, outer) = try #require(message.parse(UInt32.self, of: OuterScope.self))
            #expect(header == UInt32(number))
            #expect(outer[.text] == long)
            #expect(outer[.inner][.short] == 4)
            #expect(outer[.inner][.deep][.four] == IPv4Address(bits: 3))
            var counted = 0
            outer[.inner][.deep].forEach { type, _ in counted += type == 2 ? 1 : 0 }
            #expect(counted == 300)
        }
    }

    /// As `NLMSGERR_ATTR_OFFS` counts: from the beginning of the request that is at fault.
    @Test func offsetsNameAttributes() throws {
        let batch = Batch()
        put("one", in: batch, "first")
        put("of another length", in: batch, "second")
        for (request, text) in zip(batch.requests, ["one", "of another length"]) {
            #expect(batch.attribute(at: 0, in: request) == nil)
            #expect(batch.attribute(at: 20, in: request) == "OUTER_OCTET")
            #expect(batch.attribute(at: 28, in: request) == "OUTER_TEXT")
            let inner = 28 + (4 + text.utf8.count + 1 + 3) & ~3
            #expect(batch.attribute(at: inner, in: request) == "OUTER_INNER")
            #expect(batch.attribute(at: inner + 4, in: request) == "INNER_SHORT")
            #expect(batch.attribute(at: inner + 5, in: request) == nil)
            #expect(batch.attribute(at: inner + 12, in: request) == "INNER_MAC")
            #expect(batch.attribute(at: inner + 24, in: request) == "INNER_DEEP")
            #expect(batch.attribute(at: inner + 28, in: request) == "DEEP_FOUR")
        }
        #expect(batch.requests.map { $0.operation() } == ["first", "second"])
    }

    @Test func whatALibraryBuildsIsPaddedToTheNextMessage() throws {
        let batch = Batch(capacity: 64)
        for length in 0..<8 {
            batch.append(reserve: 512, "built elsewhere") { header in
                header.pointee = nlmsghdr()
                header.pointee.nlmsg_len = UInt32(MemoryLayout<nlmsghdr>.size + length)
                header.pointee.nlmsg_type = UInt16(30 + length)
            }
        }
        put("behind", in: batch)
        let messages = batch.messages
        #expect(messages.map(\.type) == (30..<38).map { UInt16($0) } + [17])
        try check(try #require(messages.last), text: "behind")
    }

    @Test func canBeUsedAgain() throws {
        let batch = Batch()
        put("first", in: batch)
        #expect(!batch.requests.isEmpty)
        batch.removeAll()
        #expect(batch.requests.isEmpty)
        #expect(batch.messages.isEmpty)
        put("second", in: batch)
        #expect(batch.messages.count == 1)
        try check(try #require(batch.messages.first), text: "second")
        #expect(batch.attribute(at: 20, in: batch.requests[0]) == "OUTER_OCTET")
    }
}
