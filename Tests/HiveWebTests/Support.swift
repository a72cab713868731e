import CLinux
import Foundation
import Glibc
import HiveWire
import Synchronization
import Testing

@testable import HiveWeb

/// A directory that goes with the value.
final class Scratch: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/hive-web.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw ServiceError.last("make a directory") }
        path = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Waits, for some seconds at most, until something is so.
func wait(until isSo: () -> Bool) -> Bool {
    let deadline = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < deadline {
        if isSo() { return true }
        usleep(1000)
    }
    return isSo()
}

/// A core as the tests want it: it answers on a socket, on a thread for each connection.
final class FakeCore: Sendable {
    struct State {
        var agents = ["alpha", "beta"].map { name in
            var status = AgentStatus(name: name)
            status.running = true
            status.backend = "nspawn"
            return status
        }
        var questions: [Question] = []
        var approvals: [Approval] = []
        var file: StateFile?
        var requests: [CoreRequest] = []
        var listeners: [Int32] = []
        /// It reads and says nothing.
        var isHanging = false
    }

    let path: String
    let state = Mutex(State())
    private let descriptor: Int32

    init(at path: String) throws {
        self.path = path
        let socket = try UnixSocket(isBlocking: true)
        try socket.listen(at: path, mode: 0o600, group: nil)
        descriptor = dup(socket.descriptor)
        // (The backlog of UnixSocket is meant for fewer.)
        #expect(listen(descriptor, 1024) == 0)
        let listener = descriptor
        onThread { [weak self] in
            while true {
                let client = Glibc.accept(listener, nil, nil)
                guard client >= 0, let self else { return }
                onThread { self.serve(client) }
            }
        }
    }

    /// Nobody answers at the path any more, and who was told of events is told no more.
    func end() {
        unlink(path)
        shutdown(descriptor, Int32(SHUT_RDWR))
        state.withLock { for listener in $0.listeners { shutdown(listener, Int32(SHUT_RDWR)) } }
    }

    deinit { close(descriptor) }

    func requests(_ verb: CoreVerb) -> [CoreRequest] {
        state.withLock { $0.requests.filter { $0.request == verb } }
    }

    func tell(_ event: CoreEvent) {
        let line = (try? JSONLine.encode(event)) ?? []
        state.withLock {
            for listener in $0.listeners { _ = send(listener, line, line.count, Int32(MSG_NOSIGNAL)) }
        }
    }

    private func serve(_ client: Int32) {
        let socket = UnixSocket(adopting: client)
        let channel = Channel(socket)
        while !channel.isHalfClosed, !channel.isOver {
            channel.receive(most: 1 << 17)
            while let line = channel.takeLine() {
                guard let request = try? JSONLine.decode(CoreRequest.self, line) else { return }
                let isHanging = state.withLock {
                    $0.requests.append(request)
                    return $0.isHanging
                }
                if isHanging { continue }
                channel.send((try? JSONLine.encode(answer(request))) ?? [])
                if request.request == .events { state.withLock { $0.listeners.append(client) } }
            }
        }
        state.withLock { $0.listeners.removeAll { $0 == client } }
    }

    private func answer(_ request: CoreRequest) -> CoreAnswer {
        state.withLock { state in
            func refused(_ sentence: String) -> CoreAnswer {
                var answer = CoreAnswer(ok: false)
                answer.error = sentence
                return answer
            }
            var answer = CoreAnswer(ok: true)
            switch request.request {
            case .agents: answer.agents = state.agents
            case .questions: answer.questions = state.questions
            case .approvals: answer.approvals = state.approvals
            case .answerQuestion:
                guard let index = state.questions.firstIndex(where: { $0.id == request.id }),
                    state.questions[index].state == .open
                else { return refused("question \(request.id ?? 0) is answered already") }
                state.questions[index].state = .answered
                state.questions[index].answer = request.text
            case .approve, .deny:
                guard
                    let index = state.approvals.firstIndex(where: { $0.id == request.id && $0.state == .open }
                    )
                else { return refused("approval \(request.id ?? 0) is decided already") }
                state.approvals[index].state = request.request == .approve ? .approved : .denied
            case .readAgentStateFile:
                guard let file = state.file else { return refused("there is no such file") }
                answer.file = file
            case .journal: answer.lines = ["a line of \(request.name ?? "")"]
            case .agentConfig:
                answer.config = AgentConfig(
                    name: request.name ?? "", settings: "{}", place: "/etc/hive/hive.json:4",
                    stateDirectory: "/x",
                    files: [.init(path: "a b&c.txt", size: 3)])
            case .networkState:
                var network = NetworkSummary()
                network.holds = true
                network.agents = [.init(name: "alpha", isUp: true, egress: "none", blocked: ["host": 1234])]
                network.blockedInAll = ["host": 1234]
                answer.network = network
            case .lifecycle, .events, .refused: break
            }
            return answer
        }
    }
}

func onThread(_ body: @escaping @Sendable () -> Void) { Thread.detachNewThread(body) }

