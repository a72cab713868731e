internal import Glibc

/// A thread that does one thing and ends: the only kind that may change its network namespace.
///
/// It begins in the namespaces of the thread that starts it.
final class Thread<Result> {
    private var thread = pthread_t()
    private let work: Work<Result>

    /// What pthread_create(3) said.
    private let code: Int32

    /// Starts it. `result()` has to be called, once.
    init(_ body: @escaping (borrowing NamespaceSwitch) throws(KernelError) -> Result) {
        work = Work(body)
        code = pthread_create(
            &thread, nil,
            { argument in
                argument.map { Unmanaged<AnyWork>.fromOpaque($0).takeUnretainedValue().run() }
                return nil
            }, Unmanaged<AnyWork>.passUnretained(work).toOpaque())
    }

    /// Waits for it to end.
    func result() -> Swift.Result<Result, KernelError> {
        guard code == 0 else { return .failure(KernelError("start a thread", code: code)) }
        pthread_join(thread, nil)
        return work.result ?? .failure(KernelError("run a thread", code: ECANCELED))
    }
}

/// Runs a closure on a new thread, and waits.
func onThreadOfItsOwn<Result>(
    _ body: (borrowing NamespaceSwitch) throws(KernelError) -> Result
) throws(KernelError) -> Result {
    try withoutActuallyEscaping(body) { (body) throws(KernelError) -> Result in
        try Thread(body).result().get()
    }
}

/// C's thread functions know no generic types.
private class AnyWork {
    func run() {}
}

private final class Work<Result>: AnyWork {
    private var body: ((borrowing NamespaceSwitch) throws(KernelError) -> Result)?
    private(set) var result: Swift.Result<Result, KernelError>?

    init(_ body: @escaping (borrowing NamespaceSwitch) throws(KernelError) -> Result) { self.body = body }

    override func run() {
        guard let body else { return }
        do throws(KernelError) {
            result = .success(try body(NamespaceSwitch()))
        } catch {
            result = .failure(error)
        }
        self.body = nil
    }
}
