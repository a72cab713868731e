internal import FoundationEssentials
internal import Glibc

/// A connection to one of Hive's sockets, from the side that asks: blocking, lines of JSON.
package final class LineClient {
    private let socket: UnixSocket
    /// Whom it asks, for messages: `the watcher at /run/hive/net.sock`.
    private let peer: String
    private var buffer: [UInt8] = []
    /// How far `buffer` was looked through.
    private var looked = 0
    private let longest: Int
    /// The process at the other end, as far as it is one here.
    package let process: Int32

    /// - Parameters:
    ///   - name: of whoever listens, as in "the watcher".
    ///   - patience: for each wait, in seconds; nil: for ever.
    ///   - longest: of a line that is taken, in octets.
    /// - Returns: nil if nobody listens there.
    /// - Throws: `noPermission` for somebody who may not connect.
    package init?(_ name: String, at path: String, patience: Int? = nil, longest: Int = .max)
        throws(ServiceError)
    {
        socket = try UnixSocket(isBlocking: true)
        if let patience { socket.limit(seconds: patience) }
        peer = "\(name) at \(path)"
        self.longest = longest
        let code = try socket.connect(to: path)
        if [ENOENT, ECONNREFUSED, ENOTDIR].contains(code) { return nil }
        guard code == 0 else {
            errno = code
            throw .last("connect to \(peer)")
        }
        process = socket.peer?.process ?? 0
    }

    /// Sends a request and waits for the answer.
    /// - Throws: for a connection that ends, or an answer that is not understood. What is refused is an answer.
    package func ask<Answer: Decodable>(_ request: some Encodable, for type: Answer.Type) throws -> Answer {
        var rest = try JSONLine.encode(request)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { socket.write($0) }
            // It has hung up, and may have said why.
            if count < 0, errno == EPIPE || errno == ECONNRESET { break }
            guard count > 0 else { throw ServiceError.last("ask \(peer)") }
            rest = rest.dropFirst(count)
        }
        guard let line = try next() else {
            throw ServiceError(ServiceError.unavailable, "\(peer) ended before it answered")
        }
        do { return try JSONLine.decode(Answer.self, line) } catch {
            throw ServiceError(ServiceError.unavailable, "the answer of \(peer) cannot be understood")
        }
    }

    /// The next line, without its line feed. Nil at the end.
    package func next() throws(ServiceError) -> [UInt8]? {
        while true {
            if let end = buffer[looked...].firstIndex(of: UInt8(ascii: "\n")) {
                defer {
                    buffer.removeSubrange(...end)
                    looked = 0
                }
                return Array(buffer[..<end])
            }
            looked = buffer.count
            guard looked <= longest else {
                throw ServiceError(
                    ServiceError.unavailable, "\(peer) says more than \(longest) octets at a time")
            }
            let count = withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { chunk in
                let count = socket.read(into: chunk)
                if count > 0 { buffer += UnsafeRawBufferPointer(chunk).prefix(count) }
                return count
            }
            // (Without it having read all that we said.)
            if count < 0, errno == ECONNRESET { return nil }
            guard count >= 0 else { throw .last("read from \(peer)") }
            if count == 0 { return nil }
        }
    }
}
