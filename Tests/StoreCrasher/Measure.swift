import Glibc
import HiveDaemon
import HiveWire

/// A thousand and more questions that are asked and answered, in commits of several sizes.
func measure(_ directory: String) throws {
    for size in [1, 10, 100] {
        let store = try Store("\(directory)/\(size)")
        let count = max(1000, size * 50)
        let start = ContinuousClock.now
        var longest = Duration.zero
        for first in stride(from: 0, to: count, by: size) {
            let begin = ContinuousClock.now
            for number in first..<first + size {
                let id = try store.ask(
                    agent: "a\(number % 200)", text: String(repeating: "x", count: 200), now: 1
                ).id
                _ = try store.answer(id: id, text: "yes", who: "uid 0 (root)", now: 2)
            }
            try store.commit()
            longest = max(longest, ContinuousClock.now - begin)
        }
        let took = ContinuousClock.now - start
        print(
            "\(2 * count) operations, \(2 * size) a commit: \(took); a commit \(took / (count / size)), the longest \(longest)"
        )
    }
}
