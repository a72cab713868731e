import Testing

@testable import HiveGateway

/// Tokens of agents' pages over time.
@Suite struct TokensTests {
    /// Numbers in a row, for the tests to be the same each time.
    private struct Row: RandomNumberGenerator {
        var state: UInt64 = 1
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state
        }
    }

    @Test func theyChangeAndTheOneBeforeStaysGoodForAsLongAgain() throws {
        var random = Row()
        var tokens = Tokens()
        tokens.renew(for: ["alpha", "beta"], rotation: 100, now: 1000, using: &random)
        let first = try #require(tokens.entries["alpha"])
        #expect(Tokens.isToken(first.current) && first.previous == nil)
        #expect(tokens.entries["beta"]?.current != first.current)
        #expect(tokens.nextChange(rotation: 100) == 1100)
        let same = tokens
        tokens.renew(for: ["alpha", "beta"], rotation: 100, now: 1099, using: &random)
        #expect(tokens == same)
        tokens.renew(for: ["alpha", "beta"], rotation: 100, now: 1100, using: &random)
        let second = try #require(tokens.entries["alpha"])
        #expect(second.previous == first.current && second.current != first.current)
        tokens.renew(for: ["alpha", "beta"], rotation: 100, now: 1200, using: &random)
        #expect(tokens.entries["alpha"]?.previous == second.current)
        // After a long sleep even the last one is too old.
        tokens.renew(for: ["alpha"], rotation: 100, now: 5000, using: &random)
        #expect(tokens.entries["alpha"]?.previous == nil && tokens.entries["beta"] == nil)
        // The clock is set back.
        tokens.renew(for: ["alpha"], rotation: 100, now: 10, using: &random)
        #expect(tokens.entries["alpha"]?.made == 10)
    }

    @Test func whatIsNoneIsNone() {
        for text in ["", "~", "abc", String(repeating: "A", count: 32), String(repeating: "a", count: 33)] {
            #expect(!Tokens.isToken(text))
        }
        #expect(Tokens.isToken(String(repeating: "a", count: 32)))
    }
}
