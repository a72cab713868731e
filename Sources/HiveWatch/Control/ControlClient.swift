internal import FoundationEssentials
internal import Glibc

/// A connection to a watcher, blocking.
public final class ControlClient {
    /// Where a watcher listens unless it was told otherwise.
    public static let standardPath = "/run/hive/net.sock"

    private let socket: UnixSocket
    private let path: String
    private var buffer: [UInt8] = []
    /// The watcher's process id, as far as it is one here.
    public let watcher: Int32

    /// - Parameter patience: for each wait, in seconds, where no answer takes long; nil: for ever.
    /// - Returns: nil if no watcher listens there.
    /// - Throws: `WatchError`, `noPermission` for somebody who may not connect.
    public init?(path: String = standardPath, patience: Int? = nil) throws(WatchError) {
        socket = try UnixSocket(isBlocking: true)
        if let patience { socket.limit(seconds: patience) }
        self.path = path
        let code = try socket.connect(to: path)
        if [ENOENT, ECONNREFUSED, ENOTDIR].contains(code) { return nil }
        guard code == 0 else {
            errno = code
            throw .last("connect to the watcher at \(path)")
        }
        watcher = socket.peer?.process ?? 0
    }

    /// Sends a request and waits for the answer, however long it takes.
    /// - Throws: `WatchError` for a connection that ends, or an answer that is not understood. What the watcher refuses is an answer.
    public func ask(_ request: ControlRequest) throws -> ControlAnswer {
        var rest = try request.line()[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { socket.write($0) }
            // It has hung up, and may have said why.
            if count < 0, errno == EPIPE || errno == ECONNRESET { break }
            guard count > 0 else { throw WatchError.last("ask the watcher at \(path)") }
            rest = rest.dropFirst(count)
        }
        guard let line = try next() else {
            throw WatchError(WatchError.unavailable, "the watcher at \(path) ended before it answered")
        }
        do {
            return try JSONDecoder().decode(ControlAnswer.self, from: Data(line))
        } catch {
            throw WatchError(
                WatchError.unavailable, "the answer of the watcher at \(path) cannot be understood")
        }
    }

    /// The next line of a stream, without its line feed. Nil at the end.
    public func next() throws -> [UInt8]? {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                defer { buffer.removeSubrange(...end) }
                return Array(buffer[..<end])
            }
            let count = chunk.withUnsafeMutableBytes { socket.read(into: $0) }
            // (Without it having read all that we said.)
            if count < 0, errno == ECONNRESET { return nil }
            guard count >= 0 else { throw WatchError.last("read from the watcher at \(path)") }
            if count == 0 { return nil }
            buffer += chunk[..<count]
        }
    }
}
