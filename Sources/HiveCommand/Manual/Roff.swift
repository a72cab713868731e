/// Source for man(7), line by line. Whatever it is given stands on the page as it is: nothing in it is a request or an escape.
public struct Roff {
    public private(set) var text = ""

    public init() {}

    mutating func add(_ other: Roff) { text += other.text }

    /// A line of source.
    public mutating func line(_ source: String) { text += source + "\n" }

    public mutating func section(_ title: String) { line(".SH \(Self.quoted(title.uppercased()))") }

    public mutating func subsection(_ title: String) { line(".SS \(Self.quoted(title))") }

    /// Paragraphs, separated by empty lines. One that starts with blanks is kept as it is.
    public mutating func paragraphs(_ words: String) {
        var isFirst = true
        for paragraph in Self.split(words) {
            if paragraph.hasPrefix(" ") {
                example(paragraph.split(separator: "\n").map(String.init))
            } else {
                // (None after the head of a section: mandoc says that it would do nothing.)
                if !isFirst || !text.hasSuffix("\"\n") || !isAfterHead { line(".PP") }
                line(Self.escaped(paragraph.split(separator: "\n").joined(separator: " ")))
            }
            isFirst = false
        }
    }

    /// A term, in source, and what it means.
    public mutating func item(_ term: String, _ meaning: String) {
        line(".TP")
        line(term)
        line(Self.escaped(meaning))
    }

    /// Lines that are kept as they are.
    public mutating func example(_ lines: [String]) {
        if !isAfterHead { line(".PP") }
        line(".nf")
        line(".RS 4")
        for one in lines { line(Self.literal(one)) }
        line(".RE")
        line(".fi")
    }

    private var isAfterHead: Bool {
        guard let last = text.split(separator: "\n").last else { return false }
        return last.hasPrefix(".SH") || last.hasPrefix(".SS")
    }

    private static func split(_ words: String) -> [String] {
        var paragraphs: [[Substring]] = [[]]
        for line in words.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty { paragraphs.append([]) } else { paragraphs[paragraphs.count - 1].append(line) }
        }
        return paragraphs.filter { !$0.isEmpty }.map { $0.joined(separator: "\n") }
    }

    // MARK: Words

    public static func bold(_ words: String) -> String { "\\fB\(literal(words))\\fR" }
    public static func italic(_ words: String) -> String { "\\fI\(literal(words))\\fR" }

    /// Words of a sentence.
    public static func escaped(_ words: String) -> String { escape(words, literally: false) }

    /// What is typed: hyphens are minus signs, and quotes are those of ASCII, so that it can be copied.
    public static func literal(_ words: String) -> String { escape(words, literally: true) }

    private static func escape(_ words: String, literally: Bool) -> String {
        var source = ""
        for character in words.unicodeScalars {
            switch character {
            case "\\": source += "\\e"
            case "-" where literally: source += "\\-"
            case "'": source += "\\(aq"
            case "`": source += "\\(ga"
            case "^": source += "\\(ha"
            case "~": source += "\\(ti"
            case "\"": source += "\\(dq"
            default: source.unicodeScalars.append(character)
            }
        }
        // At the beginning of a line a point begins a request. (A quote would, too, and is none any more.)
        return source.hasPrefix(".") ? "\\&" + source : source
    }

    /// An argument of a request.
    static func quoted(_ words: String) -> String { "\"\(escaped(words))\"" }
}
