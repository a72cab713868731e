import FoundationEssentials
import Testing

@testable import HiveCommand
@testable import hivectl

/// The help of every command, as a reader sees it. After a change on purpose,
/// `HIVE_RECORD_HELP=1 swift test --filter HelpTests` writes the files anew.
@Suite struct HelpTests {
    static let commands = [
        "", "net", "net show", "net plan", "net apply", "net watch", "net events", "net verify", "net why",
        "net drops", "net down", "net add",
        "net rm", "gateway", "gateway show", "gateway render", "gateway apply", "gateway watch", "help",
        "agent", "agent list", "agent show", "agent start", "agent stop", "agent restart", "agent pause",
        "agent resume", "question", "question list", "question answer", "approval", "approval list",
        "approval approve", "approval deny", "journal", "completion",
    ]

    @Test(arguments: commands) func isAsRecorded(command: String) throws {
        let words = command.split(separator: " ").map(String.init)
        let streams = Streams()
        let code = Hivectl.program().run(["help"] + words, streams.console) { _ in nil }
        streams.console.flush()
        #expect(code == .ok)
        #expect(streams.errors.isEmpty)
        for line in streams.output.split(separator: "\n") {
            #expect(Text.width(String(line)) <= 80, "\(line)")
            #expect(line.last != " ", "\(line)")
        }
        let directory = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Help")
        let file = directory.appending(path: (["hivectl"] + words).joined(separator: "-") + ".txt")
        if ProcessInfo.processInfo.environment["HIVE_RECORD_HELP"] != nil {
            try Data(streams.output.utf8).write(to: file)
            Issue.record("recorded anew: \(file.path)")
            return
        }
        #expect(try String(decoding: Data(contentsOf: file), as: UTF8.self) == streams.output)
    }

    /// No command is missing above, and every command says what it is for, what it ends with, and how to call it.
    @Test func everyCommandIsDeclaredInFull() {
        var found: [String] = []
        func visit(_ command: Command, _ words: [String]) {
            found.append(words.joined(separator: " "))
            #expect(!command.abstract.hasSuffix("."))
            #expect(command.subcommands.isEmpty != (command.action == nil), "\(command.name)")
            if command.subcommands.isEmpty {
                #expect(command.exits.first?.code == .ok && command.exits.contains { $0.code == .usage })
                #expect(!command.examples.isEmpty && !command.discussion.isEmpty)
            }
            for example in command.examples {
                #expect(example.line.hasPrefix("hivectl " + words.joined(separator: " ")))
            }
            for below in command.subcommands { visit(below, words + [below.name]) }
        }
        visit(Hivectl.tree(), [])
        #expect(Set(found + ["help"]) == Set(HelpTests.commands))
    }

    /// An option is spelled once between a command and the root, or one would hide the other.
    @Test func noOptionHidesAnother() {
        func visit(_ command: Command, _ above: [String]) {
            let all = above + command.options.map(\.spelling)
            #expect(Set(all).count == all.count, "\(command.name)")
            for below in command.subcommands { visit(below, all) }
        }
        visit(Hivectl.tree(), ["--color", "--help", "--version"])
    }
}
