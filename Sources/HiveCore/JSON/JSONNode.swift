/// A value of a JSON5 text, with the line on which it begins.
struct JSONNode: Sendable {
    enum Value: Sendable {
        case object([Member])
        case array([JSONNode])
        case string(String)
        /// As it was written; well-formed.
        case number(String)
        case boolean(Bool)
        case null
    }

    struct Member: Sendable {
        let key: String
        let line: Int
        let node: JSONNode
    }

    let value: Value
    let line: Int

    /// The value for a sentence that complains about its type.
    var shown: String {
        switch value {
        case .object: "an object"
        case .array: "a list"
        case .string(let text): "\(quoted(text)) (a string)"
        case .number(let text): "\(text.prefix(80)) (a number)"
        case .boolean(let value): "\(value)"
        case .null: "null"
        }
    }

    /// A number that is whole and fits, however it is written: `1500`, `0x5dc`, `1.5e3`.
    var integer: Int? {
        guard case .number(let text) = value else { return nil }
        let negative = text.hasPrefix("-")
        let digits = text.hasPrefix("+") || negative ? text.dropFirst() : text[...]
        if digits.hasPrefix("0x") || digits.hasPrefix("0X") {
            guard let magnitude = Int(digits.dropFirst(2), radix: 16) else { return nil }
            return negative ? -magnitude : magnitude
        }
        if let integer = Int(digits) { return negative ? -integer : integer }
        // Up to 2^53 every whole number has a Double of its own.
        guard let double = Double(digits), double.magnitude <= 0x1p53, let integer = Int(exactly: double) else {
            return nil
        }
        return negative ? -integer : integer
    }
}

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
            && key.unicodeScalars.allSatisfy { $0.isASCII && ($0.properties.isAlphabetic || "0123456789_$-".unicodeScalars.contains($0)) }
        let inner = plain ? key : quoted(key)
        return outer.isEmpty ? inner : "\(outer).\(inner)"
    }
}
