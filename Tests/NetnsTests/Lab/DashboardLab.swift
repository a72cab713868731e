import Foundation
import Glibc

/// An operator at a browser, before all that.
final class DashboardLab {
    static let obstacle = Browser.obstacle ?? WebLab.obstacle
    static let address = WebLab.address

    let web: WebLab
    let alpha: Upstream
    let browser: Browser
    var lab: Lab { web.lab }
    var core: CoreLab { web.core }
    var gateway: GatewayLab { web.gateway }

    /// - Parameter page: what alpha's web server says.
    init(
        page: @escaping Upstream.Handler = {
            $1.answer("<!doctype html><title>alpha</title>alpha's page")
        }
    ) throws {
        web = try WebLab()
        alpha = try Upstream(web.lab, agent: "alpha", port: 8080, page)
        browser = try Browser(web.lab)
    }

    func end() {
        browser.end()
        alpha.end()
        web.end()
    }

    // MARK: At the browser

    /// Waits until something in the page is so.
    func see(_ condition: String, in page: Browser.Page, seconds: Double = 30) throws {
        // (A page that is being left has nothing to ask.)
        func isSo() -> Bool { (try? browser.run(condition, in: page) as? Bool) == true }
        NetnsTests.wait(seconds: seconds) { !isSo() }
        guard isSo() else {
            let shown = try browser.run("document.body.innerText", in: page) as? String ?? ""
            throw LabError("not seen: \(condition) in: \(shown)\n\(gateway.log)")
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
        // What has not been painted yet swallows clicks, and what still gets its style moves away from under them.
        try see(
            "document.readyState === 'complete' && performance.getEntriesByType('paint').length > 0", in: page
        )
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
