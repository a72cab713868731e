internal import CLinux
internal import Glibc
internal import HiveCore
internal import HiveWire

extension ServiceError {
    /// `EX_DATAERR`: a file that we wrote ourselves is damaged.
    static let dataError: Int32 = 65
}

/// The store's directory, held by one process: only its own user can write there, so that what is in it is what this program wrote.
final class StoreDirectory {
    let path: String
    let calls: FileCalls
    private let descriptor: Int32
    private let lock: FileLock

    /// Makes the directory where it is missing, mode 0700, and takes its lock.
    init(_ path: String, calls: FileCalls) throws(ServiceError) {
        self.path = path
        self.calls = calls
        try Self.make(path)
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard errno != ELOOP, errno != ENOTDIR else {
                throw Self.refused(path, "is not a directory, or a symbolic link")
            }
            throw .last("open the directory \(path)")
        }
        do throws(ServiceError) {
            try Self.check(descriptor, path)
            lock = try Self.lock("\(path)/lock", path)
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    private static func make(_ path: String) throws(ServiceError) {
        let parts = path.split(separator: "/")
        let above = (path.hasPrefix("/") ? "/" : "") + parts.dropLast().joined(separator: "/")
        if !above.isEmpty {
            do throws(HiveError) { try StateDirectory(above).make() } catch {
                throw ServiceError(error.sysexit, error.description)
            }
        }
        guard mkdir(path, 0o700) == 0 else {
            guard errno == EEXIST else { throw .last("make the directory \(path)") }
            return
        }
        let parent = Glibc.open(above.isEmpty ? "." : above, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(parent) }
        guard parent >= 0, chmod(path, 0o700) == 0, fsync(parent) == 0 || errno == EINVAL else {
            throw .last("make the directory \(path)")
        }
    }

    /// In attempts, ten milliseconds apart. Whoever was killed just now may have been starting another process, which has the lock until
    /// it runs its program.
    private static let patience = 100

    private static func lock(_ file: String, _ directory: String) throws(ServiceError) -> FileLock {
        var who = ""
        for _ in 0..<patience {
            let attempt: FileLock.Attempt
            do throws(HiveError) { attempt = try FileLock.attempt(path: file) } catch {
                throw ServiceError(error.sysexit, error.description)
            }
            switch consume attempt {
            case .taken(let lock): return lock
            case .held(let holder): who = holder.map { "process \($0)" } ?? "another process"
            }
            usleep(10_000)
        }
        throw ServiceError(
            ServiceError.unavailable, "\(directory) is in use by \(who): one daemon can keep it at a time")
    }

    /// Whoever else could write to a file or put another in its place could say what was asked and approved.
    private static func check(_ descriptor: Int32, _ path: String) throws(ServiceError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .last("look at \(path)") }
        let kind = status.st_mode & S_IFMT
        guard kind == S_IFDIR || kind == S_IFREG else { throw refused(path, "is not a regular file") }
        guard status.st_uid == geteuid() else {
            throw refused(
                path, "belongs to uid \(status.st_uid), not to \(geteuid()), whom this program runs as")
        }
        guard status.st_mode & 0o022 == 0 else {
            throw refused(
                path,
                "can be written by others than its owner (mode \(String(status.st_mode & 0o7777, radix: 8)))")
        }
    }

    private static func refused(_ path: String, _ why: String) -> ServiceError {
        ServiceError(ServiceError.configuration, "\(path) \(why)")
    }

    func path(_ name: String) -> String { "\(path)/\(name)" }

    /// Opens a file of ours for reading and writing; nil: there is none.
    func open(_ name: String) throws(ServiceError) -> Int32? {
        // O_NONBLOCK: a FIFO must not hold us.
        let file = Glibc.open(path(name), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            if errno == ELOOP { throw Self.refused(path(name), "is a symbolic link") }
            throw .last("open \(path(name))")
        }
        do throws(ServiceError) { try Self.check(file, path(name)) } catch {
            close(file)
            throw error
        }
        return file
    }

    /// Makes a file; one of that name goes.
    func create(_ name: String) throws(ServiceError) -> Int32 {
        unlink(path(name))
        let file = calls.create(path(name))
        guard file >= 0 else { throw .last("make \(path(name))") }
        return file
    }

    func size(_ file: Int32, _ name: String) throws(ServiceError) -> Int {
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .last("look at \(path(name))") }
        return Int(status.st_size)
    }

    /// From an offset to the end.
    func read(_ file: Int32, _ name: String, from: Int = 0) throws(ServiceError) -> [UInt8] {
        let size = max(0, try size(file, name) - from)
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
            while filled < size {
                let count = pread(
                    file, buffer.baseAddress.map { $0 + filled }, size - filled, off_t(from + filled))
                if count < 0, errno == EINTR { continue }
                failed = count < 0
                if count <= 0 { return }
                filled += count
            }
        }
        guard !failed else { throw .last("read \(path(name))") }
        return bytes
    }

    func write(_ bytes: [UInt8], to file: Int32, _ name: String, at offset: Int) throws(ServiceError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                calls.write(file, UnsafeRawBufferPointer(rebasing: $0[done...]), offset + done)
            }
            if count < 0, errno == EINTR { continue }
            if count == 0 { errno = EIO }
            guard count > 0 else { throw .last("write \(path(name))") }
            done += count
        }
    }

    func sync(_ file: Int32, _ name: String) throws(ServiceError) {
        guard calls.sync(file) == 0 else { throw .last("bring \(path(name)) to the disk") }
    }

    /// Brings to the disk which files there are.
    func syncNames() throws(ServiceError) {
        guard calls.syncDirectory(descriptor) == 0 else { throw .last("bring \(path) to the disk") }
    }

    func exists(_ name: String) -> Bool {
        var status = stat()
        return lstat(path(name), &status) == 0
    }

    func remove(_ name: String) { unlink(path(name)) }

    /// Puts octets aside as `journal.damaged-N`, and removes the oldest of such copies: the last four stay.
    /// - Returns: the copy's name.
    func keepDamaged(_ bytes: ArraySlice<UInt8>) throws(ServiceError) -> String {
        let name = try nextDamagedName()
        let file = try create(name)
        defer { close(file) }
        do throws(ServiceError) {
            try write(Array(bytes.prefix(Self.longestDamaged)), to: file, name, at: 0)
            try sync(file, name)
        } catch {
            remove(name)
            throw error
        }
        try syncNames()
        return name
    }

    static let mostDamaged = 4
    static let longestDamaged = 16 << 20

    func nextDamagedName() throws(ServiceError) -> String {
        guard let stream = opendir(path) else { throw .last("read \(path)") }
        defer { closedir(stream) }
        var numbers: [Int] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasPrefix("journal.damaged-"), let number = Int(name.dropFirst(16)), number >= 0,
                number < Int.max
            {
                numbers.append(number)
            }
        }
        numbers.sort()
        for old in numbers.dropLast(Self.mostDamaged - 1) { remove("journal.damaged-\(old)") }
        return "journal.damaged-\((numbers.last ?? 0) + 1)"
    }
}
