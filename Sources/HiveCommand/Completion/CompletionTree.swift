/// What shells are told of a tree of commands: for each place in it, what can come next.
struct CompletionTree {
    /// A command, as far as a shell is concerned.
    struct Place {
        /// The words that lead here, the program's name first.
        let words: [String]
        let subcommands: [(name: String, abstract: String)]
        /// Its own, and those of the commands above it.
        let options: [Option]
        /// Of two one at most can be given.
        let exclusions: [[String]]
        let arguments: [Argument]

        var path: String { words.joined(separator: " ") }
    }

    let name: String
    let places: [Place]

    init(_ root: Command) {
        name = root.name
        var places: [Place] = []
        func add(_ path: [Command]) {
            let command = path[path.count - 1]
            places.append(
                Place(
                    words: path.map(\.name), subcommands: command.subcommands.map { ($0.name, $0.abstract) },
                    options: command.options + path.dropLast().flatMap(\.options),
                    exclusions: command.exclusions,
                    arguments: command.arguments))
            for below in command.subcommands { add(path + [below]) }
        }
        add([root])
        // `help` is followed by the words of any other command.
        func mirror(_ words: [String], _ command: Command) {
            let below = command.subcommands.filter { $0.name != "help" }
            places.append(
                Place(
                    words: words, subcommands: below.map { ($0.name, $0.abstract) }, options: [],
                    exclusions: [],
                    arguments: []))
            for one in below { mirror(words + [one.name], one) }
        }
        if root.subcommand("help") != nil {
            places.removeAll { $0.words == [root.name, "help"] }
            mirror([root.name, "help"], root)
        }
        self.places = places
    }

    /// For a shell: words in single quotes mean themselves.
    static func quoted(_ words: String) -> String {
        "'" + words.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }

    /// For each place, a case of what the shell does there.
    func cases(_ indent: String, _ body: (Place) -> [String]) -> String {
        places.map { place in
            let lines = body(place)
            return "\(indent)\(Self.quoted(place.path)))\n" + lines.map { "\(indent)    \($0)\n" }.joined()
                + "\(indent)    ;;\n"
        }.joined()
    }

    /// Every option that takes a value, with what that is; those of the same spelling and value once.
    var values: [(paths: [String], option: Option)] {
        var found: [(paths: [String], option: Option)] = []
        for place in places {
            for option in place.options where option.valueName != nil {
                if let index = found.firstIndex(where: {
                    $0.option.spelling == option.spelling && $0.option.completion == option.completion
                }) {
                    found[index].paths.append(place.path)
                } else {
                    found.append(([place.path], option))
                }
            }
        }
        return found
    }

    /// Shell commands that print the names of agents, one a line: those that Hive has made namespaces for, and those that were added at run
    /// time. Quick, and quiet where there are none. Other files' names, in which a shell might read something, are left out.
    static let agents =
        "{ ls /run/netns | sed -n 's/^hive-//p'; ls /var/lib/hive/agents.d | sed -n 's/\\.json$//p'; } 2>/dev/null | grep -xE '[a-z][a-z0-9-]*' | sort -u"
}

/// The shells that there are completions for.
public enum Shell: String, CaseIterable, Sendable {
    case bash, zsh, fish

    /// The script that a shell reads to complete a program's command lines.
    func completion(of root: Command) -> String {
        let tree = CompletionTree(root)
        return switch self {
        case .bash: tree.bash
        case .zsh: tree.zsh
        case .fish: tree.fish
        }
    }

    /// What the shell's file is called.
    public func fileName(of program: String) -> String {
        switch self {
        case .bash: "\(program).bash"
        case .zsh: "_\(program)"
        case .fish: "\(program).fish"
        }
    }
}
