import CNftables
import Testing

@testable import HiveNet

/// Interval sets as the kernel looks things up in them: what counts is the last element at or before the key.
private func contains(_ elements: [SetDefinition.Element], _ key: [UInt8]) -> Bool {
    let before = elements.filter { !key.lexicographicallyPrecedes($0.key) }
    let last = before.max { $0.key.lexicographicallyPrecedes($1.key) }
    return last.map { !$0.endsInterval } ?? false
}

struct IntervalTests {
    private func text<Address: IPAddress>(_: Address.Type, _ prefixes: [String]) throws -> [String] {
        try SetDefinition.intervals(of: prefixes.map { try value($0) as Prefix<Address> }).map {
            let address = try #require(Address(octets: $0.key))
            return ($0.endsInterval ? "end " : "") + address.description
        }
    }

    @Test func aRangeIsItsFirstAddressAndTheOneBehindIt() throws {
        #expect(try text(IPv4Address.self, []) == [])
        #expect(try text(IPv4Address.self, ["10.0.0.0/8"]) == ["10.0.0.0", "end 11.0.0.0"])
        #expect(try text(IPv4Address.self, ["10.1.2.3/8"]) == ["10.0.0.0", "end 11.0.0.0"])
        #expect(try text(IPv4Address.self, ["10.0.0.7/32"]) == ["10.0.0.7", "end 10.0.0.8"])
        #expect(try text(IPv6Address.self, ["fe80::/10"]) == ["fe80::", "end fec0::"])
    }

