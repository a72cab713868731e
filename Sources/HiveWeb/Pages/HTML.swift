/// A page, or a piece of one. Text gets in escaped and in no other way: there is no function that takes markup, no attribute that a
/// browser runs or styles by, and an address is a `Link`, which is none of anybody else's making.
struct HTML: Equatable, Sendable {
    private(set) var bytes: [UInt8] = []
    /// Within an element whose content a browser takes as text only.
    private var isPlain = false

    enum Element: String, Sendable {
        case a, article, aside, body, button, code, details, dd, div, dl, dt, em, fieldset, figcaption, figure
        case footer, form, h1, h2, h3, head, header, html, iframe, input, kbd, label, legend, li, link, main,
            meta, nav
        case ol, p, pre, script, section, small, span, strong, summary, table, tbody, td, textarea, th, thead,
            time
        case title, tr, ul
        case svg, g, rect, path, line, polyline, polygon, circle, text, tspan

        /// Without content, and without an end.
        var isVoid: Bool { [.input, .link, .meta].contains(self) }
    }

    struct Attribute: Sendable {
        fileprivate let name: String
        fileprivate let value: String?

        /// Attributes whose value is text to a browser.
        enum Name: String, Sendable {
            case ariaCurrent = "aria-current"
            case ariaHidden = "aria-hidden"
            case ariaLabel = "aria-label"
            case ariaLabelledBy = "aria-labelledby"
            case ariaLive = "aria-live"
            case autocomplete, charset, `class`, cols, content, d, dataAfter = "data-after", dataCount =
                "data-count"
            case dataFilter = "data-filter", dataLive = "data-live", dataWho = "data-who", datetime, dir,
                enctype
            case `for`, height, id, lang, loading, maxlength, media, method, name, points, rel, role, rows,
                sandbox
            case scope, spellcheck, tabindex, title, type, value, viewBox, width, x, x1, x2, y, y1, y2, r, cx,
                cy, rx
            case placeholder, preserveAspectRatio, textAnchor = "text-anchor"
        }

        static func `is`(_ name: Name, _ value: String) -> Attribute {
            Attribute(name: name.rawValue, value: value)
        }
        static func number(_ name: Name, _ value: Double) -> Attribute {
            Attribute(name: name.rawValue, value: HTML.decimal(value))
        }
        static func `class`(_ value: String) -> Attribute { .is(.class, value) }
        static func id(_ value: String) -> Attribute { .is(.id, value) }
        static func href(_ link: Link) -> Attribute { Attribute(name: "href", value: link.path) }
        static func src(_ link: Link) -> Attribute { Attribute(name: "src", value: link.path) }
        static func action(_ link: Link) -> Attribute { Attribute(name: "action", value: link.path) }
        static let required = Attribute(name: "required", value: nil)
        static let hidden = Attribute(name: "hidden", value: nil)
        static let readonly = Attribute(name: "readonly", value: nil)
        static let open = Attribute(name: "open", value: nil)
        static let `defer` = Attribute(name: "defer", value: nil)
        /// Of a button: it sends the form though a field is empty.
        static let formnovalidate = Attribute(name: "formnovalidate", value: nil)
    }

    static func document(_ body: (inout HTML) -> Void) -> HTML {
        var html = HTML()
        html.bytes += Array("<!doctype html>\n".utf8)
        body(&html)
        return html
    }

    mutating func put(_ element: Element, _ attributes: Attribute..., body: (inout HTML) -> Void = { _ in }) {
        put(element, attributes, body: body)
    }

    mutating func put(_ element: Element, _ attributes: [Attribute], body: (inout HTML) -> Void = { _ in }) {
        bytes += Array("<\(element.rawValue)".utf8)
        for attribute in attributes {
            bytes += Array(" \(attribute.name)".utf8)
            guard let value = attribute.value else { continue }
            bytes += Array("=\"".utf8)
            write(value, inElement: false)
            bytes.append(UInt8(ascii: "\""))
        }
        bytes.append(UInt8(ascii: ">"))
        guard !element.isVoid else { return }
        let wasPlain = isPlain
        isPlain = isPlain || element == .title || element == .textarea
        // (A browser passes over one line feed there.)
        if element == .textarea { bytes.append(UInt8(ascii: "\n")) }
        body(&self)
        isPlain = wasPlain
        bytes += Array("</\(element.rawValue)>".utf8)
        if Self.blocks.contains(element) { bytes.append(UInt8(ascii: "\n")) }
    }

    private static let blocks: Set<Element> = [.section, .article, .tr, .li, .form, .header, .head, .p, .div]

    /// An element with nothing but text in it.
    mutating func put(_ element: Element, _ attributes: Attribute..., text: String) {
        put(element, attributes) { $0.text(text) }
    }

    /// Text, whoever wrote it. What cannot be seen, and what turns the direction of writing, is spelled out.
    mutating func text(_ text: String) { write(text, inElement: !isPlain) }

    mutating func append(_ other: HTML) { bytes += other.bytes }

    private mutating func write(_ text: String, inElement: Bool) {
        bytes.reserveCapacity(bytes.count + text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": bytes += Array("&amp;".utf8)
            case "<": bytes += Array("&lt;".utf8)
            case ">": bytes += Array("&gt;".utf8)
            case "\"": bytes += Array("&quot;".utf8)
            case "'": bytes += Array("&#39;".utf8)
            case "\n", "\t": bytes.append(UInt8(truncatingIfNeeded: scalar.value))
            case _ where Self.isUnseen(scalar):
                let digits = String(scalar.value, radix: 16, uppercase: true)
                let name = "U+" + String(repeating: "0", count: max(4 - digits.count, 0)) + digits
                bytes += Array((inElement ? "<span class=\"unseen\">\(name)</span>" : "⟨\(name)⟩").utf8)
            default: bytes += UTF8.encode(scalar).map { Array($0) } ?? []
            }
        }
    }

    /// Controls of C0 and C1, of the direction of writing, of width zero, and tags.
    static func isUnseen(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<9, 0xb..<0x20, 0x7f...0x9f, 0xad, 0x61c, 0x180e, 0x200b...0x200f, 0x2028...0x202e,
            0x2060...0x206f,
            0xfeff, 0xfff0...0xfffb, 0xe0000...0xe0fff:
            true
        default: false
        }
    }

    /// With one digit behind the point, or none.
    static func decimal(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e9 else { return "0" }
        let tenths = Int((value * 10).rounded())
        let sign = tenths < 0 ? "-" : ""
        let (whole, part) = abs(tenths).quotientAndRemainder(dividingBy: 10)
        return part == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(part)"
    }
}
