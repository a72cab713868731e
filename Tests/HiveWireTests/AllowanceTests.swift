import HiveWire
import Testing

@Suite struct AllowanceTests {
    @Test func anAllowanceComesBack() {
        var allowance = Allowance(burst: 2, perSecond: 1)
        let now = ContinuousClock.now
        let first = [allowance.take(now), allowance.take(now), allowance.take(now)]
        #expect(first[0] == nil && first[1] == nil)
        #expect(first[2].map { $0 > now && $0 <= now + .seconds(1) } == true)
        let second = [allowance.take(now + .seconds(1)), allowance.take(now + .seconds(1))]
        #expect(second[0] == nil && second[1] != nil)
    }
}
