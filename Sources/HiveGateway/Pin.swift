internal import Glibc
internal import HiveCore

/// An agent's socket under a name of ours that nothing else can be put behind.
///
/// nginx connects by a path, each time anew, and connect(2) follows symbolic links. Who is root in a container without a user namespace
/// is root to the file system too, and so could put a link to another agent's socket, or to one of the host's, where its own was. So
/// nginx gets a hard link to the very socket that was looked at, in a directory that no container sees.
enum Pin {
    /// What is wrong with an agent's socket: then its page is left out, and nobody else's.
    struct Objection: Error {
        let words: String
    }

    /// Makes `name` in a directory another name of an agent's socket, or leaves it if it is one.
    /// - Parameter directory: on the same file system as the socket.
    static func make(_ path: String, as name: String, in directory: String) throws(Objection) {
        let socket = try open(path)
        defer { close(socket) }
        var status = stat()
        guard fstat(socket, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
            throw Objection(words: "\(path) is not a socket")
        }
        let pin = "\(directory)/\(name)"
        var present = stat()
        if lstat(pin, &present) == 0, present.st_dev == status.st_dev, present.st_ino == status.st_ino {
            return
        }
        let temporary = "\(directory)/.\(name)"
        unlink(temporary)
        // Of what was opened, whatever is at the path by now.
        guard linkat(AT_FDCWD, "/proc/self/fd/\(socket)", AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) == 0 else {
            let code = errno
            if code == EXDEV {
                throw Objection(words: "\(path) has to be on the same file system as \(directory)")
            }
            throw Objection(words: "cannot keep hold of \(path): \(String(cString: strerror(code)))")
        }
        guard rename(temporary, pin) == 0 else {
            let code = errno
            unlink(temporary)
            throw Objection(words: "cannot make \(pin): \(String(cString: strerror(code)))")
        }
    }

    /// Opens it without following a link anywhere on the way. Each directory above has to be root's, with nobody else allowed to write.
    private static func open(_ path: String) throws(Objection) -> Int32 {
        let flags = pathOnly | O_NOFOLLOW | O_CLOEXEC
        var place = Glibc.open("/", flags | O_DIRECTORY)
        guard place >= 0 else { throw Objection(words: "cannot open /") }
        let parts = path.split(separator: "/").map(String.init)
        var walked = ""
        for (index, part) in parts.enumerated() {
            let isLast = index == parts.count - 1
            let next = openat(place, part, flags | (isLast ? 0 : O_DIRECTORY))
            let code = errno
            close(place)
            walked += "/\(part)"
            guard next >= 0 else {
                // (With O_PATH a link itself would be opened; as a directory it is refused.)
                let words =
                    code == ENOTDIR
                    ? "is not a directory, or a symbolic link" : String(cString: strerror(code))
                throw Objection(words: "\(walked): \(words)")
            }
            place = next
            guard !isLast else { break }
            var status = stat()
            guard fstat(next, &status) == 0, status.st_uid == 0, status.st_mode & 0o022 == 0 else {
                close(next)
                throw Objection(words: "\(walked) has to be root's, and nobody else may write to it")
            }
        }
        return place
    }

    /// The corresponding C constant is `O_PATH`, which needs _GNU_SOURCE.
    private static let pathOnly: Int32 = 0o10000000

    /// Takes away what belongs to no page.
    static func remove(allBut names: Set<String>, in directory: String) {
        guard let stream = opendir(directory) else { return }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != "..", !names.contains(name) { unlink("\(directory)/\(name)") }
        }
    }
}
