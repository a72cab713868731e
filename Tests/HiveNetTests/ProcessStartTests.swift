import Glibc
import Testing

@testable import HiveNet

struct ProcessStartTests {
    /// Field 22 of proc_pid_stat(5), whatever a process calls itself.
    @Test(arguments: ["sleep", "a b", "x) R 1 2 3 4", ")", "(", ""])
    func theNameIsPassedOver(name: String) {
        let rest = (3...52).map(String.init).joined(separator: " ")
        let line = Array("4711 (\(name)) \(rest)\n".utf8)
        #expect(ProcessStart.start(in: line[...]) == 22)
    }

    @Test(arguments: [
        "", "4711", "4711 (x)", "4711 (x) 3 4 5", "4711 (x) S " + String(repeating: "x ", count: 30),
    ])
    func whatIsNoSuchLineHasNone(text: String) {
        #expect(ProcessStart.start(in: Array(text.utf8)[...]) == nil)
    }

    @Test func ownIsTheSameTwice() throws {
        let own = try #require(ProcessStart.of(getpid()))
        #expect(own > 0 && ProcessStart.of(getpid()) == own)
        // No process has the largest number (PID_MAX_LIMIT is 2^22).
        #expect(ProcessStart.of(.max) == nil)
    }
}
