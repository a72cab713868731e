internal import Glibc
internal import Synchronization

/// Many names at once. What is waited for is the network, so there are more threads than processors.
extension Resolver {
    private static let mostThreads = 64
    /// After that no new question is asked: whatever is still unasked would not be answered either.
    private static let patience = Duration.seconds(5)

    /// Everything is done within `patience` and the time that a name may take, however many there are.
    ///
    /// - Returns: an answer for each.
    static func addresses(ofAll names: [String]) -> [String: Answer] {
        let work = Lookups(names, until: .now + patience)
        var threads: [pthread_t] = []
        // (This thread works too, also where no other one can be started.)
        for _ in 1..<max(1, min(names.count, mostThreads)) {
            var thread = pthread_t()
            let argument = Unmanaged.passRetained(work)
            let code = pthread_create(
                &thread, nil,
                { argument in
                    argument.map { Unmanaged<Lookups>.fromOpaque($0).takeRetainedValue().run() }
                    return nil
                }, argument.toOpaque())
            guard code == 0 else {
                argument.release()
                break
            }
            threads.append(thread)
        }
        work.run()
        for thread in threads { pthread_join(thread, nil) }
        return work.answers
    }
}

/// The names that are left to ask for, and the answers.
private final class Lookups: Sendable {
    private struct State {
        var rest: [String]
        var answers: [String: Resolver.Answer] = [:]
    }
    private let state: Mutex<State>
    private let end: ContinuousClock.Instant

    init(_ names: [String], until end: ContinuousClock.Instant) {
        state = Mutex(State(rest: names.reversed()))
        self.end = end
    }

    var answers: [String: Resolver.Answer] { state.withLock(\.answers) }

    func run() {
        while let name = state.withLock({ $0.rest.popLast() }) {
            let answer =
                ContinuousClock.now < end
                ? Resolver.addresses(of: name)
                : .failure("not asked, since the name servers did not answer for others in time")
            state.withLock { $0.answers[name] = answer }
        }
    }
}
