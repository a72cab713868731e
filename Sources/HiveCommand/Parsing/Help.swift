/// The help of a command, written from its declaration, at most 80 columns wide.
struct Help {
    /// From the root down to the command.
    let path: [Command]

    static let width = 80
    private static let indent = "  "
    /// Longer terms have their explanation start on the line below.
    private static let longestTerm = 24

    private var command: Command { path[path.count - 1] }
    private var name: String { Parser.name(path) }

    func text() -> String {
        var sections = [usage(), Text.fill(command.abstract + ".", width: Help.width)]
        if !command.discussion.isEmpty { sections.append(discussion()) }
        sections += [
            list("Commands", leaves(of: command, prefix: [])),
            list("Arguments", command.arguments.map { ($0.name, $0.summary) }),
            list("Options", command.options.map(Help.row)),
            list(
                path.count > 1 ? "Options of every command" : "",
                path.dropLast().flatMap(\.options).filter { $0.spelling != Parser.version }.map(Help.row)),
            list("Environment", command.variables.map { ($0.name, $0.summary) }),
            list("Exit codes", command.exits.map { ("\($0.code.rawValue)", $0.meaning) }),
            examples(),
            command.subcommands.isEmpty
                ? [] : ["See '\(words(with: "help")) COMMAND' for one command."],
        ]
        return sections.filter { !$0.isEmpty }.map { $0.joined(separator: "\n") }.joined(separator: "\n\n")
            + "\n"
    }

    /// The command's words, with one put after the program's name: `hivectl help net`.
    private func words(with word: String) -> String {
        ([path[0].name, word] + path.dropFirst().map(\.name)).joined(separator: " ")
    }

    /// The call with every option of the command's own.
    private func usage() -> [String] {
        var parts = command.arguments.map(\.usage)
        var done: Set<String> = []
        for option in command.options where !done.contains(option.spelling) {
            let set = command.exclusions.first { $0.contains(option.spelling) } ?? [option.spelling]
            done.formUnion(set)
            let options = set.compactMap { command.option(spelled: $0)?.call }
            parts.append("[" + options.joined(separator: " | ") + "]")
        }
        if !command.subcommands.isEmpty {
            parts.append(command.defaultSubcommand == nil ? "COMMAND" : "[COMMAND]")
        }
        let start = "Usage: " + name
        return Text.fill(
            words: [start] + parts, width: Help.width, hanging: String(repeating: " ", count: start.count + 1)
        )
    }

    private func discussion() -> [String] {
        command.discussion.split(separator: "\n\n").map { paragraph in
            paragraph.hasPrefix(" ")
                ? String(paragraph)
                : Text.fill(String(paragraph), width: Help.width).joined(separator: "\n")
        }.joined(separator: "\n\n").split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// The commands below that do something, with the words that lead to them.
    private func leaves(of command: Command, prefix: [String]) -> [(String, String)] {
        command.subcommands.flatMap { below in
            let words = prefix + [below.name]
            return below.subcommands.isEmpty
                ? [(words.joined(separator: " "), below.abstract)] : leaves(of: below, prefix: words)
        }
    }

    private static func row(_ option: Option) -> (String, String) {
        ((option.short.map { "-\($0), " } ?? "") + option.usage, explanation(of: option))
    }

    /// What an option does, and how it may be given.
    static func explanation(of option: Option) -> String {
        var notes: [String] = []
        if option.isRepeatable { notes.append("may be repeated") }
        if let text = option.defaultText { notes.append("default: \(text)") }
        if let name = option.environment { notes.append("environment: \(name)") }
        return option.summary + (notes.isEmpty ? "" : " (\(notes.joined(separator: ", ")))")
    }

    private func list(_ title: String, _ rows: [(String, String)]) -> [String] {
        guard !rows.isEmpty else { return [] }
        let widest = rows.map { Text.width($0.0) }.filter { $0 <= Help.longestTerm }.max() ?? Help.longestTerm
        let margin = String(repeating: " ", count: widest + 4)
        return [title + ":"]
            + rows.flatMap { term, explanation in
                var lines = Text.fill(explanation, width: Help.width - margin.count).map { margin + $0 }
                if Text.width(term) > widest {
                    lines.insert(Help.indent + term, at: 0)
                } else {
                    let start = Help.indent + Text.pad(term, to: widest) + Help.indent
                    lines[0] = start + lines[0].dropFirst(margin.count)
                }
                return lines
            }
    }

    private func examples() -> [String] {
        guard !command.examples.isEmpty else { return [] }
        return ["Examples:"]
            + command.examples.flatMap { example in
                Text.fill("# " + example.purpose, width: Help.width - 2, hanging: "# ").map {
                    Help.indent + $0
                }
                    + [Help.indent + example.line]
            }
    }
}
