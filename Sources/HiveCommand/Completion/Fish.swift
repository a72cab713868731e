extension CompletionTree {
    /// For fish 3 and later.
    var fish: String {
        var lines = [
            "# Completion of \(name) for fish. Made by: \(name) completion fish",
            "function __\(name)_place --description 'The words of the command so far, and how many arguments it has'",
            "    set -l place \(name)",
            "    set -l last ''",
            "    set -l count 0",
            "    for word in (commandline --current-process --tokenize --cut-at-cursor)[2..]",
            "        if test -n \"$last\"",
            "            set last ''",
            "            continue",
            "        end",
            "        switch $word",
            "            case '-*'",
            "                switch \"$place:$word\"",
        ]
        for entry in values {
            let patterns = entry.paths.map { Self.quoted("\($0):\(entry.option.spelling)") }
            lines += [
                "                    case \(patterns.joined(separator: " "))",
                "                        set last $word",
            ]
        }
        lines += [
            "                end",
            "            case '*'",
            "                switch \"$place $word\"",
        ]
        let paths = places.dropFirst().map { Self.quoted($0.path) }
        if !paths.isEmpty {
            lines += [
                "                    case \(paths.joined(separator: " "))",
                "                        set place \"$place $word\"",
            ]
        }
        lines += [
            "                    case '*'",
            "                        set count (math $count + 1)",
            "                end",
            "        end",
            "    end",
            "    echo $place",
            "    echo $count",
            "end",
            "function __\(name)_at",
            "    set -l now (__\(name)_place)",
            "    test \"$now[1]\" = \"$argv[1]\"; and test (count $argv) -lt 2 -o \"$now[2]\" = \"$argv[2]\"",
            "end",
            "function __\(name)_given",
            "    for word in (commandline --current-process --tokenize --cut-at-cursor)",
            "        contains -- (string replace --regex '=.*' '' -- $word) $argv; and return 0",
            "    end",
            "    return 1",
            "end",
            "# One that was given last is waiting for its value.",
            "function __\(name)_had",
            "    set -l words (commandline --current-process --tokenize --cut-at-cursor)",
            "    for word in $words[1..-2]",
            "        contains -- (string replace --regex '=.*' '' -- $word) $argv; and return 0",
            "    end",
            "    return 1",
            "end",
            "function __\(name)_agents",
            "    sh -c \(Self.quoted(Self.agents))",
            "end",
            "complete --command \(name) --no-files",
        ]
        for place in places { lines += fish(of: place) }
        return lines.joined(separator: "\n") + "\n"
    }

    private func fish(of place: Place) -> [String] {
        let at = "__\(name)_at \(Self.quoted(place.path))"
        func line(_ condition: String, _ rest: String) -> String {
            "complete --command \(name) --condition \(Self.fishQuoted(condition)) \(rest)"
        }
        var lines = place.subcommands.map {
            line(at, "--arguments \($0.name) --description \(Self.fishQuoted($0.abstract))")
        }
        for option in place.options {
            var condition = at
            var words = place.exclusions.filter { $0.contains(option.spelling) }.flatMap { $0 }
            words.removeAll { $0 == option.spelling }
            if !words.isEmpty { condition += "; and not __\(name)_given \(words.joined(separator: " "))" }
            if !option.isRepeatable {
                let word = option.valueName == nil ? "given" : "had"
                condition += "; and not __\(name)_\(word) \(option.words.joined(separator: " "))"
            }
            var rest = "--long-option \(option.name)"
            if let short = option.short { rest += " --short-option \(short)" }
            rest += " --description \(Self.fishQuoted(option.summary))"
            if option.valueName != nil { rest += Self.values(option.completion, name) }
            lines.append(line(condition, rest))
        }
        for (index, argument) in place.arguments.enumerated() where argument.completion != .nothing {
            let here = argument.count == .any ? at : "\(at) \(index)"
            // (These two are of options alone.)
            let words = Self.values(argument.completion, name).split(separator: " ").filter {
                !["--exclusive", "--require-parameter"].contains($0)
            }
            lines.append(line(here, words.joined(separator: " ")))
        }
        return lines
    }

    private static func values(_ completion: Completion, _ name: String) -> String {
        switch completion {
        case .nothing: " --exclusive"
        case .words(let words): " --exclusive --arguments \(fishQuoted(words.joined(separator: " ")))"
        case .file: " --require-parameter --force-files"
        case .directory: " --exclusive --arguments '(__fish_complete_directories)'"
        case .agents: " --exclusive --arguments '(__\(name)_agents)'"
        }
    }

    /// In fish a backslash in single quotes stands before a quote or a backslash.
    private static func fishQuoted(_ words: String) -> String {
        var text = "'"
        for character in words {
            if character == "'" || character == "\\" { text += "\\" }
            text.append(character)
        }
        return text + "'"
    }
}
