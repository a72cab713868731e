/// Where a text came from, for messages: its file, and on which line each key is.
struct Source: Sendable {
    let file: String
    private var lines: [String: Int] = [:]

    init(file: String, root: JSONNode? = nil) {
        self.file = file
        if let root { record(root, at: "") }
    }

    private mutating func record(_ node: JSONNode, at path: String) {
        guard case .object(let members) = node.value else { return }
        for member in members {
            let inner = Self.path(path, member.key)
            lines[inner] = member.line
            record(member.node, at: inner)
        }
    }

    /// `FILE:LINE`, or `FILE` for a key that is not written there.
    func place(_ path: String) -> String { lines[path].map { "\(file):\($0)" } ?? file }

    /// - Parameter text: what to say of the key; it follows the key's path.
    func error(_ path: String, _ text: String, _ kind: HiveError.Kind = .configuration) -> HiveError {
        HiveError(kind, "\(place(path)): \(path.isEmpty ? "the file" : path) \(text)")
    }

    /// `agents.beta`, and `agents."a b"` for a key that could be misread.
    static func path(_ outer: String, _ key: String) -> String {
        let plain =
            !key.isEmpty && key.utf8.count <= 80
            && key.unicodeScalars.allSatisfy {
                $0.isASCII && ($0.properties.isAlphabetic || "0123456789_$-".unicodeScalars.contains($0))
            }
        let inner = plain ? key : quoted(key)
        return outer.isEmpty ? inner : "\(outer).\(inner)"
    }
}
