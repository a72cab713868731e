import CNetlink
import Foundation
import Glibc
import Testing

/// Threat 36: what an agent's response says to the browser is a list, whatever it says.
@Suite(.timeLimit(.minutes(10)), .enabled(if: GatewayLab.obstacle == nil, "\(GatewayLab.obstacle ?? "")"))
struct GatewayHeaderTests {
    /// What binds the origin, what nginx would obey, what nobody has heard of yet, and odd names.
    private static let hostile = [
        "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2; Path=/agent/alpha", "SET-COOKIE: c=3",
        "Service-Worker-Allowed: /",
        "Clear-Site-Data: \"*\"", "Strict-Transport-Security: max-age=9999", "Alt-Svc: h2=\":1\"", "NEL: {}",
        "Report-To: {}",
        "Reporting-Endpoints: a=\"http://e/\"", "Access-Control-Allow-Origin: *",
        "Access-Control-Allow-Credentials: true",
        "Content-Security-Policy: default-src *", "Content-Security-Policy-Report-Only: default-src 'none'",
        "Refresh: 0; url=/approve/1", "X-Accel-Redirect: /.hive/generation", "X-Accel-Expires: 1",
        "X-Accel-Limit-Rate: 1",
        "X-Accel-Buffering: yes", "X-Accel-Charset: koi8-r", "Link: </x>; rel=preload",
        "Permissions-Policy: x",
        "Cross-Origin-Opener-Policy: unsafe-none", "Origin-Agent-Cluster: ?1", "Server: evil",
        "Date: Thu, 01 Jan 1970 00:00:00 GMT",
        "P3P: x", "X-Made-Up-Tomorrow: y", "WWW-Authenticate: Basic realm=\"x\"",
        "Content-Location: /approve/1", "Via: 1.1 x",
        "Speculation-Rules: \"/x\"", "Use-As-Dictionary: match=\"/*\"", "Set-Login: logged-in",
        "Accept-CH: DPR",
        "Referrer-Policy: unsafe-url", "X-Frame-Options: ALLOWALL", "__proto__: 1", "constructor: 1",
        "1abc: 1", "_x: 1", "!y: 1",
        "\u{e9}: 1", "Keep-Alive: timeout=9", "Trailer: Set-Cookie",
    ]
    private static let kept = [
        "ETag: \"abc\"", "Cache-Control: max-age=60", "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT",
        "Content-Language: en",
        "Content-Disposition: inline", "Accept-Ranges: bytes", "Vary: Accept", "Expires: 0", "Retry-After: 3",
    ]
    /// nginx's and the gateway's own.
    private static let own: Set<String> = [
        "server", "date", "connection", "content-security-policy", "access-control-allow-origin",
        "access-control-expose-headers",
        "referrer-policy", "x-content-type-options",
    ]

