import Foundation
import Glibc
import Testing

/// Requests through a real nginx: who gets which, and what arrives.
@Suite(.timeLimit(.minutes(10)), .enabled(if: GatewayLab.obstacle == nil, "\(GatewayLab.obstacle ?? "")"))
struct GatewayTests {
    private static func echo(_ name: String) -> Upstream.Handler {
        { request, client in client.answer("\(name) \(request.method) \(request.target)", type: "text/plain")
        }
    }

    @Test func eachAgentGetsItsOwnPagesWithoutThePrefix() throws {
        let gateway = try GatewayLab()
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080, Self.echo("alpha"))
        let beta = try Upstream(gateway.lab, agent: "beta", port: 8080, Self.echo("beta"))
        defer {
            alpha.end()
            beta.end()
        }
        let (a, b) = (try gateway.prefix("alpha"), try gateway.prefix("beta"))
        #expect(a.hasPrefix("/agent/alpha/~") && b.hasPrefix("/agent/beta/~") && a.count == 14 + 32)
        #expect(try gateway.ask(a + "/").text == "alpha GET /")
        #expect(try gateway.ask(b + "/").text == "beta GET /")
        // As it was sent.
        for rest in [
            "/x", "/x/", "/a%2fb", "/a%20b", "/%41", "/a//b", "/?q=%2f..%2f", "/a;b=c", "/%25", "/x?y=/../z",
            "/~other/", "/a%0d%0aX:y",
        ] {
            #expect(try gateway.ask(a + rest).text == "alpha GET \(rest)")
        }
        alpha.forget()
        _ = try gateway.ask(
            a + "/where?x=1",
            headers: [
                "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Prefix: /evil", "X-Real-IP: 1.2.3.4", "Cookie: s=1",
                "Authorization: Basic x", "Forwarded: for=1.2.3.4", "Referer: http://localhost/secret",
                "X-Own: kept",
            ], host: "localhost:8420")
        let request = try #require(alpha.requests.first)
        #expect(request["X-Forwarded-Prefix"] == a && request["X-Forwarded-Host"] == "localhost:8420")
        #expect(request["X-Forwarded-Proto"] == "http" && request["X-Forwarded-For"] == "127.0.0.1")
        #expect(request["Host"] == "10.77.0.2:8080" && request["X-Own"] == "kept")
        for name in ["Cookie", "Authorization", "X-Real-IP", "Forwarded", "Referer"] {
            #expect(request[name] == nil, "\(name)")
        }
        #expect(request.headers.count { $0.name.lowercased() == "x-forwarded-for" } == 1)
    }

    /// Words of nginx's, and of the gateway's own paths.
    @Test func agentsMayBeCalledAsTheyLike() throws {
        let names = [
            "default", "include", "hostnames", "volatile", "server", "agent", "nginx", "location", "http",
            "if", "return", "set",
            "off", "hive", "tilde", "root", "new", "a" + String(repeating: "b", count: 62),
        ]
        let agents = names.map { "\"\($0)\": { web: { port: 80 } }" }.joined(separator: ", ")
        let gateway = try GatewayLab(
            configuration: GatewayLab.configuration().replacing("agents: {", with: "agents: { \(agents),"))
        for name in names {
            let prefix = try gateway.prefix(name)
            #expect(prefix.hasPrefix("/agent/\(name)/~"), "\(prefix)")
            let dead = try gateway.ask(prefix + "/")
            #expect(dead.status == 502 && dead.text.contains("<b>\(name)</b>"), "\(name): \(dead.text)")
        }
        // Each by its own name, and nobody else's.
        let token = try gateway.prefix("default").dropFirst("/agent/default".count)
        for name in ["include", "nobody", "defaul", "alpha"] {
            #expect(try gateway.ask("/agent/\(name)\(token)/").status != 502, "\(name)")
        }
        #expect(try gateway.ask("/agent/nobody/", headers: HTTP.navigation).status == 404)
        #expect(try gateway.ask("/.hive/page").status == 404)
    }

    /// What could be one thing to nginx and another to the agent reaches nobody.
    @Test func crookedPathsReachNobody() throws {
        let gateway = try GatewayLab()
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080, Self.echo("alpha"))
        let beta = try Upstream(gateway.lab, agent: "beta", port: 8080, Self.echo("beta"))
        defer {
            alpha.end()
            beta.end()
        }
        let (a, b) = (try gateway.prefix("alpha"), try gateway.prefix("beta"))
        let token = a.dropFirst("/agent/alpha/~".count)
        let paths = [
            a + "/../x", a + "/..", a + "/./x", a + "/%2e%2e/x", a + "/.%2e/", a + "/x/..%2fy",
            a + "/%2f..%2f",
            a + "/x%00", a + "/x\\y", a + "/..\\", a + "/x%5cy", a + "/..;/", a + "/x#y",
            b + "/../../alpha/~\(token)/x", b + "/..%2f..%2falpha/~\(token)/x", "/agent//alpha/~\(token)/x",
            "//agent/alpha/~\(token)/x", "/agent/%61lpha/~\(token)/x", "/agent%2falpha/~\(token)/x",
            "/agent/alpha/%7e\(token)/x", "/agent/./alpha/~\(token)/x", "/AGENT/alpha/~\(token)/x",
            "/agent/alpha/~\(token.uppercased())/x", "/agent/alpha/~\(token)x/",
            "/agent/../agent/alpha/~\(token)/",
            "/agent/alpha/~/x", "/agent/..", "/agent/../", "/x/../agent/alpha/~\(token)/",
        ]
        for path in paths {
            let answer = try gateway.ask(path)
            #expect(
                answer.status >= 400 || answer.status == 200 && answer.text.contains("<form"),
                "\(path): \(answer.status)")
        }
        for raw in [
            "GET \(a)/\u{0} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET \(a)/x y HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ] {
            #expect(try HTTP.send(gateway.lab, Array(raw.utf8)).status == 400)
        }
        #expect(alpha.requests.isEmpty && beta.requests.isEmpty)
        // The control.
        #expect(try gateway.ask(a + "/x").text == "alpha GET /x" && alpha.requests.count == 1)
    }

    @Test func aRequestIsOneRequest() throws {
        let gateway = try GatewayLab()
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080, Self.echo("alpha"))
        defer { alpha.end() }
        let a = try gateway.prefix("alpha")
        let head = "POST \(a)/x HTTP/1.1\r\nHost: localhost\r\n"
        for raw in [
            head
                + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
            head + "Content-Length: 3\r\nContent-Length: 30\r\n\r\nabc",
            head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            head + "Host: other\r\n\r\n", "GET \(a)/x HTTP/1.1\r\n\r\n",
        ] {
            #expect(try HTTP.send(gateway.lab, Array(raw.utf8)).status >= 400, "\(raw)")
        }
        #expect(alpha.requests.isEmpty)
    }

    /// Whoever owns a name can have it lead here, and be of one origin with what is served then (DNS rebinding).
    @Test func namesThatAreNotOursAreNotServed() throws {
        let gateway = try GatewayLab(
            configuration: GatewayLab.configuration(
                "serverNames: ['hive.example'], listen: ['127.0.0.1:8420', 'unix:/run/lab/gateway.sock']"))
        let alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080, Self.echo("alpha"))
        defer { alpha.end() }
        let a = try gateway.prefix("alpha")
        for host in ["localhost", "localhost:8420", "127.0.0.1", "10.1.2.3:80", "[::1]:8420", "hive.example"]
        {
            #expect(try gateway.ask(a + "/", host: host).text == "alpha GET /", "\(host)")
        }
        #expect(try gateway.ask(a + "/", at: "unix:/run/lab/gateway.sock").text == "alpha GET /")
        let count = alpha.requests.count
        for host in [
            "evil.example", "localhost.evil.example", "x.hive.example", "127.0.0.1.evil.example", "_",
        ] {
            for path in [a + "/", "/", "/agent/alpha/", "/.hive/generation"] {
                #expect(try gateway.ask(path, headers: HTTP.navigation, host: host).status == 421, "\(host)")
            }
        }
        #expect(alpha.requests.count == count)
    }

    /// A token is given to what the user opens, or the origin itself; a browser that does not say who it was has a button pressed.
    @Test func bookmarksAreForTheUser() throws {
        let gateway = try GatewayLab()
        func status(_ mode: String, _ site: String, _ dest: String, _ path: String = "/agent/alpha/") throws
            -> Int
        {
            try gateway.ask(
                path,
                headers: ["Sec-Fetch-Mode: \(mode)", "Sec-Fetch-Site: \(site)", "Sec-Fetch-Dest: \(dest)"]
            ).status
        }
        #expect(try status("navigate", "none", "document") == 303)
        #expect(try status("navigate", "same-origin", "document") == 303)
        #expect(try status("navigate", "same-origin", "iframe") == 303)
        #expect(try status("navigate", "none", "document", "/agent/alpha") == 303)
        for (mode, site, dest) in [
            ("navigate", "cross-site", "document"), ("navigate", "same-site", "document"),
            ("navigate", "cross-site", "iframe"), ("cors", "cross-site", "empty"),
            ("cors", "same-origin", "empty"),
            ("no-cors", "none", "image"), ("navigate", "same-origin", "object"),
            ("websocket", "same-origin", "empty"),
        ] {
            #expect(try status(mode, site, dest) == 403, "\(mode) \(site) \(dest)")
        }
        let below = try gateway.ask("/agent/alpha/a%2fb?c=%22", headers: HTTP.navigation)
        let a = try gateway.prefix("alpha")
        #expect(below["Location"] == a + "/a%2fb?c=%22")
        // A token that is no longer good is replaced.
        let old = try gateway.ask(
            "/agent/alpha/~\(String(repeating: "0", count: 32))/p?q", headers: HTTP.navigation)
        #expect(old.status == 303 && old["Location"] == a + "/p?q")
        // Nobody says who opens it.
        let asked = try gateway.ask("/agent/alpha/p?q=<script>")
        #expect(asked.status == 200 && asked.text.contains("<form method=post>"))
        #expect(!asked.text.contains("~") && !asked.text.contains("script>"))
        #expect(asked["Content-Security-Policy"]?.contains("frame-ancestors 'none'") == true)
        #expect(asked["Access-Control-Allow-Origin"] == nil)
        func pressed(_ origin: String) throws -> HTTP {
            try gateway.ask(
                "/agent/alpha/p", method: "POST", headers: [origin], host: "localhost:8420")
        }
        #expect(try pressed("Origin: http://localhost:8420")["Location"] == a + "/p")
        for origin in ["Origin: null", "Origin: http://evil.example", "Origin: http://localhost", "X: y"] {
            #expect(try pressed(origin).status == 403, "\(origin)")
        }
        #expect(try gateway.ask("/agent/nobody/", headers: HTTP.navigation).status == 404)
        #expect(try gateway.ask("/agent/", headers: HTTP.navigation).status == 404)
    }

    /// What changes something comes from the origin itself, whatever the dashboard looks at.
    @Test func theDashboardIsAskedByItsOwnPagesAlone() throws {
        let gateway = try GatewayLab(
            configuration: GatewayLab.configuration("dashboard: '/run/lab/web.sock'"))
        let down = try gateway.ask("/")
        #expect(down.status == 502 && down.text.contains("href=\"/agent/alpha/\""), "\(down.text)")
        let dashboard = try SCGI(gateway.lab, path: "/run/lab/web.sock")
        defer { dashboard.end() }
        #expect(try gateway.ask("/api/state?x=%2f").text == "GET /api/state?x=%2f")
        func post(_ headers: [String]) throws -> Int {
            try gateway.ask(
                "/approve/1", method: "POST", headers: headers, body: Array("a=b".utf8),
                host: "localhost:8420"
            ).status
        }
        dashboard.forget()
        let own = "Origin: http://localhost:8420"
        #expect(try post([own]) == 200 && post([own, "Sec-Fetch-Site: same-origin"]) == 200)
        #expect(dashboard.requests.map { $0["REQUEST_URI"] } == ["/approve/1", "/approve/1"])
        #expect(
            dashboard.requests.first?["CONTENT_LENGTH"] == "3"
                && dashboard.requests.first?["HTTP_ORIGIN"] != nil)
        dashboard.forget()
        for headers in [
            ["Origin: null"], [], ["Origin: http://evil.example"], ["Origin: https://localhost:8420"],
            [own, "Sec-Fetch-Site: cross-site"], [own, "Sec-Fetch-Site: same-site"],
            [own, "Sec-Fetch-Site: none"],
        ] {
            #expect(try post(headers) == 403, "\(headers)")
        }
        #expect(dashboard.requests.isEmpty)
        #expect(try gateway.ask("/a/../b").status == 400 && dashboard.requests.isEmpty)
    }
}
