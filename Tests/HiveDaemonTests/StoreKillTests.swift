import CLinux
import Foundation
import Glibc
import HiveWire
import StoreCrasher
import Testing

@testable import HiveDaemon

/// Processes that work on a store are killed at any point; what they were told is done must be there.
@Suite(.timeLimit(.minutes(10))) struct StoreKillTests {
    /// What came of many kills.
    private struct Tally {
        var phases: [Phase: Int] = [:]
        var acknowledged = 0
        var inFlightKept = 0
        var inFlightLost = 0
        var cut = 0
        var problems: [String] = []
    }

    /// 2000 kills by default, `HIVE_STORE_KILLS` others, in four directories at once.
    @Test(arguments: 1...4) func nothingAcknowledgedIsLost(lane: Int) throws {
        let kills = (ProcessInfo.processInfo.environment["HIVE_STORE_KILLS"].flatMap { Int($0) } ?? 2000) / 4
        let tally = try Self.run(kills: kills, seed: UInt64(lane) << 32)
        #expect(tally.problems == [])
        print(
            "store, lane \(lane): \(kills) kills; \(tally.acknowledged) commits acknowledged; killed when "
                + tally.phases.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", ")
                + "; of commits in flight \(tally.inFlightKept) were kept, \(tally.inFlightLost) not; tail cut \(tally.cut) times"
        )
        // Otherwise it would have shown nothing.
        #expect(tally.acknowledged > kills)
        #expect(tally.phases[.appending, default: 0] > kills / 200)
        #expect(tally.phases[.syncing, default: 0] > kills / 20)
        #expect(tally.phases[.compacting, default: 0] > kills / 200)
        #expect(tally.phases[.archiving, default: 0] > kills / 200)
        #expect(tally.phases[.opening, default: 0] > kills / 200)
        #expect(tally.cut > 0)
        #expect(tally.inFlightKept > 0)
        #expect(tally.inFlightLost > 0)
    }

    /// The control: a daemon that acknowledges before it has written. (It ends with the first that is found, within some dozens of kills.)
    @Test func acknowledgingTooEarlyIsFound() throws {
        let tally = try Self.run(kills: 2000, seed: 99, isBroken: true)
        #expect(!tally.problems.isEmpty)
    }

    private static func run(kills: Int, seed: UInt64, isBroken: Bool = false) throws -> Tally {
        let scratch = try StoreScratch()
        var (model, tally, numbers) = (StoreModel(), Tally(), Numbers(seed))
        let phases = "\(scratch.path)/phase"
        for round in 0..<kills {
            try Data([0]).write(to: URL(fileURLWithPath: phases))
            // Some are killed soon, maybe when they put right what the one before has left; some at a call of their own; most after
            // some commits.
            let kind = round % 4
            let isOwn = kind == 1 && !isBroken
            let last = isBroken ? "broken" : isOwn ? "\(Int.random(in: 1...60, using: &numbers))" : "0"
            let output = try Crash.run(
                [scratch.store, phases, "\(numbers.next())", last],
                after: kind == 0 ? 0 : isOwn ? .max : Int.random(in: 1...10, using: &numbers),
                microseconds: Int.random(in: 0...(kind == 0 ? 15_000 : 1500), using: &numbers))
            let phase =
                try Data(contentsOf: URL(fileURLWithPath: phases)).first.flatMap(Phase.init) ?? .starting
            tally.phases[phase, default: 0] += 1
            check(output, scratch, &model, &tally)
            guard tally.problems.isEmpty else {
                tally.problems.append("(kill \(round), seed \(seed), \(phase))")
                return tally
            }
        }
        let store = try Store(scratch.store, limits: .small)
        if let problem = try model.auditProblem(scratch, store) { tally.problems.append(problem) }
        return tally
    }

    private static func check(
        _ output: [String], _ scratch: StoreScratch, _ model: inout StoreModel, _ tally: inout Tally
    ) {
        var pending: [StoreOperation.Line] = []
        var isBegun = false
        for line in output {
            switch line {
            case "C": isBegun = true
            case "A":
                tally.acknowledged += 1
                for line in pending { if let problem = model.apply(line) { tally.problems.append(problem) } }
                (pending, isBegun) = ([], false)
            default:
                guard let line = try? JSONLine.decode(StoreOperation.Line.self, Array(line.utf8)) else {
                    tally.problems.append(line)
                    continue
                }
                pending.append(line)
            }
        }
        do {
            let store = try Store(scratch.store, limits: .small)
            let warnings = store.takeWarnings()
            tally.cut += warnings.count { $0.contains("was cut") }
            tally.problems += warnings.filter { !$0.contains("was cut") }
            let view = StoreView(store)
            var next = model
            if isBegun {
                for line in pending { if let problem = next.apply(line) { tally.problems.append(problem) } }
            }
            let (with, without) = (next.view, model.view)
            if with != without {
                if view == with { tally.inFlightKept += 1 } else { tally.inFlightLost += 1 }
            }
            if view == with {
                model = next
            } else if view != without {
                tally.problems.append("another state: \(view)")
            }
        } catch {
            tally.problems.append("\(error)")
        }
    }
}

/// A process that is killed.
private enum Crash {
    static let program: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let beside = (own as NSString).deletingLastPathComponent + "/StoreCrasher"
        if FileManager.default.isExecutableFile(atPath: beside) { return beside }
        return URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../.build/debug/StoreCrasher").path
    }()

    /// Starts it, waits for so many acknowledgements and then some microseconds, kills it, and returns its whole lines.
    static func run(_ arguments: [String], after acknowledged: Int, microseconds: Int) throws -> [String] {
        var ends: [Int32] = [-1, -1]
        // Unlike pipe(2), close-on-exec from the first: a process of another lane's must not hold it open.
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw ServiceError.last("make a pipe") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        var strings = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, program, &actions, nil, &strings, environ)
        close(ends[1])
        defer { close(ends[0]) }
        guard code == 0 else { throw ServiceError(code, "cannot start \(program)") }
        var bytes: [UInt8] = []
        var seen = 0
        var isAtEnd = false
        func take() {
            var chunk = [UInt8](repeating: 0, count: 16 << 10)
            let count = read(ends[0], &chunk, chunk.count)
            guard count > 0 else { return isAtEnd = true }
            bytes += chunk[..<count]
            // Only an acknowledgement's line ends so.
            for index in max(1, bytes.count - count)..<bytes.count
            where bytes[index] == 0x0a && bytes[index - 1] == 0x41 { seen += 1 }
        }
        while seen < acknowledged, !isAtEnd { take() }
        if !isAtEnd { usleep(UInt32(microseconds)) }
        kill(pid, SIGKILL)
        while !isAtEnd { take() }
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        return bytes.split(separator: 0x0a, omittingEmptySubsequences: false).dropLast().map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}
