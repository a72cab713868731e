import CNetlink
import Foundation
import Glibc
import Testing

/// What lasts passes as it comes, in both directions.
@Suite(.timeLimit(.minutes(10)), .enabled(if: GatewayLab.obstacle == nil, "\(GatewayLab.obstacle ?? "")"))
struct GatewayStreamTests {
    /// A connection that is read piece by piece.
    private final class Wire {
        let socket: Int32
        private var seen = ""

        init(_ gateway: GatewayLab, _ request: String) throws {
            socket = try HTTP.connect(gateway.lab, "127.0.0.1:8420")
            say(request)
        }

        func say(_ text: String) { say(Array(text.utf8)) }
        func say(_ bytes: [UInt8]) { _ = send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

        /// Everything so far, once some words are there; or until nothing comes any more.
        func hear(_ words: String) -> String {
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            while !seen.contains(words) {
                let count = recv(socket, &chunk, chunk.count, 0)
                guard count > 0 else { break }
                seen += String(decoding: chunk[..<count], as: UTF8.self)
            }
            return seen
        }

        deinit { close(socket) }
    }

    /// Each event is there before the next is sent, since the next is sent when it was seen.
    @Test func eventsComeOneByOne() throws {
        let gateway = try GatewayLab()
        let seen = Flag(false)
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080) { _, client in
            client.say(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: yes\r\n\r\ndata: one\n\n"
            )
            wait { !seen.value }
            client.say(seen.value ? "data: two\n\n" : "data: nobody saw it\n\n")
        }
        defer { alpha.end() }
        let a = try gateway.prefix("alpha")
        let wire = try Wire(
            gateway,
            "GET \(a)/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nOrigin: null\r\n\r\n"
        )
        let first = wire.hear("data: one")
        #expect(first.contains("data: one") && first.contains("Access-Control-Allow-Origin: null"))
        seen.value = true
        #expect(wire.hear("data: two").contains("data: two"))
    }

    @Test func aWebSocketPassesBothWays() throws {
        let gateway = try GatewayLab()
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080) { request, client in
            guard request["Upgrade"] == "websocket", request["Connection"] == "upgrade" else {
                return client.answer("no", status: "400 No")
            }
            client.say(
                "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSet-Cookie: w=1\r\nSec-WebSocket-Accept: \(request["Sec-WebSocket-Key"] ?? "")\r\n\r\n"
            )
            while true {
                let heard = client.hear()
                guard !heard.isEmpty, client.say(Array("echo ".utf8) + heard) else { return }
            }
        }
        defer { alpha.end() }
        let a = try gateway.prefix("alpha")
        func handshake(_ path: String) -> String {
            "GET \(path) HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: null\r\n"
                + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        }
        let wire = try Wire(gateway, handshake(a + "/ws"))
        let head = wire.hear("\r\n\r\n")
        #expect(
            head.hasPrefix("HTTP/1.1 101") && head.contains("Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ=="),
            "\(head)")
        #expect(!head.contains("Set-Cookie"))
        for word in ["one", "two"] {
            wire.say(word)
            #expect(wire.hear("echo \(word)").hasSuffix("echo \(word)"))
        }
        // Without the token there is none, whoever asks.
        for path in ["/agent/alpha/ws", "/agent/alpha/~\(String(repeating: "0", count: 32))/ws", "/ws"] {
            let refused = try Wire(gateway, handshake(path)).hear("\r\n\r\n")
            #expect(
                refused.hasPrefix("HTTP/1.1 ") && !refused.hasPrefix("HTTP/1.1 101"), "\(path): \(refused)")
        }
        #expect(alpha.requests.count == 1)
    }

    /// The agent has the first of an upload before the last is sent, and the other end the first of a download.
    @Test func uploadsAndDownloadsStream() throws {
        let gateway = try GatewayLab()
        let (began, go) = (Flag(false), Flag(false))
        let size = 8 << 20
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080) { request, client in
            guard request.method == "POST" else {
                client.say("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\nfirst")
                wait { !go.value }
                client.say([UInt8](repeating: 122, count: size - 5))
                return
            }
            var count = request.body.count
            if count > 0 { began.value = true }
            while count < size {
                let more = client.hear()
                guard !more.isEmpty else { return }
                began.value = true
                count += more.count
            }
            client.answer("\(count)")
        }
        defer { alpha.end() }
        let a = try gateway.prefix("alpha")
        let upload = try Wire(
            gateway,
            "POST \(a)/u HTTP/1.1\r\nHost: localhost\r\nX-Follow: 1\r\nConnection: close\r\nContent-Length: \(size)\r\n\r\nfirst"
        )
        wait { !began.value }
        #expect(began.value, "nothing of it has come before the rest was sent")
        upload.say([UInt8](repeating: 97, count: size - 5))
        #expect(upload.hear("\r\n\r\n\(size)").hasSuffix("\(size)"))
        let download = try Wire(
            gateway, "GET \(a)/d HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        #expect(download.hear("first").contains("first") && !go.value)
        go.value = true
        #expect(download.hear("never").utf8.count >= size)
    }
}
