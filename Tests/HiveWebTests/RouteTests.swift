import HiveWire
import Testing

@testable import HiveWeb

@Suite(.timeLimit(.minutes(10))) struct RouteTests {
    @Test(arguments: [
        ("/", Route.dashboard), ("/agents/alpha", .agent("alpha")), ("/static/style.css", .asset(.style)),
        ("/api/state", .state), ("/api/stream", .stream), ("/api/journal/a-1", .journal("a-1")),
        ("/api/agent-config/a", .agentConfig("a")), ("/api/state-file", .stateFile),
    ])
    func gets(_ path: String, _ route: Route) {
        #expect(Route(method: "GET", path: path) == route)
        #expect(Route(method: "HEAD", path: path) == route)
        // Nothing of these takes anything else, and no GET does anything.
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "get", ""] {
            #expect(Route(method: method, path: path) == .otherMethod(allowed: "GET, HEAD"))
        }
    }

    @Test func posts() {
        var actions: [Action] = [.answer(7), .approve(7), .deny(7)]
        actions += LifecycleVerb.allCases.map { .lifecycle("alpha", $0) }
        for action in actions {
            #expect(Route(method: "POST", path: action.path) == .act(action))
            for method in ["GET", "HEAD", "PUT", "post"] {
                #expect(Route(method: method, path: action.path) == .otherMethod(allowed: "POST"))
            }
        }
    }

    @Test(arguments: [
        "", "x", "//", "/index.html", "/agents", "/agents/", "/agents/A", "/agents/alpha/",
        "/agents/alpha/kill",
        "/agents//stop", "/agents/../x", "/agents/%61lpha", "/approve/0", "/approve/-1", "/approve/+1",
        "/approve/01",
        "/approve/1/", "/approve/99999999999999999999", "/approve/", "/static/", "/static/../style.css",
        "/static/style.css/", "/api/journal/", "/api/journal/a/b", "/api/state/", "//agents/alpha",
        "/agent/alpha/",
    ])
    func nothingElse(_ path: String) {
        #expect(Route(method: "GET", path: path) == .unknown)
        #expect(Route(method: "POST", path: path) == .unknown)
    }

    @Test func formsAreReadAsTheyAreSent() {
        #expect(Form("a=1&b=x+y%20z%C3%A4&c&d=".utf8)?.fields == ["a": "1", "b": "x y zä", "c": "", "d": ""])
        for text in ["a=1&a=2", "a=%", "a=%4", "a=%zz", "a=%ff", "%ff=1"] {
            #expect(Form(text.utf8) == nil, "\(text)")
        }
        let odd = "ä \u{202e}&=+%\u{0}\n"
        #expect(Form("a=\(Form.encode(odd))".utf8)?["a"] == odd)
    }

    @Test func backIsWithinAClosedSet() {
        #expect(Link(from: "/")?.path == "/")
        #expect(Link(from: "/agents/alpha")?.path == "/agents/alpha")
        for text in [
            "", "//evil", "https://evil", "/agents/", "/agents/A", "/agents/a/stop", "/agents/a?x",
            "/api/state", "/agents/a\r\nX: y",
        ] {
            #expect(Link(from: text) == nil, "\(text)")
        }
    }

    /// Every way in which a POST is not the operator's, each next to one that is.
    @Test func aPostIsOfThisOrigin() {
        func obstacle(_ more: [String: String], without name: String? = nil) -> String? {
            var request = SCGIRequest.post(.approve(1), [:], more)
            if let name { request.headers[name] = nil }
            return Authority.obstacle(to: request)
        }
        #expect(obstacle([:]) == nil)
        #expect(obstacle([:], without: "HTTP_SEC_FETCH_SITE") == nil)
        #expect(obstacle(["CONTENT_TYPE": "application/x-www-form-urlencoded; charset=UTF-8"]) == nil)
        #expect(obstacle(["HTTP_ORIGIN": "https://hive.example:8080", "REQUEST_SCHEME": "https"]) == nil)
        for name in ["HTTP_ORIGIN", "HTTP_HOST", "REQUEST_SCHEME", "CONTENT_TYPE"] {
            #expect(obstacle([:], without: name) != nil, "without \(name)")
        }
        for (name, value) in [
            ("HTTP_ORIGIN", "null"), ("HTTP_ORIGIN", ""), ("HTTP_ORIGIN", "https://hive.example:8080"),
            ("HTTP_ORIGIN", "http://hive.example"), ("HTTP_ORIGIN", "http://hive.example:8080/"),
            ("HTTP_ORIGIN", "http://evil, http://hive.example:8080"),
            ("HTTP_ORIGIN", "HTTP://hive.example:8080"),
            ("HTTP_SEC_FETCH_SITE", "same-site"), ("HTTP_SEC_FETCH_SITE", "cross-site"),
            ("HTTP_SEC_FETCH_SITE", "none"),
            ("HTTP_SEC_FETCH_SITE", ""), ("CONTENT_TYPE", "text/plain"),
            ("CONTENT_TYPE", "multipart/form-data"),
            ("CONTENT_TYPE", "application/json"), ("REQUEST_SCHEME", "ftp"),
        ] { #expect(obstacle([name: value]) != nil, "\(name): \(value)") }
    }
}
