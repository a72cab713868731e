internal import Glibc

/// An open file descriptor, closed when its owner goes away. Opened close-on-exec throughout.
struct Descriptor: ~Copyable {
    let number: Int32

    init(adopting number: Int32) { self.number = number }

    deinit { close(number) }

    /// open(2) with `O_CLOEXEC`.
    /// - Parameter operation: for the error.
    init(
        path: String, flags: Int32, mode: mode_t = 0, _ operation: @autoclosure () -> String
    ) throws(KernelError) {
        var number: Int32
        repeat { number = open(path, flags | O_CLOEXEC, mode) } while number < 0 && errno == EINTR
        guard number >= 0 else { throw .last(operation()) }
        self.number = number
    }
}
