internal import CLinux
internal import FoundationEssentials
internal import Glibc
package import HiveWire

/// An agent's own directory on the host, of which the operator may read regular files, and nothing else.
///
/// The agent writes in there, and changes it while it is looked at. What is trusted is the kernel's openat2(2): a path never leaves the
/// directory, never goes by a symbolic link or a magic one, and never onto something else that is mounted there. Blocking, for a thread
/// of its own: where the directory itself is on a network's file system, nobody can say how long that takes.
package struct AgentFiles: Sendable {
    /// Of a path, in octets: `PATH_MAX` of linux/limits.h.
    static let longestPath = 4096

    /// The agent's state directory: absolute, and without a symbolic link in it. (The agent may be the owner of what lies above it, when
    /// that is in its container, and could make it another directory of the host by a link.)
    package let path: String

    package init(_ path: String) { self.path = path }

    static let beneath = UInt64(
        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

    // MARK: Opening

    /// - Throws: `unavailable` when there is none.
    func openDirectory() throws(ServiceError) -> OpenFile {
        guard path.hasPrefix("/"), !path.utf8.contains(0) else {
            throw ServiceError(
                ServiceError.configuration, "the state directory \(quoted(path)) is not an absolute path")
        }
        let number = Self.retrying {
            hive_openat2(
                AT_FDCWD, path, UInt64(hive_o_path() | O_DIRECTORY),
                UInt64(RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS))
        }
        guard number < 0 else { return OpenFile(number) }
        switch errno {
        case ENOENT: throw ServiceError(ServiceError.unavailable, "there is no directory \(path)")
        case ENOTDIR: throw ServiceError(ServiceError.configuration, "\(path) is not a directory")
        case ELOOP:
            throw ServiceError(
                ServiceError.configuration,
                "\(path) is a symbolic link, or has one in it; what it leads to is not looked at")
        default: throw .last("open the directory \(path)")
        }
    }

    /// Finds a regular file, without opening it as a file: to open a FIFO may wait, and to open a device may do something.
    private func find(_ name: String, in directory: borrowing OpenFile) throws(ServiceError) -> OpenFile {
        let number = Self.retrying {
            hive_openat2(directory.number, name, UInt64(hive_o_path()), Self.beneath)
        }
        guard number >= 0 else { throw Self.refusal(name, errno) }
        let file = OpenFile(number)
        var status = stat()
        guard fstat(file.number, &status) == 0 else { throw .last("look at \(quoted(name))") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ServiceError(
                ServiceError.usage,
                "\(quoted(name)) is \(Self.kind(status.st_mode)), and only regular files are read")
        }
        // A hard link is a file of somebody else's under a name in here. The kernel makes none across mounts, so that an agent in a container
        // has no way to; one without could, where fs.protected_hardlinks is 0. The other name stays for as long as it is somebody else's.
        guard status.st_nlink <= 1 else {
            throw ServiceError(
                ServiceError.usage,
                "\(quoted(name)) has \(status.st_nlink) names (hard links), of which others may be outside: it is not read"
            )
        }
        return file
    }

    /// What an errno of openat2(2) means here.
    private static func refusal(_ name: String, _ code: Int32) -> ServiceError {
        let shown = quoted(name)
        switch code {
        case ENOENT, ENOTDIR: return ServiceError(ServiceError.unavailable, "there is no file \(shown)")
        case ELOOP:
            return ServiceError(
                ServiceError.usage, "\(shown) is a symbolic link, or has one in it: links are not followed")
        case EXDEV:
            return ServiceError(
                ServiceError.usage, "\(shown) is not in the state directory, or on something mounted there")
        case ENAMETOOLONG: return ServiceError(ServiceError.usage, "\(shown) has a name that is too long")
        default:
            errno = code
            return .last("open \(shown)")
        }
    }

    private static func kind(_ mode: mode_t) -> String {
        switch mode & S_IFMT {
        case S_IFDIR: "a directory"
        case S_IFIFO: "a FIFO"
        case S_IFSOCK: "a socket"
        case S_IFCHR, S_IFBLK: "a device"
        case S_IFLNK: "a symbolic link"
        default: "something else"
        }
    }

    // MARK: Reading

    /// Sentences for people. (That nothing gets past `openat2` does not depend on them.)
    static func check(_ path: String) throws(ServiceError) {
        // In octets, as the kernel reads it: to a String, "/" with an accent that follows it is another character.
        let octets = path.utf8
        let problem: String
        if path.isEmpty {
            problem = "the path of a file is empty"
        } else if octets.contains(0) {
            problem = "the path of a file may have no NUL in it"
        } else if octets.count > longestPath {
            problem = "the path of a file may have at most \(longestPath) octets"
        } else if octets.first == UInt8(ascii: "/") {
            problem =
                "the path \(quoted(path)) is absolute, but must be relative to the agent's state directory"
        } else if octets.split(separator: UInt8(ascii: "/")).contains(where: { $0.elementsEqual("..".utf8) })
        {
            problem = "the path \(quoted(path)) has \"..\" in it"
        } else {
            return
        }
        throw ServiceError(ServiceError.usage, problem)
    }

    /// Reads the first `StateFile.most` octets of a file. It may change meanwhile: then it is some of the old and some of the new.
    /// - Parameter relative: to the state directory.
    package func read(_ relative: String) throws(ServiceError) -> StateFile {
        let (bytes, size) = try contents(of: relative)
        return StateFile(path: relative, size: size, content: Data(bytes).base64EncodedString())
    }

    func contents(of relative: String) throws(ServiceError) -> (bytes: [UInt8], size: Int) {
        try Self.check(relative)
        let directory = try openDirectory()
        let found = try find(relative, in: directory)
        // The very file that was looked at, whatever has its name by now: the descriptor's link in /proc leads to it, and not to a name.
        // O_NONBLOCK: the agent may have a lease on it (F_SETLEASE), which somebody who waits is kept by for 45 seconds.
        let number = open("/proc/self/fd/\(found.number)", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard number >= 0 else {
            if errno == EWOULDBLOCK {
                throw ServiceError(
                    ServiceError.unavailable, "the agent has a lease on \(quoted(relative)): try again")
            }
            throw .last("open \(quoted(relative))")
        }
        let file = OpenFile(number)
        var bytes = [UInt8](repeating: 0, count: StateFile.most)
        var count = 0
        while count < bytes.count {
            let more = bytes.withUnsafeMutableBytes { room in
                Self.retrying {
                    pread(file.number, room.baseAddress.map { $0 + count }, room.count - count, off_t(count))
                }
            }
            guard more >= 0 else { throw .last("read \(quoted(relative))") }
            // (The end, or what is the end now.)
            if more == 0 { break }
            count += more
        }
        bytes.removeLast(bytes.count - count)
        var status = stat()
        guard fstat(file.number, &status) == 0 else { throw .last("look at \(quoted(relative))") }
        return (bytes, max(Int(status.st_size), count))
    }

    /// Calls again what a signal interrupted, or what a rename elsewhere made uncertain: openat2(2) says `EAGAIN` then.
    static func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
        var tries = 0
        while true {
            let result = call()
            guard result == -1, errno == EINTR || errno == EAGAIN, tries < 1000 else { return result }
            tries += 1
        }
    }
}

/// A descriptor that is closed when nobody has it any more.
struct OpenFile: ~Copyable {
    let number: Int32

    init(_ number: Int32) { self.number = number }

    deinit { close(number) }
}
