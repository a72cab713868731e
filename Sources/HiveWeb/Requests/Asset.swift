/// Files that are part of the program.
enum Asset: String, CaseIterable, Sendable {
    case style = "style.css"
    case script = "hive.js"
    case icon = "icon.svg"

    var type: String {
        switch self {
        case .style: "text/css; charset=utf-8"
        case .script: "text/javascript; charset=utf-8"
        case .icon: "image/svg+xml"
        }
    }

    var content: [UInt8] {
        switch self {
        case .style: PackageResources.style_css
        case .script: PackageResources.hive_js
        case .icon: Self.iconContent
        }
    }

    private static let iconContent = Array(
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">\
        <path d="M16 3l11.3 6.5v13L16 29 4.7 22.5v-13z" fill="#b7791f"/>\
        <path d="M16 10l5.2 3v6L16 22l-5.2-3v-6z" fill="#fff8e8"/></svg>
        """.utf8)

    private static let tags = Dictionary(
        uniqueKeysWithValues: allCases.map {
            ($0, "\"\(hexadecimal(SHA256.digest($0.content).prefix(12)))\"")
        })

    /// An entity tag (RFC 9110, 8.8.3).
    var tag: String { Self.tags[self] ?? "\"\"" }
}
