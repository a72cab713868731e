import CNetlink
import Foundation
import Glibc
import Testing

/// The control socket as somebody speaks to it who is not hivectl: docs/json.md.
@Suite struct WatchProtocolTests {
    /// A connection to the watcher of a lab.
    private final class Connection {
        private let socket: Socket
        private var buffer: [UInt8] = []

        init(_ lab: Lab) throws {
            socket = try lab.host {
                let socket = try Socket(AF_UNIX, Int32(SOCK_STREAM.rawValue))
                try UnixPath.connect(socket.descriptor, "/run/hive/net.sock")
                return socket
            }
        }

        func send(_ text: String) {
            let bytes = Array(text.utf8)
            _ = Glibc.send(socket.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        }

        /// Nil at the end, or when nothing comes.
        func line(seconds: Double = 5) -> String? {
            let deadline = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
            while ContinuousClock.now < deadline {
                if let end = buffer.firstIndex(of: 0x0a) {
                    defer { buffer.removeSubrange(...end) }
                    return String(decoding: buffer[..<end], as: UTF8.self)
                }
                guard let bytes = socket.receive(milliseconds: 50) else { continue }
                if bytes.isEmpty { return nil }
                buffer += bytes
            }
            return nil
        }

        func answer() throws -> [String: Any] {
            guard let line = line() else { throw LabError("no answer") }
            return try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
        }

        /// The other end has closed it.
        var isOver: Bool {
            socket.isReadable(milliseconds: 3000) && socket.receive(milliseconds: 0)?.isEmpty ?? true
        }
    }

    @Test func requestsAndAnswers() throws {
        let lab = try Lab()
        let watcher = try LabKeeper(lab, configuration: "{ agents: { alpha: {} } }")
        let before = try lab.snapshot()
        let connection = try Connection(lab)
        // What cannot be done is said, and the connection goes on.
        for (request, exit, words) in [
            ("apply", 64, "a request is one line of JSON"),
            ("[]", 64, "a request is one line of JSON"),
            (#"{"cmd":"down"}"#, 64, "there is no command \"down\"; there are apply, plan, show, add, rm,"),
            (#"{"cmd":"show","name":7}"#, 64, "the value of \"name\" is of the wrong type"),
            (#"{"version":2,"cmd":"show","new":{}}"#, 69, "the request is of version 2"),
            (#"{"cmd":"add","name":"beta"}"#, 64, "\"add\" needs \"name\" and \"settings\""),
            (#"{"cmd":"add","name":"beta","settings":"{ colour: 1 }"}"#, 78, "colour"),
            (#"{"cmd":"add","name":"../beta","settings":"{}"}"#, 64, "../beta"),
            (#"{"cmd":"rm"}"#, 64, "\"rm\" needs \"name\""),
            (#"{"cmd":"rm","name":"../../lab/hive"}"#, 64, "../../lab/hive"),
            (#"{"cmd":"show","config":"/etc/hive/hive.json"}"#, 69, "keeps the hive of \(Lab.configuration)"),
        ] {
            connection.send(request + "\n")
            let answer = try connection.answer()
            #expect(answer["ok"] as? Bool == false && answer["version"] as? Int == 1, "\(request)")
            #expect(answer["exit"] as? Int == exit, "\(request): \(answer)")
            #expect((answer["error"] as? String)?.contains(words) == true, "\(request): \(answer)")
        }
        try lab.expect(before)
        #expect(try lab.run(["ls", Lab.configuration]).status == 0)

        // Several at once, in pieces, and keys that nobody knows.
        connection.send(
            "{\"cmd\":\"plan\"}\n\n{\"version\":1,\"cmd\":\"show\",\"colour\":[1]}\n{\"cmd\":\"ad")
        usleep(100_000)
        connection.send("d\",\"name\":\"beta\",\"settings\":\"{}\"}\n")
        let plan = try connection.answer()
        #expect(plan["ok"] as? Bool == true && (plan["changes"] as? [Any])?.isEmpty == true, "\(plan)")
        let shown = try connection.answer()["shown"] as? [String: Any]
        #expect((shown?["watcher"] as? [String: Any])?["process"] as? Int == Int(watcher.process.pid))
        let added = try connection.answer()
        #expect(added["ok"] as? Bool == true && (added["changes"] as? [Any])?.isEmpty == false)
        #expect(try lab.connected() == ["alpha", "beta"])
        connection.send("{\"cmd\":\"events\",\"last\":1}\n")
        #expect(try connection.answer()["ok"] as? Bool == true)
        #expect(try connection.answer()["kind"] as? String == "applied")
        #expect(connection.isOver)
    }

    /// Who sends more than a request may be is put out. Who says nothing, or half of something, keeps nobody waiting, and is put out
    /// after a while.
    @Test func rudeness() throws {
        let lab = try Lab()
        let watcher = try LabKeeper(lab, configuration: "{ agents: { alpha: {} } }")
        let endless = try Connection(lab)
        endless.send(String(repeating: "x", count: (1 << 20) + (1 << 17)))
        #expect(endless.isOver)
        let half = try Connection(lab)
        half.send("{\"cmd\":")
        // Nobody waits for it meanwhile. (How many may be connected, and for how long, ControlServerTests show without a clock.)
        #expect(try lab.hivectl("net", "plan").status == 0)
        #expect(half.line(seconds: 60) == nil && half.isOver)
        #expect(try lab.hivectl("net", "plan").status == 0)
        #expect(watcher.process.isRunning)
    }
}
