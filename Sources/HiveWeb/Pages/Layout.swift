/// What all pages have in common.
struct Layout {
    var title: String
    /// Who is logged in at the gateway; empty: it asks nobody.
    var user = ""
    var event: UInt64?
    /// The script keeps the page as it is in the core.
    var isLive = false

    func document(_ body: (inout HTML) -> Void) -> HTML {
        .document { html in
            html.put(.html, .is(.lang, "en")) { html in
                html.put(.head) { html in
                    html.put(.meta, .is(.charset, "utf-8"))
                    html.put(
                        .meta, .is(.name, "viewport"), .is(.content, "width=device-width, initial-scale=1"))
                    html.put(.meta, .is(.name, "color-scheme"), .is(.content, "light dark"))
                    html.put(.title, text: title)
                    html.put(.link, .is(.rel, "icon"), .href(.asset(.icon)))
                    html.put(.link, .is(.rel, "stylesheet"), .href(.asset(.style)))
                    if isLive { html.put(.script, .src(.asset(.script)), .defer) }
                }
                let event = event.map { "\($0)" } ?? ""
                html.put(.body, isLive ? [.is(.dataLive, "page"), .is(.dataAfter, event)] : []) { html in
                    html.put(.a, .class("skip"), .href(.part("main")), text: "Skip to the content")
                    bar(&html)
                    html.put(.main, .id("main"), body: body)
                    if isLive { footer(&html) }
                }
            }
        }
    }

    private func bar(_ html: inout HTML) {
        html.put(.header, .class("bar")) { html in
            html.put(.a, .class("brand"), .href(.dashboard)) { html in
                html.put(
                    .svg, .is(.viewBox, "0 0 32 32"), .is(.ariaHidden, "true"), .class("mark")
                ) { html in
                    html.put(.path, .class("comb"), .is(.d, "M16 3l11.3 6.5v13L16 29 4.7 22.5v-13z"))
                    html.put(.path, .class("cell"), .is(.d, "M16 10l5.2 3v6L16 22l-5.2-3v-6z"))
                }
                html.put(.span, text: "Hive")
            }
            if isLive {
                html.put(.p, .class("link"), .id("link"), .is(.role, "status"), .hidden)
            }
            if !user.isEmpty { html.put(.p, .class("user"), .is(.dir, "auto"), text: user) }
        }
    }

    private func footer(_ html: inout HTML) {
        html.put(.footer) { html in
            html.put(.p, .id("keys"), .class("keys"), .hidden) { html in
                for (key, does) in [
                    ("j", "next"), ("k", "previous"), ("/", "filter"), ("Ctrl Enter", "send"),
                    ("?", "this line"),
                ] {
                    html.put(.kbd, text: key)
                    html.text(" \(does) ")
                }
            }
            html.put(.p, .id("said"), .class("aside"), .is(.ariaLive, "polite"))
        }
    }

    /// A time, as far as it matters now.
    static func time(_ html: inout HTML, _ time: Double, now: Double) {
        let stamp = Words.stamp(time)
        html.put(.time, .is(.datetime, stamp), .is(.title, stamp), text: Words.ago(time, now: now))
    }

    /// What was done, on the page that follows.
    static func deed(_ html: inout HTML, _ deed: Deed?) {
        guard let deed else { return }
        html.put(.p, .class("deed"), .id("deed"), .is(.role, "status"), text: deed.sentence)
    }
}