    @Test func overlappingAndAdjacentOnesAreMerged() throws {
        #expect(try text(IPv4Address.self, ["10.0.0.0/8", "10.1.0.0/16"]) == ["10.0.0.0", "end 11.0.0.0"])
        #expect(try text(IPv4Address.self, ["10.1.0.0/16", "10.0.0.0/8"]) == ["10.0.0.0", "end 11.0.0.0"])
        #expect(try text(IPv4Address.self, ["11.0.0.0/8", "10.0.0.0/8"]) == ["10.0.0.0", "end 12.0.0.0"])
        #expect(try text(IPv4Address.self, ["10.0.0.0/8", "10.0.0.0/8"]) == ["10.0.0.0", "end 11.0.0.0"])
        #expect(
            try text(IPv4Address.self, ["10.0.0.0/8", "12.0.0.0/8"])
                == ["10.0.0.0", "end 11.0.0.0", "12.0.0.0", "end 13.0.0.0"])
        #expect(try text(IPv6Address.self, ["::/1", "8000::/1"]) == ["::"])
    }

    @Test func whatEndsWithTheLastAddressHasNoEnd() throws {
        #expect(try text(IPv4Address.self, ["0.0.0.0/0"]) == ["0.0.0.0"])
        #expect(try text(IPv4Address.self, ["0.0.0.0/0", "10.0.0.0/8", "255.255.255.255/32"]) == ["0.0.0.0"])
        #expect(try text(IPv4Address.self, ["240.0.0.0/4", "255.255.255.255/32"]) == ["240.0.0.0"])
        #expect(try text(IPv4Address.self, ["255.255.255.255/32"]) == ["255.255.255.255"])
        #expect(
            try text(IPv4Address.self, ["255.255.255.254/32", "255.255.255.255/32"]) == ["255.255.255.254"])
        #expect(
            try text(IPv4Address.self, ["255.255.255.254/32"]) == ["255.255.255.254", "end 255.255.255.255"])
        #expect(try text(IPv6Address.self, ["::/0"]) == ["::"])
        let last = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        #expect(try text(IPv6Address.self, ["\(last)/128"]) == [last])
        #expect(try text(IPv6Address.self, ["ff00::/8", "\(last)/128"]) == ["ff00::"])
    }

    private func check<Address: IPAddress>(_: Address.Type, seed: UInt64) throws {
        var random = Seeded(seed)
        var members = 0
        for _ in 0..<300 {
            let prefixes = try (0..<Int.random(in: 0...12, using: &random)).map { _ in
                // Lengths of all sizes; and addresses close to both ends of the whole, too.
                var bits = Address.Bits.random(in: 0...Address.Bits.max, using: &random)
                if Int.random(in: 0..<4, using: &random) == 0 { bits &= 0xffff }
                if Int.random(in: 0..<4, using: &random) == 0 { bits |= ~0xffff }
                return try #require(
                    Prefix(Address(bits: bits), length: .random(in: 0...Address.width, using: &random)))
            }
            let elements = SetDefinition.intervals(of: prefixes)
            // Starts and ends alternate and ascend: anything else the kernel refuses.
            let keys = elements.map(\.key)
            #expect(zip(keys, keys.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
            #expect(elements.enumerated().allSatisfy { $1.endsInterval == ($0 % 2 == 1) })
            var candidates: [Address.Bits] = [0, .max]
            for prefix in prefixes {
                let (first, last) = (prefix.first.bits, prefix.last.bits)
                candidates += [first, last, first &- 1, last &+ 1, first &+ 1, last &- 1]
            }
            candidates += (0..<10).map { _ in .random(in: 0...Address.Bits.max, using: &random) }
            var wrong: [Address] = []
            for address in candidates.map(Address.init(bits:)) {
                let expected = prefixes.contains { $0.contains(address) }
                members += expected ? 1 : 0
                if contains(elements, address.octets) != expected { wrong.append(address) }
            }
            #expect(wrong.isEmpty, "\(prefixes)")
        }
        #expect(members > 1000)
    }

    @Test func membershipIsThatOfThePrefixes() throws {
        try check(IPv4Address.self, seed: 7)
        try check(IPv6Address.self, seed: 8)
    }

    @Test(arguments: [
        ("10.77.0.5", true), ("127.0.0.1", true), ("169.254.169.254", true), ("192.168.1.1", true),
        ("100.64.0.1", true), ("224.0.0.1", true), ("255.255.255.255", true), ("0.0.0.0", true),
        ("172.31.255.255", true), ("172.32.0.0", false), ("8.8.8.8", false), ("1.1.1.1", false),
        ("223.255.255.255", false), ("11.0.0.0", false), ("9.255.255.255", false),
    ])
    func whatIsSpecialByIPv4(text: String, special: Bool) throws {
        let address: IPv4Address = try value(text)
        #expect(contains(try #require(SetDefinition.special4.constants), address.octets) == special)
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
        #expect(contains(try #require(SetDefinition.special6.constants), address.octets) == special)
    }
}

struct SetDefinitionTests {
    @Test func aConcatenationsFieldsArePaddedToWords() {
        #expect(AgentSet.spoof.definition.keyLength == 16)
        #expect(AgentSet.host.definition.keyLength == 6)
        #expect(AgentSet.egress4.definition.keyLength == 4)
        #expect(AgentSet.lease4.definition.keyLength == 16 + 8 + 4)
        #expect(AgentSet.lease6.definition.keyLength == 16 + 8 + 16)
        #expect(AgentSet.web4.definition.keyLength == 4 + 4)
        #expect(AgentSet.web6.definition.keyLength == 16 + 4)
        #expect(SetDefinition.noise6.keyLength == 1)
    }

    /// nft's numbers for `ifname . ether_addr . ipv4_addr` and so on, six bits each.
    @Test func aTypeIsMadeOfItsFields() {
        #expect(AgentSet.spoof.definition.keyType == 41)
        #expect(AgentSet.lease4.definition.keyType == 41 << 12 | 9 << 6 | 7)
        #expect(AgentSet.web6.definition.keyType == 8 << 6 | 13)
    }

    @Test func flagsSayWhatASetIs() {
        #expect(AgentSet.lease4.definition.flags == 0)
        #expect(AgentSet.egress4.definition.flags == UInt32(NFT_SET_MAP.rawValue))
        #expect(SetDefinition.special4.flags == UInt32(NFT_SET_INTERVAL.rawValue))
        #expect(AgentSet.spoof.definition.isHostOrdered && SetDefinition.destinations.isHostOrdered)
        #expect(!AgentSet.lease4.definition.isHostOrdered && !AgentSet.host.definition.isHostOrdered)
    }

