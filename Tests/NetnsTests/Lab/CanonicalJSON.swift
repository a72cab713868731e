/// Rewrites JSON so that equal things have equal texts: members sorted by key, without those that do not count.
///
/// A tool's output is taken to be well formed; where it is not, the text differs, and so does the comparison.
struct CanonicalJSON {
    private let bytes: [UInt8]
    private var position = 0
    /// Keys of members that do not count, as `key` or as `parent.key`.
    let dropped: Set<String>
    /// Keys of arrays whose order does not count.
    let unordered: Set<String>
    /// Strings that do not count in arrays.
    let droppedStrings: Set<String>

    init(
        _ text: some StringProtocol, dropped: Set<String>, unordered: Set<String>, droppedStrings: Set<String>
    ) {
        bytes = Array(text.utf8)
        self.dropped = dropped
        self.unordered = unordered
        self.droppedStrings = droppedStrings
    }

    private var next: UInt8 {
        mutating get {
            while position < bytes.count {
                let byte = bytes[position]
                if byte > 0x20 { return byte }
                position += 1
            }
            return 0
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        position += 1
        return true
    }

    /// A value as text. - Parameter key: of the member that it is in.
    mutating func value(_ key: String) -> String {
        switch next {
        case UInt8(ascii: "{"):
            return "{" + members(key).map { "\"\($0.key)\":\($0.text)" }.joined(separator: ",") + "}"
        case UInt8(ascii: "["):
            let values = elements(key)
            return "[" + (unordered.contains(key) ? values.sorted() : values).joined(separator: ",") + "]"
        default: return scalar()
        }
    }

    /// The elements of an array.
    mutating func elements(_ key: String) -> [String] {
        var values: [String] = []
        guard take(UInt8(ascii: "[")) else { return values }
        while next != 0, !take(UInt8(ascii: "]")) {
            let value = value(key)
            if !droppedStrings.contains(value) { values.append(value) }
            _ = take(UInt8(ascii: ","))
        }
        return values
    }

    /// Goes to the first element of the array that is the only member of an object.
    mutating func enter(_ key: String) -> Bool {
        guard take(UInt8(ascii: "{")), next != 0, scalar() == "\"\(key)\"" else { return false }
        return take(UInt8(ascii: ":")) && take(UInt8(ascii: "["))
    }

    /// There is another element.
    var isInside: Bool {
        mutating get {
            _ = take(UInt8(ascii: ","))
            return next == UInt8(ascii: "{")
        }
    }

    /// The members of an object, sorted.
    mutating func members(_ parent: String) -> [(key: String, text: String)] {
        var members: [(key: String, text: String)] = []
        guard take(UInt8(ascii: "{")) else { return members }
        while next != 0, !take(UInt8(ascii: "}")) {
            let key = String(scalar().dropFirst().dropLast())
            _ = take(UInt8(ascii: ":"))
            let text = value(key)
            if !dropped.contains(key), !dropped.contains("\(parent).\(key)") { members.append((key, text)) }
            _ = take(UInt8(ascii: ","))
        }
        return members.sorted { $0.key < $1.key }
    }

    /// A string with its quotes, a number or a word, as it is written.
    private mutating func scalar() -> String {
        let start = position
        if next == UInt8(ascii: "\"") {
            position += 1
            while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
                position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
            }
            position += 1
        } else {
            while position < bytes.count {
                let byte = bytes[position]
                // A comma, a colon, a bracket, a blank.
                if byte == 0x2c || byte == 0x3a || byte == 0x5d || byte == 0x7d || byte <= 0x20 { break }
                position += 1
            }
            // Something that is no JSON at all: go on, somehow.
            if position == start { position += 1 }
        }
        return String(decoding: bytes[start..<min(position, bytes.count)], as: UTF8.self)
    }
}
