import HiveWire

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
        guard let double = Double(digits), double.magnitude <= 0x1p53, let integer = Int(exactly: double)
        else {
            return nil
        }
        return negative ? -integer : integer
    }

    /// The grammar JSON5Number.
    static func isNumber(_ text: String) -> Bool {
        var rest = text.utf8[...]
        func digits(_ isDigit: (UInt8) -> Bool) -> Int {
            let run = rest.prefix(while: isDigit)
            rest = rest.dropFirst(run.count)
            return run.count
        }
        let decimal = { (byte: UInt8) in (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        let hexadecimal = { (byte: UInt8) in Character(Unicode.Scalar(byte)).isHexDigit }
        if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
        if ["Infinity", "NaN"].contains(String(Substring(rest))) { return true }
        if rest.starts(with: "0x".utf8) || rest.starts(with: "0X".utf8) {
            rest = rest.dropFirst(2)
            return digits(hexadecimal) > 0 && rest.isEmpty
        }
        let leadingZero = rest.first == UInt8(ascii: "0")
        let whole = digits(decimal)
        var fraction = 0
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            fraction = digits(decimal)
        }
        guard whole + fraction > 0, !leadingZero || whole == 1 else { return false }
        guard let exponent = rest.first else { return true }
        guard exponent == UInt8(ascii: "e") || exponent == UInt8(ascii: "E") else { return false }
        rest = rest.dropFirst()
        if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
        return digits(decimal) > 0 && rest.isEmpty
    }

    /// A JSON string (RFC 8259, section 7).
    static func string(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22, 0x5c: result += "\\\(scalar)"
            case 0..<0x20:
                result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
