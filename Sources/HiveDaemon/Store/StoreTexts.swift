internal import HiveWire

/// What texts may be: the same for everybody who writes one.
enum StoreTexts {
    /// - Parameter what: as in `the text`.
    static func check(_ text: String, _ what: String, longest: Int, mayBeBlank: Bool = false)
        throws(ServiceError)
    {
        let octets = text.utf8.count
        guard octets <= longest else {
            throw refused("\(what) has \(octets) octets, and may have \(longest) at most")
        }
        guard !text.utf8.contains(0) else { throw refused("\(what) has a NUL character in it") }
        guard mayBeBlank || !isBlank(text) else { throw refused("\(what) is empty, or only blanks") }
    }

    /// Nothing of it can be seen.
    static func isBlank(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy {
            $0.properties.isWhitespace || $0.properties.isDefaultIgnorableCodePoint || $0.value < 0x20
        }
    }

    static func refused(_ sentence: String) -> ServiceError { ServiceError(ServiceError.usage, sentence) }

    /// What is too long is cut, between characters.
    static func cut(_ text: String, octets: Int) -> String {
        guard text.utf8.count > octets else { return text }
        var result = ""
        var room = octets - 3
        for character in text {
            room -= character.utf8.count
            guard room >= 0 else { break }
            result.append(character)
        }
        return result + "…"
    }
}
