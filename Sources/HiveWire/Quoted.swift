/// A text of unknown origin between quotes, safe to print on a terminal: control characters and those that turn
/// the direction of writing are spelled out, and what is very long is cut.
package func quoted(_ text: String) -> String {
    let limit = 80
    var result = "\""
    for scalar in text.unicodeScalars.prefix(limit) {
        switch scalar.value {
        case 0x22, 0x5c: result += "\\\(scalar)"
        case 0..<0x20, 0x7f...0x9f, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x206f, 0xfeff:
            result += "\\u{" + String(scalar.value, radix: 16) + "}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + (text.unicodeScalars.dropFirst(limit).isEmpty ? "\"" : "…\"")
}
