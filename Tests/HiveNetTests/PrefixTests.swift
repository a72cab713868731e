import FoundationEssentials
import Testing

@testable import HiveNet

struct PrefixTests {
    @Test func isReadAndWrittenWithItsHostBits() throws {
        let prefix: Prefix4 = try value("10.77.3.4/16")
        #expect(prefix.description == "10.77.3.4/16")
        #expect(!prefix.isNetwork)
        #expect(prefix.network.description == "10.77.0.0/16")
        #expect(prefix.network.isNetwork)
        #expect(prefix.first.description == "10.77.0.0")
        #expect(prefix.last.description == "10.77.255.255")
        #expect(try throughJSON(prefix) == prefix)
        let six: Prefix6 = try value("fd77:6869:7665::5/64")
        #expect(six.description == "fd77:6869:7665::5/64")
        #expect(six.last.description == "fd77:6869:7665:0:ffff:ffff:ffff:ffff")
        #expect(try throughJSON(six) == six)
    }

    @Test(arguments: [
        "", "/", "10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8",
        "10.0.0.0/8 ",
        "10.0.0.0/99999999999999999999", "10.0.0.0/255.0.0.0", "10.0.0/8", "::/0", "10.0.0.0/٨",
    ])
    func whatIsNoneIsRefused(text: String) { #expect(Prefix4(text) == nil) }

    @Test func lengthsEndAtTheWidth() {
        let four = IPv4Address(bits: 1)
        let six = IPv6Address(bits: 1)
        for length in [-1, 33, 129, .min, .max] { #expect(Prefix(four, length: length) == nil) }
        for length in [-1, 129, .min, .max] { #expect(Prefix(six, length: length) == nil) }
        for length in 0...32 { #expect(Prefix(four, length: length)?.length == length) }
        for length in 0...128 { #expect(Prefix(six, length: length)?.length == length) }
    }

    @Test func theWholeAndASingleAddressAreNoSpecialCases() throws {
        let all: Prefix4 = try value("255.255.255.255/0")
        #expect(all.mask == 0)
        #expect(all.first.bits == 0)
        #expect(all.last.bits == .max)
        #expect(all.contains(IPv4Address(bits: 0)) && all.contains(IPv4Address(bits: .max)))
        let last = Prefix(host: IPv6Address(bits: .max))
        #expect(last.description == "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")
        #expect(last.mask == .max)
        #expect(last.contains(IPv6Address(bits: .max)))
        #expect(!last.contains(IPv6Address(bits: .max - 1)))
    }

    @Test func containsWhatLiesBetweenFirstAndLast() throws {
        var random = Seeded(3)
        for _ in 0..<2000 {
            let base = IPv4Address(bits: .random(in: 0...UInt32.max, using: &random))
            let prefix = try #require(Prefix(base, length: .random(in: 0...32, using: &random)))
            let candidates = [
                prefix.first.bits, prefix.last.bits, prefix.first.bits &- 1, prefix.last.bits &+ 1, base.bits,
                .random(in: 0...UInt32.max, using: &random),
            ]
            for bits in candidates {
                let address = IPv4Address(bits: bits)
                #expect(prefix.contains(address) == (prefix.first <= address && address <= prefix.last))
            }
            #expect(Prefix4(prefix.description) == prefix)
            #expect(prefix.network.network == prefix.network)
        }
    }

    @Test func overlappingMeansThatOneContainsTheOther() throws {
        var random = Seeded(4)
        var overlapping = 0
        for _ in 0..<4000 {
            // Few bits, so that both cases come often.
            func draw(_ random: inout Seeded) throws -> Prefix4 {
                let bits = UInt32.random(in: 0...15, using: &random) << 28
                return try #require(
                    Prefix(IPv4Address(bits: bits), length: .random(in: 0...6, using: &random)))
            }
            let (one, other) = (try draw(&random), try draw(&random))
            let expected = one.contains(other.first) || other.contains(one.first)
            #expect(one.overlaps(other) == expected)
            #expect(other.overlaps(one) == expected)
            overlapping += expected ? 1 : 0
        }
        #expect((400...3600).contains(overlapping))
    }
}
