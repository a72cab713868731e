import HiveWire
import Testing

@testable import HiveDaemon

/// What somebody is told who comes back.
@Suite struct EventFeedTests {
    /// Any number may be asked for: by a web process that was taken over, say.
    @Test func anyNumberMayBeAskedFor() {
        var feed = EventFeed()
        let first = feed.add(.agent, "alpha", "one")
        let second = feed.add(.agent, "alpha", "two")
        #expect(feed.since(first.id).map(\.id) == [second.id])
        #expect(feed.since(second.id).isEmpty)
        #expect(feed.since(first.id - 1).map(\.id) == [first.id, second.id])
        for unknown in [0, 1, second.id + 1, .max - 1, .max] {
            #expect(feed.since(unknown).first?.kind == .reset, "\(unknown)")
        }
    }
}
