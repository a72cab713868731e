/// Text as a terminal shows it.
public enum Text {
    /// The columns that a terminal gives to a text of one line.
    public static func width(_ text: String) -> Int {
        // Names, addresses and numbers are ASCII: no need to take them apart.
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
        return text.reduce(0) { $0 + width($1) }
    }

    /// A character is as wide as its widest scalar: accents add nothing to their letter, and an emoji of
    /// several scalars is drawn as one.
    private static func width(_ character: Character) -> Int {
        character.unicodeScalars.reduce(0) { widest, scalar in
            if scalar.value == 0xfe0f { return 2 }  // asks for the emoji form of what precedes it
            switch scalar.properties.generalCategory {
            case .nonspacingMark, .enclosingMark, .format, .control: return widest
            default: return max(widest, isWide(scalar) ? 2 : 1)
            }
        }
    }

    /// East Asian Wide and Fullwidth of Unicode's EastAsianWidth.txt, in whole blocks.
    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.properties.isEmojiPresentation { return true }
        switch scalar.value {
        case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0x33ff, 0x3400...0x4dbf, 0x4e00...0x9fff,
            0xa000...0xa4cf, 0xa960...0xa97f, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f,
            0xff01...0xff60, 0xffe0...0xffe6, 0x17000...0x18cff, 0x1b000...0x1b2ff, 0x1f200...0x1f2ff,
            0x20000...0x3fffd:
            return true
        default: return false
        }
    }

    /// The text with everything spelled out that could move the cursor, change colours or reverse the reading
    /// direction: names and messages may come from a container.
    public static func printable(_ text: String) -> String {
        if text.utf8.allSatisfy({ (0x20..<0x7f).contains($0) }) { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator:
                result += "\\u{\(String(scalar.value, radix: 16))}"
            case .format where scalar.value != 0x200c && scalar.value != 0x200d:  // those two join letters
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    public enum Alignment: Sendable { case left, right }

    /// Fills up with blanks to a width; a text that is wider stays as it is.
    public static func pad(_ text: String, to width: Int, _ alignment: Alignment = .left) -> String {
        let blanks = String(repeating: " ", count: max(0, width - Text.width(text)))
        return alignment == .left ? text + blanks : blanks + text
    }

    /// Breaks a text into lines at its blanks.
    static func fill(_ text: String, width: Int, hanging: String = "") -> [String] {
        fill(
            words: text.split(whereSeparator: \.isWhitespace).map(String.init), width: width, hanging: hanging
        )
    }

    /// Puts words on lines; a word that is wider than a line gets one of its own.
    /// - Parameter hanging: what every line but the first starts with.
    static func fill(words: [String], width: Int, hanging: String = "") -> [String] {
        var lines: [String] = []
        var line = ""
        for word in words {
            if line.isEmpty {
                line = word
            } else if Text.width(line) + 1 + Text.width(word) <= width {
                line += " " + word
            } else {
                lines.append(line)
                line = hanging + word
            }
        }
        return line.isEmpty ? lines : lines + [line]
    }
}
