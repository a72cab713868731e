internal import HiveWire

/// `/agents/NAME`: one agent.
struct AgentPage {
    let status: AgentStatus
    let overview: Overview
    let viewer: Viewer
    var deed: Deed?
    /// What is asked about once more.
    var confirm: LifecycleVerb?
    var config: AgentConfig?
    var configTrouble: String?
    var journal: [String] = []
    var journalTrouble: String?
    var now = Clock.now

    static let journalLines = 200
    /// Questions and approvals that are closed.
    static let mostClosed = 20

    private var name: String { status.name }
    private var network: NetworkSummary.Agent? { overview.network?.agents.first { $0.name == name } }

    var html: HTML {
        let questions = overview.questions.filter { $0.agent == name }
        let approvals = overview.approvals.filter { $0.agent == name }
        let open = (questions.filter { $0.state == .open }, approvals.filter { $0.state == .open })
        let count = open.0.count + open.1.count
        var layout = Layout(title: "\(count == 0 ? "" : "(\(count)) ")\(name) · Hive")
        layout.user = viewer.user
        layout.event = viewer.event
        layout.isLive = true
        let rows = LooseEndRows(viewer: viewer, place: .agent(name), now: now, namesAgents: false)
        return layout.document { html in
            Layout.deed(&html, deed)
            top(&html, rows)
            html.put(
                .section, .id("open"), .is(.dataLive, "part"), .is(.dataCount, "\(count)"),
                .is(.ariaLabelledBy, "open-title")
            ) { html in
                html.put(.h2, .id("open-title")) { html in
                    html.text("Loose ends ")
                    html.put(.span, .class(count == 0 ? "count" : "count some"), text: "\(count)")
                }
                if count == 0 {
                    html.put(.p, .class("calm"), text: "Nothing of this agent’s waits for you.")
                } else {
                    rows.open(&html, questions: open.0, approvals: open.1)
                }
            }
            ownPage(&html)
            html.put(.div, .class("pair")) { html in
                traffic(&html)
                configuration(&html)
            }
            journalSection(&html)
            html.put(.section, .id("closed"), .is(.dataLive, "part"), .is(.ariaLabelledBy, "closed-title")) {
                html in
                html.put(.h2, .id("closed-title"), text: "Closed of late")
                let closed = (questions.filter { $0.state != .open }, approvals.filter { $0.state != .open })
                if closed.0.isEmpty, closed.1.isEmpty { html.put(.p, .class("calm"), text: "Nothing.") }
                rows.closed(&html, questions: closed.0, approvals: closed.1, most: Self.mostClosed)
            }
        }
    }

    // MARK: The top

    private func top(_ html: inout HTML, _ rows: LooseEndRows) {
        html.put(.section, .id("top"), .class("top"), .is(.dataLive, "part"), .is(.ariaLabelledBy, "name")) {
            html in
            html.put(.div, .class("head")) { html in
                html.put(.h1, .id("name"), text: name)
                AgentState(status).put(&html)
                if status.url != nil {
                    html.put(.a, .class("own"), .href(.page(of: name)), text: "its own page")
                }
            }
            if let trouble = status.trouble { html.put(.p, .class("trouble"), text: trouble) }
            if let text = status.statusText, !text.isEmpty {
                html.put(.p, .class("status"), .is(.dir, "auto"), text: text)
                if let time = status.statusSetAt {
                    html.put(.p, .class("aside")) { Layout.time(&$0, time, now: now) }
                }
            }
            if let confirm { ask(&html, confirm, rows) }
            lifecycle(&html, rows)
        }
    }

    /// What can be done now.
    static func verbs(_ status: AgentStatus) -> [LifecycleVerb] {
        guard status.backend != nil else { return [] }
        if status.paused { return [.resume, .stop, .destroy] }
        return status.running ? [.pause, .restart, .stop, .destroy] : [.start, .destroy]
    }

    /// What ends something that runs is asked about once more.
    static func asksOnceMore(_ verb: LifecycleVerb) -> Bool { [.stop, .restart, .destroy].contains(verb) }

    private static func word(_ verb: LifecycleVerb) -> String {
        verb.rawValue.prefix(1).uppercased() + verb.rawValue.dropFirst()
    }

    private func lifecycle(_ html: inout HTML, _ rows: LooseEndRows) {
        guard status.backend != nil else {
            html.put(.p, .class("aside"), text: "Hive does not start or stop this agent.")
            return
        }
        html.put(.div, .class("verbs")) { html in
            for verb in Self.verbs(status) {
                let style = verb == .destroy ? "quiet danger" : "plain"
                if Self.asksOnceMore(verb) {
                    html.put(.form, .is(.method, "get"), .action(.agent(name))) { html in
                        html.put(
                            .button, .class(style), .is(.name, "confirm"), .is(.value, verb.rawValue),
                            text: "\(Self.word(verb))…")
                    }
                } else {
                    let action = Action.lifecycle(name, verb)
                    html.put(.form, .is(.method, "post"), .action(.act(action))) { html in
                        rows.hidden(&html, action)
                        html.put(.button, .class(style), text: Self.word(verb))
                    }
                }
            }
        }
    }

