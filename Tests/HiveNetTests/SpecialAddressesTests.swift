import Testing

@testable import HiveNet

/// What is special, and that "internet" is everything else.
@Suite struct SpecialAddressesTests {
    @Test(arguments: [
        ("0.0.0.0", true), ("0.255.255.255", true), ("1.0.0.0", false), ("9.255.255.255", false),
        ("10.0.0.0", true),
        ("10.255.255.255", true), ("11.0.0.0", false), ("100.63.255.255", false), ("100.64.0.0", true),
        ("169.254.169.254", true), ("172.15.255.255", false), ("172.16.0.0", true), ("172.32.0.0", false),
        ("198.17.255.255", false), ("198.18.0.0", true), ("198.20.0.0", false), ("223.255.255.255", false),
        ("224.0.0.0", true), ("255.255.255.255", true), ("8.8.8.8", false),
    ]) func edges4(text: String, isSpecial: Bool) throws {
        #expect(SpecialAddresses.contains(try #require(IPv4Address(text))) == isSpecial)
    }

    @Test(arguments: [
        ("::", true), ("::1", true), ("::ffff:8.8.8.8", true), ("64:ff9b::808:808", true),
        ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true), ("2000::", false), ("2001::", true),
        ("2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", true), ("2001:200::", false), ("2001:db8::1", true),
        ("2002::1", true), ("2003::", false), ("2a11::1", false), ("3fff::", true), ("3fff:1000::", false),
        ("4000::", true), ("fd00::1", true), ("fe80::1", true), ("ff02::1", true),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
    ]) func edges6(text: String, isSpecial: Bool) throws {
        #expect(SpecialAddresses.contains(try #require(IPv6Address(text))) == isSpecial)
    }

    @Test(arguments: [
        ("10.77.0.5", true), ("127.0.0.1", true), ("169.254.169.254", true), ("192.168.1.1", true),
        ("100.64.0.1", true), ("224.0.0.1", true), ("255.255.255.255", true), ("0.0.0.0", true),
        ("172.31.255.255", true), ("172.32.0.0", false), ("8.8.8.8", false), ("1.1.1.1", false),
        ("223.255.255.255", false), ("11.0.0.0", false), ("9.255.255.255", false),
    ])
    func whatIsSpecialByIPv4(text: String, special: Bool) throws {
        let address: IPv4Address = try value(text)
        #expect(SpecialAddresses.contains(address) == special)
        let isPublic = Egress.internet.region(IPv4Address.self).contains(address, protocol: 6, port: 1)
        #expect(isPublic == !special)
    }

    @Test(arguments: [
        ("::1", true), ("::", true), ("::ffff:8.8.8.8", true), ("64:ff9b::1", true), ("64:ff9b:1::1", true),
        ("100::1", true), ("fd77::1", true), ("fe80::1", true), ("ff02::1", true), ("2001:db8::1", true),
        ("2002:a00:1::", true), ("2001::1", true), ("2001:1ff:ffff::", true), ("3fff::1", true),
        ("4000::", true),
        ("5f00::1", true), ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
        ("2001:4860:4860::8888", false), ("2606:4700::1111", false), ("2a00::1", false),
        ("2001:200::", false),
    ])
    func whatIsSpecialByIPv6(text: String, special: Bool) throws {
        let address: IPv6Address = try value(text)
        #expect(SpecialAddresses.contains(address) == special)
        let isPublic = Egress.internet.region(IPv6Address.self).contains(address, protocol: 6, port: 1)
        #expect(isPublic == !special)
    }
}
