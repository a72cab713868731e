#if canImport(Glibc)
    internal import Glibc
#endif

/// An exclusive lock among processes, by flock(2) on a file that stays. The kernel releases it when the process
/// ends, however it ends.
public struct FileLock: ~Copyable {
    private let file: Int32

    /// Waits for the lock.
    ///
    /// - Parameters:
    ///   - path: made if missing, mode 0600, so that other users cannot hold us up. A symbolic link is refused.
    ///   - patience: after how long `wait` is called.
    ///   - wait: called once when the lock is not to be had in time, with the process that holds it where that
    ///     is known. Then waiting goes on.
    public init(
        path: String, patience: Duration = .seconds(1), wait: (_ holder: Int32?) -> Void = { _ in }
    ) throws(HiveError) {
        let file = try Self.open(path)
        guard Self.lock(file, patience, wait) else {
            let code = errno
            close(file)
            throw HiveError(cannot: "lock \(path)", errno: code)
        }
        self.init(taken: file)
    }

    /// What came of an attempt that does not wait.
    public enum Attempt: ~Copyable {
        case taken(FileLock)
        /// - Parameter holder: the process that has it, where that is known.
        case held(holder: Int32?)
    }

    /// Takes the lock if nobody has it.
    public static func attempt(path: String) throws(HiveError) -> Attempt {
        let file = try open(path)
        guard DurableFile.retrying({ flock(file, LOCK_EX | LOCK_NB) }) == 0 else {
            let code = errno
            defer { close(file) }
            guard code == EWOULDBLOCK else { throw HiveError(cannot: "lock \(path)", errno: code) }
            return .held(holder: holder(file))
        }
        return .taken(FileLock(taken: file))
    }

    private static func open(_ path: String) throws(HiveError) -> Int32 {
        let file = DurableFile.retrying {
            Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        }
        guard file >= 0 else { throw HiveError(cannot: "lock \(path)", errno: errno) }
        return file
    }

    private init(taken file: Int32) {
        self.file = file
        // Only for the message of whoever waits, so a full disk is no reason to fail.
        if ftruncate(file, 0) == 0 {
            let holder = Array("\(getpid())\n".utf8)
            _ = pwrite(file, holder, holder.count, 0)
        }
    }

    deinit { close(file) }

    private static func lock(_ file: Int32, _ patience: Duration, _ wait: (Int32?) -> Void) -> Bool {
        let start = ContinuousClock.now
        while DurableFile.retrying({ flock(file, LOCK_EX | LOCK_NB) }) != 0 {
            guard errno == EWOULDBLOCK else { return false }
            if ContinuousClock.now - start >= patience {
                wait(holder(file))
                return DurableFile.retrying { flock(file, LOCK_EX) } == 0
            }
            usleep(10_000)
        }
        return true
    }

    private static func holder(_ file: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(file, &bytes, bytes.count, 0)
        guard count > 0,
            let line = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n").first
        else {
            return nil
        }
        return Int32(line)
    }
}
