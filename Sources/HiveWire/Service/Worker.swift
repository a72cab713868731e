internal import Glibc
internal import Synchronization

/// Does what takes long, and waits for others, on threads of its own, and says by a descriptor when something is done.
package final class Worker<Result: Sendable>: Sendable {
    private struct State {
        var results: [Result] = []
    }
    private let state = Mutex(State())
    private let pipe: (read: Int32, write: Int32)

    /// To poll for `POLLIN`.
    package var descriptor: Int32 { pipe.read }

    package init() throws(ServiceError) {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { throw .last("make a pipe") }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        pipe = (ends[0], ends[1])
    }

    deinit {
        close(pipe.read)
        close(pipe.write)
    }

    /// Starts a thread. It begins in the namespaces of the calling one.
    package func start(_ body: @escaping @Sendable () -> Result) throws(ServiceError) {
        try run { [self] in post(body()) }
    }

    /// The same for a body that has results as it goes on, by `post`.
    package func run(_ body: @escaping @Sendable () -> Void) throws(ServiceError) {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Closure(body))
        let code = pthread_create(
            &thread, nil,
            { argument in
                argument.map { Unmanaged<Closure>.fromOpaque($0).takeRetainedValue().body() }
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            errno = code
            throw .last("start a thread")
        }
        pthread_detach(thread)
    }

    /// - Parameter replacing: what was not taken yet and is out of date by this, so that who posts faster than it is taken does not pile
    ///   up.
    package func post(_ result: Result, replacing isOutdated: (Result) -> Bool = { _ in false }) {
        state.withLock { state in
            state.results.removeAll(where: isOutdated)
            state.results.append(result)
        }
        // A full pipe says the same.
        _ = write(pipe.write, [UInt8(0)], 1)
    }

    package func take() -> [Result] {
        var bytes = [UInt8](repeating: 0, count: 256)
        while read(pipe.read, &bytes, bytes.count) > 0 {}
        return state.withLock { state in
            defer { state.results = [] }
            return state.results
        }
    }
}

private final class Closure {
    package let body: @Sendable () -> Void
    package init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
