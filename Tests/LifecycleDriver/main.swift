import Glibc
import HiveCore
import HiveDaemon
import HiveWatch
import HiveWire

// What the core daemon does with containers and agents' files, as commands: for tests that need a real systemd. Each prints lines, or a
// sentence that begins with "refused: ", and then ends with 1.

let words = Array(CommandLine.arguments.dropFirst())
let usage = "usage: LifecycleDriver VERB [NAME [WORD]]"

func run() throws {
    let life = Lifecycle()
    let hive = try Hive.load(stateDirectory: life.check.state)
    let name = words.count > 1 ? words[1] : ""
    let word = words.count > 2 ? words[2] : ""
    switch words.first {
    case "status":
        for (name, status) in try life.status(of: hive).sorted(by: { $0.key < $1.key }) {
            let paused = status.isPaused ? " paused" : ""
            print("\(name) \(status.state)\(paused) \(status.result ?? "-") \(status.restarts)")
        }
    case "journal": for line in try life.journal(of: name, lines: Int(word) ?? 10, in: hive) { print(line) }
    case "obstacle": print(life.check.obstacle(to: name, in: hive) ?? "none")
    case "read":
        let file = try AgentFiles(of: name, in: hive, state: life.check.state).read(word)
        print("\(file.path) \(file.size) \(file.content)")
    case "files":
        let config = try AgentConfig(of: name, in: hive, state: life.check.state)
        print("\(config.place) \(config.stateDirectory) \(config.address4 ?? "-")")
        for file in config.files { print("\(file.path) \(file.size)") }
    case "network":
        let summary = NetworkSummary(try life.check.show(nil), events: [])
        print("holds \(summary.holds.map { "\($0)" } ?? "unknown"): \(summary.sentence ?? "-")")
        for agent in summary.agents {
            print("\(agent.name) \(agent.isUp) \(agent.address4 ?? "-") \(agent.egress)")
        }
    case let verb?:
        guard let verb = LifecycleVerb(rawValue: verb) else { throw ServiceError(64, usage) }
        for sentence in try life.perform(verb, on: name, graceful: word != "now", in: hive) {
            print(sentence)
        }
        print("done")
    case nil: throw ServiceError(64, usage)
    }
}

do {
    try run()
} catch {
    print("refused: \(error)")
    exit(1)
}
