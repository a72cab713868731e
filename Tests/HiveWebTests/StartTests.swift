import Glibc
import HiveWire
import Testing

@testable import HiveCommand
@testable import HiveWeb

@Suite(.timeLimit(.minutes(10))) struct StartTests {
    /// - Returns: why it is not run; nil: it was.
    private static func run(_ command: Command, _ words: [String]) throws -> ExitCode? {
        let console = Console(
            output: Output(descriptor: STDERR_FILENO), errors: Output(descriptor: STDERR_FILENO),
            progress: Progress(Output(descriptor: STDERR_FILENO), isDumb: true))
        let parser = Parser(root: command, suggest: { _, _ in nil }, variable: { _ in nil })
        do {
            guard case .run(let path, let values) = try parser.parse(words) else { return .software }
            _ = try path.last?.action?(values, console)
            return nil
        } catch let failure as HiveCommand.Failure { return failure.code }
    }

    @Test func options() throws {
        for (words, listen, core) in [
            ([], nil, "/run/hive/core.sock"), (["--listen", "/a", "--core", "/b"], "/a", "/b"),
        ] as [([String], String?, String)] {
            var seen: [String?] = []
            let command = Web.command { seen = [$0, $1] }
            #expect(try Self.run(command, words) == nil)
            #expect(seen == [listen, core])
        }
        for words in [
            ["x"], ["--listen"], ["--listen", "a"], ["--core", "/a", "--core", "/b"], ["--port", "80"],
        ] {
            let command = Web.command { _, _ in Issue.record("\(words)") }
            #expect(try Self.run(command, words) == .usage, "\(words)")
        }
    }

    @Test func whoIsTooMightyIsRefused() {
        func status(
            _ uid: String = "990\t990\t990\t990", _ effective: String = "0000000000000000",
            _ permitted: String = "0000000000000000"
        ) -> String {
            "Name:\thive-web\nUid:\t\(uid)\nCapInh:\t0000000000000000\nCapPrm:\t\(permitted)\nCapEff:\t\(effective)\n"
        }
        #expect(Confinement.obstacle(in: status()) == nil)
        for text in [
            status("0\t0\t0\t0"), status("990\t0\t990\t990"), status("990\t990\t0\t990"),
            status("0\t990\t990\t990"),
            status("990\t990\t990\t990", "0000000000000400"),
            status("990\t990\t990\t990", "0000000000000000", "0000000000001000"),
            "", "Uid:\t990\t990\t990\t990\n", status("990"),
        ] { #expect(Confinement.obstacle(in: text) != nil, "\(text)") }
    }

    @Test func systemdPassesOnOneSocket() throws {
        for (pid, count) in [("\(getpid())", "0"), ("\(getpid())", "2"), ("1", "1"), ("", "")] {
            #expect(throws: ServiceError.self) {
                try Listener.passed { $0 == "LISTEN_PID" ? pid : $0 == "LISTEN_FDS" ? count : nil }
            }
        }
        let scratch = try Scratch()
        let socket = try UnixSocket(isBlocking: true)
        #expect(throws: ServiceError.self) { try Listener.adopt(socket.descriptor) }
        try socket.listen(at: "\(scratch.path)/s", mode: 0o600, group: nil)
        #expect(try Listener.adopt(socket.descriptor) == socket.descriptor)
        #expect(fcntl(socket.descriptor, F_GETFL) & O_NONBLOCK != 0)
    }
}
