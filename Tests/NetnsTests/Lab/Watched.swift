import CNetlink
import Foundation
import Glibc

/// A lab's network while `hivectl net watch` keeps it, and what that tells: by its control socket, without a program in between.
final class Watched {
    /// A line of what `events` answers, read by other eyes than the product's.
    struct Event: Decodable, CustomStringConvertible {
        struct Item: Decodable {
            let action, object, detail, reason: String
            let agent: String?
            var words: String { "\(action) \(object) \(detail) (\(reason))" }
        }
        struct Author: Decodable {
            let process: Int
            let name: String?
        }

        let number: Int
        let kind, sentence: String
        let agent: String?
        let changes: [Item]?
        let actors: [Author]?
        let milliseconds: Double?

        var words: [String] { (changes ?? []).map(\.words) }
        var description: String { "\(number) \(kind) \(agent ?? "-"): \(sentence)" }
    }

    let lab: Lab
    let process: Command.Process
    private let stream: ControlLine
    /// All that were told so far, as of the last `read`.
    private(set) var events: [Event] = []

    /// Starts it, and waits until nothing is left to be done.
    init(_ lab: Lab, _ options: String...) throws {
        self.lab = lab
        let process = try Self.start(lab, options)
        self.process = process
        var line: ControlLine?
        try wait(seconds: 30) {
            guard process.isRunning else { throw LabError("the watcher ended: \(process.words)") }
            line = try? ControlLine(lab)
            return line == nil
        }
        guard let line else { throw LabError("no control socket: \(process.words)") }
        stream = line
        try stream.send(["cmd": "events", "follow": true])
        guard let answer = try stream.line(seconds: 30), answer.contains(sequence: Array("\"ok\":true".utf8))
        else { throw LabError("no events: \(process.words)") }
        try converge()
    }

    static func start(_ lab: Lab, _ options: [String] = []) throws -> Command.Process {
        try lab.background(Lab.commandLine(["net", "watch"] + options))
    }

    deinit { process.end() }

    /// Takes what has been told since.
    @discardableResult
    func read() throws -> [Event] {
        while let line = try stream.line(seconds: 0) {
            events.append(try JSONDecoder().decode(Event.self, from: Data(line)))
        }
        return events
    }

    /// Waits for an event that came after a number of others.
    func event(
        after count: Int, seconds: Double = 20, _ what: String, where fits: (Event) -> Bool
    ) throws -> Event {
        var found: Event?
        try wait(seconds: seconds) {
            found = try read().first { $0.number > count && fits($0) }
            return found == nil
        }
        guard let found else { throw LabError("\(what): no such event, but \(events.suffix(20))") }
        return found
    }

    /// Of the last event.
    var number: Int { get throws { try read().last?.number ?? 0 } }

    /// Waits until nothing is left to be done.
    func converge(seconds: Double = 40) throws {
        let line = try ControlLine(lab)
        var left: Any = "nothing said"
        var isDone = false
        try wait(seconds: seconds) {
            let answer = try line.ask(["cmd": "plan"])
            left = answer["changes"] ?? answer
            isDone = (answer["changes"] as? [Any])?.isEmpty == true
            try read()
            return !isDone
        }
        guard isDone else { throw LabError("not as wanted: \(left)\n\(events.suffix(20))") }
    }
}

/// A connection to the watcher's control socket: lines of JSON.
final class ControlLine {
    private let socket: Socket
    private var rest: [UInt8] = []

    init(_ lab: Lab, path: String = "/run/hive/net.sock") throws {
        let socket = try Socket(AF_UNIX, Int32(SOCK_STREAM.rawValue))
        self.socket = socket
        try lab.host {
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let code = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            guard code == 0 else { throw LabError.last("connect to \(path)") }
        }
    }

    func send(_ request: [String: Any]) throws {
        try send([UInt8](try JSONSerialization.data(withJSONObject: request)) + [UInt8(ascii: "\n")])
    }

    func send(_ bytes: [UInt8]) throws {
        guard Glibc.send(socket.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
        else { throw LabError.last("send a request") }
    }

    func ask(_ request: [String: Any], seconds: Double = 60) throws -> [String: Any] {
        try send(request)
        guard let line = try line(seconds: seconds),
            let answer = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
        else { throw LabError("no answer to \(request)") }
        return answer
    }

    /// The next line without its line feed; nil: none came in time.
    func line(seconds: Double) throws -> [UInt8]? {
        let deadline = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
        while true {
            if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                defer { rest.removeSubrange(...end) }
                return Array(rest[..<end])
            }
            let left = max(0, Int32((deadline - .now) / .milliseconds(1)))
            guard socket.isReadable(milliseconds: left) else { return nil }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(socket.descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { throw LabError("the watcher has hung up") }
            rest += chunk[..<count]
        }
    }
}

/// Waits until something is no longer so, or the time is up.
func wait(seconds: Double, while isSo: () throws -> Bool) rethrows {
    let deadline = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
    while try isSo(), ContinuousClock.now < deadline { usleep(5_000) }
}
