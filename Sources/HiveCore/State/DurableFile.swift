internal import HiveWire

#if canImport(Glibc)
    internal import Glibc
#endif

/// Files that are whole or not there, also after a crash or a loss of power.
enum DurableFile {
    /// In bytes. More than any file of ours needs, little enough to read `/dev/zero` by mistake.
    static let maximumSize = 16 << 20

    /// A failed system call, with the two answers that callers act on.
    struct Failure: Error {
        let error: HiveError
        let code: Int32

        init(cannot doing: String, _ code: Int32) {
            error = HiveError(cannot: doing, errno: code)
            self.code = code
        }

        init(_ error: HiveError) {
            self.error = error
            code = 0
        }

        var isMissing: Bool { code == ENOENT || code == ENOTDIR }
        var alreadyExists: Bool { code == EEXIST }
    }

    /// - Parameter onlyRegular: refuse a symbolic link, and what is not a regular file.
    static func read(_ path: String, onlyRegular: Bool = false) throws(Failure) -> [UInt8] {
        guard !path.utf8.contains(0) else { throw Failure(cannot: "read \(quoted(path))", EINVAL) }
        // O_NONBLOCK: a FIFO that nobody writes to must not hold us.
        let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (onlyRegular ? O_NOFOLLOW : 0)
        let file = retrying { open(path, flags) }
        guard file >= 0 else {
            if onlyRegular, errno == ELOOP {
                throw Failure(
                    HiveError(.configuration, "\(path) is a symbolic link, but must be a regular file"))
            }
            throw Failure(cannot: "read \(path)", errno)
        }
        defer { close(file) }
        var status = stat()
        if onlyRegular, fstat(file, &status) != 0 || status.st_mode & S_IFMT != S_IFREG {
            throw Failure(HiveError(.configuration, "\(path) is not a regular file"))
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = retrying { Glibc.read(file, &chunk, chunk.count) }
            if count < 0, errno == EAGAIN {
                // A pipe, whose other end has some time to write.
                var polled = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
                guard poll(&polled, 1, 2000) > 0 else { throw Failure(cannot: "read \(path)", ETIMEDOUT) }
                continue
            }
            guard count >= 0 else { throw Failure(cannot: "read \(path)", errno) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= maximumSize else {
                throw Failure(HiveError(.configuration, "\(path) is larger than \(maximumSize >> 20) MiB"))
            }
        }
    }

    /// Something is there, even if it cannot be read.
    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 || (errno != ENOENT && errno != ENOTDIR)
    }

    /// Writes to a temporary file next to the one meant, syncs it, puts it in place in one step, and syncs the
    /// directory. Temporary files that killed processes left of the same file are removed; nobody reads them,
    /// since their names begin with a dot.
    ///
    /// - Parameters:
    ///   - directory: exists.
    ///   - mode: of the file, whatever the umask is. 0644: everybody may see what the network is.
    ///   - replacing: when false, an existing file is left alone and the error is `alreadyExists`.
    static func write(
        _ text: String, to name: String, in directory: String, mode: UInt32 = 0o644, replacing: Bool
    ) throws(Failure) {
        let path = "\(directory)/\(name)"
        for left in try entries(of: directory) where left.hasPrefix(".\(name).") && left.hasSuffix(".tmp") {
            unlink("\(directory)/\(left)")
        }
        // Random, so that two writers never write into one file.
        let temporary = "\(directory)/.\(name).\(String(UInt64.random(in: 0...UInt64.max), radix: 36)).tmp"
        let file = retrying { open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600) }
        guard file >= 0 else { throw Failure(cannot: "write \(temporary)", errno) }
        do throws(Failure) {
            defer { close(file) }
            try fill(file, Array(text.utf8), mode, path)
        } catch {
            unlink(temporary)
            throw error
        }
        if replacing {
            guard rename(temporary, path) == 0 else { throw giveUp(temporary, "write \(path)") }
        } else {
            // Unlike rename(2), link(2) never takes the place of an existing file.
            guard link(temporary, path) == 0 else { throw giveUp(temporary, "write \(path)") }
            unlink(temporary)
        }
        try syncDirectory(directory)
    }

    private static func giveUp(_ temporary: String, _ doing: String) -> Failure {
        let failure = Failure(cannot: doing, errno)
        unlink(temporary)
        return failure
    }

    private static func fill(
        _ file: Int32, _ bytes: [UInt8], _ mode: UInt32, _ path: String
    ) throws(Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = retrying { rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) } }
            guard count >= 0 else { throw Failure(cannot: "write \(path)", errno) }
            rest = rest.dropFirst(count)
        }
        guard fchmod(file, mode) == 0, fsync(file) == 0 else {
            throw Failure(cannot: "write \(path)", errno)
        }
    }

    /// Removes a file for good.
    static func remove(_ name: String, in directory: String) throws(Failure) {
        guard unlink("\(directory)/\(name)") == 0 else {
            throw Failure(cannot: "remove \(directory)/\(name)", errno)
        }
        try syncDirectory(directory)
    }

    /// The names in a directory, sorted, without `.` and `..`.
    static func entries(of directory: String) throws(Failure) -> [String] {
        guard let stream = opendir(directory) else { throw Failure(cannot: "read \(directory)", errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw Failure(cannot: "read \(directory)", errno) }
                return names.sorted()
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
    }

    /// Makes a directory and those above it, mode 0755 whatever the umask is. One that exists stays as it is.
    /// - Parameter above: the mode of the one right above, where it is made.
    static func makeDirectory(_ path: String, above: UInt32? = nil) throws(Failure) {
        if let above, !exists(parent(path)) {
            try makeDirectory(parent(path))
            chmod(parent(path), above)
        }
        var made = mkdir(path, 0o755) == 0
        if !made, errno == ENOENT, parent(path) != path {
            try makeDirectory(parent(path))
            made = mkdir(path, 0o755) == 0
        }
        if made {
            chmod(path, 0o755)
            return try syncDirectory(parent(path))
        }
        let code = errno
        var status = stat()
        if code == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return }
        throw Failure(cannot: "make the directory \(path)", code == EEXIST ? ENOTDIR : code)
    }

    private static func parent(_ path: String) -> String {
        let parts = path.split(separator: "/")
        let above = parts.dropLast().joined(separator: "/")
        return path.hasPrefix("/") ? "/" + above : above.isEmpty ? "." : above
    }

    private static func syncDirectory(_ path: String) throws(Failure) {
        let directory = retrying { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard directory >= 0 else { throw Failure(cannot: "sync \(path)", errno) }
        defer { close(directory) }
        // Some file systems cannot sync a directory and say EINVAL.
        guard fsync(directory) == 0 || errno == EINVAL else { throw Failure(cannot: "sync \(path)", errno) }
    }

    /// Calls again what a signal interrupted.
    static func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
        while true {
            let result = call()
            if result != -1 || errno != EINTR { return result }
        }
    }
}
