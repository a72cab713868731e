internal import Glibc
internal import HiveCore

/// A program that runs for a short time, and what it said.
enum Child {
    struct Result {
        /// What it ended with; 128 and more: the signal that ended it.
        var status: Int32
        /// What it wrote to either output, at most 64 KiB.
        var words: String
    }

    private static let mostWords = 1 << 16

    /// Runs a program with nothing to read, in the C locale, and waits for its end.
    /// - Parameter seconds: after so many it is killed, which is an error.
    static func run(_ path: String, _ arguments: [String], seconds: Int) throws(HiveError) -> Result {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw HiveError(cannot: "make a pair of sockets", errno: errno)
        }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // What this process blocks or ignores is no business of the other one.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        func strings(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
            var pointers: [UnsafeMutablePointer<CChar>?] = texts.map { text in strdup(text) }
            pointers.append(nil)
            return pointers
        }
        let words = strings([path] + arguments)
        let environment = strings(["LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
        defer { for pointer in words + environment { free(pointer) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, path, &actions, &attributes, words, environment)
        close(ends[1])
        guard code == 0 else { throw HiveError(cannot: "run \(path)", errno: code) }
        let (text, isOver) = read(ends[0], until: .now + .seconds(seconds))
        if !isOver { kill(child, SIGKILL) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { throw HiveError(cannot: "wait for \(path)", errno: errno) }
        }
        guard isOver else {
            throw HiveError(
                .ioError, "\(path) did not end within \(seconds) seconds, and was killed: \(text)")
        }
        let signal = status & 0x7f
        return Result(status: signal == 0 ? status >> 8 & 0xff : 128 + signal, words: text)
    }

    /// Reads until nobody writes any more, or the time is up.
    private static func read(_ pipe: Int32, until end: ContinuousClock.Instant) -> (String, Bool) {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 12)
        while true {
            let left = (end - .now) / .milliseconds(1)
            guard left > 0 else { return (String(decoding: bytes, as: UTF8.self), false) }
            var polled = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
            guard poll(&polled, 1, Int32(min(left.rounded(.up), 1e6))) > 0 else { continue }
            let count = Glibc.read(pipe, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return (String(decoding: bytes, as: UTF8.self), true) }
            // (What is too much is read all the same, or it would wait.)
            if bytes.count < mostWords { bytes += chunk[..<count] }
        }
    }
}
