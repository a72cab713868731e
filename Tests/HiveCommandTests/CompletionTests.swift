import Foundation
import Glibc
import Testing

@testable import HiveCommand
@testable import hivectl

/// Completions, by the shells themselves.
@Suite struct CompletionTests {
    /// What a shell prints for a script of its own language, line by line.
    private static func run(_ shell: String, _ script: String) throws -> [String] {
        let file = FileManager.default.temporaryDirectory.appending(
            path: "hive-completion-\(UUID().uuidString)")
        try Data(script.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let option = ["bash": "--norc", "zsh": "-f", "fish": "--no-config"][shell] ?? ""
        let stream = try #require(popen("\(shell) \(option) \(file.path) </dev/null", "r"))
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        while case let count = fread(&buffer, 1, buffer.count, stream), count > 0 {
            bytes += buffer[..<count]
        }
        _ = pclose(stream)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            .map(String.init)
    }

    static func isHere(_ shell: String) -> Bool {
        FileManager.default.isExecutableFile(atPath: "/usr/bin/\(shell)")
    }

    /// A line so far, and what is offered for its last word: all of `has`, none of `hasNot`.
    struct Line: Sendable, CustomTestStringConvertible {
        let text: String
        let has, hasNot: [String]
        var testDescription: String { text }

        init(_ text: String, _ has: [String], not hasNot: [String] = []) {
            self.text = text
            self.has = has
            self.hasNot = hasNot
        }

        /// With the words of the line so far, the last of which may be empty.
        var words: [String] { text.split(separator: " ", omittingEmptySubsequences: false).map(String.init) }
    }

    static let lines = [
        Line("hivectl ", ["net", "agent", "completion", "help"], not: ["apply", "--config"]),
        Line("hivectl net ap", ["apply"], not: ["show"]),
        Line("hivectl --config x net sh", ["show"]),
        Line("hivectl net --state /x ap", ["apply"]),
        Line("hivectl net apply -", ["--dry-run", "--json", "--config", "--help"], not: ["--allow"]),
        Line("hivectl net apply --json -", ["--dry-run"], not: ["--json"]),
        Line("hivectl net add x --egress ", ["none", "internet"], not: ["--json"]),
        Line("hivectl net add x --egress in", ["internet"], not: ["none"]),
        Line("hivectl net add x --egress none -", ["--deny", "--host"], not: ["--allow", "--egress"]),
        Line("hivectl net add x --allow a -", ["--allow", "--deny"], not: ["--egress"]),
        Line("hivectl net add x --pid 1 -", ["--rate"], not: ["--namespace", "--pid"]),
        Line("hivectl net events -", ["-f", "--follow"]),
        Line("hivectl net events -f -", ["--json"], not: ["--follow", "-f"]),
        Line("hivectl net events --follow -", ["--json"], not: ["--follow", "-f"]),
        Line("hivectl completion ", ["bash", "zsh", "fish"]),
        Line("hivectl help net a", ["apply", "add"]),
        Line("hivectl help ", ["net", "journal"], not: ["help"]),
        Line("hivectl --color ", ["auto", "always", "never"]),
    ]

    private func check(_ line: Line, _ offered: [String]) {
        for word in line.has { #expect(offered.contains(word), "\(offered)") }
        for word in line.hasNot { #expect(!offered.contains(word), "\(offered)") }
    }

    @Test(.enabled(if: isHere("bash")), arguments: lines) func bash(line: Line) throws {
        let words = line.words.map(CompletionTree.quoted).joined(separator: " ")
        let script = Hivectl.program().completion(for: .bash)
        check(
            line,
            try Self.run(
                "bash",
                script
                    + "COMP_WORDS=(\(words)); COMP_CWORD=\(line.words.count - 1); _hivectl; printf '%s\\n' \"${COMPREPLY[@]}\""
            ))
    }

    /// Its functions for what is offered are replaced by ones that print it.
    @Test(.enabled(if: isHere("zsh")), arguments: lines) func zsh(line: Line) throws {
        let words = line.words.map(CompletionTree.quoted).joined(separator: " ")
        let start = line.words.last ?? ""
        let script = Hivectl.program().completion(for: .zsh)
        let offered = try Self.run(
            "zsh",
            """
            compdef() { }
            compadd() { shift; print -rl -- "$@" }
            _describe() { local list=$argv[-1]; print -rl -- ${${(P)list}%%:*} }
            \(script)
            words=(\(words)) CURRENT=$#words
            _hivectl
            """)
        // (What begins otherwise zsh's own functions leave out.)
        check(line, offered.filter { $0.hasPrefix(start) })
    }

    @Test(.enabled(if: isHere("fish")), arguments: lines) func fish(line: Line) throws {
        let script = Hivectl.program().completion(for: .fish)
        let offered = try Self.run(
            "fish", script + "complete --do-complete \(CompletionTree.quoted(line.text))\n")
        check(line, offered.map { String($0.prefix { $0 != "\t" }) })
    }

    /// What bash offers for the last of some words.
    private func offeredByBash(_ words: String) throws -> [String] {
        let all = "hivectl \(words)"
        let last = all.split(separator: " ").count - 1
        let line = "COMP_WORDS=(\(all)); COMP_CWORD=\(last); _hivectl; printf '%s\\n' \"${COMPREPLY[@]}\""
        return try Self.run("bash", Hivectl.program().completion(for: .bash) + line).filter { !$0.isEmpty }
    }

    /// bash takes an = and a : for words of their own.
    @Test(
        .enabled(if: isHere("bash")),
        arguments: [
            ("net add x --egress =", ["none", "internet"]), ("net add x --egress = in", ["internet"]),
            ("net add x --egress = none --ra", ["--rate"]),
            ("--config a : b net pl", ["plan"]), ("--config fd77 :: 1 net pl", ["plan"]),
            ("net why alpha host : 7000 --js", ["--json"]), ("--config a : net pl", []),
        ] as [(String, [String])])
    func wordsThatBashTakesApart(words: String, has: [String]) throws {
        #expect(try offeredByBash(words) == has)
    }

    /// Files by whatever name, and none of it is run.
    @Test(.enabled(if: isHere("bash"))) func oddFiles() throws {
        let script = Hivectl.program().completion(for: .bash)
        let offered = try Self.run(
            "bash",
            script + """
                directory=$(mktemp -d)
                cd "$directory"
                touch 'a b.json' '$(touch ran).json' '*.json' 'c:d.json'
                COMP_WORDS=(hivectl --config '') COMP_CWORD=2
                _hivectl
                printf '%s\n' "${COMPREPLY[@]}"
                COMP_WORDS=(hivectl --config c : d) COMP_CWORD=4
                _hivectl
                printf 'after a colon: %s\n' "${COMPREPLY[@]}"
                [[ ! -e ran ]] || echo ran
                rm -r "$directory"
                """)
        #expect(
            offered.filter { !$0.isEmpty }.sorted() == [
                "$(touch ran).json", "*.json", "a b.json", "after a colon: d.json", "c:d.json",
            ])
    }

    /// Every command and option of the declarations is in every script, and in the manual.
    @Test func nothingIsMissing() {
        let program = Hivectl.program()
        let scripts = Shell.allCases.map { program.completion(for: $0) }
        let pages = Dictionary(program.pages(day: "2026-01-01").map { ($0.fileName, $0.text) }) { first, _ in
            first
        }
        var count = 0
        func visit(_ command: Command, _ words: [String]) {
            let path = words.joined(separator: " ")
            for script in scripts {
                #expect(script.contains("'\(path)") || script.contains("\\'\(path)"), "\(path)")
            }
            for option in command.options {
                for script in scripts { #expect(script.contains(option.name), "\(path) \(option.spelling)") }
            }
            if command.subcommands.isEmpty {
                count += 1
                let page = pages[words.joined(separator: "-") + ".8"] ?? ""
                for option in command.options {
                    #expect(page.contains(Roff.bold(option.spelling)), "\(path) \(option.spelling)")
                }
                for argument in command.arguments {
                    #expect(page.contains(Roff.italic(argument.name)), "\(path)")
                }
                for exit in command.exits {
                    #expect(page.contains(Roff.escaped(String(exit.meaning.dropFirst()))), "\(path)")
                }
                for example in command.examples {
                    #expect(page.contains(Roff.literal(example.line)), "\(path)")
                }
                #expect(pages["hivectl.8"]?.contains(Roff.bold(path)) == true, "\(path)")
            }
            for below in command.subcommands { visit(below, words + [below.name]) }
        }
        visit(Hivectl.tree(), ["hivectl"])
        #expect(count > 25)
    }
}
