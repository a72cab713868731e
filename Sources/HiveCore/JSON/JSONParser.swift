import HiveWire

/// Reads JSON5 (https://spec.json5.org) into a tree that remembers lines.
///
/// Foundation's decoder is not used for what people write: it silently takes the last of two equal keys, knows no
/// line for a wrong value, checks numbers and strings only when they are asked for, and reads `"\x41"` as `AA`.
///
/// Narrower than the specification in two points, so that a slip is noticed: a backslash before a letter that
/// means nothing is an error, and so is one in an unquoted key.
struct JSONParser {
    /// Enough for every file of ours, and far from the end of a thread's stack.
    static let maximumDepth = 64

    let file: String
    private let scalars: [Unicode.Scalar]
    private var index = 0
    private var line = 1
    /// The keys that lead to where we are.
    private var keys: [String] = []
    /// What is open, innermost last: "object", "list".
    private var openings: [(what: String, line: Int)] = []

    /// - Parameter bytes: UTF-8.
    static func parse(_ bytes: [UInt8], file: String) throws(HiveError) -> JSONNode {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw HiveError(.configuration, "\(file): the file is not UTF-8 text")
        }
        var parser = JSONParser(file: file, scalars: Array(text.unicodeScalars))
        return try parser.document()
    }

    private init(file: String, scalars: [Unicode.Scalar]) {
        self.file = file
        self.scalars = scalars
    }

    private mutating func document() throws(HiveError) -> JSONNode {
        try skip()
        guard current != nil else {
            throw HiveError(.configuration, "\(file): the file is empty; it must hold a JSON object")
        }
        let node = try value()
        try skip()
        guard current == nil else { throw error("unexpected \(found) after the end of the outermost value") }
        return node
    }

    // MARK: Values

    private mutating func value() throws(HiveError) -> JSONNode {
        try skip()
        let start = line
        guard let scalar = current else { throw ended() }
        switch scalar {
        case "{":
            return JSONNode(
                value: .object(try nested("object") { parser throws(HiveError) in try parser.members() }),
                line: start)
        case "[":
            return JSONNode(
                value: .array(try nested("list") { parser throws(HiveError) in try parser.elements() }),
                line: start)
        case "\"", "'": return JSONNode(value: .string(try string()), line: start)
        case "0"..."9", "+", "-", ".": return JSONNode(value: .number(try number()), line: start)
        default:
            switch peekWord() {
            case "true": take("true"); return JSONNode(value: .boolean(true), line: start)
            case "false": take("false"); return JSONNode(value: .boolean(false), line: start)
            case "null": take("null"); return JSONNode(value: .null, line: start)
            case "Infinity", "NaN": return JSONNode(value: .number(try number()), line: start)
            case "": throw error("unexpected \(found) where a value is expected\(after)")
            case let word:
                throw error(
                    "unexpected \(quoted(word)) where a value is expected\(after); a string needs quotes")
            }
        }
    }

    private mutating func nested<Result>(
        _ what: String, _ body: (inout JSONParser) throws(HiveError) -> Result
    ) throws(HiveError) -> Result {
        guard openings.count < Self.maximumDepth else {
            throw error("objects and lists are nested more than \(Self.maximumDepth) deep")
        }
        openings.append((what, line))
        advance()
        let result = try body(&self)
        advance()
        openings.removeLast()
        return result
    }

    /// Up to the closing brace, which stays.
    private mutating func members() throws(HiveError) -> [JSONNode.Member] {
        var members: [JSONNode.Member] = []
        var seen: [String: Int] = [:]
        while true {
            try skip()
            if current == "}" { return members }
            let start = line
            let key = try key()
            keys.append(key)
            if let first = seen.updateValue(start, forKey: key) {
                throw HiveError(
                    .configuration, "\(file):\(start): \(path) is given twice, first on line \(first)")
            }
            try skip()
            guard current == ":" else {
                throw current == nil
                    ? ended()
                    : error("unexpected \(found) after the key \(quoted(key)), where \":\" is expected")
            }
            advance()
            members.append(JSONNode.Member(key: key, line: start, node: try value()))
            try separator("}")
            keys.removeLast()
        }
    }

    /// Up to the closing bracket, which stays.
    private mutating func elements() throws(HiveError) -> [JSONNode] {
        var elements: [JSONNode] = []
        while true {
            try skip()
            if current == "]" { return elements }
            elements.append(try value())
            try separator("]")
        }
    }

    private mutating func separator(_ close: Unicode.Scalar) throws(HiveError) {
        try skip()
        switch current {
        case ",": advance()
        case close: return
        case nil: throw ended()
        default: throw error("unexpected \(found)\(after), where \",\" or \"\(close)\" is expected")
        }
    }

    private mutating func key() throws(HiveError) -> String {
        guard let scalar = current else { throw ended() }
        if scalar == "\"" || scalar == "'" { return try string() }
        let word = peekWord()
        guard !word.isEmpty else { throw error("unexpected \(found) where a key or \"}\" is expected") }
        take(word)
        if current == "-" { throw error("a key with \"-\" in it needs quotes: \(quoted(word + "-…"))") }
        return word
    }

    // MARK: Scalars

    private mutating func number() throws(HiveError) -> String {
        let start = index
        scan: while let scalar = current {
            switch scalar {
            case "0"..."9", "a"..."z", "A"..."Z", ".", "+", "-", "_": advance()
            default: break scan
            }
        }
        let text = text(start..<index)
        guard JSONNode.isNumber(text) else {
            throw error("\(path.isEmpty ? "the value" : path) is \(quoted(text)), which is not a number")
        }
        return text
    }

    private mutating func string() throws(HiveError) -> String {
        let quote = current
        let start = line
        advance()
        var text = String.UnicodeScalarView()
        while let scalar = current, scalar != "\n", scalar != "\r" {
            advance()
            if scalar == quote { return String(text) }
            if scalar == "\\" {
                if let meant = try escape() { text.append(meant) }
            } else if scalar.value < 0x20, scalar != "\t" {
                throw error(
                    "a control character in a string must be written as \\u00\(scalar.value < 16 ? "0" : "")\(String(scalar.value, radix: 16))"
                )
            } else {
                text.append(scalar)
            }
        }
        throw HiveError(.configuration, "\(file):\(start): the string that begins here has no closing quote")
    }

    /// What follows a backslash; nil for a line that goes on.
    private mutating func escape() throws(HiveError) -> Unicode.Scalar? {
        guard let scalar = current else { throw ended() }
        advance()
        switch scalar {
        case "\"", "'", "\\", "/": return scalar
        case "b": return "\u{8}"
        case "f": return "\u{c}"
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "v": return "\u{b}"
        case "\n", "\u{2028}", "\u{2029}": return nil
        case "\r":
            if current == "\n" { advance() }
            return nil
        case "0" where !("0"..."9").contains(current ?? " "): return "\0"
        case "x": return Unicode.Scalar(try hexadecimal(2))
        case "u":
            let unit = try hexadecimal(4)
            if let scalar = Unicode.Scalar(unit) { return scalar }
            // The first half of a pair; anything else finds no scalar below.
            if unit < 0xdc00, current == "\\" {
                advance()
                if current == "u" {
                    advance()
                    let low = try hexadecimal(4)
                    if (0xdc00...0xdfff).contains(low) {
                        return Unicode.Scalar(0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00))
                    }
                }
            }
            throw error("half of a surrogate pair in a string")
        default: throw error("a backslash before \(quoted(String(scalar))) means nothing")
        }
    }

    private mutating func hexadecimal(_ count: Int) throws(HiveError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<count {
            guard let scalar = current else { throw ended() }
            guard scalar.isASCII, let digit = Character(scalar).hexDigitValue else {
                throw error("unexpected \(found) in an escape, where a hexadecimal digit is expected")
            }
            value = value << 4 | UInt32(digit)
            advance()
        }
        return value
    }

    // MARK: Scanning

    private var current: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }
    private var next: Unicode.Scalar? { index + 1 < scalars.count ? scalars[index + 1] : nil }
    private var found: String { current.map { quoted(String($0)) } ?? "end" }
    private var path: String { keys.reduce("") { Source.path($0, $1) } }
    private var after: String { path.isEmpty ? "" : " at \(path)" }

    private mutating func advance() {
        if current == "\n" || current == "\r" && next != "\n" { line += 1 }
        index += 1
    }

    private mutating func take(_ word: String) { for _ in word.unicodeScalars { advance() } }

    /// An unquoted key or a word such as `true`; empty if none is here.
    private func peekWord() -> String {
        var end = index
        while end < scalars.count {
            let scalar = scalars[end]
            let fits =
                switch scalar {
                case "a"..."z", "A"..."Z", "$", "_": true
                case "0"..."9": end > index
                case _ where scalar.isASCII: false
                default: end == index ? scalar.properties.isIDStart : scalar.properties.isIDContinue
                }
            guard fits else { break }
            end += 1
        }
        return text(index..<end)
    }

    private func text(_ range: Range<Int>) -> String { String(String.UnicodeScalarView(scalars[range])) }

    /// White space and comments.
    private mutating func skip() throws(HiveError) {
        while let scalar = current {
            if scalar == "/", next == "/" {
                while let scalar = current, !["\n", "\r", "\u{2028}", "\u{2029}"].contains(scalar) {
                    advance()
                }
            } else if scalar == "/", next == "*" {
                let start = line
                advance()
                advance()
                while current != "*" || next != "/" {
                    guard current != nil else {
                        throw HiveError(
                            .configuration, "\(file):\(start): the comment that begins here has no end")
                    }
                    advance()
                }
                advance()
                advance()
            } else if Self.isSpace(scalar) {
                advance()
            } else {
                return
            }
        }
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case " ", "\t"..."\r", "\u{feff}": true
        default: !scalar.isASCII && scalar.properties.isWhitespace
        }
    }

    private func error(_ text: String) -> HiveError { HiveError(.configuration, "\(file):\(line): \(text)") }

    private func ended() -> HiveError {
        guard let open = openings.last else { return error("the text ends too early") }
        return error(
            "the text ends inside the \(open.what) that begins on line \(open.line); is the file complete?")
    }
}
