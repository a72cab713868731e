import CNetlink
import Glibc

struct LabError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
    static func last(_ what: String) -> LabError { LabError("\(what): \(String(cString: strerror(errno)))") }
}

/// A thread that takes one job after the other, in namespaces of its own.
///
/// setns(2) and unshare(2) change the calling thread alone, and tests run on a pool's threads: so whatever has to happen in
/// a namespace happens here. When the thread ends, its namespaces and everything in them are gone, whatever became of the test.
final class LabThread: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var jobs: [() -> Void] = []
    private var isOver = false
    private var thread = pthread_t()

    init() throws {
        lock = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        pthread_cond_init(condition, nil)
        let code = pthread_create(
            &thread, nil,
            { argument in
                argument.map { Unmanaged<LabThread>.fromOpaque($0).takeUnretainedValue().loop() }
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
        guard code == 0 else { throw LabError("cannot start a thread") }
    }

    func end() {
        pthread_mutex_lock(lock)
        isOver = true
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(lock)
        pthread_join(thread, nil)
    }

    private func loop() {
        while true {
            pthread_mutex_lock(lock)
            while jobs.isEmpty, !isOver { pthread_cond_wait(condition, lock) }
            guard !jobs.isEmpty else {
                pthread_mutex_unlock(lock)
                return
            }
            let job = jobs.removeFirst()
            pthread_mutex_unlock(lock)
            job()
        }
    }

    /// Runs a closure on the thread and waits for it.
    func run<Result>(_ body: @escaping () throws -> Result) throws -> Result {
        let work = Work(body)
        pthread_mutex_lock(lock)
        jobs.append { work.run() }
        pthread_cond_signal(condition)
        pthread_mutex_unlock(lock)
        return try work.wait()
    }

    /// Runs a closure on a new thread that begins in this one's namespaces and first joins another network namespace.
    ///
    /// The thread stays on one processor, see `Lab.settle`.
    func run<Result>(in namespace: String, _ body: @escaping () throws -> Result) throws -> Result {
        try run {
            let work = Work {
                try Processor.stay()
                let descriptor = open(namespace, O_RDONLY | O_CLOEXEC)
                guard descriptor >= 0 else { throw LabError.last("open \(namespace)") }
                defer { close(descriptor) }
                guard hive_setns(descriptor, CLONE_NEWNET) == 0 else {
                    throw LabError.last("join \(namespace)")
                }
                return try body()
            }
            try self.start { work.run() }
            return try work.wait()
        }
    }

    /// A thread that does one thing and ends.
    private func start(_ body: @escaping () -> Void) throws {
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
            throw LabError("cannot start a thread")
        }
        pthread_detach(thread)
    }

    private final class Closure {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    /// A closure and its result.
    private final class Work<Result> {
        private let body: () throws -> Result
        private var result: Swift.Result<Result, any Error>?
        private let done: UnsafeMutablePointer<sem_t>

        init(_ body: @escaping () throws -> Result) {
            self.body = body
            done = .allocate(capacity: 1)
            sem_init(done, 0, 0)
        }

        deinit {
            sem_destroy(done)
            done.deallocate()
        }

        func run() {
            result = Swift.Result { try body() }
            sem_post(done)
        }

        func wait() throws -> Result {
            while sem_wait(done) != 0 {}
            guard let result else { throw LabError("a thread ended without a result") }
            return try result.get()
        }
    }
}
