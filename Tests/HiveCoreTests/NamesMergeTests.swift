import HiveNet
import Testing

@testable import HiveCore

/// What two who ask at the same time have found, put together.
@Suite struct NamesMergeTests {
    private static func good(_ address: String, at when: Int64) -> Names.Entry {
        Names.Entry(
            resolved: ResolvedName(
                addresses4: [IPv4Address(address)].compactMap(\.self), addresses6: [], resolved: when,
                expires: when + 900))
    }
    private static func bad(
        _ kind: Names.Problem.Kind, at when: Int64, before: Names.Entry? = nil
    ) -> Names.Entry {
        Names.Entry(
            resolved: before?.resolved, problem: Names.Problem(kind: kind, reason: "no answer", when: when))
    }

    private static func merge(_ known: Names.Entry?, _ found: Names.Entry, at now: Int64) -> Names.Entry? {
        var (names, other) = (Names(), Names())
        names.entries["a.example"] = known
        other.entries["a.example"] = found
        names.merge(other, at: now)
        return names.entries["a.example"]
    }

    @Test func theLatestCounts() {
        let (early, late) = (Self.good("11.1.1.1", at: 100), Self.good("11.1.1.2", at: 200))
        #expect(Self.merge(nil, early, at: 300) == early)
        #expect(Self.merge(early, late, at: 300) == late)
        #expect(Self.merge(late, early, at: 300) == late)
        // Who began first, with a server that was dead, and is done last.
        #expect(Self.merge(late, Self.bad(.failed, at: 100), at: 300) == late)
        // Refused is no longer trusted, whichever is done last; and trusted again when it was asked for later.
        let refused = Self.bad(.refused, at: 200)
        #expect(Self.merge(early, refused, at: 300) == refused)
        #expect(Self.merge(refused, early, at: 300) == refused)
        #expect(Self.merge(Self.bad(.refused, at: 100), late, at: 300) == late)
        // In the same second: the one that came last.
        #expect(Self.merge(early, Self.bad(.refused, at: 100), at: 300)?.problem?.kind == .refused)
    }

    @Test func aFailureKeepsWhatCanBeUsed() {
        let early = Self.good("11.1.1.1", at: 100)
        let failed = Self.bad(.failed, at: 200)
        let both = Self.bad(.failed, at: 200, before: early)
        #expect(Self.merge(early, failed, at: 300) == both)
        #expect(Self.merge(failed, early, at: 300) == both)
        #expect(Self.merge(early, failed, at: 1000) == failed, "it has expired")
    }

    /// The clock was put back: nothing stays for that.
    @Test func whatIsOfATimeToComeIsOld() {
        let (future, now) = (Self.good("11.1.1.1", at: 5000), Self.good("11.1.1.2", at: 100))
        #expect(Self.merge(future, now, at: 150) == now)
        #expect(Self.merge(now, future, at: 150) == now)
        #expect(Self.merge(future, Self.bad(.failed, at: 100), at: 150) == Self.bad(.failed, at: 100))
    }

    @Test func nothingIsForgotten() {
        var (names, other) = (Names(), Names())
        names.entries = ["a.example": Self.good("11.1.1.1", at: 1)]
        other.entries = ["b.example": Self.good("11.1.1.2", at: 1)]
        names.merge(other, at: 2)
        #expect(names.entries.keys.sorted() == ["a.example", "b.example"])
    }
}
