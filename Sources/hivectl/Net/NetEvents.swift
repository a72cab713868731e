import FoundationEssentials
import HiveCommand
import HiveNet
import HiveWatch

extension Hivectl {
    static func netEvents(_ global: GlobalOptions) -> Command {
        var command = Command("events", "Show what the watcher saw and did")
        command.discussion = """
            A line for every event: when, what kind, which agent, and a sentence. The watcher remembers the last \
            256; --follow goes on with those to come, until Ctrl-C. Kinds: started, stopped, applied, refused, \
            agent-up, agent-down, repaired, quarantined, retried, trouble, alarm, attack, roster, lost.
            """
        let follow = command.flag("follow", short: "f", "go on with events to come")
        let last = command.option("last", "N", .integer(0...256), "at most N of the past")
        let json = command.flag("json", "print JSON, an object a line; its schema is stable (docs/json.md)")
        command.exit(.ok, "shown")
        command.usualExits(unavailable: "there is no watcher; with --follow, it has ended")
        command.example("What is going on", "hivectl net events --follow")
        command.example(
            "Whose changes were put right",
            "hivectl net events --json | jq 'select(.kind == \"repaired\").actors'")
        command.action = { values, console in
            let session = try Session(values, global, console)
            let (follow, last, json) = (try values[follow], try values[last], try values[json])
            guard let watcher = try session.watcher() else {
                throw Failure(
                    .unavailable, "There is no watcher at \(session.socket), so nobody has seen anything.",
                    "'hivectl net watch' is one.")
            }
            _ = try session.ask(watcher, .events) {
                $0.follow = follow
                $0.last = last
            }
            while console.output.failure == nil, let line = try watcher.next() {
                if json {
                    console.print(String(decoding: line, as: UTF8.self))
                } else {
                    let event = try JSONDecoder().decode(WatchEvent.self, from: Data(line))
                    console.print(Text.printable("\(UTC.text(event.time))  \(event.words)"))
                }
                if follow { console.flush() }
            }
            if follow, console.output.failure == nil { throw session.endOfStream }
            return .ok
        }
        return command
    }
}

extension UTC {
    /// To the millisecond. - Parameter seconds: since 1970-01-01 UTC.
    static func text(_ seconds: Double) -> String { text(milliseconds: Int64((seconds * 1000).rounded())) }
}
