/// A small plot of what was stopped of late.
enum Plot {
    static let width = 120.0, height = 22.0

    /// - Parameter values: a number for each interval, the oldest first; the latest is at the right edge.
    static func put(_ html: inout HTML, _ values: [Double]) {
        let sum = UInt64(min(values.reduce(0, +).rounded(), 1e15))
        let label =
            sum == 0 ? "Nothing was blocked of late" : "\(Words.count(sum)) blocked in the last minutes"
        html.put(
            .svg, .class(sum == 0 ? "plot flat" : "plot"), .is(.viewBox, "0 0 120 22"), .is(.role, "img"),
            .is(.ariaLabel, label), .is(.preserveAspectRatio, "none")
        ) { html in
            guard let top = values.max(), top > 0 else {
                html.put(
                    .line, .number(.x1, 0), .number(.y1, height - 1), .number(.x2, width),
                    .number(.y2, height - 1))
                return
            }
            let step = width / Double(History.most - 1)
            let left = width - step * Double(values.count - 1)
            // (By the square root: a flood does not hide what came before it.)
            let points = values.enumerated().map { index, value in
                (
                    x: left + step * Double(index),
                    y: height - 1 - (height - 3) * (max(value, 0) / top).squareRoot()
                )
            }
            let line = points.map { "\(HTML.decimal($0.x)),\(HTML.decimal($0.y))" }.joined(separator: " ")
            let base = HTML.decimal(height)
            html.put(
                .polygon, .class("area"),
                .is(.points, "\(HTML.decimal(left)),\(base) \(line) \(HTML.decimal(width)),\(base)"))
            html.put(.polyline, .class("curve"), .is(.points, line))
        }
    }
}
