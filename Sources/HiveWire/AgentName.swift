/// What an agent may be called.
public enum AgentName {
    /// In characters, all of which are ASCII. 63 is the length of a label in DNS.
    public static let maximumLength = 63

    /// The rule in words, to follow "must be" or "is".
    public static let rule = "1 to 63 of a-z, 0-9 and -, starting with a letter"

    public static func isValid(_ name: String) -> Bool {
        guard (1...maximumLength).contains(name.utf8.count), let first = name.utf8.first else { return false }
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        return letters.contains(first)
            && name.utf8.allSatisfy { letters.contains($0) || digits.contains($0) || $0 == UInt8(ascii: "-") }
    }
}
