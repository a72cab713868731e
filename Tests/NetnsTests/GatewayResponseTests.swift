import CNetlink
import Foundation
import Glibc
import Testing

/// Threat 37: an agent's server that is mad, slow or dead hurts nobody else, and makes one answer of nothing into two.
@Suite(.timeLimit(.minutes(10)), .enabled(if: GatewayLab.obstacle == nil, "\(GatewayLab.obstacle ?? "")"))
struct GatewayResponseTests {
    private static let second =
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nSet-Cookie: evil=1\r\nContent-Type: text/html\r\n\r\nSECOND"

    /// What is no answer, by the path that gets it.
    private static let mad: [String: String] = [
        "/100": "HTTP/1.1 100 Continue\r\n\r\n" + second, "/102": "HTTP/1.1 102 P\r\n\r\n" + second,
        "/103": "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n" + second,
        "/199": "HTTP/1.1 199 X\r\n\r\n" + second,
        "/101": "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" + second,
        "/99": "HTTP/1.1 099 X\r\n\r\n" + second, "/none": "<h1>no status line</h1>\r\n\r\n" + second,
        "/nul": "HTTP/1.1 200 OK\r\nETag: a\u{0}b\r\nContent-Length: 2\r\n\r\nok",
        "/cr": "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok",
        "/chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n" + second,
        "/lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 300\r\n\r\nok" + second,
        "/split": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + second,
        "/both":
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 300\r\n\r\n2\r\nok\r\n0\r\nSet-Cookie: evil=1\r\n\r\n"
            + second,
        "/204": "HTTP/1.1 204 No\r\n\r\n" + second, "/304": "HTTP/1.1 304 No\r\n\r\n" + second,
        "/folded":
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n Set-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok",
    ]

    @Test func noAnswerIsTwo() throws {
        let gateway = try GatewayLab()
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080) { request, client in
            client.say(Self.mad[request.target] ?? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
        defer { alpha.end() }
        let a = try gateway.prefix("alpha")
        for path in Self.mad.keys.sorted() {
            // Two requests on one connection: what comes second is the answer to the second.
            let raw =
                "GET \(a)\(path) HTTP/1.1\r\nHost: localhost\r\n\r\nGET \(a)/well HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            let text = String(decoding: try HTTP.send(gateway.lab, Array(raw.utf8)).bytes, as: UTF8.self)
            // nginx's own heads; what an agent wrote is no head, but a body whose length its head has.
            let heads = text.components(separatedBy: "\r\n\r\n").filter { $0.contains("Server: nginx\r\n") }
            #expect(
                heads.count <= 2 && heads.allSatisfy { !$0.lowercased().contains("set-cookie") },
                "\(path): \(text)")
            #expect(heads.allSatisfy { !$0.contains("HTTP/1.1 1") }, "\(path): \(text)")
            if path == "/lengths" {
                #expect(heads.count == 1 && heads[0].contains("Content-Length: 300"), "\(text)")
            } else {
                #expect(!text.contains("SECOND"), "\(path): \(text)")
            }
        }
        #expect(try gateway.ask(a + "/well").text == "ok")
    }

