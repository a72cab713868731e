internal import HiveWire

/// A picture of the boundary: who is on which side, and what was stopped where.
struct BoundaryPicture {
    let agents: Int
    let up: Int
    /// By reason.
    let blocked: [String: UInt64]

    private func count(_ reason: String) -> UInt64 { blocked[reason] ?? 0 }

    /// Drawn for 360 units of width, so that it can be read on a phone.
    func put(_ html: inout HTML) {
        let words =
            "Blocked: \(count("egress")) on the way outside, \(count("host")) on the way to the host, "
            + "\(count("peer")) between agents, \(count("spoof")) with a forged sender, \(count("excess")) over the rate"
        html.put(
            .svg, .class("boundary"), .is(.viewBox, "0 0 360 236"), .is(.role, "img"), .is(.ariaLabel, words)
        ) { html in
            html.put(
                .rect, .class("wall"), .number(.x, 6), .number(.y, 6), .number(.width, 136),
                .number(.height, 224), .number(.rx, 14))
            label(&html, 74, 30, "Agents", "name")
            comb(&html)
            label(&html, 74, 126, agents == 1 ? "1 agent, \(up) up" : "\(agents) agents, \(up) up", "small")
            inside(&html, 150, "each other", "peer")
            inside(&html, 178, "forged", "spoof")
            inside(&html, 206, "over rate", "excess")
            box(&html, 24, "Outside")
            box(&html, 96, "Host")
            box(&html, 168, "Gateway")
            arrow(&html, 51, "egress")
            arrow(&html, 123, "host")
            open(&html, 195)
        }
    }

    private func label(_ html: inout HTML, _ x: Double, _ y: Double, _ text: String, _ style: String) {
        html.put(.text, .class(style), .number(.x, x), .number(.y, y), .is(.textAnchor, "middle"), text: text)
    }

    private func comb(_ html: inout HTML) {
        // Seven cells, as many of them full as agents are up.
        let full = agents == 0 ? 0 : max(up * 7 / agents, up > 0 ? 1 : 0)
        let centres: [(Double, Double)] = [
            (74, 73), (52, 73), (96, 73), (63, 54), (85, 54), (63, 92), (85, 92),
        ]
        for (index, (x, y)) in centres.enumerated() {
            let points = [(0.0, -11.5), (10, -5.75), (10, 5.75), (0, 11.5), (-10, 5.75), (-10, -5.75)]
                .map { "\(HTML.decimal(x + $0.0)),\(HTML.decimal(y + $0.1))" }.joined(separator: " ")
            html.put(.polygon, .class(index < full ? "cell full" : "cell"), .is(.points, points))
        }
    }

    private func inside(_ html: inout HTML, _ y: Double, _ name: String, _ reason: String) {
        html.put(.text, .class("small"), .number(.x, 20), .number(.y, y + 4), text: name)
        let style = count(reason) == 0 ? "number none" : "number"
        html.put(
            .text, .class(style), .number(.x, 130), .number(.y, y + 4), .is(.textAnchor, "end"),
            text: Words.count(count(reason)))
    }

    private func box(_ html: inout HTML, _ y: Double, _ name: String) {
        html.put(
            .rect, .class("box"), .number(.x, 262), .number(.y, y), .number(.width, 92), .number(.height, 54),
            .number(.rx, 10))
        label(&html, 308, y + 32, name, "name")
    }

    /// What agents tried, and where it ended.
    private func arrow(_ html: inout HTML, _ y: Double, _ reason: String) {
        let number = count(reason)
        let style = number == 0 ? "arrow none" : "arrow"
        html.put(.line, .class(style), .number(.x1, 142), .number(.y1, y), .number(.x2, 240), .number(.y2, y))
        html.put(
            .line, .class("\(style) stop"), .number(.x1, 244), .number(.y1, y - 11), .number(.x2, 244),
            .number(.y2, y + 11))
        label(&html, 194, y - 8, Words.count(number), number == 0 ? "number none" : "number")
        label(&html, 194, y + 16, "blocked", "small")
    }

    /// Pages, which the gateway asks agents for.
    private func open(_ html: inout HTML, _ y: Double) {
        html.put(
            .line, .class("arrow way"), .number(.x1, 152), .number(.y1, y), .number(.x2, 262), .number(.y2, y)
        )
        html.put(
            .polyline, .class("arrow way"),
            .is(.points, "159,\(HTML.decimal(y - 6)) 151,\(HTML.decimal(y)) 159,\(HTML.decimal(y + 6))"))
        label(&html, 202, y - 8, "web pages", "small")
    }
}
