internal import CResolver
internal import Glibc
internal import HiveWire

/// A program that runs for a short time, and what it said.
package enum Child {
    package struct Result: Sendable {
        /// What it ended with; 128 and more: the signal that ended it. Nil: it was killed, since its time was up.
        package var status: Int32?
        /// What it wrote to either output, as much as was wanted.
        package var words: String
    }

    /// What is kept of what it writes, in octets. The rest is read all the same, or it would wait.
    package enum Amount: Sendable {
        case first(Int), last(Int)
    }

    /// Runs a program with nothing to read, in the C locale, and waits for its end. No shell has a part in it.
    /// - Parameters:
    ///   - path: absolute.
    ///   - seconds: after so many it is killed, which is an error.
    package static func run(_ path: String, _ arguments: [String], seconds: Int) throws(HiveError) -> Result {
        let result = try run(path, arguments, seconds: seconds, keeping: .first(1 << 16))
        guard result.status != nil else {
            throw HiveError(
                .ioError, "\(path) did not end within \(seconds) seconds, and was killed: \(result.words)")
        }
        return result
    }

    /// The same for a program that may take longer, which is told by its status.
    package static func run(
        _ path: String, _ arguments: [String], seconds: Int, keeping amount: Amount
    ) throws(HiveError) -> Result {
        guard !arguments.contains(where: { $0.utf8.contains(0) }) else {
            throw HiveError(.usage, "cannot run \(path): an argument has a NUL in it")
        }
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
        let (text, isOver) = read(ends[0], until: .now + .seconds(seconds), amount)
        if !isOver { kill(child, SIGKILL) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { throw HiveError(cannot: "wait for \(path)", errno: errno) }
        }
        guard isOver else { return Result(status: nil, words: text) }
        let signal = status & 0x7f
        return Result(status: signal == 0 ? status >> 8 & 0xff : 128 + signal, words: text)
    }

    /// Reads until nobody writes any more, or the time is up.
    private static func read(
        _ pipe: Int32, until end: ContinuousClock.Instant, _ amount: Amount
    ) -> (String, Bool) {
        var bytes: [UInt8] = []
        func words() -> String {
            let kept =
                switch amount {
                case .first(let most): bytes.prefix(most)
                case .last(let most): bytes.suffix(most)
                }
            return String(decoding: kept, as: UTF8.self)
        }
        var chunk = [UInt8](repeating: 0, count: 1 << 12)
        while true {
            let left = (end - .now) / .milliseconds(1)
            guard left > 0 else { return (words(), false) }
            var polled = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
            guard poll(&polled, 1, Int32(min(left.rounded(.up), 1e6))) > 0 else { continue }
            let count = Glibc.read(pipe, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return (words(), true) }
            switch amount {
            case .first(let most): if bytes.count < most { bytes += chunk[..<count] }
            case .last(let most):
                bytes += chunk[..<count]
                if bytes.count > 2 * most + chunk.count { bytes.removeFirst(bytes.count - most) }
            }
        }
    }
}
