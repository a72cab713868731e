/// Text in blocks, as nginx has it.
struct Text {
    private(set) var text = ""
    private var indentation = ""

    mutating func line(_ line: String) { text += line.isEmpty ? "\n" : "\(indentation)\(line)\n" }

    mutating func lines(_ lines: String) {
        for line in lines.split(separator: "\n", omittingEmptySubsequences: false) { self.line(String(line)) }
    }

    mutating func block(_ head: String, _ body: (inout Text) -> Void) {
        line("\(head) {")
        let outer = indentation
        indentation += "    "
        body(&self)
        indentation = outer
        line("}")
    }
}