/// hive-web's server on a thread, with sockets in a directory of its own.
final class RunningServer: Sendable {
    let scratch: Scratch
    let core: FakeCore
    let path: String
    private let stop: Int32
    private let isOver = Atomic(false)
    static let tokens = PageTokens(key: [1, 2, 3])

    init(_ change: (inout Server.Limits) -> Void = { _ in }) throws {
        scratch = try Scratch()
        path = "\(scratch.path)/web.sock"
        core = try FakeCore(at: "\(scratch.path)/core.sock")
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        stop = ends[1]
        var limits = Server.Limits()
        change(&limits)
        let listener = try UnixSocket(isBlocking: false)
        try listener.listen(at: path, mode: 0o660, group: nil)
        #expect(listen(listener.descriptor, 1024) == 0)
        let (inner, number, corePath, last) = (Box(listener), ends[0], core.path, limits)
        onThread { [weak self] in
            let server = try? Server(
                listener: inner.value, core: corePath, tokens: Self.tokens, stop: number, limits: last)
            #expect(server != nil)
            server?.run()
            close(number)
            self?.isOver.store(true, ordering: .releasing)
        }
    }

    /// A value that one thread hands to another, and does not look at any more.
    private struct Box: @unchecked Sendable {
        let value: UnixSocket
        init(_ value: UnixSocket) { self.value = value }
    }

    deinit {
        close(stop)
        core.end()
    }

    func end() -> Bool {
        _ = write(stop, [UInt8(0)], 1)
        return wait { isOver.load(ordering: .acquiring) }
    }

    func connect() throws -> UnixSocket {
        let socket = try UnixSocket(isBlocking: true)
        socket.limit(seconds: 20)
        #expect(try socket.connect(to: path) == 0)
        return socket
    }

    func ask(_ request: SCGIRequest) throws -> Answer {
        let socket = try connect()
        try send(Self.encode(request), socket)
        return Answer(read(socket))
    }

    func get(_ uri: String, _ headers: [String: String] = [:]) throws -> Answer {
        try ask(.make("GET", uri, headers))
    }

    static func encode(_ request: SCGIRequest) -> [UInt8] { encode(Array(request.headers), request.body) }

    static func encode(_ headers: [(key: String, value: String)], _ body: [UInt8] = []) -> [UInt8] {
        let all = [("CONTENT_LENGTH", "\(body.count)"), ("SCGI", "1")] + headers.map { ($0.key, $0.value) }
        return netstring(all) + body
    }
}

/// The header block of a request.
func netstring(_ headers: [(String, String)]) -> [UInt8] {
    let text = headers.map { "\($0.0)\u{0}\($0.1)\u{0}" }.joined()
    return Array("\(text.utf8.count):\(text),".utf8)
}

func send(_ bytes: [UInt8], _ socket: UnixSocket) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { socket.write($0) }
        guard count > 0 else { throw ServiceError.last("send") }
        rest = rest.dropFirst(count)
    }
}

/// Until the end, or so many octets, or until it says something.
func read(_ socket: UnixSocket, until words: String? = nil) -> [UInt8] {
    var all: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = chunk.withUnsafeMutableBytes { socket.read(into: $0) }
        guard count > 0 else { return all }
        all += chunk[..<count]
        if let words, String(decoding: all, as: UTF8.self).contains(words) { return all }
    }
}

struct Answer {
    let status: Int
    let headers: [String: String]
    let body: String

    init(_ bytes: [UInt8]) {
        let parts = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n\r\n")
        var headers: [String: String] = [:]
        for line in parts[0].components(separatedBy: "\r\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[String(line[..<colon])] = line[line.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
        self.headers = headers
        status = Int(headers["Status"]?.prefix(3) ?? "") ?? 0
        body = parts.dropFirst().joined(separator: "\r\n\r\n")
    }
}

extension SCGIRequest {
    static func make(_ method: String, _ uri: String, _ more: [String: String] = [:], body: String = "")
        -> SCGIRequest
    {
        let parts = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var headers = [
            "REQUEST_METHOD": method, "REQUEST_URI": uri, "DOCUMENT_URI": String(parts[0]),
            "QUERY_STRING": parts.count > 1 ? String(parts[1]) : "", "REQUEST_SCHEME": "http",
            "HTTP_HOST": "hive.example:8080", "REMOTE_USER": "alice",
        ]
        headers.merge(more) { $1 }
        return SCGIRequest(headers: headers, body: Array(body.utf8))
    }

    /// As a page of ours sends it.
    static func post(
        _ action: Action, user: String = "alice", token: String? = nil, _ fields: [String: String] = [:],
        _ more: [String: String] = [:]
    ) -> SCGIRequest {
        let token = token ?? RunningServer.tokens.token(for: action, user: user, at: PageTokens.now)
        var all = ["token": token, "from": "/"]
        all.merge(fields) { $1 }
        var headers = [
            "HTTP_ORIGIN": "http://hive.example:8080", "HTTP_SEC_FETCH_SITE": "same-origin",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
        ]
        headers.merge(more) { $1 }
        let body = all.map { "\($0)=\(Form.encode($1))" }.joined(separator: "&")
        return make("POST", action.path, headers, body: body)
    }
}
