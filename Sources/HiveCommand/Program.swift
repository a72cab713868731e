import Glibc

/// A program made of commands: reads the arguments, runs one command, and reports how it ended.
public struct Program {
    private let root: Command
    private let version: String
    private let suggest: (String, [String]) -> String?
    private let explain: (any Error) -> Failure
    private let color: Key<ColorChoice>
    private let related: [(name: String, section: Int)]
    private let morePages: (ManualPage.Book) -> [ManualPage]

    /// - Parameters:
    ///   - suggest: finds the word, among some, that a mistyped one is nearest to; nil when none is near.
    ///   - related: pages of the manual to read on, by name and section.
    ///   - morePages: those that are not a command's.
    ///   - explain: turns an error that is not a ``Failure`` into one.
    public init(
        _ root: Command, version: String, suggest: @escaping (String, [String]) -> String?,
        related: [(name: String, section: Int)] = [],
        morePages: @escaping (ManualPage.Book) -> [ManualPage] = { _ in [] },
        explain: @escaping (any Error) -> Failure = { Failure(.software, "\($0)") }
    ) {
        var root = root
        self.version = version
        self.suggest = suggest
        self.explain = explain
        self.related = related
        self.morePages = morePages
        color = root.option(
            "color", "WHEN", .choice, default: .auto,
            "colours: auto (on a terminal, unless NO_COLOR is set), always or never")
        _ = root.flag("help", short: "h", "show this help")
        _ = root.flag("version", "show the version")
        // (A program that is one command has nothing else to explain.)
        if root.action == nil {
            var help = Command("help", "Show the help of a command")
            _ = help.arguments("COMMAND", .text, "the words of the command, such as net apply")
            root.add(help)
        }
        self.root = root
    }

    /// Runs the process's own arguments, and ends it.
    public func main() -> Never {
        Program.openMissingStreams()
        // A reader that goes away is an error of write(2) that we report in our own way, after finishing the
        // work; the signal would end an apply half way. SIGINT and SIGTERM keep their default and end the
        // process at once: every command is safe to kill at any point, because the next apply converges, and
        // a handler would only make an impatient operator wait.
        signal(SIGPIPE, SIG_IGN)
        let errors = Output(descriptor: STDERR_FILENO)
        let variable: (String) -> String? = { name in getenv(name).map { String(cString: $0) } }
        let console = Console(
            output: Output(descriptor: STDOUT_FILENO), errors: errors,
            progress: Progress(errors, isDumb: variable("TERM") == "dumb"))
        var arguments: [String] = []
        var code: ExitCode?
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let bytes = CommandLine.unsafeArgv[index] else { break }
            // CommandLine.arguments repairs bad UTF-8, and a repaired path names another file.
            if let argument = String(validatingCString: bytes) {
                arguments.append(argument)
            } else {
                console.note("\(root.name): Argument \(index), '\(String(cString: bytes))', is not UTF-8.")
                code = .usage
            }
        }
        let result = code ?? run(arguments, console, variable: variable)
        Glibc.exit(finish(result, console, close: { close(STDOUT_FILENO) == 0 ? nil : errno }).rawValue)
    }

    /// Runs one command. Nothing is thrown: what went wrong has been said on standard error.
    func run(_ arguments: [String], _ console: Console, variable: @escaping (String) -> String?) -> ExitCode {
        do {
            if arguments.count == 2, arguments[0] == Self.manualOption {
                try writeManual(pages(day: Self.day(variable)), to: arguments[1])
                return .ok
            }
            let parser = Parser(root: root, suggest: suggest, variable: variable)
            switch try parser.parse(arguments) {
            case .help(let path):
                // Also without any argument: whoever types `hivectl` asks what there is. That is data, and no
                // error, as with `git help`.
                console.output.write(Help(path: path).text())
            case .version:
                console.print("\(root.name) \(version)")
            case .run(let path, let values):
                console.style = Style(
                    try values[color], isTerminal: console.output.isTerminal, variable: variable)
                let command = path[path.count - 1]
                guard let action = command.action else {
                    throw Failure(.software, "'\(Parser.name(path))' does nothing yet.")
                }
                return try action(values, console)
            }
            return .ok
        } catch {
            let failure = error as? Failure ?? explain(error)
            for (index, sentence) in failure.sentences.enumerated() {
                console.note(index == 0 ? "\(root.name): \(sentence)" : sentence)
            }
            return failure.code
        }
    }

    /// What a shell reads to complete command lines of the program.
    public func completion(for shell: Shell) -> String { shell.completion(of: root) }

    /// The program's pages of the manual.
    func pages(day: String) -> [ManualPage] {
        let book = ManualPage.Book(source: "hive \(version)", date: day, related: related)
        return ManualPage.pages(of: root, book) + morePages(book)
    }

    /// Writes out what is left; output that was lost makes a success a failure.
    /// - Parameter close: closes standard output; a network file system may report a full disk only then.
    /// - Returns: the command's own code if it failed.
    func finish(_ code: ExitCode, _ console: Console, close: () -> Int32?) -> ExitCode {
        console.flush()
        let closing = close()
        // Closing what was closed already loses nothing.
        guard let error = console.output.failure ?? (closing == EBADF ? nil : closing) else { return code }
        if error == EPIPE { return code == .ok ? .brokenPipe : code }
        console.note("\(root.name): Writing to standard output failed: \(String(cString: strerror(error))).")
        return code == .ok || code == .changes ? .inputOutput : code
    }

    /// A process may be started with a standard stream closed. The next file that is opened, a netlink socket
    /// for instance, would take its number and receive our output. /dev/null opened for reading keeps the
    /// place, and a write to it is still an error.
    private static func openMissingStreams() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 && errno == EBADF
        {
            _ = open("/dev/null", O_RDONLY)
        }
    }
}
