import FoundationEssentials
import Testing

@testable import HiveNet

struct AddressTests {
    @Test(
        arguments: [
            ("0.0.0.0", 0), ("10.77.0.1", 0x0a4d_0001), ("127.0.0.1", 0x7f00_0001),
            ("255.255.255.255", 0xffff_ffff),
        ] as [(String, UInt32)])
    func ipv4IsReadAndWritten(text: String, bits: UInt32) throws {
        let address: IPv4Address = try value(text)
        #expect(address.bits == bits)
        #expect(address.description == text)
        #expect(IPv4Address(octets: address.octets) == address)
        #expect(try throughJSON(address) == address)
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.-4", "01.2.3.4", "1.2.3.04", "1.2.3.4 ",
        " 1.2.3.4",
        "1..2.3", "0x7f.0.0.1", "2130706433", "1.2.3.4/8", "::1", "١.2.3.4", "1.2.3.4\n",
    ])
    func whatIsNoIPv4AddressIsRefused(text: String) { #expect(IPv4Address(text) == nil) }

    /// The canonical forms are RFC 5952's, sections 4 and 5.
    @Test(arguments: [
        ("::", "::"), ("::1", "::1"), ("2001:DB8::1", "2001:db8::1"),
        ("2001:0db8:0:0:0:0:2:1", "2001:db8::2:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("fe80::", "fe80::"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ])
    func ipv6IsWrittenCanonically(text: String, canonical: String) throws {
        let address: IPv6Address = try value(text)
        #expect(address.description == canonical)
        #expect(IPv6Address(octets: address.octets) == address)
        #expect(try throughJSON(address) == address)
    }

    @Test(arguments: [
        "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::",
        "fe80::1%eth0", "::1 ",
        "[::1]", "::1/64", "1.2.3.4", "::256.1.1.1",
    ])
    func whatIsNoIPv6AddressIsRefused(text: String) { #expect(IPv6Address(text) == nil) }

    /// The C functions behind it would stop reading there.
    @Test func nothingFollowsANUL() {
        #expect(IPv4Address("1.2.3.4") != nil)
        #expect(IPv4Address("1.2.3.4\0") == nil)
        #expect(IPv4Address("1.2.3.4\0.5") == nil)
        #expect(IPv6Address("::1") != nil)
        #expect(IPv6Address("::1\0") == nil)
        #expect(IPv6Address("::1\0:2") == nil)
        #expect(Prefix4("10.0.0.0\0/8") == nil)
    }

    @Test func bitsAndOctetsAreInNetworkOrder() throws {
        let four: IPv4Address = try value("1.2.3.4")
        #expect(four.octets == [1, 2, 3, 4])
        let six: IPv6Address = try value("102:304:506:708:90a:b0c:d0e:f10")
        #expect(six.octets == Array(1...16))
        #expect(six.bits == 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10)
    }

    @Test func octetsOfAnotherLengthAreNoAddress() {
        for count in 0...20 {
            let octets = [UInt8](repeating: 7, count: count)
            #expect((IPv4Address(octets: octets) != nil) == (count == 4))
            #expect((IPv6Address(octets: octets) != nil) == (count == 16))
            #expect((MACAddress(octets: octets) != nil) == (count == 6))
        }
    }

    @Test func anyAddressSurvivesBeingWritten() {
        var random = Seeded(1)
        for _ in 0..<2000 {
            let four = IPv4Address(bits: .random(in: 0...UInt32.max, using: &random))
            #expect(IPv4Address(four.description) == four)
            // With runs of zeros, which are what is shortened.
            var bits = UInt128.random(in: 0...UInt128.max, using: &random)
            bits &= UInt128.max << UInt128.random(in: 0...127, using: &random)
            bits &= ~(UInt128(UInt64.max) << UInt128.random(in: 0...127, using: &random))
            let six = IPv6Address(bits: bits)
            #expect(IPv6Address(six.description) == six)
            let mac = MACAddress(bits: .random(in: 0...UInt64.max, using: &random))
            #expect(MACAddress(mac.description) == mac)
            #expect(MACAddress(octets: mac.octets) == mac)
        }
    }

    @Test func noTextTraps() {
        var random = Seeded(2)
        let alphabet = Array("0123456789abcfxFg:./-+% \0é")
        for _ in 0..<20_000 {
            let text = String(
                (0..<Int.random(in: 0...24, using: &random)).map { _ in
                    alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                })
            // Whatever is read is what would be written, in one of the ways of writing it.
            if let four = IPv4Address(text) { #expect(four.description == text) }
            if let six = IPv6Address(text) { #expect(IPv6Address(six.description) == six) }
            if let mac = MACAddress(text) { #expect(mac.description == text.lowercased()) }
            if let prefix = Prefix4(text) { #expect(Prefix4(prefix.description) == prefix) }
            if let prefix = Prefix6(text) { #expect(Prefix6(prefix.description) == prefix) }
        }
    }

    @Test func addressesAreOrderedAsNumbers() throws {
        let texts = ["9.0.0.0", "10.0.0.0", "10.0.0.9", "10.0.0.10", "200.0.0.0"]
        let addresses = try texts.map { try value($0) as IPv4Address }
        #expect(addresses.reversed().sorted() == addresses)
    }

    @Test func whatCannotBeDecodedIsNamed() {
        func words<Value: Codable>(_: Value.Type) -> String {
            do {
                _ = try JSONDecoder().decode([Value].self, from: Data(#"["nonsense"]"#.utf8))
                return "decoded"
            } catch DecodingError.dataCorrupted(let context) {
                return context.debugDescription
            } catch {
                return "\(error)"
            }
        }
        #expect(words(IPv4Address.self) == "'nonsense' is not an IPv4 address")
        #expect(words(IPv6Address.self) == "'nonsense' is not an IPv6 address")
        #expect(words(Prefix4.self) == "'nonsense' is not an IPv4 prefix, ADDRESS/LENGTH")
        #expect(words(MACAddress.self) == "'nonsense' is not an Ethernet address such as 6a:76:0a:4d:00:02")
    }
}

struct MACAddressTests {
    @Test func isReadAndWritten() throws {
        let mac: MACAddress = try value("6A:76:0a:4d:00:02")
        #expect(mac.bits == 0x6a76_0a4d_0002)
        #expect(mac.octets == [0x6a, 0x76, 0x0a, 0x4d, 0, 2])
        #expect(mac.description == "6a:76:0a:4d:00:02")
        #expect(try throughJSON(mac) == mac)
    }

    @Test func onlyFortyEightBitsCount() {
        #expect(MACAddress(bits: .max).description == "ff:ff:ff:ff:ff:ff")
        #expect(MACAddress(bits: 0x1234_0000_0000_0001) == MACAddress(bits: 1))
    }

    @Test(arguments: [
        "", "6a:76:0a:4d:00", "6a:76:0a:4d:00:02:03", "6a-76-0a-4d-00-02", "6a760a4d0002", "6a:76:0a:4d:00:2",
        "6a:76:0a:4d:00:002", "6a:76:0a:4d:00:0g", "6a:76:0a:4d:00:+2", "6a:76:0a:4d:00:-0", ":::::",
        "6a:76:0a:4d:00:02:",
        " 6a:76:0a:4d:00:02", "6a:76:0a:4d:00:٠٢",
    ])
    func whatIsNoneIsRefused(text: String) { #expect(MACAddress(text) == nil) }
}
