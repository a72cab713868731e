internal import HiveWire

/// `/`: everything at one glance, what waits for the operator first.
struct DashboardPage {
    let overview: Overview
    let viewer: Viewer
    var deed: Deed?
    /// Seconds since 1970-01-01 UTC.
    var now = Clock.now

    var html: HTML {
        let count = overview.openQuestions.count + overview.openApprovals.count
        var layout = Layout(title: count == 0 ? "Hive" : "(\(count)) Hive")
        layout.user = viewer.user
        layout.event = viewer.event
        layout.isLive = true
        return layout.document { html in
            Layout.deed(&html, deed)
            html.put(.h1, .class("unseen-title"), text: "Dashboard")
            open(&html, count)
            agents(&html)
            html.put(.div, .class("pair")) { html in
                boundary(&html)
                NetworkSection(overview: overview, now: now).put(&html)
            }
        }
    }

    private func open(_ html: inout HTML, _ count: Int) {
        html.put(
            .section, .id("open"), .is(.dataLive, "part"), .is(.dataCount, "\(count)"),
            .is(.ariaLabelledBy, "open-title")
        ) { html in
            html.put(.h2, .id("open-title")) { html in
                html.text("Waiting for you ")
                html.put(.span, .class(count == 0 ? "count" : "count some"), text: "\(count)")
            }
            if count == 0 {
                html.put(.p, .class("calm"), text: "Nothing waits for you.")
            } else {
                let rows = LooseEndRows(viewer: viewer, place: .dashboard, now: now)
                rows.open(&html, questions: overview.openQuestions, approvals: overview.openApprovals)
            }
        }
    }

    // MARK: Agents

    private func agents(_ html: inout HTML) {
        let networks = Dictionary(
            (overview.network?.agents ?? []).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        html.put(.section, .id("agents"), .is(.dataLive, "part"), .is(.ariaLabelledBy, "agents-title")) {
            html in
            html.put(.div, .class("head")) { html in
                html.put(.h2, .id("agents-title")) { html in
                    html.text("Agents ")
                    html.put(.span, .class("count"), text: "\(overview.agents.count)")
                }
                states(&html)
                html.put(
                    .input, .id("filter"), .class("filter"), .is(.type, "search"), .hidden,
                    .is(.placeholder, "Filter"),
                    .is(.ariaLabel, "Filter agents"), .is(.autocomplete, "off"), .is(.spellcheck, "false"))
            }
            guard !overview.agents.isEmpty else {
                html.put(.p, .class("calm"), text: "The hive has no agent.")
                return
            }
            html.put(.table, .class("agents")) { html in
                html.put(.thead) { html in
                    html.put(.tr) { html in
                        for title in ["Agent", "State", "At", "Address", "Blocked"] {
                            html.put(.th, .is(.scope, "col"), text: title)
                        }
                    }
                }
                html.put(.tbody) { html in
                    for agent in overview.agents { row(&html, agent, networks[agent.name]) }
                }
            }
        }
    }

    /// How many are in which state: at 200 agents nobody counts.
    private func states(_ html: inout HTML) {
        let counts = Dictionary(grouping: overview.agents, by: { AgentState($0).word }).mapValues(\.count)
        guard counts.count > 1 else { return }
        html.put(.p, .class("states aside")) { html in
            html.text(
                counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }
                    .joined(separator: " · "))
        }
    }

    private func row(_ html: inout HTML, _ agent: AgentStatus, _ network: NetworkSummary.Agent?) {
        let state = AgentState(agent)
        let address = [network?.address4, network?.address6].compactMap(\.self)
        let words = ([agent.name, state.word, agent.statusText ?? ""] + address).joined(separator: " ")
        html.put(.tr, .id("agent-\(agent.name)"), .is(.dataFilter, words.lowercased())) { html in
            html.put(.th, .is(.scope, "row"), .class("agent")) { html in
                html.put(.a, .href(.agent(agent.name)), text: agent.name)
                let open = agent.openQuestions + agent.openApprovals
                if open > 0 {
                    html.put(
                        .span, .class("count some"), .is(.title, "open questions and approvals"),
                        text: "\(open)")
                }
                if agent.url != nil {
                    html.put(
                        .a, .class("own"), .href(.page(of: agent.name)),
                        .is(.ariaLabel, "\(agent.name)’s own page"),
                        text: "page")
                }
            }
            html.put(.td, .class("state")) { state.put(&$0) }
            html.put(.td, .class("at")) { html in
                if let trouble = agent.trouble { html.put(.p, .class("trouble"), text: trouble) }
                if let text = agent.statusText, !text.isEmpty {
                    html.put(.p, .class("status"), .is(.dir, "auto"), .is(.title, text), text: text)
                    if let time = agent.statusSetAt {
                        html.put(.p, .class("aside")) { Layout.time(&$0, time, now: now) }
                    }
                }
            }
            html.put(.td, .class("address")) { html in
                for address in address { html.put(.code, text: address) }
                if let network, !network.isUp { html.put(.span, .class("aside"), text: "not connected") }
            }
            html.put(.td, .class("blocked")) { html in
                let sum = History.sum(network?.blocked ?? [:])
                html.put(.span, .class(sum == 0 ? "number none" : "number"), text: Words.count(sum))
                Plot.put(&html, overview.history.agents[agent.name] ?? [])
            }
        }
    }

    private func boundary(_ html: inout HTML) {
        html.put(.section, .id("boundary"), .is(.dataLive, "part"), .is(.ariaLabelledBy, "boundary-title")) {
            html in
            html.put(.h2, .id("boundary-title"), text: "Boundary")
            guard let network = overview.network else {
                html.put(.p, .class("calm"), text: "Its counters are not known.")
                return
            }
            html.put(.figure) { html in
                BoundaryPicture(
                    agents: network.agents.count, up: network.agents.count(where: \.isUp),
                    blocked: network.blockedInAll
                ).put(&html)
                html.put(.figcaption) { html in
                    html.text("Packets blocked")
                    if let since = network.since {
                        html.text(", counted since ")
                        Layout.time(&html, since, now: now)
                    }
                    Plot.put(&html, overview.history.all)
                }
            }
        }
    }
}
