import HiveCommand
import HiveCore
import HiveNet
import HiveWire

/// A command that asks the core, by the operator's socket.
struct OperatorSession {
    /// Where the core listens unless it was told otherwise.
    static let standardPath = "/run/hive/host.sock"

    let path: String
    let console: Console

    init(_ values: Values, _ options: OperatorOptions, _ console: Console) throws {
        path = try values[options.socket]
        self.console = console
    }

    /// Sends a request and waits for the answer: for as long as it takes, since a container may have much to do before it ends.
    /// - Throws: what the core refuses, in its words.
    func ask(_ verb: OperatorVerb, _ fill: (inout OperatorRequest) -> Void = { _ in }) throws
        -> OperatorAnswer
    {
        guard let client = try LineClient("the core", at: path) else {
            throw Failure(
                .unavailable, "There is no core at \(path).", "'hived' is one; 'hivectl net show' needs none."
            )
        }
        var request = OperatorRequest(verb)
        fill(&request)
        let answer = try client.ask(request, for: OperatorAnswer.self)
        for note in answer.notes ?? [] { console.note("hivectl: \(note).") }
        guard answer.ok else {
            throw Failure(.software, "\(answer.error ?? "The core refuses, and does not say why").")
        }
        return answer
    }

    /// When, for people.
    static func time(_ seconds: Double) -> String { UTC.text(seconds) }

    /// A text of an agent's on one line of a table.
    static func line(_ text: String, most: Int = 60) -> String {
        let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return words.count <= most ? words : words.prefix(most - 1) + "…"
    }
}

/// Where the core listens.
struct OperatorOptions {
    let socket: Key<String>

    init(_ command: inout Command) {
        socket = command.option(
            "host-socket", "PATH", .file, default: OperatorSession.standardPath,
            environment: "HIVE_HOST_SOCKET",
            "where the core listens")
    }
}

extension Command {
    /// The exit codes of every command that asks the core.
    mutating func coreExits() {
        exit(.usage, "the command line is wrong")
        exit(.unavailable, "no core runs, or it has ended")
        exit(.software, "the core refuses; it says why")
        exit(.noPermission, "only root and the group hive-admin may ask it")
    }
}
