import Foundation
import Glibc
import Testing

/// The dashboard in a real browser, with everything behind it: nginx, hive-web, hived, and agents on their sockets.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: DashboardLab.obstacle == nil, "\(DashboardLab.obstacle ?? "")"))
struct DashboardTests {
    /// The operator reads a question, writes below it, and presses the button: and the agent has it.
    @Test func anAnswerArrivesWithinASecond() throws {
        let lab = try DashboardLab()
        defer { lab.end() }
        let page = try lab.browser.open(DashboardLab.address)
        var times: [Duration] = []
        for round in 1...5 {
            // It comes by itself into a page that is open.
            let (agent, id) = try lab.web.ask("alpha", "May I, <b>\(round)</b>?")
            try lab.find("#q\(id) textarea", in: page)
            #expect(try lab.text("#q\(id) .words", in: page) == "May I, <b>\(round)</b>?")
            try lab.click("#q\(id) textarea", in: page)
            try lab.type("Yes & no, „\(round)“", in: page)
            let start = ContinuousClock.now
            try lab.click("#q\(id) button.send", in: page)
            let line = try #require(try agent.line(seconds: 30))
            times.append(.now - start)
            let told = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
            #expect(told?["text"] as? String == "Yes & no, „\(round)“" && told?["id"] as? Int == id)
            try lab.see("!document.getElementById('q\(id)')", in: page)
        }
        // (The machine may have something else to do during one of them.)
        let median = times.sorted()[times.count / 2]
        #expect(median < .seconds(1), "\(times)")
        #expect(try lab.browser.run("location.pathname + location.search", in: page) as? String == "/")
        // What was sent without leaving the page is in the audit.
        #expect(try lab.core.hivectl("question", "list").stdout.contains("May I") == false)
    }

