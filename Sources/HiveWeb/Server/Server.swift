internal import Glibc
internal import HiveWire

/// One thread for all connections. It asks nobody and waits for nobody: what the core is asked for is asked on a few other threads.
final class Server {
    struct Limits {
        /// For a whole request, and for reading some more of an answer.
        var patience = Duration.seconds(10)
        /// For the core.
        var core = Duration.seconds(15)
        var mostConnections = 512
        var mostStreams = 256
        /// Between two signs of life on a stream.
        var pause = Duration.seconds(15)
        /// For what is under way at the end.
        var ending = Duration.seconds(5)
    }

    private let limits: Limits
    private let listener: UnixSocket
    private let poller: Poller
    private let stop: Int32
    let site: Site
    private let feed: EventFeed
    private let jobs: Jobs
    private var connections: [Int32: Connection] = [:]
    private var number = 0
    private var end: ContinuousClock.Instant?
    /// When the listener is looked at again, after there was no descriptor for another connection.
    private var resumed: ContinuousClock.Instant?
    private var sampled: ContinuousClock.Instant?

    /// - Parameters:
    ///   - listener: that does not wait.
    ///   - stop: can be read when it is time to end.
    init(listener: UnixSocket, core: String, tokens: PageTokens, stop: Int32, limits: Limits = Limits())
        throws(ServiceError)
    {
        self.limits = limits
        self.listener = listener
        self.stop = stop
        poller = try Poller()
        site = Site(core: core, tokens: tokens)
        feed = EventFeed(path: core, poller: poller)
        jobs = try Jobs()
        try poller.set(listener.descriptor, .read)
        try poller.set(stop, .read)
        try poller.set(jobs.descriptor, .read)
    }

    func run() {
        while true {
            let now = ContinuousClock.now
            feed.tick(now)
            sample(now)
            if let end, connections.isEmpty || now >= end { return }
            poller.wait(until: deadline) { number, events in handle(number, events) }
            pass(.now)
        }
    }

    private var deadline: ContinuousClock.Instant? {
        var times = connections.values.compactMap { $0.deadline(patience: limits.patience) }
        times += [feed.deadline, end, resumed].compactMap(\.self)
        if site.overviews.isOfInterest, let sampled { times.append(sampled + History.interval) }
        return times.min()
    }

    private func handle(_ number: Int32, _ events: Poller.Interest) {
        switch number {
        case listener.descriptor: accept()
        case stop: beginEnd()
        case jobs.descriptor: finish()
        case feed.descriptor ?? -1: hear()
        default:
            guard let connection = connections[number] else { return }
            if events.contains(.write) { connection.channel.flush() }
            if case .reading = connection.phase, events.contains(.read) { receive(connection) }
            // (Told when both directions are closed: nobody is there for an answer.)
            if !events.isDisjoint(with: .gone) { connection.channel.end() }
            settle(connection)
        }
    }

    // MARK: Connections

    private func accept() {
        guard end == nil else { return }
        for _ in 0..<64 {
            guard let socket = listener.accept() else {
                if errno != EAGAIN {
                    // Without a descriptor the listener would call for us again and again.
                    poller.remove(listener.descriptor)
                    resumed = .now + .milliseconds(100)
                }
                return
            }
            let channel = Channel(socket)
            guard connections.count < limits.mostConnections,
                (try? poller.set(socket.descriptor, .read)) != nil
            else {
                channel.send(ErrorPage.busy.bytes())
                continue
            }
            number += 1
            connections[socket.descriptor] = Connection(channel, number: number, patience: limits.patience)
        }
    }

