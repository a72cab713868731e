internal import HiveWire

/// What is asked of the core: on few threads at a time, the rest in turn.
final class Jobs {
    /// Threads at a time.
    static let most = 8
    /// Besides those that a connection waits for.
    static let mostOfNobody = 32

    private struct Job {
        let number: Int?
        let deadline: ContinuousClock.Instant
        let body: @Sendable (ContinuousClock.Instant) -> Response?
    }

    private struct Done: Sendable {
        let number: Int?
        let response: Response?
        let isSample: Bool
    }

    private let worker: Worker<Done>
    private var queue: [Job] = []
    private var running = 0
    private var isSampling = false

    init() throws(ServiceError) { worker = try Worker() }

    /// Can be read when something is done.
    var descriptor: Int32 { worker.descriptor }

    /// For a connection. There are no more of these than connections.
    func add(
        for number: Int, until deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (ContinuousClock.Instant) -> Response
    ) {
        queue.append(Job(number: number, deadline: deadline, body: body))
        start()
    }

    /// Tells the core, and does not look at what it says.
    func add(report: CoreRequest, to client: CoreClient, until deadline: ContinuousClock.Instant) {
        guard queue.count(where: { $0.number == nil }) < Self.mostOfNobody else { return }
        let job = Job(number: nil, deadline: deadline) { deadline in
            _ = try? client.connect(until: deadline).ask(report)
            return nil
        }
        queue.append(job)
        start()
    }

    /// (On a thread of its own, one at a time: a page does not wait behind it.)
    func add(sampleOf overviews: Overviews, until deadline: ContinuousClock.Instant) {
        guard !isSampling else { return }
        isSampling =
            (try? worker.start {
                overviews.sample(until: deadline)
                return Done(number: nil, response: nil, isSample: true)
            }) != nil
    }

    /// What was done for whom.
    func take() -> [(number: Int, response: Response)] {
        let done = worker.take()
        for one in done {
            if one.isSample { isSampling = false } else { running -= 1 }
        }
        start()
        return done.compactMap { one in
            guard let number = one.number, let response = one.response else { return nil }
            return (number, response)
        }
    }

    private func start() {
        // (Whoever has waited for too long in the queue was told so.)
        queue.removeAll { $0.deadline <= .now }
        while running < Self.most, let job = queue.first {
            let isStarted =
                (try? worker.start {
                    Done(number: job.number, response: job.body(job.deadline), isSample: false)
                }) != nil
            // Without memory for a thread it is tried again with whatever comes next.
            guard isStarted else { return }
            queue.removeFirst()
            running += 1
        }
    }
}