    /// Headers without end, a body without end, nothing at all: the gateway gives up or goes on within bounds, and beta's page is quick.
    @Test func oneAgentHurtsNoOther() throws {
        let gateway = try GatewayLab(
            configuration: GatewayLab.configuration("limits: { time: 1, connections: 8 }"))
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080) { request, client in
            switch request.target {
            case "/head":
                client.say("HTTP/1.1 200 OK\r\n")
                while client.say("X-A: \(String(repeating: "a", count: 1000))\r\n") {}
            case "/body":
                client.say("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
                while client.say([UInt8](repeating: 122, count: 1 << 16)) {}
            case "/bad": client.answer("my own", status: "502 Mine")
            default: _ = client.hear()
            }
        }
        let beta = try Upstream(gateway.lab, agent: "beta", port: 8080) { _, client in client.answer("beta") }
        defer {
            alpha.end()
            beta.end()
        }
        let (a, b) = (try gateway.prefix("alpha"), try gateway.prefix("beta"))
        #expect(try gateway.ask(a + "/head").status == 502)
        #expect(try gateway.ask(a + "/bad").text == "my own")
        // Nobody reads what does not end: eight of them, and one more is too many.
        let held = try (0..<8).map { _ in try HTTP.connect(gateway.lab, "127.0.0.1:8420") }
        defer { for connection in held { close(connection) } }
        for connection in held {
            let request = "GET \(a)/body HTTP/1.1\r\nHost: localhost\r\n\r\n"
            _ = send(connection, request, request.utf8.count, Int32(MSG_NOSIGNAL))
        }
        wait { alpha.requests.filter { $0.target == "/body" }.count < 8 }
        #expect(try gateway.ask(a + "/x").status == 429)
        let start = ContinuousClock.now
        #expect(try gateway.ask(b + "/").text == "beta")
        #expect(ContinuousClock.now - start < .seconds(2))
        let workers = try gateway.lab.must("pgrep -u www-data nginx").stdout.split(separator: "\n")
        for worker in workers {
            let status = try gateway.lab.must("grep VmRSS /proc/\(worker)/status").stdout
            #expect((Int(status.filter(\.isNumber)) ?? .max) < 64 << 10, "\(status)")
        }
        for connection in held { shutdown(connection, Int32(SHUT_RDWR)) }
        // Silent: it is said which agent it is.
        var late = try gateway.ask(a + "/silent")
        wait {
            if late.status == 429 { late = (try? gateway.ask(a + "/silent")) ?? late }
            return late.status == 429
        }
        #expect(
            late.status == 504 && late.text.contains("<b>alpha</b>") && late.text.contains("href=/ "),
            "\(late.text)")
        // Its link is down: no answer to connecting.
        try gateway.lab.ip(in: "hive-alpha", "link set eth0 down")
        let gone = try gateway.ask(a + "/x", seconds: 30)
        #expect([502, 504].contains(gone.status) && gone.text.contains("<b>alpha</b>"), "\(gone.text)")
    }

    /// `show` asks them, too, as root.
    @Test func showWaitsForNobody() throws {
        let gateway = try GatewayLab()
        let drip = try Upstream(gateway.lab, agent: "alpha", port: 8080) { _, client in
            while client.say("H") { usleep(100_000) }
        }
        let well = try Upstream(gateway.lab, agent: "beta", port: 8080) { request, client in
            client.answer("x", status: request.method == "GET" ? "418 Teapot" : "400 No")
        }
        defer {
            drip.end()
            well.end()
        }
        let start = ContinuousClock.now
        let shown = try gateway.lab.hivectl("gateway", "show", "--standalone", "--json")
        #expect(ContinuousClock.now - start < .seconds(6))
        let root = try #require(try shown.json() as? [String: Any])
        let pages = try #require(root["pages"] as? [[String: Any]])
        #expect(pages.map { $0["agent"] as? String } == ["alpha", "beta"])
        #expect(pages.map { $0["answers"] as? Bool } == [true, true])
        #expect(pages.map { $0["status"] as? Int } == [nil, 418], "\(shown)")
        #expect(root["served"] as? Bool == true && root["current"] as? Bool == true)
    }

    @Test func tooManyAreTurnedAway() throws {
        let gateway = try GatewayLab(configuration: GatewayLab.configuration("limits: { rate: 1 }"))
        let servers = try ["alpha", "beta"].map { name in
            try Upstream(gateway.lab, agent: name, port: 8080) { _, client in client.answer(name) }
        }
        defer { for server in servers { server.end() } }
        let (a, b) = (try gateway.prefix("alpha"), try gateway.prefix("beta"))
        // Two at once besides the first.
        let statuses = try (0..<8).map { _ in try gateway.ask(a + "/").status }
        #expect(Array(statuses.prefix(3)) == [200, 200, 200] && statuses.contains(429), "\(statuses)")
        #expect(try gateway.ask(b + "/").text == "beta")
        let long = try gateway.ask(b + "/", headers: ["X: " + String(repeating: "x", count: 40_000)])
        #expect([400, 494, 431].contains(long.status), "\(long.status)")
    }
}
