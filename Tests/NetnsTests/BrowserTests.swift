import Foundation
import Glibc
import Testing

/// Threats 34 to 36 in a real browser: an agent's page that tries to be the operator, to read the dashboard, and to read
/// another agent's page.
@Suite(
    .serialized, .timeLimit(.minutes(5)), .enabled(if: Browser.obstacle == nil, "\(Browser.obstacle ?? "")"))
struct BrowserTests {
    @Test(arguments: ["localhost:8420", "127.0.0.1:8420"])
    func aHostilePageIsNotTheOperator(host: String) throws {
        let desk = try Desk()
        defer { desk.end() }
        let browser = desk.browser
        let space = try #require(browser.space)
        #expect(try Browser.processes(in: space) > 3)

        // In a frame of the dashboard.
        let page = try browser.open("http://\(host)/desk")
        let framed = try desk.report(knowing: "top move")
        expect(framed, of: Self.inside.merging(Self.framed) { $1 })
        #expect(
            try browser.run("document.title + location.pathname", in: page) as? String == "dashboard/desk")
        // In a tab of its own.
        _ = try browser.open("http://\(host)/agent/alpha/")
        let alone = try desk.report()
        expect(alone, of: Self.inside)
        // Nothing of all that is seen tells where the others are.
        let token = try #require(desk.gateway.prefix("beta").split(separator: "~").last.map(String.init))
        #expect(!"\(framed) \(alone)".contains(token) && !"\(framed) \(alone)".contains("SECRET"))
        // Nor from where the operator came.
        #expect(!"\(framed) \(alone)".contains("/desk"))
        // What it leads itself to, or a window that it opens.
        for (move, address, title) in [
            ("form", "/approve/1?by=form", "403 Forbidden"),
            // (A page with a policy on its openers is not shown at all in a window that a sandbox has opened.)
            ("blank", "/approve/1?by=blank", String(host.prefix { $0 != ":" })),
            ("bookmark", "/agent/beta/?by=bookmark", "Not from there"),
            ("beta", "/agent/beta/?by=location", "Not from there"),
            ("refresh", "/agent/beta/?by=refresh", "Not from there"),
        ] {
            _ = try browser.open("http://\(host)/agent/alpha/\(move)")
            #expect(try browser.waits(for: title, at: address), "\(move)")
        }
        // What it says binds nobody else.
        #expect(try browser.cookies == ["control=1"])
        #expect(try browser.run("localStorage.kept", in: page) as? String == "operator")
        #expect(desk.approvals.isEmpty)
        #expect(desk.beta.requests.isEmpty)

        // The operator, by the same ways.
        try browser.run("document.forms[0].submit()", in: page)
        #expect(try browser.waits(for: "approved", at: "/approve/1"))
        #expect(desk.approvals == ["/approve/1"])
        try browser.go(page, to: "http://\(host)/desk")
        #expect(try browser.waits(for: "dashboard", at: "/desk"))
        _ = try desk.report(knowing: "top move")
        try browser.run("document.links[0].click()", in: page)
        #expect(try browser.waits(for: "beta", at: "/agent/beta/~\(token)/"))
        #expect(desk.beta.requests.map(\.target) == ["/"])
        // The same header from the dashboard does clear.
        try browser.go(page, to: "http://\(host)/clear")
        #expect(try browser.waits(for: "cleared", at: "/clear"))
        #expect(try browser.cookies.isEmpty)
        #expect(desk.approvals == ["/approve/1"] && desk.beta.requests.count == 1)

