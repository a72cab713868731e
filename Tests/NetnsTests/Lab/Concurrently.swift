import Glibc
import Synchronization

/// Calls a closure with 0, 1, 2 … on several threads at once, until it returns nil.
///
/// Tests themselves run on a pool with a thread for each processor; what mostly waits goes faster this way. (Issues have to be
/// recorded by the caller: here nobody knows which test it is.)
/// - Returns: what it returned, in order.
func concurrently<Result: Sendable>(width: Int, _ body: @escaping @Sendable (Int) throws -> Result?) throws
    -> [Result]
{
    let shared = Shared<Result>()
    let loop: @Sendable () -> Void = {
        while true {
            let index = shared.state.withLock { state -> Int? in
                defer { state.next += 1 }
                return state.isOver ? nil : state.next
            }
            guard let index else { return }
            let outcome = Swift.Result { try body(index) }
            shared.state.withLock { state in
                switch outcome {
                case .success(let result?): state.results[index] = result
                case .success(nil): state.isOver = true
                case .failure(let error):
                    state.error = error
                    state.isOver = true
                }
            }
        }
    }
    let threads = try (0..<width).map { _ in try JoinableThread(loop) }
    for thread in threads { thread.join() }
    return try shared.state.withLock { state in
        if let error = state.error { throw error }
        return state.results.sorted { $0.key < $1.key }.map(\.value)
    }
}

private final class Shared<Result: Sendable>: Sendable {
    struct State {
        var next = 0
        var isOver = false
        var results: [Int: Result] = [:]
        var error: (any Error)?
    }
    let state = Mutex(State())
}

struct JoinableThread {
    private final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private let thread: pthread_t

    init(_ body: @escaping @Sendable () -> Void) throws {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Box(body))
        let code = pthread_create(
            &thread, nil,
            { argument in
                argument.map { Unmanaged<Box>.fromOpaque($0).takeRetainedValue().body() }
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw LabError("cannot start a thread")
        }
        self.thread = thread
    }

    func join() { pthread_join(thread, nil) }
}

/// SplitMix64: the same sequence for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
