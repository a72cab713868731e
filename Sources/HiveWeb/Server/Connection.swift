internal import HiveWire

/// One request of nginx's, and what has become of it.
final class Connection {
    let channel: Channel
    /// Never used twice, as descriptors are.
    let number: Int
    var phase: Phase
    private var parser = SCGIParser()
    /// Of what is answered, the body is not wanted.
    var isHead = false

    enum Phase {
        case reading(until: ContinuousClock.Instant)
        /// The core is being asked.
        case waiting(until: ContinuousClock.Instant, SCGIRequest)
        /// The answer is on its way.
        case sending
        case streaming(EventStream)
    }

    init(_ channel: Channel, number: Int, patience: Duration) {
        self.channel = channel
        self.number = number
        phase = .reading(until: .now + patience)
    }

    var interest: Poller.Interest {
        let write: Poller.Interest = channel.owed > 0 ? .write : []
        if case .reading = phase { return write.union(.read) }
        return write
    }

    /// When it is to be looked at though nothing has come.
    func deadline(patience: Duration) -> ContinuousClock.Instant? {
        switch phase {
        case .reading(let time): time
        case .waiting(let time, _): time
        case .sending: channel.moved + patience
        case .streaming(let stream): channel.owed > 0 ? channel.moved + patience : stream.comment
        }
    }

    /// Reads what is there.
    func receive() -> SCGIParser.Progress {
        channel.receive(most: SCGIRequest.mostHeaders + SCGIRequest.mostBody + 64)
        var taken = 0
        let progress = parser.read(channel.input, taken: &taken)
        channel.take(taken)
        if progress == .incomplete, channel.isHalfClosed { channel.end() }
        return progress
    }

    func answer(_ response: Response) {
        phase = .sending
        channel.send(response.bytes(withBody: !isHead))
        channel.endWhenSent()
    }
}

/// Somebody who is told of events as they come. It holds none: its place in the log is all, and nothing is sent to somebody who has not
/// read what was sent before.
struct EventStream {
    private var place: Int
    /// What it was last told of the core.
    private var isUp: Bool?
    /// When something is said, so that the connection is not taken for dead.
    private(set) var comment: ContinuousClock.Instant
    private let pause: Duration
    /// It begins with being told that something was missed.
    private var hasMissed = false

    static let head = Array(
        """
        Status: 200 OK\r
        Content-Type: text/event-stream; charset=utf-8\r
        Content-Security-Policy: \(Response.strictPolicy)\r
        Cache-Control: no-store\r
        X-Content-Type-Options: nosniff\r
        X-Accel-Buffering: no\r
        \r
        retry: 2000\n\n
        """.utf8)

    init(after id: UInt64?, log: EventLog, pause: Duration) {
        let place = id.flatMap { log.place(after: $0) }
        hasMissed = id != nil && place == nil
        self.place = place ?? log.count
        self.pause = pause
        comment = .now + pause
    }

    /// What is to be sent now.
    mutating func next(_ log: EventLog, isUp: Bool, at now: ContinuousClock.Instant) -> [UInt8] {
        var bytes: [UInt8] = []
        if self.isUp != isUp {
            self.isUp = isUp
            bytes += Array("event: core\ndata: {\"up\":\(isUp)}\n\n".utf8)
        }
        if hasMissed {
            bytes += Self.missed(log)
            hasMissed = false
        }
        if let words = log.words(from: place) {
            for event in words { bytes += event }
        } else {
            bytes += Self.missed(log)
        }
        place = log.count
        if bytes.isEmpty, now >= comment { bytes = Array(": still here\n\n".utf8) }
        if !bytes.isEmpty { comment = now + pause }
        return bytes
    }

    private static func missed(_ log: EventLog) -> [UInt8] {
        encode(
            CoreEvent(id: log.last ?? 0, time: 0, kind: .reset, agent: nil, sentence: "Something was missed"))
    }

    static func encode(_ event: CoreEvent) -> [UInt8] {
        guard let line = try? JSONLine.encode(event) else { return [] }
        let id = event.id == 0 ? "" : "id: \(event.id)\n"
        return Array("\(id)event: \(event.kind.rawValue)\ndata: ".utf8) + line + Array("\n".utf8)
    }
}
