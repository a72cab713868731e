import Foundation
import Synchronization

/// An agent's web server that speaks as the test says, byte by byte: also not at all, too much, or not HTTP.
final class Upstream: Sendable {
    struct Request: Sendable {
        var method = ""
        var target = ""
        var headers: [(name: String, value: String)] = []
        var body: [UInt8] = []

        subscript(name: String) -> String? {
            headers.first { $0.name.lowercased() == name.lowercased() }?.value
        }
    }

    /// What is said to a request. The connection is closed when it returns.
    typealias Handler = @Sendable (Request, Client) -> Void

    private struct State {
        var requests: [Request] = []
        var listener: RawListener?
    }
    private let state = Mutex(State())
    private let handler: Handler

    /// Listens in an agent's namespace.
    convenience init(_ lab: Lab, agent: String, port: UInt16, _ handler: @escaping Handler) throws {
        try self.init(handler) { try RawListener(lab, agent: agent, port: port, $0) }
    }

    /// Listens at a path on the host.
    convenience init(_ lab: Lab, path: String, _ handler: @escaping Handler) throws {
        try self.init(handler) { try RawListener(lab, path: path, $0) }
    }

    private init(
        _ handler: @escaping Handler, _ listen: (@escaping RawListener.Handler) throws -> RawListener
    ) throws {
        self.handler = handler
        let listener = try listen { [weak self] client in self?.serve(client) }
        state.withLock { $0.listener = listener }
    }

    /// Nobody is let in any more.
    func end() { state.withLock { $0.listener?.end() } }

    deinit { end() }

    var requests: [Request] { state.withLock(\.requests) }
    func forget() { state.withLock { $0.requests = [] } }

    private func serve(_ client: Client) {
        guard let request = Self.read(client) else { return }
        state.withLock { $0.requests.append(request) }
        handler(request, client)
    }

    /// The head, and a body of a length that it names.
    private static func read(_ client: Client) -> Request? {
        var bytes: [UInt8] = []
        let end = Array("\r\n\r\n".utf8)
        var head: Int?
        while head == nil {
            let more = client.hear()
            guard !more.isEmpty else { return nil }
            bytes += more
            head = bytes.indices.first { bytes[$0...].starts(with: end) }
        }
        guard let head else { return nil }
        let lines = String(decoding: bytes[..<head], as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ").map(String.init)
        guard words.count == 3 else { return nil }
        var request = Request(method: words[0], target: words[1])
        request.headers = lines.dropFirst().compactMap { line in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return (
                String(line[..<colon]),
                line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            )
        }
        request.body = Array(bytes[(head + 4)...])
        let length = request["Content-Length"].flatMap { Int($0) } ?? 0
        // (A body that is to be followed while it comes is read by the handler.)
        while request.body.count < length, request["X-Follow"] == nil {
            let more = client.hear()
            guard !more.isEmpty else { return request }
            request.body += more
        }
        return request
    }
}
