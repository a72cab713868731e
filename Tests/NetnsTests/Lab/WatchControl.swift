import CNetlink
import Foundation
import Glibc

/// `hivectl net watch` in a lab, at the usual control socket: the lab has a /run of its own.
final class LabKeeper {
    let lab: Lab
    let process: Command.Process

    /// Returns when the boundary holds.
    /// - Parameters:
    ///   - before: words that the command line begins with, such as `env` and variables.
    ///   - program: a copy of the one under test.
    ///   - waits: false to return at once.
    init(
        _ lab: Lab, before: [String] = [], program: String = Lab.hivectlPath, _ arguments: [String] = [],
        waits: Bool = true
    ) throws {
        self.lab = lab
        process = try lab.background(
            before + [program] + Lab.commandLine(["net", "watch"] + arguments).dropFirst())
        guard waits else { return }
        wait { process.isRunning && !((try? self.state)?["holds"] as? Bool == true) }
        guard try state["holds"] as? Bool == true else {
            throw LabError("the watcher is not ready: \(process.words)")
        }
    }

    /// With a configuration.
    convenience init(_ lab: Lab, configuration: String) throws {
        try lab.write(configuration: configuration)
        try self.init(lab)
    }

    /// `watcher` in `net show --json`; empty if there is none.
    var state: [String: Any] { get throws { try lab.shown()["watcher"] as? [String: Any] ?? [:] } }

    /// As `net events --json` has them.
    func events(_ kind: String? = nil) throws -> [[String: Any]] {
        let result = try lab.hivectl("net", "events", "--json")
        guard result.status == 0 else { throw LabError("net events: \(result)") }
        return try result.objects().filter { kind == nil || $0["kind"] as? String == kind }
    }

    /// Sentences.
    func sentences(_ kind: String) throws -> [String] {
        try events(kind).compactMap { $0["sentence"] as? String }
    }

    /// Ends it as systemd would.
    func end() throws -> CommandResult {
        kill(process.pid, SIGTERM)
        return try process.wait(seconds: 20)
    }
}

extension CommandResult {
    /// What each line says in JSON.
    func objects() throws -> [[String: Any]] {
        try stdout.split(separator: "\n").map { line in
            guard let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            else {
                throw LabError("no object: \(line)")
            }
            return object
        }
    }
}

extension Lab {
    /// A socket that nobody listens at: what a command does without a watcher.
    static let nobody = "/run/lab/nobody.sock"

    func shown(_ arguments: String...) throws -> [String: Any] {
        let result = try run(Self.commandLine(["net", "show", "--json"] + arguments))
        guard let shown = try? result.json() as? [String: Any] else { throw LabError("net show: \(result)") }
        return shown
    }

    /// The agents that have a link.
    func connected() throws -> [String] {
        let network = try shown()["network"] as? [String: Any]
        return ((network?["agents"] as? [String: [String: Any]]) ?? [:])
            .filter { $0.value["port"] != nil }.keys.sorted()
    }
}

extension Snapshot {
    /// But for the flags of tables: while a watcher runs they have an owner.
    var withoutOwners: [String] { lines.filter { !$0.hasPrefix("nft table ") } }
}

/// A datagram socket that plays systemd, for sd_notify(3).
final class NotifyListener {
    static let path = "/run/lab/notify.sock"
    private let socket: Socket
    /// What came so far.
    private(set) var messages: [String] = []

    init(_ lab: Lab) throws {
        socket = try lab.host {
            let socket = try Socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue))
            try UnixPath.bind(socket.descriptor, Self.path)
            return socket
        }
    }

    /// Reads what comes until a message begins like this, or for so long.
    @discardableResult
    func receive(until prefix: String, seconds: Double) -> Bool {
        let deadline = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
        while ContinuousClock.now < deadline {
            guard let bytes = socket.receive(milliseconds: 20) else { continue }
            messages.append(String(decoding: bytes, as: UTF8.self))
            if messages.last?.hasPrefix(prefix) == true { return true }
        }
        return false
    }
}

enum UnixPath {
    static func bind(_ descriptor: Int32, _ path: String) throws {
        guard with(path, { Glibc.bind(descriptor, $0, $1) }) == 0 else {
            throw LabError.last("bind to \(path)")
        }
    }

    static func connect(_ descriptor: Int32, _ path: String) throws {
        guard with(path, { Glibc.connect(descriptor, $0, $1) }) == 0 else {
            throw LabError.last("connect to \(path)")
        }
    }

    private static func with(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
