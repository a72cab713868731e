// Works on a store until it is killed, and writes to its output what it is about to commit and what was acknowledged:
//
//     StoreCrasher DIRECTORY PHASE-FILE SEED [broken | CALLS]
//     StoreCrasher measure DIRECTORY
//
// A line of JSON for each operation, "C" before a commit, "A" after it. With `broken`, "A" comes before the commit: a control.
// With a number, it kills itself before its so many-th call that changes files.
// With `measure`, it says how long commits of 1, 10 and 100 operations take.

import Glibc
import HiveDaemon
import HiveWire

@MainActor func say(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
        guard count > 0 else { exit(3) }
        rest = rest.dropFirst(count)
    }
}

let arguments = CommandLine.arguments
if arguments.count == 3, arguments[1] == "measure" {
    do { try measure(arguments[2]) } catch {
        say(Array("\(error)\n".utf8))
        exit(1)
    }
    exit(0)
}
guard arguments.count >= 4, let seed = UInt64(arguments[3]),
    let phases = PhasedCalls(arguments[2], last: arguments.dropFirst(4).first.flatMap { Int($0) })
else {
    exit(64)
}
let isBroken = arguments.dropFirst(4).first == "broken"
var numbers = Numbers(seed)
var limits = Store.Limits.small
if seed % 4 == 0 {
    // Some are compacted with each commit.
    limits.compactedFrom = 0
    limits.compactedAt = 0
}
do {
    phases.note(.opening)
    let store = try Store(arguments[1], limits: limits, calls: phases.calls)
    phases.note(.idle)
    while true {
        var lines: [UInt8] = []
        for _ in 0..<Int.random(in: 1...4, using: &numbers) {
            let operation = StoreOperation.random(store, &numbers)
            lines += try JSONLine.encode(
                StoreOperation.Line(operation: operation, outcome: operation.perform(on: store)))
        }
        say(lines + Array("C\n".utf8))
        if isBroken { say(Array("A\n".utf8)) }
        try store.commit()
        if !isBroken { say(Array("A\n".utf8)) }
    }
} catch {
    say(Array("E \(error)\n".utf8))
    exit(1)
}
