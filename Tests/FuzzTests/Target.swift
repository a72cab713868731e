/// Something that reads foreign bytes: it may refuse them, with a sentence, and nothing else may come of it.
struct Target: Sendable {
    /// Of its corpus too: Tests/Corpus/NAME.
    let name: String
    /// - Throws: `Wrong` for what must not be. (A refusal is no error here.)
    let run: @Sendable ([UInt8]) throws -> Void

    /// All of them. Whatever else comes to read foreign bytes is added here, with a few real inputs in its corpus.
    static let all: [Target] = [
        netlink, configuration, agent, leases, names, rosterFile, roster, dns, notices, nflog, control,
        inotify, requests, scgi, form, journal, statePath, runtime,
    ]

    struct Wrong: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}

/// A message for people is one line that a terminal can be given.
func check(sentence: String) throws(Target.Wrong) {
    let isPrintable = sentence.unicodeScalars.allSatisfy {
        $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) && !(0x2028...0x202e).contains($0.value)
    }
    guard isPrintable, !sentence.isEmpty else {
        throw Target.Wrong("a message that cannot be printed: \(sentence)")
    }
}
