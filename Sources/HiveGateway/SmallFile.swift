internal import Glibc
internal import HiveCore

/// Files of a few bytes: what /proc has, and what nginx writes down.
enum SmallFile {
    /// - Throws: for a file of more than 64 KiB too.
    static func read(_ path: String) throws(HiveError) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else { throw HiveError(cannot: "read \(path)", errno: errno) }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        var count = 0
        while count < bytes.count {
            let more = bytes[count...].withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
            if more < 0, errno == EINTR { continue }
            guard more >= 0 else { throw HiveError(cannot: "read \(path)", errno: errno) }
            if more == 0 { return String(decoding: bytes[..<count], as: UTF8.self) }
            count += more
        }
        throw HiveError(.dataError, "\(path) is larger than 64 KiB")
    }

    /// The end of a file that grows.
    /// - Returns: nothing if there is none.
    static func end(of path: String, from offset: Int64) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 14)
        let count = pread(file, &bytes, bytes.count, off_t(offset))
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : ""
    }

    static func size(_ path: String) -> Int64 {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : 0
    }
}
