import CNetlink
import Glibc
import Synchronization

/// A core daemon with a roster, on a unix socket in a lab, whose answers the test sets.
final class CoreDaemon: Sendable {
    static let path = "/run/lab/core.sock"

    private struct State {
        var answer: String
        var knowsSubscriptions: Bool
        var subscribers: [Int32] = []
        var requests: [String] = []
        var isOver = false
    }
    private let state: Mutex<State>
    private let listener: Int32

    /// - Parameter subscriptions: whether it knows of them. If not it says so, and is asked now and then.
    init(_ lab: Lab, _ answer: String, subscriptions: Bool = true) throws {
        state = Mutex(State(answer: answer, knowsSubscriptions: subscriptions))
        listener = try lab.host {
            unlink(Self.path)
            let socket = try Socket(AF_UNIX, Int32(SOCK_STREAM.rawValue))
            try UnixPath.bind(socket.descriptor, Self.path)
            guard listen(socket.descriptor, 16) == 0 else { throw LabError.last("listen at \(Self.path)") }
            return fcntl(socket.descriptor, F_DUPFD_CLOEXEC, 0)
        }
        var thread = pthread_t()
        let box = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { argument in
                argument.map { Unmanaged<CoreDaemon>.fromOpaque($0).takeRetainedValue().serve() }
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw LabError("cannot start a thread")
        }
        pthread_detach(thread)
    }

    static func healthy(_ names: String...) -> String {
        let agents = names.map { #"{"name":"\#($0)","running":true,"since":[1,{}]}"# }
        return #"{"version":1,"ok":true,"agent_statuses":[\#(agents.joined(separator: ","))],"more":null}"#
    }

    /// Nobody is let in any more, and who is in is put out.
    func end() {
        shutdown(listener, Int32(SHUT_RDWR))
        state.withLock { state in
            state.isOver = true
            for subscriber in state.subscribers { close(subscriber) }
            state.subscribers = []
        }
    }

    /// All that was sent to it, in order.
    var requests: [String] { state.withLock(\.requests) }

    /// Answers this from now on, and tells those who have subscribed, unless it has forgotten them.
    func answer(_ text: String, tells: Bool = true) {
        state.withLock { state in
            state.answer = text
            for subscriber in state.subscribers where tells { Self.put(subscriber, text) }
        }
    }

    func waitForSubscriber() throws {
        wait(seconds: 30) { state.withLock(\.subscribers.isEmpty) }
        guard state.withLock({ !$0.subscribers.isEmpty }) else { throw LabError("nobody subscribes") }
    }

    private func serve() {
        defer { close(listener) }
        while true {
            let client = accept(listener, nil, nil)
            if client < 0 {
                if state.withLock(\.isOver) || errno != EINTR { return }
                continue
            }
            // (All that is sent, and not only as far as a line feed.)
            var request: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 4096)
            while !request.contains(0x0a) {
                let count = recv(client, &chunk, chunk.count, 0)
                guard count > 0 else { break }
                request += chunk[..<count]
            }
            let words = String(decoding: request, as: UTF8.self)
            let stays = state.withLock { state in
                state.requests.append(words)
                let isSubscription = words.contains("subscribe")
                guard isSubscription, !state.knowsSubscriptions else {
                    Self.put(client, state.answer)
                    if isSubscription, !state.isOver { state.subscribers.append(client) }
                    return isSubscription && !state.isOver
                }
                Self.put(client, #"{"version":1,"ok":false,"error":"unknown command"}"#)
                return false
            }
            if !stays { close(client) }
        }
    }

    private static func put(_ client: Int32, _ text: String) {
        let line = Array((text + "\n").utf8)
        _ = send(client, line, line.count, Int32(MSG_NOSIGNAL))
    }
}