    /// `nft_parse_register` and `nft_dump_register`, net/netfilter/nf_tables_api.c.
    @Test func registersHaveTheKernelsNumbers() {
        func number(_ word: UInt32) -> UInt32 { Expression.Register(word: word).number }
        #expect(Expression.Register.first.number == NFT_REG_1.rawValue)
        #expect(number(1) == NFT_REG32_01.rawValue)
        #expect(number(4) == NFT_REG_2.rawValue)
        #expect(number(6) == NFT_REG32_06.rawValue)
        #expect(number(8) == NFT_REG_3.rawValue)
        #expect(number(12) == NFT_REG_4.rawValue)
        #expect(number(15) == NFT_REG32_15.rawValue)
        #expect(Set((0..<16).map(number)).count == 16)
    }

    @Test func constantElementsFitTheirKeys() throws {
        for set in [SetDefinition.noise6, .destinations, .special4, .special6] {
            let constants = try #require(set.constants)
            #expect(!constants.isEmpty)
            #expect(constants.allSatisfy { $0.key.count == set.keyLength })
            #expect(constants.allSatisfy { ($0.target != nil) == set.holdsVerdicts })
            #expect(Set(constants.map(\.key)).count == constants.count)
        }
    }
}

struct UserDataTests {
    private func read(_ octets: [UInt8]) -> String? { octets.withUnsafeBytes { UserData.comment(in: $0) } }

    @Test(arguments: ["", "a", "who may speak?", "naïve ✓", String(repeating: "z", count: 127)])
    func aCommentIsReadAsItWasWritten(text: String) {
        #expect(read(UserData.rule(comment: text)) == text)
        #expect(read(UserData.element(comment: text)) == text)
    }

    /// Type, length, text with its NUL: at most NFTNL_UDATA_COMMENT_MAXLEN.
    @Test func isStoredAsNftStoresIt() {
        #expect(UserData.rule(comment: "abc") == [0, 4, 97, 98, 99, 0])
        #expect(UserData.rule(comment: String(repeating: "z", count: 500)).count == 2 + 128)
        #expect(UserData.keyByteOrder(isHost: true) == [0, 4, 1, 0, 0, 0])
        #expect(UserData.keyByteOrder(isHost: false) == [0, 4, 2, 0, 0, 0])
    }

    @Test func whatElseIsStoredThereIsSkipped() {
        #expect(read([1, 4, 1, 0, 0, 0] + UserData.rule(comment: "x")) == "x")
        #expect(read([1, 0] + UserData.rule(comment: "x")) == "x")
        #expect(read([1, 4, 1, 0, 0, 0]) == nil)
        #expect(read([]) == nil)
        #expect(read([0]) == nil)
        #expect(read([0, 5, 97, 98]) == nil)
        #expect(read([0, 0]) == "")
        #expect(read([0, 2, 97, 98]) == "ab")
        #expect(read([0, 3, 0xff, 0x61, 0]) == "\u{fffd}a")
    }

    @Test func noOctetsTrap() {
        var random = Seeded(9)
        var found = 0
        for _ in 0..<20_000 {
            var octets = random.octets(.random(in: 0...24, using: &random))
            for index in octets.indices { octets[index] &= 0x07 }
            if let comment = read(octets) {
                found += 1
                #expect(comment.utf8.count <= 3 * octets.count)
            }
        }
        #expect(found > 1000)
    }
}

struct FingerprintTests {
    /// FNV-1a's published values.
    @Test(arguments: [("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8")])
    func isFNV1a(text: String, digits: String) { #expect(fingerprint(text.utf8) == digits) }

    @Test func alwaysHasSixteenDigits() {
        var random = Seeded(10)
        for _ in 0..<2000 { #expect(fingerprint(random.octets(8)).utf8.count == 16) }
    }
}
