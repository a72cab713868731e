import FoundationEssentials
import HiveCommand
import HiveCore
import HiveNet
import HiveWatch

extension Hivectl {
    static func netDrops(_ global: GlobalOptions) -> Command {
        var command = Command("drops", "Show the packets that the boundary drops")
        command.discussion = """
            A line for every packet: when, whose, why, and from where to where. The watcher remembers the last \
            1024. With --follow, those that are dropped from now on, until Ctrl-C; that needs no watcher. Only \
            so many go to this log, of every agent 5 a second and 10 at once besides: 'hivectl net show' \
            counts them all. The kernel hands them to one program at a time, by the group of nfnetlink_log \
            that the configuration names (network.logGroup): to the watcher, where one runs, which passes them \
            on to as many as ask.
            """
        let name = command.optionalArgument("NAME", .agent, "only what this agent sends, or is sent")
        let follow = command.flag("follow", short: "f", "print what is dropped from now on, as it comes")
        let count = command.option(
            "count", "N", .integer(1...Int(Int32.max)), "end after N lines; without --follow, the last N")
        let json = command.flag("json", "print JSON, an object a line; its schema is stable (docs/json.md)")
        command.exit(.ok, "shown")
        command.usualExits(
            unavailable:
                "without --follow and without a watcher; with --follow, the watcher has ended, or somebody else reads the log"
        )
        command.example("What one agent tries, as it does", "hivectl net drops alpha --follow")
        command.example(
            "Who tries a service of the host's",
            "hivectl net drops --follow --json | jq -r 'select(.service).agent'")
        command.action = { values, console in
            let options = FollowOptions(
                agent: try values[name], follows: try values[follow], count: try values[count],
                json: try values[json])
            return try drops(Session(values, global, console), console, options)
        }
        return command
    }

    private struct FollowOptions {
        let agent: String?
        let follows: Bool
        let count: Int?
        let json: Bool
    }

    private static func drops(
        _ session: Session, _ console: Console, _ options: FollowOptions
    ) throws -> ExitCode {
        if let watcher = try session.watcher() { return try drops(of: watcher, session, console, options) }
        let group = try logGroup(session)
        var network = try HostNetwork()
        let names = try network.dropNames()
        if let agent = options.agent { try session.check(agent: agent, known: names.agents) }
        guard options.follows else {
            throw Failure(
                .unavailable, "Nobody keeps what was dropped: there is no watcher.",
                "'hivectl net drops --follow' shows what is dropped from now on.")
        }
        let log = try openLog(group)
        if try !network.logs(to: group) {
            console.note(
                "hivectl: The rules in the kernel log nothing to group \(group): 'hivectl net apply' puts that right."
            )
        }
        console.remark("Following group \(group) of nfnetlink_log; Ctrl-C ends.")
        try followDrops(
            log, &network, names, options, DropPrinter(console, json: options.json))
        return .ok
    }

    /// What the watcher has read, and reads: the kernel gives it to nobody else meanwhile.
    private static func drops(
        of watcher: ControlClient, _ session: Session, _ console: Console, _ options: FollowOptions
    ) throws -> ExitCode {
        _ = try session.ask(watcher, .drops) {
            $0.name = options.agent
            $0.follow = options.follows
            // From now on means the same with a watcher as without.
            $0.last = options.follows ? 0 : options.count
        }
        if options.follows { console.remark("Following what the watcher reads; Ctrl-C ends.") }
        let printer = DropPrinter(console, json: options.json)
        let decoder = JSONDecoder()
        var left = options.count ?? Int.max
        while left > 0, printer.isHeard, let line = try watcher.next() {
            let data = Data(line)
            if let lost = try? decoder.decode(LostDrops.self, from: data) {
                try printer.print(lost: lost.lost)
                continue
            }
            guard let drop = try? decoder.decode(Drop.self, from: data) else {
                throw Failure(.unavailable, "What the watcher says of a packet cannot be understood.")
            }
            try printer.print(drop)
            left -= 1
        }
        if options.follows, left > 0, printer.isHeard {
            throw session.endOfStream
        }
        return .ok
    }

    /// The group that the configuration names; without a configuration the usual one.
    private static func logGroup(_ session: Session) throws -> UInt16 {
        let network = try session.configured()?.configuration.network ?? NetworkSettings()
        guard let group = network.logGroup else {
            throw Failure(
                .configuration, "network.logGroup is null in the configuration, so no drop is logged.",
                "'hivectl net show' counts them.")
        }
        return group
    }

    private static func openLog(_ group: UInt16) throws -> DropLog {
        let opened = Result { () throws(KernelError) in try DropLog(group: group) }
        if case .failure(let error) = opened, error.isConflict {
            throw Failure(.unavailable, "\(error.description).")
        }
        return try opened.get()
    }

    private static func followDrops(
        _ log: DropLog, _ network: inout HostNetwork, _ names: DropNames, _ options: FollowOptions,
        _ printer: DropPrinter
    ) throws {
        var names = names
        var looked = ContinuousClock.now
        var left = options.count ?? Int.max
        while left > 0, printer.isHeard {
            try log.wait()
            let reading = try log.read()
            for packet in reading.packets where left > 0 {
                // An agent that was added meanwhile. Not for every packet of somebody who is none.
                if !names.knows(packet), ContinuousClock.now - looked > .seconds(1) {
                    try network.refresh(&names)
                    looked = .now
                }
                let drop = names.name(packet)
                if let agent = options.agent, !drop.concerns(agent: agent) { continue }
                try printer.print(drop)
                left -= 1
            }
            if reading.lost > 0 { try printer.print(lost: reading.lost) }
        }
    }
}

extension Session {
    /// Nil where there is no usual configuration, or it is wrong: what is in the kernel can be followed all the same.
    fileprivate func configured() throws -> Hive? {
        do {
            return try load()
        } catch let error as HiveError {
            guard !isExplicit else { throw error }
            return nil
        }
    }

    /// - Throws: `usage` for an agent of which neither the configuration nor the kernel knows.
    fileprivate func check(agent: String, known: Set<String>) throws {
        let known = known.union(try configured()?.agents.map(\.name) ?? [])
        guard !known.contains(agent) else { return }
        let hint = nearest(to: agent, among: known.sorted()).map { " Did you mean '\($0)'?" } ?? ""
        throw Failure(.usage, "There is no agent '\(agent)'.\(hint)")
    }
}

/// Prints drops, each at once, whoever read them.
struct DropPrinter {
    private let console: Console
    private let json: Bool

    init(_ console: Console, json: Bool) {
        self.console = console
        self.json = json
    }

    /// Nobody has closed the other end.
    var isHeard: Bool { console.output.failure == nil }

    func print(_ drop: Drop) throws {
        console.print(json ? try drop.jsonLine() : Text.printable(drop.line))
        console.flush()
    }

    func print(lost: UInt64) throws {
        if json {
            console.print(try LostDrops(lost: lost).jsonLine())
            console.flush()
        } else {
            console.note(
                "hivectl: \(lost) more \(lost == 1 ? "was" : "were") lost before they could be read.")
        }
    }
}

extension Encodable {
    /// On one line, keys sorted.
    func jsonLine() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
