import Foundation
import Glibc

/// Two agents with sockets and web pages, hived, hive-web as its own user, nginx in front of it, and an operator at a browser.
final class DashboardLab {
    static let obstacle = Browser.obstacle ?? CoreLab.usersObstacle
    static let address = "http://localhost:8420"

    let gateway: GatewayLab
    let core: CoreLab
    let alpha: Upstream
    let browser: Browser
    private let web: Command.Process
    var lab: Lab { gateway.lab }

    /// - Parameter page: what alpha's web server says.
    init(page: @escaping Upstream.Handler = { $1.answer("<!doctype html><title>alpha</title>alpha's page") })
        throws
    {
        gateway = try GatewayLab(
            configuration: GatewayLab.configuration("dashboard: '/run/lab/web/web.sock'"))
        core = try CoreLab(gateway.lab, configuration: nil)
        // Its own, and the group of what is made in it is nginx's, as systemd has it for the socket (hive-web.socket).
        try gateway.lab.must("install -d -o \(CoreLab.web) -g www-data -m 2750 /run/lab/web")
        web = try gateway.lab.background([
            "setpriv", "--reuid=\(CoreLab.web)", "--regid=\(CoreLab.web)", "--clear-groups", "--no-new-privs",
            "--inh-caps=-all", "--bounding-set=-all", CoreLab.program("hive-web"), "--listen",
            "/run/lab/web/web.sock",
        ])
        alpha = try Upstream(gateway.lab, agent: "alpha", port: 8080, page)
        browser = try Browser(gateway.lab)
        let gateway = gateway
        try wait(seconds: 30) { try web.isRunning && gateway.ask("/").status != 200 }
        guard try gateway.ask("/").status == 200 else {
            throw LabError("no dashboard: \(web.words) \(gateway.log)")
        }
    }

    func end() {
        browser.end()
        alpha.end()
        web.end()
    }

    /// An agent asks, and waits for the answer.
    func ask(_ agent: String = "alpha", _ text: String, options: [String] = []) throws -> (
        ControlLine, id: Int
    ) {
        try request(agent, ["cmd": "ask", "text": text, "options": options, "wait": true])
    }

    func request(_ agent: String, _ request: [String: Any]) throws -> (ControlLine, id: Int) {
        let line = try core.agent(agent)
        let answer = try line.ask(request)
        guard let id = answer["id"] as? Int else { throw LabError("\(request): \(answer)") }
        return (line, id)
    }

    /// Whether a question or an approval is open.
    func isOpen(_ id: Int) throws -> Bool {
        let questions = try core.operate(["cmd": "questions"])["questions"] as? [[String: Any]] ?? []
        let approvals = try core.operate(["cmd": "pending"])["approvals"] as? [[String: Any]] ?? []
        return (questions + approvals).contains { $0["id"] as? Int == id }
    }

    // MARK: At the browser

    /// Waits until something in the page is so.
    func see(_ condition: String, in page: Browser.Page, seconds: Double = 30) throws {
        // (A page that is being left has nothing to ask.)
        func isSo() -> Bool { (try? browser.run(condition, in: page) as? Bool) == true }
        NetnsTests.wait(seconds: seconds) { !isSo() }
        guard isSo() else {
            let shown = try browser.run("document.body.innerText", in: page) as? String ?? ""
            throw LabError("not seen: \(condition) in: \(shown)")
        }
    }

    func find(_ selector: String, in page: Browser.Page) throws {
        try see("!!document.querySelector(\(Self.quoted(selector)))", in: page)
    }

    func text(_ selector: String, in page: Browser.Page) throws -> String? {
        try browser.run("document.querySelector(\(Self.quoted(selector))).innerText", in: page) as? String
    }

    func value(_ selector: String, in page: Browser.Page) throws -> String? {
        try browser.run("document.querySelector(\(Self.quoted(selector))).value", in: page) as? String
    }

    func count(_ selector: String, in page: Browser.Page) throws -> Int? {
        try browser.run("document.querySelectorAll(\(Self.quoted(selector))).length", in: page) as? Int
    }

    /// The mouse, at the middle of an element that is there.
    func click(_ selector: String, in page: Browser.Page) throws {
        try find(selector, in: page)
        let place =
            try browser.run(
                """
                (() => { const it = document.querySelector(\(Self.quoted(selector))); it.scrollIntoView({block: "center"});
                    const at = it.getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height / 2]; })()
                """, in: page) as? [Double]
        guard let place, place.count == 2 else { throw LabError("\(selector) is nowhere") }
        for type in ["mousePressed", "mouseReleased"] {
            try browser.ask(
                "Input.dispatchMouseEvent",
                ["type": type, "x": place[0], "y": place[1], "button": "left", "clickCount": 1],
                in: page.session)
        }
    }

    /// The keyboard, wherever the focus is.
    func type(_ text: String, in page: Browser.Page) throws {
        try browser.ask("Input.insertText", ["text": text], in: page.session)
    }

    /// - Parameters:
    ///   - key: as `KeyboardEvent.key` names it.
    ///   - control: with the control key held.
    func press(_ key: String, control: Bool = false, in page: Browser.Page) throws {
        for type in ["rawKeyDown", "keyUp"] {
            try browser.ask(
                "Input.dispatchKeyEvent", ["type": type, "key": key, "modifiers": control ? 2 : 0],
                in: page.session)
        }
    }

    static func quoted(_ text: String) -> String {
        let data = try? JSONSerialization.data(withJSONObject: [text])
        return String(decoding: data ?? Data(), as: UTF8.self) + "[0]"
    }
}
