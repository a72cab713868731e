/// A page of the manual, written from a command's declaration like its help: source for man(7), which groff and mandoc read.
public struct ManualPage {
    /// The name of the page's file: `hivectl-net-apply.8`.
    public let fileName: String
    public let text: String

    /// What all pages of a program share.
    public struct Book {
        /// In the page's foot, such as `hive 0.1.0`.
        public let source: String
        /// The day that the page is of, `2026-11-27`.
        public let date: String
        /// Pages to read on, by name and section, besides those of the same program.
        public let related: [(name: String, section: Int)]

        public init(source: String, date: String, related: [(name: String, section: Int)]) {
            self.source = source
            self.date = date
            self.related = related
        }
    }

    /// Those of a command and of all that have an action below it, in the section for system administration.
    public static func pages(of root: Command, _ book: Book) -> [ManualPage] {
        var pages: [ManualPage] = []
        func add(_ path: [Command]) {
            let command = path[path.count - 1]
            if path.count == 1 || command.action != nil { pages.append(page(of: path, book)) }
            for below in command.subcommands { add(path + [below]) }
        }
        add([root])
        return pages
    }

    /// A page of words of its own.
    /// - Parameters:
    ///   - abstract: what follows the name, without a full stop.
    ///   - body: sections, by `Roff`.
    public init(name: String, section: Int, abstract: String, _ book: Book, body: Roff) {
        fileName = "\(name).\(section)"
        var roff = Roff()
        roff.line(
            ".TH \(Roff.quoted(name.uppercased())) \(section) \(Roff.quoted(book.date)) \(Roff.quoted(book.source))"
        )
        roff.section("Name")
        roff.line("\(Roff.literal(name)) \\- \(Roff.escaped(abstract))")
        roff.add(body)
        text = roff.text
    }

    private static func page(of path: [Command], _ book: Book) -> ManualPage {
        let command = path[path.count - 1]
        var body = Roff()
        body.section("Synopsis")
        synopsis(path, &body)
        body.section("Description")
        body.paragraphs(
            command.abstract + "." + (command.discussion.isEmpty ? "" : "\n\n" + command.discussion))
        if path.count == 1, !command.subcommands.isEmpty {
            body.section("Commands")
            for (words, leaf) in leaves(path) {
                body.item(
                    Roff.bold(words.joined(separator: " ")),
                    "\(leaf.abstract). See \(words.joined(separator: "-"))(8).")
            }
        }
        items("Arguments", command.arguments.map { (Roff.italic($0.name), $0.summary) }, &body)
        items("Options", command.options.map(row), &body)
        items(
            "Options of every command",
            path.dropLast().flatMap(\.options).filter { $0.spelling != Parser.version }.map(row), &body)
        items("Environment", command.variables.map { (Roff.bold($0.name), $0.summary) }, &body)
        items("Exit status", command.exits.map { (Roff.bold("\($0.code.rawValue)"), $0.meaning) }, &body)
        if !command.examples.isEmpty {
            body.section("Examples")
            for example in command.examples {
                body.paragraphs(example.purpose + ":")
                body.example([example.line])
            }
        }
        body.section("See also")
        body.line(also(path, book).joined(separator: ",\n"))
        return ManualPage(
            name: path.map(\.name).joined(separator: "-"), section: 8, abstract: lowercased(command.abstract),
            book,
            body: body)
    }

    /// What a page's name stands before: `apply - make the kernel's network …`.
    private static func lowercased(_ text: String) -> String {
        text.prefix(1).lowercased() + text.dropFirst()
    }

    private static func leaves(_ path: [Command]) -> [(words: [String], leaf: Command)] {
        path[path.count - 1].subcommands.flatMap { below in
            below.subcommands.isEmpty
                ? (below.action == nil ? [] : [((path + [below]).map(\.name), below)])
                : leaves(path + [below])
        }
    }

    private static func synopsis(_ path: [Command], _ body: inout Roff) {
        let command = path[path.count - 1]
        var parts = [Roff.bold(Parser.name(path))]
        var done: Set<String> = []
        for option in command.options where !done.contains(option.spelling) {
            let set = command.exclusions.first { $0.contains(option.spelling) } ?? [option.spelling]
            done.formUnion(set)
            parts.append(
                "[" + set.compactMap { command.option(spelled: $0) }.map(term).joined(separator: " | ") + "]")
        }
        parts += command.arguments.map { argument in
            switch argument.count {
            case .one: Roff.italic(argument.name)
            case .optional: "[\(Roff.italic(argument.name))]"
            case .any: "[\(Roff.italic(argument.name)) ...]"
            }
        }
        if !command.subcommands.isEmpty {
            parts.append(
                command.defaultSubcommand == nil ? Roff.italic("COMMAND") : "[\(Roff.italic("COMMAND"))]")
        }
        body.line(parts.joined(separator: "\n"))
    }

    private static func term(_ option: Option) -> String {
        let name = Roff.bold(option.spelling)
        guard let value = option.valueName else { return name }
        return "\(name) \(Roff.italic(value))" + (option.isRepeatable ? " ..." : "")
    }

    private static func row(_ option: Option) -> (String, String) {
        (
            (option.short.map { Roff.bold("-\($0)") + ", " } ?? "") + term(option),
            Help.explanation(of: option)
        )
    }

    private static func items(_ title: String, _ rows: [(String, String)], _ body: inout Roff) {
        guard !rows.isEmpty else { return }
        body.section(title)
        for (term, text) in rows { body.item(term, text.prefix(1).uppercased() + text.dropFirst() + ".") }
    }

    private static func also(_ path: [Command], _ book: Book) -> [String] {
        var names = book.related.map { ($0.name, $0.section) }
        if path.count > 1 {
            let group = path[path.count - 2]
            names.append((path[0].name, 8))
            let base = path.dropLast().map(\.name)
            names += group.subcommands.filter { $0.action != nil && $0.name != path[path.count - 1].name }.map
            {
                ((base + [$0.name]).joined(separator: "-"), 8)
            }
        }
        return names.map { "\(Roff.bold($0.0))(\($0.1))" }
    }
}