    private func receive(_ connection: Connection) {
        switch connection.receive() {
        case .incomplete: return
        case .refused(let status, let sentence):
            connection.answer(ErrorPage.response(status, SCGIRequest(headers: [:], body: []), sentence))
        case .request(let request):
            connection.isHead = request["REQUEST_METHOD"] == "HEAD"
            switch site.plan(for: request, event: feed.log.last) {
            case .answer(let response): connection.answer(response)
            case .refuse(let response, let report):
                connection.answer(response)
                if let report { jobs.add(report: report, to: site.client, until: .now + limits.core) }
            case .ask(let body):
                let deadline = ContinuousClock.now + limits.core
                connection.phase = .waiting(until: deadline, request)
                jobs.add(for: connection.number, until: deadline, body)
            case .stream(let after): stream(connection, request, after)
            }
        }
    }

    private func stream(_ connection: Connection, _ request: SCGIRequest, _ after: UInt64?) {
        let count = connections.values.count { if case .streaming = $0.phase { true } else { false } }
        guard count < limits.mostStreams else {
            connection.answer(ErrorPage.response(503, request, "\(count) streams are open already."))
            return
        }
        connection.channel.send(EventStream.head)
        guard !connection.isHead else {
            connection.phase = .sending
            connection.channel.endWhenSent()
            return
        }
        connection.phase = .streaming(EventStream(after: after, log: feed.log, pause: limits.pause))
    }

    /// Looks after a connection to which something has happened.
    private func settle(_ connection: Connection) {
        guard !connection.channel.isOver else {
            poller.remove(connection.channel.descriptor)
            connections[connection.channel.descriptor] = nil
            return
        }
        if (try? poller.set(connection.channel.descriptor, connection.interest)) == nil {
            connection.channel.end()
            settle(connection)
        }
    }

    /// Does what time has come for, and goes on with streams.
    private func pass(_ now: ContinuousClock.Instant) {
        if let time = resumed, now >= time {
            resumed = (try? poller.set(listener.descriptor, .read)) == nil ? now + .milliseconds(100) : nil
        }
        for connection in connections.values {
            let isLate = connection.deadline(patience: limits.patience).map { now >= $0 } ?? false
            switch connection.phase {
            case .reading where isLate, .sending where isLate: connection.channel.end()
            case .waiting(_, let request) where isLate:
                connection.answer(ErrorPage.response(CoreTrouble.late, request))
            case .streaming(var stream):
                if connection.channel.owed > 0 {
                    if isLate { connection.channel.end() }
                } else {
                    let bytes = stream.next(feed.log, isUp: feed.isUp, at: now)
                    connection.phase = .streaming(stream)
                    if !bytes.isEmpty { connection.channel.send(bytes) }
                }
            default: continue
            }
            settle(connection)
        }
    }

    // MARK: The core

    private func hear() {
        let wasUp = feed.isUp
        let events = feed.receive()
        if feed.isUp != wasUp || events.contains(where: { $0.kind == .network || $0.kind == .reset }) {
            site.overviews.change(ofNetwork: true)
        } else if !events.isEmpty {
            site.overviews.change()
        }
    }

    private func finish() {
        for (number, response) in jobs.take() {
            // (Whoever has gone meanwhile, or was told that it takes too long, is not there.)
            guard let connection = connections.values.first(where: { $0.number == number }),
                case .waiting = connection.phase
            else { continue }
            connection.answer(response)
            settle(connection)
        }
    }

    /// Counters are followed while somebody is interested.
    private func sample(_ now: ContinuousClock.Instant) {
        guard site.overviews.isOfInterest else {
            sampled = nil
            return
        }
        if let sampled, now < sampled + History.interval { return }
        sampled = now
        jobs.add(sampleOf: site.overviews, until: now + limits.core)
    }

    // MARK: The end

    private func beginEnd() {
        guard end == nil else { return }
        end = .now + limits.ending
        poller.remove(stop)
        poller.remove(listener.descriptor)
        resumed = nil
        for connection in connections.values {
            switch connection.phase {
            case .reading, .streaming: connection.channel.end()
            case .waiting, .sending: continue
            }
            settle(connection)
        }
    }
}
