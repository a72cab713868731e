import Testing

@testable import HiveCommand

/// A small tree with every kind of declaration, and what a run of it said.
struct Fixture {
    enum Size: String, CaseIterable { case small, large }

    static func tree(_ seen: @escaping (String) -> Void = { _ in }) -> Command {
        var root = Command("tool", "Do things")
        let config = root.option(
            "config", "FILE", .file, default: "/etc/tool", environment: "TOOL_CONFIG", "the file")

        var show = Command("show", "Show things")
        let shown = show.optionalArgument("NAME", .text, "which")
        let json = show.flag("json", "print JSON")
        show.action = { values, console in
            seen("show \(try values[shown] ?? "all") json=\(try values[json]) config=\(try values[config])")
            return .ok
        }

        var add = Command("add", "Add a thing")
        let name = add.argument("NAME", .text, "its name")
        let port = add.option("port", "N", .integer(1...65535), environment: "TOOL_PORT", "its port")
        let size = add.option("size", "SIZE", .choice as Syntax<Size>, default: .small, "its size")
        let path = add.option("path", "PATH", .file, "where")
        let pid = add.option("pid", "N", .integer(1...99), "whose")
        add.exclusive(path, pid)
        let tags = add.options("tag", "T", .integer(0...9), "what it is")
        let label = add.options("label", "L", .text, "what it is called")
        add.exclusive(tags, label)
        add.action = { values, console in
            let port = try values[port].map(String.init) ?? "none"
            seen(
                "add \(try values[name]) port=\(port) size=\(try values[size]) path=\(try values[path] ?? "none")"
                    + (try values[tags].isEmpty ? "" : " tags=\(try values[tags])")
                    + (try values[label].isEmpty ? "" : " labels=\(try values[label])")
            )
            return .ok
        }

        var many = Command("many", "Take many things")
        let first = many.argument("FIRST", .integer(0...9), "the first")
        let others = many.arguments("OTHER", .integer(0...9), "the others")
        many.action = { values, console in
            seen("many \(try values[first]) \(try values[others])")
            return .changes
        }

        var net = Command("net", "Net things")
        net.defaultSubcommand = "show"
        net.add(show)
        net.add(add)
        root.add(net)
        root.add(many)
        return root
    }

    /// Runs the tree and gives back what the action saw or else what was said.
    static func run(_ line: [String], environment: [String: String] = [:]) -> Run {
        var seen = ""
        let streams = Streams()
        let program = Program(
            tree { seen = $0 }, version: "1.2.3",
            // Enough of a metric: the first word with the same two letters at the start, dashes aside.
            suggest: { word, words in
                let start = word.drop { $0 == "-" }.prefix(2)
                return words.first { !start.isEmpty && $0.drop { $0 == "-" }.hasPrefix(start) }
            })
        let code = program.run(line, streams.console) { environment[$0] }
        streams.console.flush()
        return Run(code: code, seen: seen, output: streams.output, errors: streams.errors)
    }

    struct Run {
        let code: ExitCode
        let seen: String
        let output: String
        let errors: String
    }
}

/// A console whose streams can be read.
final class Streams {
    private var bytes: (output: [UInt8], errors: [UInt8]) = ([], [])
    private(set) lazy var console = makeConsole()
    /// The errno that every write to standard output fails with.
    var broken: Int32?
    var time = Duration.zero
    private let isTerminal: Bool
    private let columns: Int

    init(isTerminal: Bool = false, columns: Int = 80) {
        self.isTerminal = isTerminal
        self.columns = columns
    }

    var output: String { String(decoding: bytes.output, as: UTF8.self) }
    var errors: String { String(decoding: bytes.errors, as: UTF8.self) }

    private func makeConsole() -> Console {
        let output = Output(isTerminal: isTerminal) { [unowned self] part in
            if let broken { return -Int(broken) }
            // Like a pipe that is nearly full.
            bytes.output += part.prefix(7)
            return min(7, part.count)
        }
        let errors = Output(isTerminal: isTerminal, columns: columns) { [unowned self] part in
            bytes.errors += part
            return part.count
        }
        return Console(output: output, errors: errors, progress: Progress(errors) { [unowned self] in time })
    }
}