        browser.end()
        #expect(try Browser.processes(in: space) == 0)
    }

    /// The same pages where nginx's configuration lacks one word of ours: so it is that word. Then others, for what these alone stop.
    @Test func withoutTheSandboxItIsTheOperator() throws {
        let host = "localhost:8420"
        let desk = try Desk()
        defer { desk.end() }
        let browser = desk.browser
        try desk.gateway.weaken("s/sandbox allow-scripts [a-z -]*; //")
        let page = try browser.open("http://\(host)/desk")
        let told = try desk.report()
        let prefix = try desk.gateway.prefix("beta")
        for (name, word) in [
            "origin": "http://\(host)", "approve fetch": "SECRET", "approve include": "SECRET",
            "approve no-cors": "SECRET", "approve put": "SECRET", "dashboard fetch": "SECRET",
            "dashboard no-cors": "SECRET", "dashboard frame": "SECRET", "dashboard window": "SECRET",
            "beta frame": "\(prefix)/?by=frame beta's SECRET", "cookie read": "control=1",
            "cookie write": "evil3=1", "local storage": "evil", "session storage": "0", "database": "open",
            "caches": "open", "top read": "dashboard", "top address": "/desk",
            // These are stopped by other words as well.
            "beta fetch": "403", "worker": "TypeError", "dashboard socket": "Error",
        ] {
            #expect(told[name]?.contains(word) == true, "\(name): \(told[name] ?? "")")
        }
        // (By which of them depends on how far the window has come.)
        let window = told["beta window"] ?? ""
        #expect(["cut off", "SecurityError"].contains { window.contains($0) }, "\(window)")
        #expect(
            Set(desk.approvals).isSuperset(
                of: ["fetch", "include", "no-cors", "put"].map { "/approve/1?by=\($0)" }))
        wait(seconds: 20) { !desk.approvals.contains("/approve/1?by=beacon") }
        #expect(desk.approvals.contains("/approve/1?by=beacon"))
        #expect(desk.beta.requests.contains { $0.target == "/?by=frame" })
        try wait(seconds: 20) {
            try !browser.shown.contains { $0.target == page.target && $0.address.hasSuffix("?by=top") }
        }
        #expect(try browser.shown.contains { $0.target == page.target && $0.address.hasSuffix("?by=top") })
        func lead(_ moves: [(move: String, address: String, title: String)]) throws {
            for (move, address, title) in moves {
                _ = try browser.open("http://\(host)/agent/alpha/\(move)")
                #expect(try browser.waits(for: title, at: address), "\(move)")
            }
        }
        try lead([
            ("beta", "\(prefix)/?by=location", "beta"), ("refresh", "\(prefix)/?by=refresh", "beta"),
            // A form of a page that says no referrer says no origin either.
            ("form", "/approve/1?by=form", "403 Forbidden"),
            ("blank", "/approve/1?by=blank", "403 Forbidden"),
        ])
        #expect(!desk.alpha.requests.contains { $0.target == "/sw.js" })
        try desk.gateway.weaken(
            "s/Referrer-Policy no-referrer/Referrer-Policy same-origin/; s/if (.hive_is_service_worker) . return 403; .//"
        )
        try lead([("form", "/approve/1?by=form", "approved"), ("blank", "/approve/1?by=blank", "approved")])
        desk.alpha.forget()
        _ = try browser.open("http://\(host)/agent/alpha/")
        #expect(try desk.report()["worker"] == "registered")
        // And what its answers say of the whole origin.
        #expect(try browser.cookies.contains("control=1") && !browser.cookies.contains("evil=1"))
        try desk.gateway.weaken("s/js_header_filter hive.filter;//")
        _ = try browser.open("http://\(host)/agent/alpha/form")
        try wait(seconds: 20) { try browser.cookies.contains("control=1") }
        #expect(try !browser.cookies.contains("control=1"))
    }

    private func expect(
        _ told: [String: String], of wanted: [String: String], at place: SourceLocation = #_sourceLocation
    ) {
        for (name, word) in wanted {
            #expect(told[name] == word, "\(name)", sourceLocation: place)
        }
        // Windows lose their opener where policies differ (Cross-Origin-Opener-Policy), or are of another origin.
        for name in ["dashboard window", "beta window"] {
            #expect(
                ["cut off", "SecurityError"].contains(told[name]), "\(name): \(told[name] ?? "")",
                sourceLocation: place)
        }
    }

    /// What an agent's page can do as well as any other.
    private static let own = [
        "own fetch": "200 own", "own post": "200 own", "own events": "event", "own socket": "hello",
        "own import": "imported", "own module": "ran",
    ]

    private static let inside = own.merging([
        "origin": "null", "approve fetch": "TypeError", "approve include": "TypeError",
        "approve no-cors": "TypeError", "approve put": "TypeError", "dashboard socket": "Error",
        "dashboard fetch": "TypeError", "dashboard no-cors": "TypeError", "dashboard frame": "SecurityError",
        "beta fetch": "TypeError", "beta no-cors": "TypeError",
        "beta manual": "TypeError", "beta frame": "SecurityError", "worker": "SecurityError",
        "cookie read": "SecurityError", "cookie write": "SecurityError",
        "local storage": "SecurityError", "session storage": "SecurityError", "database": "SecurityError",
        "caches": "SecurityError", "top read": "none", "top address": "none",
    ]) { $1 }

    private static let framed = [
        "top read": "SecurityError", "top address": "SecurityError", "top form": "sent",
        "top move": "SecurityError",
    ]
}

/// An operator at a browser, with a dashboard that shows the page of alpha in a frame.
private final class Desk {
    let gateway: GatewayLab
    let dashboard: SCGI
    let alpha: Upstream
    let beta: Upstream
    let browser: Browser

    init() throws {
        gateway = try GatewayLab(
            configuration: GatewayLab.configuration("dashboard: '/run/lab/web.sock'"))
        dashboard = try SCGI(gateway.lab, path: "/run/lab/web.sock", Self.answer)
        alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080, HostilePage.handler)
        beta = try Upstream(gateway.lab, agent: "beta", port: 8080) { _, client in
            client.answer("<!doctype html><title>beta</title>beta's SECRET")
        }
        browser = try Browser(gateway.lab)
    }

    func end() {
        browser.end()
        dashboard.end()
        alpha.end()
        beta.end()
    }

    private static let answer: SCGI.Answer = { request in
        let title: String
        switch (request["REQUEST_METHOD"], request["REQUEST_URI"]) {
        case ("GET", "/desk"):
            return SCGI.page(
                """
                <!doctype html><title>dashboard</title>dashboard SECRET<a href="/agent/beta/">beta</a>
                <form method=post action="/approve/1"></form><iframe src="/agent/alpha/"></iframe>
                <script>localStorage.kept = "operator"</script>
                """, headers: ["Set-Cookie: control=1; Path=/"])
        case ("GET", "/clear"):
            return SCGI.page("<title>cleared</title>", headers: ["Clear-Site-Data: \"*\""])
        case ("GET", _): title = "dashboard"
        default: title = "approved"
        }
        return SCGI.page("<!doctype html><title>\(title)</title>dashboard SECRET")
    }

    /// What the dashboard was told to do, by whom.
    var approvals: [String] {
        dashboard.requests.filter { $0["REQUEST_METHOD"] != "GET" }.compactMap { $0["REQUEST_URI"] }
    }

    /// Waits until alpha's page has told this.
    func report(knowing name: String = "origin") throws -> [String: String] {
        var told: [String: String]?
        wait(seconds: 40) {
            told = alpha.requests.filter { $0.target == "/report" }.compactMap {
                try? JSONSerialization.jsonObject(with: Data($0.body)) as? [String: String]
            }.first { $0[name] != nil }
            return told == nil
        }
        let shown = try browser.shown
        guard let told else { throw LabError("alpha's page says nothing: \(shown)") }
        alpha.forget()
        return told
    }
}
