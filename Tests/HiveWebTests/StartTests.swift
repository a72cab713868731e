import Glibc
import HiveWire
import Testing

@testable import HiveWeb

@Suite(.timeLimit(.minutes(10))) struct StartTests {
    @Test func options() throws {
        #expect(try Options([]).does == .serve(listen: nil, core: "/run/hive/core.sock"))
        #expect(try Options(["--listen", "/a", "--core", "/b"]).does == .serve(listen: "/a", core: "/b"))
        #expect(try Options(["--help"]).does == .help)
        #expect(try Options(["--version"]).does == .version)
        for words in [
            ["x"], ["--listen"], ["--listen", "a"], ["--core", "/a", "--core", "/b"], ["--port", "80"],
        ] {
            let error = #expect(throws: ServiceError.self) { try Options(words) }
            #expect(error?.code == 64)
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
