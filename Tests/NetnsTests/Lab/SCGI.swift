import Foundation
import Synchronization

/// A dashboard: answers as the test says, by itself every request with its method and path, and looks at nothing.
final class SCGI: Sendable {
    /// - Returns: what is said to a request: the header lines, an empty line, and the body.
    typealias Answer = @Sendable (_ request: [String: String]) -> String

    private let state = Mutex<[[String: String]]>([])
    private let listener = Mutex<RawListener?>(nil)

    init(_ lab: Lab, path: String, _ answer: @escaping Answer = SCGI.echo) throws {
        let listener = try RawListener(lab, path: path) { [weak self] client in
            var bytes: [UInt8] = []
            // A netstring of headers: LENGTH:NAME\0VALUE\0…, (python.ca/scgi/protocol.txt).
            while true {
                let more = client.hear()
                bytes += more
                guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
                    let length = Int(String(decoding: bytes[..<colon], as: UTF8.self)),
                    bytes.count > colon + length
                else {
                    if more.isEmpty { return }
                    continue
                }
                let fields = bytes[(colon + 1)..<(colon + 1 + length)].split(
                    separator: 0, omittingEmptySubsequences: false
                ).map { String(decoding: $0, as: UTF8.self) }
                var request: [String: String] = [:]
                for index in stride(from: 0, to: fields.count - 1, by: 2) {
                    request[fields[index]] = fields[index + 1]
                }
                // (A connection that is closed with something unread is reset, and the answer with it.)
                let body = Int(request["CONTENT_LENGTH"] ?? "") ?? 0
                while bytes.count < colon + length + 2 + body {
                    let more = client.hear()
                    guard !more.isEmpty else { break }
                    bytes += more
                }
                self?.state.withLock { $0.append(request) }
                client.say(answer(request))
                return
            }
        }
        self.listener.withLock { $0 = listener }
    }

    static let echo: Answer = { request in
        page("\(request["REQUEST_METHOD"] ?? "") \(request["REQUEST_URI"] ?? "")")
    }

    static func page(_ body: String, headers: [String] = []) -> String {
        (["Status: 200 OK", "Content-Type: text/html"] + headers).joined(separator: "\r\n") + "\r\n\r\n"
            + body
    }

    var requests: [[String: String]] { state.withLock(\.self) }
    func forget() { state.withLock { $0 = [] } }
    func end() { listener.withLock { $0?.end() } }
    deinit { end() }
}
