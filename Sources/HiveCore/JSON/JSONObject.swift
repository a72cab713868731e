import HiveWire

/// An object of a file, read strictly: keys that nobody knows are errors, and so are values of another type.
/// Every error names file, line, path and value.
struct JSONObject {
    let source: Source
    /// Empty for the outermost object.
    let path: String
    private let members: [String: JSONNode]

    /// - Parameter keys: those that are known here, or nil where people choose them.
    init(_ node: JSONNode, at path: String = "", in source: Source, knowing keys: [String]?) throws(HiveError)
    {
        guard case .object(let members) = node.value else {
            throw source.error(path, "is \(node.shown), but must be an object")
        }
        if let keys {
            for member in members where !keys.contains(member.key) {
                let known = keys.map { "\"\($0)\"" }.joined(separator: ", ")
                let hint =
                    nearest(to: member.key, among: keys).map { "did you mean \"\($0)\"?" }
                    ?? "known here: \(known)"
                throw source.error(Source.path(path, member.key), "is not a known key; \(hint)")
            }
        }
        self.source = source
        self.path = path
        self.members = Dictionary(members.map { ($0.key, $0.node) }) { first, _ in first }
    }

    /// In the order of the alphabet.
    var keys: [String] { members.keys.sorted() }

    func has(_ key: String) -> Bool { members[key] != nil }

    func isNull(_ key: String) -> Bool {
        if case .null = members[key]?.value { true } else { false }
    }

    func node(_ key: String) -> JSONNode? { members[key] }

    func pathTo(_ key: String) -> String { Source.path(path, key) }

    func error(_ key: String, _ text: String) -> HiveError { source.error(pathTo(key), text) }

    /// - Parameter expected: "the name of a link"; it follows "must be".
    func string(_ key: String, _ expected: String = "a string") throws(HiveError) -> String? {
        guard let node = members[key] else { return nil }
        guard case .string(let text) = node.value else {
            throw error(key, "is \(node.shown), but must be \(expected)")
        }
        return text
    }

    /// A string that spells a value.
    func value<Value: LosslessStringConvertible>(_ key: String, _ expected: String) throws(HiveError)
        -> Value?
    {
        guard let text = try string(key, expected) else { return nil }
        // inet_pton reads a C string and would take what stands before a NUL for the whole.
        guard !text.utf8.contains(0), let value = Value(text) else {
            throw error(key, "is \(quoted(text)), which is not \(expected)")
        }
        return value
    }

    func integer(_ key: String, _ range: ClosedRange<Int>) throws(HiveError) -> Int? {
        guard let node = members[key] else { return nil }
        let expected = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        guard case .number(let text) = node.value else {
            throw error(key, "is \(node.shown), but must be \(expected)")
        }
        guard let number = node.integer, range.contains(number) else {
            throw error(key, "is \(text.prefix(80)), but must be \(expected)")
        }
        return number
    }

    func object(_ key: String, knowing keys: [String]?) throws(HiveError) -> JSONObject? {
        guard let node = members[key] else { return nil }
        return try JSONObject(node, at: pathTo(key), in: source, knowing: keys)
    }

    func boolean(_ key: String) throws(HiveError) -> Bool? {
        guard let node = members[key] else { return nil }
        guard case .boolean(let value) = node.value else {
            throw error(key, "is \(node.shown), but must be true or false")
        }
        return value
    }

    /// A list of strings; nil when it is not written.
    func strings(_ key: String) throws(HiveError) -> [String]? {
        guard let node = members[key] else { return nil }
        guard case .array(let elements) = node.value else {
            throw error(key, "is \(node.shown), but must be a list of strings")
        }
        var texts: [String] = []
        for (index, element) in elements.enumerated() {
            guard case .string(let text) = element.value else {
                throw error(entry: index, of: key, "is \(element.shown), but must be a string")
            }
            texts.append(text)
        }
        return texts
    }

    /// Of an entry of a list.
    func error(entry index: Int, of key: String, _ text: String) -> HiveError {
        source.error("\(pathTo(key))[\(index)]", text)
    }
}
