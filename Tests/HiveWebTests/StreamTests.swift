import HiveWire
import Testing

@testable import HiveWeb

@Suite(.timeLimit(.minutes(10))) struct StreamTests {
    private func event(_ id: UInt64, _ kind: CoreEvent.Kind = .agent) -> CoreEvent {
        CoreEvent(id: id, time: 0, kind: kind, agent: "alpha", sentence: "line\nfeed")
    }

    private func next(_ stream: inout EventStream, _ log: EventLog) -> String {
        String(decoding: stream.next(log, isUp: true, at: .now), as: UTF8.self)
    }

    private func ids(_ text: String) -> [String] {
        text.split(separator: "\n").filter { $0.hasPrefix("id: ") }.map { String($0.dropFirst(4)) }
    }

    @Test func aStreamGoesOnWhereItWas() {
        var log = EventLog()
        for id in 1...10 { log.append(event(UInt64(id * 10))) }
        var fresh = EventStream(after: nil, log: log, pause: .seconds(15))
        #expect(next(&fresh, log) == "event: core\ndata: {\"up\":true}\n\n")
        var resumed = EventStream(after: 80, log: log, pause: .seconds(15))
        #expect(ids(next(&resumed, log)) == ["90", "100"])
        log.append(event(110))
        #expect(ids(next(&fresh, log)) == ["110"] && ids(next(&resumed, log)) == ["110"])
        #expect(next(&fresh, log).isEmpty)
    }

    /// Whoever names an event that is not remembered is told that something was missed, and no event twice.
    @Test(arguments: [0, 5, 15, 1000] as [UInt64]) func whatWasMissedIsSaid(_ id: UInt64) {
        var log = EventLog()
        for id in 1...3 { log.append(event(UInt64(id * 10))) }
        var stream = EventStream(after: id, log: log, pause: .seconds(15))
        let text = next(&stream, log)
        #expect(text.contains("event: reset") && ids(text) == ["30"])
        #expect(next(&stream, log).isEmpty)
    }

    @Test func aSlowReaderIsResetAndHoldsNothing() {
        var log = EventLog()
        var stream = EventStream(after: nil, log: log, pause: .seconds(15))
        _ = next(&stream, log)
        for id in 1...(EventLog.most + 1) { log.append(event(UInt64(id))) }
        #expect(next(&stream, log).contains("event: reset"))
        for id in 1...EventLog.most { log.append(event(UInt64(1000 + id))) }
        #expect(ids(next(&stream, log)).count == EventLog.most)
    }

    @Test func anEventIsALine() {
        let text = String(decoding: EventStream.encode(event(7, .network)), as: UTF8.self)
        #expect(
            text.split(separator: "\n").count == 3 && text.hasPrefix("id: 7\nevent: network\ndata: {")
                && text.hasSuffix("\n\n"))
    }

    @Test func aResetEndsWhatIsRemembered() {
        var log = EventLog()
        for id in 1...3 { log.append(event(UInt64(id))) }
        log.append(event(4, .reset))
        #expect(log.place(after: 2) == nil && log.place(after: 4) != nil && log.last == 4)
    }

    @Test func thereAreSignsOfLife() {
        let log = EventLog()
        var stream = EventStream(after: nil, log: log, pause: .seconds(15))
        _ = next(&stream, log)
        #expect(next(&stream, log).isEmpty)
        #expect(
            String(decoding: stream.next(log, isUp: true, at: .now + .seconds(16)), as: UTF8.self).hasPrefix(
                ":"))
        #expect(stream.next(log, isUp: false, at: .now).starts(with: Array("event: core".utf8)))
    }
}
