import CNftables
import Testing

@testable import HiveNet

struct SetDefinitionTests {
    @Test func aConcatenationsFieldsArePaddedToWords() {
        #expect(AgentSet.spoof.definition.keyLength == 16)
        #expect(AgentSet.host.definition.keyLength == 6)
        #expect(AgentSet.egress4.definition.keyLength == 4)
        #expect(AgentSet.lease4.definition.keyLength == 16 + 8 + 4)
        #expect(AgentSet.lease6.definition.keyLength == 16 + 8 + 16)
        #expect(AgentSet.web4.definition.keyLength == 4 + 4)
        #expect(AgentSet.web6.definition.keyLength == 16 + 4)
        #expect(AgentSet.allow6("x").definition.keyLength == 16 + 4 + 4)
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
        #expect(
            AgentSet.allow4("x").definition.flags
                == UInt32(
                    NFT_SET_INTERVAL.rawValue | NFT_SET_CONCAT.rawValue | NFT_SET_TIMEOUT.rawValue))
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
        for set in [SetDefinition.noise6, .extensions6, .destinations] {
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
        #expect(read(UserData.table(comment: text)) == text)
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
