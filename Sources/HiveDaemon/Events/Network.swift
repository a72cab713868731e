internal import FoundationEssentials
internal import Glibc
internal import HiveWatch
internal import HiveWire

/// What the core knows of the network, by the watcher.
struct NetworkNews {
    /// The last answer, for those who ask within a second.
    var summary: (at: ContinuousClock.Instant, value: NetworkSummary)?
    var isAsking = false
    var waiting: [Client] = []
    /// What the watcher saw and did, the oldest first.
    var events: [CoreEvent] = []
    var follower: NetworkFollower?

    static let mostEvents = 50
}

extension Core {
    /// Answers with the state of the network. Whoever asks while somebody asks gets the same answer.
    func networkState(_ client: Client) {
        followNetwork()
        client.isBusy = true
        if let known = network.summary, .now - known.at < Self.freshness {
            return answer(client, summary: known.value)
        }
        network.waiting.append(client)
        guard !network.isAsking else { return }
        network.isAsking = true
        work.start { [hands] in
            try hands.network()
        } then: { [self] outcome in
            network.isAsking = false
            let waiting = network.waiting
            network.waiting = []
            for client in waiting {
                switch outcome {
                case .success(let value):
                    network.summary = (.now, value)
                    answer(client, summary: value)
                case .failure(let error): refuse(client, error)
                }
            }
        }
    }

    private func answer(_ client: Client, summary: NetworkSummary) {
        var summary = summary
        summary.events = network.events
        var reply = CoreAnswer(ok: true)
        reply.network = summary
        answer(client, reply)
    }

    /// From the first one who looks at the dashboard on, what the watcher tells is told there.
    func followNetwork() {
        guard network.follower == nil, let path = watcherSocket else { return }
        do throws(ServiceError) {
            let follower = try NetworkFollower(path)
            network.follower = follower
            try startFollowing(follower)
        } catch {
            tellOnce("the watcher's events cannot be followed: \(error.description)")
        }
    }

    /// What the watcher has told since.
    func takeNetworkNews() {
        for event in network.follower?.worker.take() ?? [] {
            var event = event
            event.id = feed.next
            network.events.append(event)
            if network.events.count > NetworkNews.mostEvents { network.events.removeFirst() }
            emit(.network, agent: event.agent, event.sentence)
        }
    }
}

/// Listens to the watcher's events, on a thread of its own, for as long as the process lives.
final class NetworkFollower: Sendable {
    let worker: Worker<CoreEvent>
    private let path: String

    /// Between attempts to find a watcher.
    private static let pause: UInt32 = 10

    init(_ path: String) throws(ServiceError) {
        self.path = path
        worker = try Worker()
    }

    func start() throws(ServiceError) {
        try worker.run { [self] in
            // (A watcher that is followed again tells of its past again.)
            var seen = (time: 0.0, number: 0)
            while true {
                for event in (try? events()) ?? AnySequence([]) where (event.time, event.number) > seen {
                    seen = (event.time, event.number)
                    worker.post(
                        CoreEvent(
                            id: 0, time: event.time, kind: .network, agent: event.agent,
                            sentence: "\(event.kind.rawValue): \(event.sentence)"))
                }
                sleep(Self.pause)
            }
        }
    }

    /// Until the watcher ends.
    private func events() throws -> AnySequence<WatchEvent> {
        guard let client = try ControlClient(path: path) else { return AnySequence([]) }
        var request = ControlRequest(.events)
        request.follow = true
        request.last = NetworkNews.mostEvents
        guard try client.ask(request).ok else { return AnySequence([]) }
        return AnySequence(
            sequence(state: client) { client in
                guard let line = try? client.next() else { return nil }
                return try? JSONDecoder().decode(WatchEvent.self, from: Data(line))
            })
    }
}