    private static func expectOwn(_ answer: HTTP, _ what: String) {
        #expect(
            answer.headers.filter { $0.name.lowercased() == "content-security-policy" }.map(\.value) == [
                "sandbox allow-scripts allow-forms allow-popups allow-downloads; frame-ancestors 'self'"
            ], "\(what)")
        #expect(
            answer.headers.filter { $0.name.lowercased() == "access-control-allow-origin" }.map(\.value) == [
                "null"
            ], "\(what)")
        #expect(
            answer["Referrer-Policy"] == "no-referrer" && answer["X-Content-Type-Options"] == "nosniff",
            "\(what)")
    }

    @Test func onlyWhatIsOnTheListArrives() throws {
        let gateway = try GatewayLab()
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080) { request, client in
            let status = request.target.dropFirst()
            client.say("HTTP/1.1 \(status) X\r\nContent-Type: text/html\r\n")
            for line in Self.hostile + Self.kept {
                client.say(Array(line.unicodeScalars.map { UInt8($0.value) }) + [13, 10])
            }
            client.say(status == "304" ? "\r\n" : "Content-Length: 2\r\n\r\nok")
        }
        defer { alpha.end() }
        let a = try gateway.prefix("alpha")
        let kept = Set(Self.kept.map { $0.prefix { $0 != ":" }.lowercased() })
        for status in [200, 201, 206, 301, 400, 401, 404, 500, 502, 503] {
            let answer = try gateway.ask("\(a)/\(status)")
            #expect(answer.status == status && answer.text == "ok", "\(status): \(answer.text)")
            let names = Set(answer.headers.map { $0.name.lowercased() })
            #expect(
                names == kept.union(Self.own).union(["content-type", "content-length"]),
                "\(status): \(names.symmetricDifference(kept.union(Self.own)))")
            #expect(answer["Server"] == "nginx" && answer["Date"]?.contains("1970") == false)
            Self.expectOwn(answer, "\(status)")
        }
        let unchanged = try gateway.ask(a + "/304")
        #expect(
            unchanged.status == 304 && unchanged["Set-Cookie"] == nil && unchanged["Clear-Site-Data"] == nil)
        // The control: as the agent sent it.
        let raw = try HTTP.send(
            gateway.lab, Array("GET /200 HTTP/1.0\r\n\r\n".utf8), at: "10.77.0.2:8080")
        #expect(raw["Clear-Site-Data"] == "\"*\"" && raw["Content-Security-Policy"] == "default-src *")
    }

    /// Parts have headers, too.
    @Test func partsAreNoResponses() throws {
        let gateway = try GatewayLab()
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080) { request, client in
            client.answer(
                "--b\r\nSet-Cookie: m=1\r\n\r\nx\r\n--b--",
                type: "multipart/\(request.target.dropFirst()); boundary=b")
        }
        defer { alpha.end() }
        let a = try gateway.prefix("alpha")
        #expect(try gateway.ask(a + "/x-mixed-replace")["Content-Type"] == "application/octet-stream")
        #expect(try gateway.ask(a + "/byteranges")["Content-Type"] == "multipart/byteranges; boundary=b")
        // What cannot be passed on as it was sent is not passed on.
        let count = alpha.requests.count
        for octets in [[0xc3, 0xa9], [0x3f, 0xff]] as [[UInt8]] {
            let raw =
                Array("GET \(a)/x".utf8) + octets
                + Array(" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)
            #expect(try HTTP.send(gateway.lab, raw).status == 400)
        }
        #expect(alpha.requests.count == count)
    }

    /// nginx's own words under a token are of the same origin as the agent's.
    @Test func whatNginxSaysItselfIsOfThatOriginToo() throws {
        let gateway = try GatewayLab(configuration: GatewayLab.configuration("limits: { body: 10 }"))
        let a = try gateway.prefix("alpha")
        let large = try gateway.ask(a + "/", method: "POST", body: [UInt8](repeating: 97, count: 100))
        #expect(large.status == 413)
        Self.expectOwn(large, "413")
        let dead = try gateway.ask(a + "/")
        #expect(dead.status == 502 && dead["Content-Security-Policy"]?.hasPrefix("sandbox ") == true)
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080) { _, client in client.answer("x") }
        defer { alpha.end() }
        let preflight = try gateway.ask(
            a + "/x", method: "OPTIONS",
            headers: [
                "Origin: null", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-own",
            ])
        #expect(preflight.status == 204 && preflight["Access-Control-Allow-Methods"]?.contains("PUT") == true)
        #expect(
            preflight["Access-Control-Allow-Headers"] == "*, Authorization"
                && preflight["Access-Control-Max-Age"] == "600")
        Self.expectOwn(preflight, "204")
        #expect(try gateway.ask(a + "/sw.js", headers: ["Service-Worker: script"]).status == 403)
        #expect(alpha.requests.isEmpty)
        #expect(try gateway.ask(a + "/x", method: "OPTIONS").text == "x" && alpha.requests.count == 1)
        // Without a token there is nothing to read.
        for path in ["/agent/alpha/x", "/", "/agent/alpha/~\(String(repeating: "0", count: 32))/x"] {
            let answer = try gateway.ask(
                path, method: "OPTIONS", headers: ["Origin: null", "Access-Control-Request-Method: GET"])
            #expect(answer["Access-Control-Allow-Origin"] == nil && answer.status != 204, "\(path)")
        }
    }

    private static let locations: [(String, String?)] = [
        ("/x", "PREFIX/x"), ("/", "PREFIX/"), ("/x?a=/../b", "PREFIX/x?a=/../b"), ("PREFIX/x", "PREFIX/x"),
        ("PREFIX", "PREFIX"),
        ("x/y", "x/y"), ("?q", "?q"), ("#f", "#f"), ("http://10.77.0.2:8080/x", "PREFIX/x"),
        ("http://10.77.0.2:8080", "PREFIX/"),
        ("http://localhost/x", "PREFIX/x"), ("/agent/beta/", "PREFIX/agent/beta/"),
        ("/agent/beta/~0/", "PREFIX/agent/beta/~0/"),
        ("//evil.example/", nil), ("https://elsewhere.example/", nil), ("http://10.77.0.3:8080/", nil),
        ("javascript:alert(1)", nil),
        ("data:text/html,x", nil), ("\\\\evil.example/", nil), ("/\\evil.example/", nil),
        ("/x/../../beta/", nil), ("../", nil), (".", nil),
        ("/%2e%2e/", nil), ("/x/.%2e/y", nil), ("/a\tb", nil), ("/.\t./x", nil),
        ("http://localhost.evil.example/", nil),
        ("http://10.77.0.2:80801/", nil), ("x:y", nil), ("", nil),
    ]

    /// A redirect leads to the agent's own pages, or nowhere; by either version of HTTP.
    @Test func redirectsStayWithTheAgent() throws {
        let gateway = try GatewayLab(
            configuration: GatewayLab.configuration(
                "tls: { certificate: '/run/lab/c.pem', key: '/run/lab/c.key' }, listen: ['127.0.0.1:8420', 'unix:/run/lab/g.sock']"
            ),
            starts: false)
        let lab = gateway.lab
        try lab.must(
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout /run/lab/c.key -out /run/lab/c.pem -days 2 -subj /CN=localhost"
        )
        #expect(try gateway.apply().status == 0)
        try gateway.start()
        let plain = "unix:/run/lab/g.sock"
        let opened = try gateway.ask("/agent/alpha/", headers: HTTP.navigation, at: plain)
        let a = String(try #require(opened["Location"]).dropLast())
        let alpha = try Upstream(lab, agent: "alpha", port: 8080) { request, client in
            let parts = request.target.dropFirst().split(separator: "/")
            let location = Self.locations[Int(parts[1]) ?? 0].0.replacing("PREFIX", with: a)
            client.answer("r", status: "\(parts[0]) R", headers: ["Location: \(location)"])
        }
        defer { alpha.end() }
        for (index, (given, expected)) in Self.locations.enumerated() {
            let expected = expected?.replacing("PREFIX", with: a)
            for status in [302, 201] {
                let answer = try gateway.ask("\(a)/\(status)/\(index)", at: plain)
                #expect(
                    answer.status == status && answer["Location"] == expected,
                    "\(given): \(answer["Location"] ?? "-")")
            }
            // (The origin is another one by TLS.)
            if given.contains("localhost/") { continue }
            let second = try lab.run([
                "curl", "-sk", "--http2", "-o", "/dev/null", "-D", "-",
                "https://localhost:8420\(a)/302/\(index)",
            ])
            let found = second.stdout.split(separator: "\r\n").first { $0.hasPrefix("location: ") }?
                .dropFirst(10).description
            #expect(
                second.stdout.hasPrefix("HTTP/2 302") && found == expected, "h2 \(given): \(second.stdout)")
        }
    }
}
