import HiveWire

/// Where a text came from, for messages: its file, and on which line each key is.
struct Source: Sendable {
    let file: String
    private let root: JSONNode?

    init(file: String, root: JSONNode? = nil) {
        self.file = file
        self.root = root
    }

    /// `FILE:LINE`, or `FILE` for a key that is not written there.
    func place(_ path: String) -> String {
        root.flatMap { Self.line(of: path, in: $0, at: "") }.map { "\(file):\($0)" } ?? file
    }

    /// - Parameter outer: the path of `node`; entries of a list are `agents.beta.egress.allow[0]`.
    private static func line(of path: String, in node: JSONNode, at outer: String) -> Int? {
        var inside: [(path: String, line: Int, node: JSONNode)] = []
        switch node.value {
        case .object(let members): inside = members.map { (Self.path(outer, $0.key), $0.line, $0.node) }
        case .array(let elements):
            inside = elements.enumerated().map { ("\(outer)[\($0.offset)]", $0.element.line, $0.element) }
        default: return nil
        }
        for (inner, line, node) in inside {
            if inner == path { return line }
            if path.hasPrefix(inner + ".") || path.hasPrefix(inner + "["),
                let line = Self.line(of: path, in: node, at: inner)
            {
                return line
            }
        }
        return nil
    }

    /// - Parameter text: what to say of the key; it follows the key's path.
    func error(_ path: String, _ text: String, _ kind: HiveError.Kind = .configuration) -> HiveError {
        HiveError(kind, "\(place(path)): \(path.isEmpty ? "the file" : path) \(text)")
    }

    /// `agents.beta`, and `agents."a b"` for a key that could be misread.
    static func path(_ outer: String, _ key: String) -> String {
        let plain = (1...80).contains(key.utf8.count) && key.utf8.allSatisfy(\.isWord)
        let inner = plain ? key : quoted(key)
        return outer.isEmpty ? inner : "\(outer).\(inner)"
    }
}

extension UInt8 {
    /// A letter, a digit, `_`, `$` or `-` of ASCII.
    fileprivate var isWord: Bool {
        switch self {
        case 0x61...0x7a, 0x41...0x5a, 0x30...0x39, 0x5f, 0x24, 0x2d: true
        default: false
        }
    }
}
