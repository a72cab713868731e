internal import Glibc
internal import HiveWire

/// The one connection on which the core tells what changes. It never waits.
final class EventFeed {
    private let path: String
    private let poller: Poller
    private(set) var log = EventLog()
    private var channel: Channel?
    /// The core has agreed to tell.
    private(set) var isUp = false
    private var wasUp = false
    /// When the core is tried again, or given up.
    private(set) var deadline: ContinuousClock.Instant? = .now

    static let pause = Duration.seconds(1)
    static let patience = Duration.seconds(15)
    /// Of a line, in octets.
    static let longest = 256 << 10

    init(path: String, poller: Poller) {
        self.path = path
        self.poller = poller
    }

    deinit { channel.map { poller.remove($0.descriptor) } }

    var descriptor: Int32? { channel?.descriptor }

    /// Does what has come to be done.
    func tick(_ now: ContinuousClock.Instant) {
        guard let deadline, now >= deadline else { return }
        if channel != nil { lose() } else { connect() }
    }

    private func connect() {
        deadline = .now + Self.pause
        guard let socket = try? UnixSocket(isBlocking: false), (try? socket.connect(to: path)) == 0 else {
            return
        }
        var request = CoreRequest(.events)
        request.after = log.last
        guard let line = try? JSONLine.encode(request), (try? poller.set(socket.descriptor, .read)) != nil
        else { return }
        let channel = Channel(socket)
        self.channel = channel
        channel.send(line)
        deadline = .now + Self.patience
    }

    private func lose() {
        if let channel { poller.remove(channel.descriptor) }
        channel = nil
        isUp = false
        deadline = .now + Self.pause
    }

    /// Reads what is there.
    /// - Returns: what is new.
    func receive() -> [CoreEvent] {
        guard let channel else { return [] }
        var new: [CoreEvent] = []
        channel.receive(most: Self.longest + 1)
        while let line = channel.takeLine() {
            if isUp {
                guard let event = try? JSONLine.decode(CoreEvent.self, line) else {
                    lose()
                    return new
                }
                log.append(event)
                new.append(event)
            } else if (try? JSONLine.decode(CoreAnswer.self, line))?.ok == true {
                isUp = true
                deadline = nil
                // Between two connections without an event to go on from, something may have happened.
                if wasUp, log.last == nil {
                    let reset = CoreEvent(
                        id: 0, time: 0, kind: .reset, agent: nil, sentence: "Something was missed")
                    log.append(reset)
                    new.append(reset)
                }
                wasUp = true
            } else {
                lose()
                return new
            }
        }
        if channel.isOver || channel.isHalfClosed || channel.input.count > Self.longest { lose() }
        return new
    }
}
