import Testing

@testable import HiveNet

/// The answer in words is that of the sets in the kernel.
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
}
