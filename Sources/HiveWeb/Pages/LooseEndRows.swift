internal import HiveWire

/// Questions and approvals, as rows of a list.
struct LooseEndRows {
    let viewer: Viewer
    /// The page that they are on, where the operator comes back to.
    let place: Link
    let now: Double
    /// Each row says whose it is.
    var namesAgents = true

    /// As many characters of an answer as are taken; the core says how many octets.
    private static let longestAnswer = 20_000

    /// What is open, the oldest first.
    func open(_ html: inout HTML, questions: [Question], approvals: [Approval]) {
        enum Row {
            case question(Question)
            case approval(Approval)
        }
        let rows =
            questions.map { (id: $0.id, row: Row.question($0)) }
            + approvals.map { (id: $0.id, row: Row.approval($0)) }
        html.put(.ol, .class("rows"), .id("rows")) { html in
            for (_, row) in rows.sorted(by: { $0.id < $1.id }) {
                switch row {
                case .question(let question): put(&html, question)
                case .approval(let approval): put(&html, approval)
                }
            }
        }
    }

    private func put(_ html: inout HTML, _ question: Question) {
        row(&html, id: "q\(question.id)", question.agent, "asks", question.text, question.asked) { html in
            if question.isCut == true { cut(&html, "hivectl question list") }
            let action = Action.answer(question.id)
            html.put(.form, .class("answer"), .is(.method, "post"), .action(.act(action))) { html in
                hidden(&html, action)
                if !question.options.isEmpty {
                    html.put(.div, .class("options"), .is(.role, "group"), .is(.ariaLabel, "Offered answers"))
                    { html in
                        for (index, option) in question.options.enumerated() {
                            html.put(
                                .button, .class("option"), .is(.name, "option"), .is(.value, "\(index)"),
                                .formnovalidate, .is(.dir, "auto"), text: option)
                        }
                    }
                }
                html.put(.div, .class("write")) { html in
                    html.put(
                        .textarea, .is(.name, "text"), .id("a\(question.id)"), .is(.rows, "2"), .required,
                        .is(.ariaLabel, "Answer to \(question.agent), question \(question.id)"),
                        .is(.maxlength, "\(Self.longestAnswer)"), .is(.autocomplete, "off"),
                        .is(.dir, "auto"),
                        .is(.placeholder, question.options.isEmpty ? "Answer" : "Or answer in your own words")
                    )
                    html.put(.button, .class("send primary"), text: "Send")
                }
            }
        }
    }

    private func put(_ html: inout HTML, _ approval: Approval) {
        row(
            &html, id: "p\(approval.id)", approval.agent, "wants your approval", approval.text, approval.asked
        ) { html in
            if approval.isCut == true { cut(&html, "hivectl approval list") }
            html.put(.div, .class("decide")) { html in
                // (Nobody approves what cannot be seen.)
                for (action, word, style) in [
                    (Action.approve(approval.id), "Approve", "primary"),
                    (.deny(approval.id), "Deny", "plain"),
                ] where approval.isCut != true || word == "Deny" {
                    html.put(.form, .is(.method, "post"), .action(.act(action))) { html in
                        hidden(&html, action)
                        html.put(
                            .button, .class(style),
                            .is(.ariaLabel, "\(word) \(approval.id), of \(approval.agent)"),
                            text: word)
                    }
                }
            }
        }
    }

    private func cut(_ html: inout HTML, _ command: String) {
        html.put(.p, .class("trouble")) { html in
            html.text("Too much is open for all of this to be shown. All of it: ")
            html.put(.code, text: command)
        }
    }

    private func row(
        _ html: inout HTML, id: String, _ agent: String, _ verb: String, _ text: String, _ time: Double,
        body: (inout HTML) -> Void
    ) {
        html.put(.li, .class("row"), .id(id), .is(.tabindex, "-1"), .is(.dataWho, "\(agent) \(verb)")) {
            html in
            html.put(.p, .class("who")) { html in
                if namesAgents {
                    html.put(.a, .href(.agent(agent)), text: agent)
                    html.text(" \(verb) ")
                } else {
                    html.put(.strong, text: verb == "asks" ? "A question " : "An approval ")
                }
                html.put(.span, .class("aside")) { html in
                    Layout.time(&html, time, now: now)
                    html.text(" · \(id.dropFirst())")
                }
            }
            html.put(.div, .class("words"), .is(.dir, "auto"), text: text)
            body(&html)
        }
    }

    func hidden(_ html: inout HTML, _ action: Action) {
        html.put(.input, .is(.type, "hidden"), .is(.name, "token"), .is(.value, viewer.token(for: action)))
        html.put(.input, .is(.type, "hidden"), .is(.name, "from"), .is(.value, place.path))
    }

    /// What was closed last, the latest first.
    func closed(_ html: inout HTML, questions: [Question], approvals: [Approval], most: Int) {
        let all =
            questions.map {
                (time: $0.closed ?? $0.asked, text: $0.text, end: $0.answer ?? $0.state.rawValue, $0.id)
            }
            + approvals.map { (time: $0.closed ?? $0.asked, text: $0.text, end: $0.state.rawValue, $0.id) }
        html.put(.ul, .class("closed")) { html in
            for (time, text, end, id) in all.sorted(by: { $0.time > $1.time }).prefix(most) {
                html.put(.li, .id("c\(id)")) { html in
                    html.put(.div, .class("words"), .is(.dir, "auto"), text: text)
                    html.put(.div, .class("words said"), .is(.dir, "auto"), text: end)
                    html.put(.p, .class("aside")) { Layout.time(&$0, time, now: now) }
                }
            }
        }
    }
}
