internal import HiveWire

/// What takes long, on threads of its own; the rest of each is done where it was asked for.
final class Work {
    private typealias Outcome = Result<any Sendable, any Error>
    private let worker: Worker<(ticket: Int, outcome: Outcome)>
    private var continuations: [Int: (Outcome) -> Void] = [:]
    private var queue: [@Sendable () -> (ticket: Int, outcome: Outcome)] = []
    private var running = 0
    private var count = 0

    /// Threads at a time. What comes besides waits its turn.
    static let most = 24

    var descriptor: Int32 { worker.descriptor }

    init() throws(ServiceError) { worker = try Worker() }

    /// - Parameters:
    ///   - body: runs on another thread.
    ///   - then: runs in the loop, by `finish`.
    func start<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value, then: @escaping (Result<Value, any Error>) -> Void
    ) {
        count += 1
        let ticket = count
        continuations[ticket] = { outcome in
            then(
                outcome.flatMap { value in
                    Result { try (value as? Value).orThrow("the work has another result than was asked for") }
                })
        }
        queue.append {
            (ticket, Result { try body() as any Sendable })
        }
        next()
    }

    private func next() {
        while running < Self.most, !queue.isEmpty {
            let job = queue.removeFirst()
            running += 1
            do throws(ServiceError) { try worker.start(job) } catch {
                running -= 1
                // No thread is to be had: it is done here, late and not never.
                let done = job()
                continuations.removeValue(forKey: done.ticket)?(done.outcome)
            }
        }
    }

    /// Goes on with what is done.
    func finish() {
        for done in worker.take() {
            running -= 1
            continuations.removeValue(forKey: done.ticket)?(done.outcome)
        }
        next()
    }
}

extension Optional {
    fileprivate func orThrow(_ words: String) throws -> Wrapped {
        guard let self else { throw ServiceError(ServiceError.software, words) }
        return self
    }
}
