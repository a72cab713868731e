import CNetlink
import Foundation
import Glibc

/// A lab in which hived runs, with users of its own: `hive-web`, and the group `hive-admin`.
final class CoreLab {
    let lab: Lab
    private(set) var daemon: Command.Process

    static let run = "/run/hive"
    /// User and group ids of the lab's own /etc/passwd and /etc/group.
    static let web: uid_t = 48_001
    static let admin: gid_t = 48_002
    static let operatorUser: uid_t = 48_003
    static let stranger: uid_t = 48_004

    /// Why there are no other users here, or nil. Without them hived runs all the same, and root is its only operator.
    static let usersObstacle: String? =
        geteuid() == 0 && ThreatOutsideTests.hasUsers
        ? nil : "it has to be root of the machine to be other users"

    static let configuration = "{ agents: { alpha: {}, beta: {} } }"

    static func socket(_ agent: String) -> String { "\(run)/agents/\(agent)/agent.sock" }
    static let host = "\(run)/host.sock"
    static let core = "\(run)/core.sock"

    /// - Parameter lab: nil: a new one, in which nothing runs.
    init(_ lab: Lab? = nil, configuration: String? = CoreLab.configuration) throws {
        let lab = try lab ?? Lab()
        self.lab = lab
        if Self.usersObstacle == nil { try Self.makeUsers(lab) }
        if let configuration { try lab.write(configuration: configuration) }
        daemon = try Self.start(lab)
        try waitUntilServed()
    }

    deinit { daemon.end() }

    /// Of a program that is built beside hivectl.
    static func program(_ name: String) -> String {
        (Lab.hivectlPath as NSString).deletingLastPathComponent + "/\(name)"
    }

    static func start(_ lab: Lab) throws -> Command.Process {
        try lab.background([program("hived"), "--config", Lab.configuration, "--state", Lab.state])
    }

    private static func makeUsers(_ lab: Lab) throws {
        try lab.host {
            for (path, lines) in [
                "/etc/passwd": [
                    "hive-web:x:\(web):\(web)::/:/usr/sbin/nologin",
                    "alice:x:\(operatorUser):\(operatorUser)::/:/usr/sbin/nologin",
                    "mallory:x:\(stranger):\(stranger)::/:/usr/sbin/nologin",
                ],
                "/etc/group": ["hive-web:x:\(web):", "hive-admin:x:\(admin):alice"],
            ] {
                let copy = "/run/lab" + path.replacingOccurrences(of: "/etc", with: "")
                let text = try String(contentsOfFile: path, encoding: .utf8)
                let kept = text.split(separator: "\n").filter { !$0.hasPrefix("hive-") }.joined(
                    separator: "\n")
                try (kept + "\n" + lines.joined(separator: "\n") + "\n").write(
                    toFile: copy, atomically: false, encoding: .utf8)
                guard mount(copy, path, nil, UInt(MS_BIND), nil) == 0 else {
                    throw LabError.last("mount \(path)")
                }
            }
        }
    }

    func waitUntilServed() throws {
        try wait(seconds: 30) {
            guard daemon.isRunning else { throw LabError("hived ended: \(daemon.words)") }
            return (try? ControlLine(lab, path: Self.host)) == nil
        }
    }

    /// Ends it without asking, and starts it again.
    func kill() throws {
        daemon.end()
        daemon = try Self.start(lab)
        try waitUntilServed()
    }

    /// Ends it as systemd does.
    func stop() throws -> CommandResult {
        Glibc.kill(daemon.pid, SIGTERM)
        return try daemon.wait(seconds: 20)
    }

    /// What it has used, in seconds: utime and stime of proc_pid_stat(5).
    func processorTime() throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(daemon.pid)/stat", encoding: .utf8)
        let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
            throw LabError("the times of hived: \(text)")
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    // MARK: Asking

    func agent(_ name: String) throws -> ControlLine { try ControlLine(lab, path: Self.socket(name)) }

    func ask(_ agent: String, _ request: [String: Any]) throws -> [String: Any] {
        try self.agent(agent).ask(request)
    }

    /// As root.
    func operate(_ request: [String: Any], seconds: Double = 60) throws -> [String: Any] {
        try ControlLine(lab, path: Self.host).ask(request, seconds: seconds)
    }

    /// Says lines at a socket as another user, with Python, and gives back what is answered, a line each.
    /// - Parameter groups: ids that it has besides.
    func say(
        _ lines: [String], at path: String, as user: uid_t, groups: [gid_t] = [], seconds: Double = 5
    ) throws -> [String] {
        let program = """
            import socket, sys, os
            os.setgroups([\(groups.map { "\($0)" }.joined(separator: ","))]); os.setgid(\(user)); os.setuid(\(user))
            s = socket.socket(socket.AF_UNIX); s.settimeout(\(seconds))
            try:
                s.connect("\(path)")
                s.sendall(open("/run/lab/said", "rb").read())
                s.shutdown(socket.SHUT_WR)
                while True:
                    part = s.recv(65536)
                    if not part: break
                    sys.stdout.buffer.write(part)
            except OSError as error:
                print(type(error).__name__)
            """
        try lab.write(lines.joined(separator: "\n") + "\n", to: "/run/lab/said")
        try lab.must("chmod 644 /run/lab/said")
        let result = try lab.run(["/usr/bin/python3", "-c", program], seconds: 60)
        return result.stdout.split(separator: "\n").map(String.init)
    }

    func hivectl(_ arguments: String...) throws -> CommandResult {
        try lab.run(Lab.commandLine(arguments))
    }
}
