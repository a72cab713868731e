internal import Glibc

/// inotify(7): tells which files of some directories change. It never waits: for a loop that polls.
public final class FileWatch {
    private let file: Descriptor

    /// To poll for `POLLIN`.
    public var descriptor: Int32 { file.number }

    /// - Throws: `KernelError`: EMFILE above `fs.inotify.max_user_instances`.
    public init() throws(KernelError) {
        let number = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard number >= 0 else { throw .last("watch files") }
        file = Descriptor(adopting: number)
    }

    /// What may happen to a file.
    public struct Kinds: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Written to, while it may still be open.
        public static let modified = Kinds(rawValue: UInt32(IN_MODIFY))
        /// Closed by somebody who could write to it.
        public static let written = Kinds(rawValue: UInt32(IN_CLOSE_WRITE))
        /// Comes into the directory, or goes out of it, also by rename(2).
        public static let listed = Kinds(
            rawValue: UInt32(IN_CREATE) | UInt32(IN_DELETE) | UInt32(IN_MOVED_FROM) | UInt32(IN_MOVED_TO))
        /// The directory itself goes.
        public static let gone = Kinds(
            rawValue: UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_UNMOUNT) | UInt32(IN_IGNORED))
        /// There was no room for what happened: anything may have.
        public static let lost = Kinds(rawValue: UInt32(IN_Q_OVERFLOW))
    }

    /// Watches a directory. One that is watched already is watched for the kinds given now.
    /// - Returns: the number by which `read` tells of it.
    /// - Throws: ENOENT, ENOTDIR; ENOSPC above `fs.inotify.max_user_watches`.
    public func add(_ directory: String, _ kinds: Kinds) throws(KernelError) -> Int32 {
        let number = inotify_add_watch(descriptor, directory, kinds.rawValue | UInt32(IN_ONLYDIR))
        guard number >= 0 else { throw .last("watch \(directory)") }
        return number
    }

    public func remove(_ watch: Int32) { inotify_rm_watch(descriptor, watch) }

    /// Hands over what has happened: the watch's number, the file's name in its directory (empty: the directory itself).
    public func read(_ body: (_ watch: Int32, _ kinds: Kinds, _ name: String) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: 1 << 14, alignment: 8) { buffer in
            while true {
                let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                Self.forEach(in: UnsafeRawBufferPointer(rebasing: buffer[..<count]), body)
            }
        }
    }

    /// Takes apart what the kernel wrote: struct inotify_event, each with a name behind it that is filled up with NULs.
    static func forEach(in bytes: UnsafeRawBufferPointer, _ body: (Int32, Kinds, String) -> Void) {
        let size = MemoryLayout<inotify_event>.size
        var offset = 0
        while offset + size <= bytes.count {
            let event = bytes.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
            let end = offset + size + Int(event.len)
            guard end <= bytes.count else { return }
            let name = String(decoding: bytes[(offset + size)..<end].prefix { $0 != 0 }, as: UTF8.self)
            body(event.wd, Kinds(rawValue: event.mask), name)
            offset = end
        }
    }
}
