import Foundation
import HiveWire
import Testing

@testable import HiveWeb

@Suite(.timeLimit(.minutes(10))) struct PageTests {
    static let hostile = [
        "</script><img src=x onerror=alert(1)>", "\"><b>x", "'><b>x", "a\u{202e}b", "a\u{0}b", "&lt;", "<!--",
        "]]>",
        "</textarea><script>", "</title><script>",
    ]

    private func markup(_ body: (inout HTML) -> Void) -> String {
        var html = HTML()
        body(&html)
        return String(decoding: html.bytes, as: UTF8.self)
    }

    @Test func nothingGetsInUnescaped() {
        #expect(
            markup { $0.put(.code, .is(.title, "\"'<>&\n"), text: "\"'<>&") }
                == "<code title=\"&quot;&#39;&lt;&gt;&amp;\n\">&quot;&#39;&lt;&gt;&amp;</code>")
        #expect(markup { $0.text("a\u{202e}b") } == "a<span class=\"unseen\">U+202E</span>b")
        #expect(markup { $0.put(.code, .is(.title, "\u{0}")) } == "<code title=\"⟨U+0000⟩\"></code>")
        #expect(markup { $0.put(.textarea, text: "\n\u{7}") } == "<textarea>\n\n⟨U+0007⟩</textarea>")
        #expect(markup { $0.text("ä 👩 שלום\t\n") } == "ä 👩 שלום\t\n")
    }

    /// Hostile words wherever an agent or the core has words: the page has the same elements as with harmless ones.
    @Test(arguments: hostile) func aPageKeepsItsShape(_ words: String) {
        func elements(_ words: String) -> [String] {
            [dashboard(words), agent(words)].flatMap { page -> [String] in
                let text = String(decoding: page.bytes, as: UTF8.self)
                #expect(!text.contains("\u{202e}") && !text.contains("\u{0}"))
                return text.split(separator: "<").dropFirst().map { $0.prefix { $0 != " " && $0 != ">" } }
                    .map(String.init)
            }
        }
        // (A control is spelled out within a span.)
        let without = { (list: [String]) in list.filter { $0 != "span" && $0 != "/span" } }
        #expect(without(elements(words)) == without(elements("harmless")))
    }

    @Test func longTextsAreWhole() {
        let words = String(repeating: "<", count: 16 << 10)
        #expect(
            String(decoding: dashboard(words).bytes, as: UTF8.self).contains(
                String(repeating: "&lt;", count: 16 << 10)))
    }

    /// What is not all there says so; and nobody approves what cannot be seen.
    @Test func whatIsCutSaysIt() {
        for isCut in [true, false] {
            var shown = overview("words")
            shown.questions[0].isCut = isCut
            shown.approvals[0].isCut = isCut
            let text = String(
                decoding: DashboardPage(overview: shown, viewer: viewer, deed: nil).html.bytes, as: UTF8.self)
            #expect(text.contains("hivectl question list") == isCut)
            #expect(text.contains("hivectl approval list") == isCut)
            #expect(text.contains("/approve/2") != isCut)
            #expect(text.contains("/deny/2") && text.contains("/answer-question/1"))
        }
    }

    /// The policy forbids styles and scripts within the page, and no page names a port.
    @Test func pagesAreWithinTheirPolicy() {
        for page in [dashboard("x"), agent("x")] {
            let text = String(decoding: page.bytes, as: UTF8.self)
            #expect(text.firstMatch(of: /\s(style|on[a-z]+)=/) == nil)
            #expect(text.firstMatch(of: /<style|javascript:|https?:\/\//) == nil)
            #expect(text.matches(of: /<script/).count == 1)
            #expect(text.firstMatch(of: /(href|src|action)="(?![\/#])/) == nil)
            #expect(text.firstMatch(of: /(href|src|action)="[^"]*:\d/) == nil)
            for form in text.matches(of: /<form[^>]*method="post"[^>]*>(.*?)<\/form>/.dotMatchesNewlines()) {
                #expect(form.1.contains("name=\"token\"") && form.1.contains("name=\"from\""))
            }
        }
    }

    private let viewer = Viewer(user: "alice", tokens: PageTokens(key: [1]), event: 7)

    private func overview(_ words: String) -> Overview {
        var status = AgentStatus(name: "alpha")
        status.statusText = words
        status.statusSetAt = 0
        status.trouble = words
        status.doing = words
        status.backend = "nspawn"
        status.url = "/agent/alpha/"
        var closed = Question(id: 3, agent: "alpha", text: words, asked: 0)
        closed.state = .answered
        closed.answer = words
        var network = NetworkSummary()
        network.sentence = words
        network.drift = [words]
        network.cautions = [words]
        network.agents = [.init(name: "alpha", isUp: true, egress: words, blocked: ["host": 7])]
        network.agents[0].address4 = words
        network.events = [CoreEvent(id: 1, time: 0, kind: .network, agent: words, sentence: words)]
        return Overview(
            agents: [status],
            questions: [Question(id: 1, agent: "alpha", text: words, options: [words], asked: .nan), closed],
            approvals: [Approval(id: 2, agent: words, text: words, asked: 1e300)], network: network)
    }

    private func dashboard(_ words: String) -> HTML {
        DashboardPage(overview: overview(words), viewer: viewer, deed: .answered).html
    }

    private func agent(_ words: String) -> HTML {
        let overview = overview(words)
        var page = AgentPage(status: overview.agents[0], overview: overview, viewer: viewer)
        page.journal = [words]
        page.confirm = .destroy
        page.config = AgentConfig(
            name: words, settings: words, place: words, stateDirectory: words,
            files: [.init(path: words, size: 1)])
        return page.html
    }

    /// What is a page, and what is offered, in each state.
    @Test func destructiveVerbsAreAskedAboutFirst() {
        var status = AgentStatus(name: "alpha")
        #expect(AgentPage.verbs(status).isEmpty)
        status.backend = "nspawn"
        #expect(AgentPage.verbs(status) == [.start, .destroy])
        status.running = true
        let overview = Overview(agents: [status], questions: [], approvals: [])
        var page = AgentPage(status: status, overview: overview, viewer: viewer)
        let plain = String(decoding: page.html.bytes, as: UTF8.self)
        #expect(
            plain.contains("action=\"/agents/alpha/pause\"")
                && !plain.contains("action=\"/agents/alpha/stop\""))
        page.confirm = .stop
        #expect(String(decoding: page.html.bytes, as: UTF8.self).contains("action=\"/agents/alpha/stop\""))
    }

    @Test func anAgentsFileIsNoPage() {
        func file(_ bytes: [UInt8], size: Int? = nil, path: String = "x/a\"b.html") -> Response {
            let content = Data(bytes).base64EncodedString()
            return Site.file(
                StateFile(path: path, size: size ?? bytes.count, content: content), .make("GET", "/"))
        }
        let text = file(Array("<script>".utf8))
        #expect(
            text.type == "text/plain; charset=utf-8" && text.policy.contains("sandbox")
                && text.body == Array("<script>".utf8))
        #expect(!text.headers.contains { $0.name == "Content-Disposition" })
        for bytes in [[0xff], [65, 0, 66], [0xe2, 0x82]] as [[UInt8]] {
            let other = file(bytes)
            #expect(other.type == "application/octet-stream" && other.policy.contains("sandbox"))
            #expect(
                other.headers.contains { $0 == ("Content-Disposition", "attachment; filename=\"a_b.html\"") })
        }
        // Cut in the middle of a character it is a text still.
        #expect(file([65, 0xe2, 0x82], size: 100).body == [65])
    }

    @Test func numbersAndTimes() {
        #expect(Words.stamp(0) == "1970-01-01T00:00:00Z")
        #expect(Words.stamp(1_709_208_000) == "2024-02-29T12:00:00Z")
        #expect(Words.stamp(-1) == "1969-12-31T23:59:59Z")
        #expect(Words.stamp(.nan) == "1970-01-01T00:00:00Z")
        #expect(Words.count(12_045) == "12\u{202f}045")
        #expect(Words.count(.max).hasSuffix("T"))
        #expect(Words.ago(0, now: 90) == "1 min ago")
    }

    @Test func historiesCountFromOneLookToTheNext() {
        var history = History()
        var summary = NetworkSummary()
        func look(_ count: UInt64, after seconds: Int) {
            summary.agents = [.init(name: "a", isUp: true, egress: "", blocked: ["host": count])]
            summary.blockedInAll = ["host": count]
            history.record(summary, at: start + .seconds(seconds))
        }
        let start = ContinuousClock.now
        look(100, after: 0)
        look(110, after: 5)
        look(110, after: 10)
        look(3, after: 15)
        #expect(history.all == [10, 0, 3] && history.agents["a"] == [10, 0, 3])
        for index in 4..<400 { look(3, after: 5 * index) }
        #expect(history.all.count == History.most)
        look(9, after: 5000)
        #expect(history.all.isEmpty)
    }
}
