import CLinux
import Glibc
import Testing

@testable import HiveWire

struct PollerTests {
    /// Two numbers are heard of at once; what is done about the first closes the second, and somebody else gets its number.
    @Test func nobodyHearsWhatWasMeantForAnother() throws {
        let poller = try Poller()
        var ends: [Int32] = []
        var others: [Int32] = []
        for _ in 0..<2 {
            var pair: [Int32] = [0, 0]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
            try poller.set(pair[0], .read)
            ends.append(pair[0])
            others.append(pair[1])
        }
        defer { for number in ends { close(number) } }
        // Both are gone.
        for number in others { close(number) }
        var heard: [Int32] = []
        var another: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &another) == 0)
        var substitute: Int32 = -1
        poller.wait(until: .now + .seconds(10)) { number, events in
            heard.append(number)
            #expect(!events.isDisjoint(with: .gone))
            guard heard.count == 1, let other = ends.first(where: { $0 != number }) else { return }
            poller.remove(other)
            // (In one step, since other tests open files meanwhile.)
            #expect(dup2(another[0], other) == other)
            #expect((try? poller.set(other, .read)) != nil)
            substitute = other
        }
        close(another[0])
        #expect(heard.count == 1)
        // From then on it is heard.
        close(another[1])
        if let first = heard.first { poller.remove(first) }
        var later: [Int32] = []
        poller.wait(until: .now + .seconds(10)) { number, _ in later.append(number) }
        #expect(later == [substitute])
    }
}
