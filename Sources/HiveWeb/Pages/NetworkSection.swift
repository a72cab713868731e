internal import HiveWire

/// Whether the boundary holds, what differs, and what was done about it.
struct NetworkSection {
    let overview: Overview
    let now: Double
    /// Events that are shown.
    private static let most = 12

    func put(_ html: inout HTML) {
        html.put(.section, .id("network"), .is(.dataLive, "part"), .is(.ariaLabelledBy, "network-title")) {
            html in
            html.put(.h2, .id("network-title"), text: "Network")
            guard let network = overview.network else {
                verdict(&html, nil, overview.networkTrouble ?? "Nothing is known of it")
                return
            }
            verdict(&html, network.holds, network.sentence)
            list(&html, "Differs", network.drift, "drift")
            list(&html, "Caution", network.cautions, "caution")
            html.put(.h3) { html in
                html.text("Seen and done")
                html.put(
                    .span, .class("aside"), text: " " + Words.number(network.repairs, "repair", "repairs"))
            }
            if network.events.isEmpty { html.put(.p, .class("calm"), text: "Nothing so far.") }
            html.put(.ol, .class("events")) { html in
                for event in network.events.suffix(Self.most).reversed() {
                    html.put(.li, .id("e\(event.id)")) { html in
                        html.put(.span, .class("aside")) { Layout.time(&$0, event.time, now: now) }
                        html.put(.span, text: event.sentence)
                    }
                }
            }
        }
    }

    private func verdict(_ html: inout HTML, _ holds: Bool?, _ sentence: String?) {
        let (style, words) =
            switch holds {
            case true?: ("good", "The boundary holds")
            case false?: ("bad", "The boundary differs from what it should be")
            case nil: ("odd", "Whether the boundary holds is not known")
            }
        html.put(.p, .class("verdict \(style)"), text: words)
        if let sentence, !sentence.isEmpty { html.put(.p, .class("aside"), text: sentence) }
    }

    private func list(_ html: inout HTML, _ title: String, _ sentences: [String], _ style: String) {
        guard !sentences.isEmpty else { return }
        html.put(.h3, text: title)
        html.put(.ul, .class(style)) { html in
            for sentence in sentences.prefix(50) { html.put(.li, text: sentence) }
        }
    }
}
