/// Where a command speaks: data on standard output, everything else on standard error.
public final class Console {
    public let output: Output
    public let errors: Output
    public let progress: Progress
    /// For standard output.
    public internal(set) var style = Style(isEnabled: false)

    init(output: Output, errors: Output, progress: Progress) {
        self.output = output
        self.errors = errors
        self.progress = progress
    }

    /// A line of data.
    public func print(_ line: String) { output.write(line + "\n") }
    public func print(_ lines: [String]) { for line in lines { print(line) } }

    /// A sentence that everyone should read, a log too.
    public func note(_ sentence: String) {
        progress.erase()
        flush()
        errors.write(Text.printable(sentence) + "\n")
        errors.flush()
    }

    /// A sentence for somebody who is watching: said only on a terminal.
    public func remark(_ sentence: String) {
        if errors.isTerminal { note(sentence) }
    }

    /// Makes what was printed so far visible.
    public func flush() {
        progress.erase()
        output.flush()
    }
}
