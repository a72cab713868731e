internal import CLinux
internal import Glibc

/// Signals as something to poll for: signalfd(2). They are blocked in the calling thread, and in those that it starts.
package final class Signals {
    package let descriptor: Int32

    package init(_ numbers: [Int32]) throws(ServiceError) {
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        guard pthread_sigmask(SIG_BLOCK, &set, nil) == 0 else { throw .last("block signals") }
        descriptor = signalfd(-1, &set, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK))
        guard descriptor >= 0 else { throw .last("wait for signals") }
    }

    deinit { close(descriptor) }

    /// The next one that came, or nil.
    package func next() -> Int32? {
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        return read(descriptor, &information, size) == size ? Int32(information.ssi_signo) : nil
    }
}