    /// As long as the page lets it be, in whatever script; and what is too long for the core is kept, and said.
    @Test func longAnswers() throws {
        let lab = try DashboardLab()
        defer { lab.end() }
        let (agent, id) = try lab.web.ask("alpha", "Tell me.")
        let page = try lab.browser.open(DashboardLab.address)
        try lab.find("#q\(id)", in: page)
        try lab.see("document.readyState === 'complete'", in: page)
        func write(_ count: Int) throws {
            try lab.browser.run(
                "document.querySelector('#q\(id) textarea').value = '語'.repeat(\(count))", in: page)
            try lab.click("#q\(id) button.send", in: page)
        }
        try write(20_000)
        try lab.see(
            "document.querySelector('#q\(id)').innerText.includes('An answer has at most 32 KiB')", in: page)
        #expect(
            try lab.browser.run("document.querySelector('#q\(id) textarea').value.length", in: page) as? Int
                == 20_000)
        try write(10_000)
        let line = try #require(try agent.line(seconds: 30))
        let told = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
        #expect(told?["text"] as? String == String(repeating: "語", count: 10_000))
    }

    /// Somebody types while other things come and go.
    @Test func whatIsBeingWrittenStays() throws {
        let lab = try DashboardLab()
        defer { lab.end() }
        let (_, first) = try lab.web.ask("alpha", "First?")
        let (_, second) = try lab.web.ask("beta", "Second?")
        let page = try lab.browser.open(DashboardLab.address)
        try lab.click("#q\(second) textarea", in: page)
        try lab.type("half an ans", in: page)
        // Others come, and one that was before it goes.
        let (_, third) = try lab.web.ask("alpha", "Third?")
        try lab.find("#q\(third)", in: page)
        #expect(try lab.core.operate(["cmd": "answer", "id": first, "text": "done"])["ok"] as? Bool == true)
        try lab.see("!document.getElementById('q\(first)')", in: page)
        try lab.type("wer", in: page)
        #expect(try lab.value("#q\(second) textarea", in: page) == "half an answer")
        #expect(try lab.browser.run("document.activeElement.id", in: page) as? String == "a\(second)")
        #expect(try lab.browser.run("document.title", in: page) as? String == "(2) Hive")
        // Its own goes: what was written stays, and it is said.
        #expect(
            try lab.core.operate(["cmd": "answer", "id": second, "text": "by another"])["ok"] as? Bool == true
        )
        try lab.see("document.querySelector('#q\(second)').innerText.includes('no longer open')", in: page)
        #expect(try lab.value("#q\(second) textarea", in: page) == "half an answer")
        #expect(
            try lab.browser.run("document.querySelector('#q\(second) button.send').disabled", in: page)
                as? Bool == true)
        // (And whatever comes afterwards does not take it away.)
        let (_, fourth) = try lab.web.ask("beta", "Fourth?")
        try lab.find("#q\(fourth)", in: page)
        #expect(try lab.value("#q\(second) textarea", in: page) == "half an answer")
        #expect(try lab.count("#rows > .row", in: page) == 3)
    }

    /// The core goes and comes back: it is said, and what happened meanwhile is there.
    @Test func aPageOutlivesTheCore() throws {
        let lab = try DashboardLab()
        defer { lab.end() }
        let (_, id) = try lab.web.ask("alpha", "Before?")
        let page = try lab.browser.open(DashboardLab.address)
        try lab.find("#q\(id)", in: page)
        #expect(try lab.core.stop().status == 0)
        try lab.see("!document.getElementById('link').hidden", in: page)
        #expect(try lab.count("#q\(id)", in: page) == 1)
        try lab.core.kill()
        let (_, next) = try lab.web.ask("alpha", "After?")
        try lab.find("#q\(next)", in: page)
        try lab.see("document.getElementById('link').hidden", in: page)
        #expect(try lab.count("#q\(id)", in: page) == 1)
    }

    /// Without a mouse: from row to row, into it, and sent.
    @Test func keysAreEnough() throws {
        let lab = try DashboardLab()
        defer { lab.end() }
        let (_, first) = try lab.web.ask("alpha", "First?")
        let (agent, second) = try lab.web.ask("alpha", "Second?")
        let page = try lab.browser.open(DashboardLab.address)
        try lab.find("#q\(second)", in: page)
        try lab.see("document.readyState === 'complete'", in: page)
        for key in ["j", "j"] { try lab.press(key, in: page) }
        #expect(try lab.browser.run("document.activeElement.id", in: page) as? String == "q\(second)")
        try lab.press("Enter", in: page)
        try lab.type("with keys", in: page)
        try lab.press("Enter", control: true, in: page)
        let line = try #require(try agent.line(seconds: 30))
        #expect(String(decoding: line, as: UTF8.self).contains("with keys"))
        try lab.see("!document.getElementById('q\(second)')", in: page)
        // The focus is where one goes on.
        #expect(try lab.browser.run("document.activeElement.id", in: page) as? String == "q\(first)")
    }

    /// Nothing of ours runs: pages, forms and links are enough.
    @Test func scriptsAreNotNeeded() throws {
        let lab = try DashboardLab()
        defer { lab.end() }
        let (agent, id) = try lab.web.ask("alpha", "May I?", options: ["yes", "no"])
        let (other, approval) = try lab.web.request(
            "beta", ["cmd": "request_approval", "text": "push", "wait": true])
        let page = try lab.browser.open("about:blank")
        try lab.browser.ask("Emulation.setScriptExecutionDisabled", ["value": true], in: page.session)
        try lab.browser.go(page, to: DashboardLab.address)
        try lab.click("#q\(id) button.option", in: page)
        try lab.see("document.getElementById('deed') !== null", in: page)
        #expect(
            String(decoding: try #require(try agent.line(seconds: 30)), as: UTF8.self).contains(
                #""text":"yes""#))
        #expect(try lab.count("#q\(id)", in: page) == 0)
        try lab.click("#p\(approval) button.primary", in: page)
        #expect(
            String(decoding: try #require(try other.line(seconds: 30)), as: UTF8.self).contains("approved"))
        // Reading too: what was said is on the agent's page.
        try lab.browser.go(page, to: DashboardLab.address + "/agents/alpha")
        try lab.find("#c\(id)", in: page)
        #expect(try lab.text("#c\(id) .said", in: page) == "yes")
        #expect(
            try lab.browser.run("document.getElementById('said').textContent", in: page) as? String == "",
            "the control: no script")
    }

    /// An agent's page that knows the dashboard, its pages and its forms: as the operator's browser shows it in a frame, and alone.
    @Test func aHostilePageAnswersNothing() throws {
        let lab = try DashboardLab(page: Thief.handler)
        defer { lab.end() }
        let (agent, id) = try lab.web.ask("alpha", "May I?")
        let (other, approval) = try lab.web.request(
            "beta", ["cmd": "request_approval", "text": "push", "wait": true])
        func open() throws -> Bool { try lab.web.isOpen(id) && lab.web.isOpen(approval) }
        #expect(try open())

        let page = try lab.browser.open(DashboardLab.address + "/agents/alpha")
        try lab.find("#own", in: page)
        try lab.see("document.readyState === 'complete'", in: page)
        // (Its frame is loaded when it is seen.)
        try lab.browser.run(
            "const own = document.getElementById('own'); own.open = true; own.scrollIntoView(); 0", in: page)
        let framed = try Thief.report(lab)
        _ = try lab.browser.open(DashboardLab.address + "/agent/alpha/")
        let alone = try Thief.report(lab)
        for told in [framed, alone] {
            #expect(told["origin"] == "null")
            for name in Thief.attempts where !name.hasSuffix("form") {
                #expect(["TypeError", "SecurityError"].contains(told[name]), "\(name): \(told)")
            }
        }
        // Its forms lead nowhere: refused by nginx, before anybody reads them.
        for form in ["answer", "approve", "deny", "destroy"] {
            _ = try lab.browser.open(DashboardLab.address + "/agent/alpha/?form=\(form)")
            #expect(try lab.browser.waits(for: "403 Forbidden", at: Thief.target(form)), "\(form)")
        }
        #expect(try open())

        // The control: by the same hands, without the sandbox.
        try lab.gateway.weaken("s/sandbox allow-scripts [a-z -]*; //")
        _ = try lab.browser.open(DashboardLab.address + "/agent/alpha/")
        let told = try Thief.report(lab)
        #expect(told["page"] == "200" && told["answer"] == "200" && told["approve"] == "200", "\(told)")
        #expect(String(decoding: try #require(try agent.line(seconds: 30)), as: UTF8.self).contains("stolen"))
        #expect(
            String(decoding: try #require(try other.line(seconds: 30)), as: UTF8.self).contains("approved"))
        #expect(try !lab.web.isOpen(id) && !lab.web.isOpen(approval))
    }
}

/// A page of an agent that reads the dashboard for the words that its forms are sent with, and sends them.
private enum Thief {
    static let attempts = ["page", "state", "stream", "answer", "approve", "frame"]

    static func target(_ form: String) -> String {
        switch form {
        case "answer": "/answer-question/1"
        case "destroy": "/agents/beta/destroy"
        default: "/\(form)/2"
        }
    }

    static let handler: Upstream.Handler = { request, client in
        if request.target == "/report" { return client.answer("own", type: "text/plain") }
        if let form = request.target.components(separatedBy: "form=").dropFirst().first {
            return client.answer(
                """
                <!doctype html><title>alpha</title><form method=post action="\(target(form))"><input name=text value=stolen>
                <input name=sure value=beta></form><script>document.forms[0].submit()</script>
                """)
        }
        client.answer("<!doctype html><title>alpha</title><body><script>\(script)</script>")
    }

    private static let script = #"""
        const told = {origin: self.origin};
        const attempt = async (name, body) => {
            const late = new Promise(done => setTimeout(done, 10000, 'late'));
            try { told[name] = String(await Promise.race([body(), late])); } catch (error) { told[name] = error.name; }
        };
        const token = async path => {
            const page = new DOMParser().parseFromString(await (await fetch('/')).text(), 'text/html');
            return page.querySelector(`form[action="${path}"] input[name=token]`).value;
        };
        const send = async (path, more) => (await fetch(path, {method: 'POST',
            body: new URLSearchParams({token: await token(path), from: '/', ...more})})).status;
        (async () => {
            await attempt('page', async () => (await fetch('/')).status);
            await attempt('state', async () => (await fetch('/api/state')).status);
            await attempt('stream', () => new Promise((done, fail) => {
                const source = new EventSource('/api/stream');
                source.onopen = () => { source.close(); done('open'); };
                source.onerror = () => fail(new TypeError());
            }));
            await attempt('answer', () => send('/answer-question/1', {text: 'stolen'}));
            await attempt('approve', () => send('/approve/2', {}));
            await attempt('frame', () => new Promise((done, fail) => {
                const made = document.createElement('iframe');
                made.onload = () => { try { done(made.contentDocument.title); } catch (error) { fail(error); } };
                made.src = '/';
                document.body.append(made);
            }));
            await fetch('report', {method: 'POST', body: JSON.stringify(told)});
        })();
        """#

    static func report(_ lab: DashboardLab) throws -> [String: String] {
        var told: [String: String]?
        wait(seconds: 60) {
            told =
                lab.alpha.requests.filter { $0.target == "/report" }.compactMap {
                    try? JSONSerialization.jsonObject(with: Data($0.body)) as? [String: String]
                }.first
            return told == nil
        }
        guard let told else { throw LabError("alpha's page says nothing: \(try lab.browser.shown)") }
        lab.alpha.forget()
        return told
    }
}