    private func ask(_ html: inout HTML, _ verb: LifecycleVerb, _ rows: LooseEndRows) {
        let action = Action.lifecycle(name, verb)
        html.put(.div, .class(verb == .destroy ? "confirm danger" : "confirm"), .id("confirm")) { html in
            html.put(.h2, text: "\(Self.word(verb)) \(name)?")
            let words =
                switch verb {
                case .destroy: "Its container is stopped and taken away. This cannot be undone."
                case .stop, .restart: "What it is at is interrupted."
                default: "This is asked for by a link: go on only if you meant it."
                }
            html.put(.p, text: words)
            html.put(.form, .class("decide"), .is(.method, "post"), .action(.act(action))) { html in
                rows.hidden(&html, action)
                if verb == .destroy {
                    html.put(.label, .is(.for, "sure"), text: "Write \(name) to go on")
                    html.put(
                        .input, .id("sure"), .is(.name, "sure"), .is(.type, "text"), .required,
                        .is(.autocomplete, "off"), .is(.spellcheck, "false"))
                }
                html.put(
                    .button, .class(verb == .destroy ? "danger" : "primary"),
                    text: "\(Self.word(verb)) \(name)")
                html.put(.a, .class("button plain"), .href(.agent(name)), text: "Leave it")
            }
        }
    }

    // MARK: Below

    private func ownPage(_ html: inout HTML) {
        guard status.url != nil else { return }
        html.put(.details, .id("own"), .class("own-page")) { html in
            html.put(.summary, text: "Its own page")
            html.put(
                .iframe, .src(.page(of: name)), .is(.title, "\(name)’s own page"), .is(.loading, "lazy"),
                .is(.sandbox, "allow-scripts allow-forms"))
        }
    }

    private func traffic(_ html: inout HTML) {
        html.put(.section, .id("traffic"), .is(.dataLive, "part"), .is(.ariaLabelledBy, "traffic-title")) {
            html in
            html.put(.h2, .id("traffic-title"), text: "Network")
            guard let network else {
                html.put(
                    .p, .class("calm"), text: overview.networkTrouble ?? "Nothing is known of its network.")
                return
            }
            html.put(.dl) { html in
                fact(
                    &html, "Address",
                    [network.address4, network.address6].compactMap(\.self).joined(separator: "\n"))
                fact(&html, "Connected", network.isUp ? "yes" : "no")
                fact(&html, "May reach", network.egress)
                for (reason, words) in [
                    ("egress", "Blocked on the way out"), ("host", "To the host"),
                    ("peer", "To other agents"),
                    ("spoof", "Forged senders"), ("excess", "Over the rate"),
                ] { fact(&html, words, Words.count(network.blocked[reason] ?? 0)) }
            }
            Plot.put(&html, overview.history.agents[name] ?? [])
        }
    }

    private func fact(_ html: inout HTML, _ name: String, _ value: String) {
        html.put(.dt, text: name)
        html.put(.dd, .class(value == "0" ? "none" : "some"), text: value.isEmpty ? "none" : value)
    }

    private func configuration(_ html: inout HTML) {
        html.put(.section, .id("config"), .is(.dataLive, "part"), .is(.ariaLabelledBy, "config-title")) {
            html in
            html.put(.h2, .id("config-title"), text: "Configuration")
            guard let config else {
                html.put(.p, .class("calm"), text: configTrouble ?? "Nothing is known of it.")
                return
            }
            html.put(.pre, .class("settings"), .is(.tabindex, "0"), text: config.settings)
            html.put(.p, .class("aside"), text: "From \(config.place)")
            html.put(.h3, text: "State files")
            html.put(.p, .class("aside")) { html in
                html.put(.code, text: config.stateDirectory)
                html.text(" · the first \(Words.size(StateFile.most)) of each are shown")
            }
            if config.files.isEmpty { html.put(.p, .class("calm"), text: "It has none.") }
            html.put(.ul, .class("files")) { html in
                for file in config.files.prefix(200) {
                    html.put(.li) { html in
                        html.put(
                            .a, .href(.file(of: name, path: file.path)), .is(.dir, "auto"), text: file.path)
                        html.put(.span, .class("aside"), text: Words.size(file.size))
                    }
                }
            }
        }
    }

    private func journalSection(_ html: inout HTML) {
        html.put(.section, .id("journal"), .is(.dataLive, "part"), .is(.ariaLabelledBy, "journal-title")) {
            html in
            html.put(.h2, .id("journal-title"), text: "Journal")
            if journal.isEmpty {
                html.put(.p, .class("calm"), text: journalTrouble ?? "It is empty.")
            } else {
                html.put(
                    .pre, .class("journal"), .id("lines"), .is(.tabindex, "0"),
                    .is(.ariaLabel, "The last lines of the journal")
                ) { html in
                    html.text(journal.suffix(Self.journalLines).joined(separator: "\n"))
                }
            }
        }
    }
}
