import CNetlink
import Foundation
import Glibc

/// A real container: systemd-nspawn without systemd, in a lab.
///
/// Its root directory is one of the lab's, with the machine's /usr bound read-only: nothing is downloaded. It serves a page, and
/// fetches what it is told to, with the curl that is in it. It ends with the lab, and with the tests when they crash: nspawn is
/// killed with its thread (`Lab.background`), and nspawn's own child is killed with nspawn. When the pipe of orders is closed, it ends
/// by itself as well.
final class Container {
    enum Network {
        /// The namespace that Hive made for an agent.
        case hive
        /// One of its own, with a user namespace of its own.
        case own
    }

    /// What a fetch came to.
    enum Outcome: Equatable {
        case page(String)
        /// curl's exit code: 7 is refused or unreachable, 28 is a time-out.
        case failed(Int32)
    }

    let name: String
    private let lab: Lab
    private let process: Command.Process
    private let orders: Int32
    private let root: String
    private let group: String
    private var count = 0

    /// Why containers cannot be run here, or nil.
    static let obstacle: String? = {
        let needed = ["systemd-nspawn", "curl", "python3"].filter { access("/usr/bin/\($0)", X_OK) != 0 }
        if !needed.isEmpty { return "containers need \(needed.joined(separator: ", ")) in /usr/bin" }
        return ThreatOutsideTests.hasUsers && geteuid() == 0
            ? nil : "only root of the machine can start containers"
    }()

    init(_ lab: Lab, _ name: String, _ network: Network) throws {
        self.lab = lab
        self.name = name
        root = "/run/lab/\(name)"
        // nspawn makes groups beside its own: so it gets one to itself, which is removed with them.
        group = "/sys/fs/cgroup/hive-test-\(getpid())-\(name)-\(UInt32.random(in: 0...UInt32.max))"
        try Self.makeRoot(lab, root, page: "\(name)'s page")
        let options =
            switch network {
            case .hive: "--network-namespace-path=/run/netns/hive-\(name)"
            case .own: "--private-network --private-users=1879048192:65536 --private-users-ownership=chown"
            }
        try lab.write(
            """
            mkdir \(group) && echo $$ >\(group)/cgroup.procs && exec systemd-nspawn --quiet --register=no --keep-unit \
            --directory=\(root) --bind-ro=/usr \(options) --as-pid2 --console=pipe /bin/sh /agent
            """, to: "\(root).start")
        process = try lab.background(["sh", "\(root).start"])
        orders = try lab.host { [root] in open("\(root)/orders", O_RDWR | O_CLOEXEC) }
        guard orders >= 0 else { throw LabError.last("open the orders of \(name)") }
    }

    deinit {
        close(orders)
        process.end()
        // (Groups can be removed when the last process in them is gone.)
        _ = try? lab.host { [group] in
            for _ in 0..<500 where !Self.remove(group) { usleep(10_000) }
        }
    }

    private static func remove(_ group: String) -> Bool {
        for part in ["/payload", "/supervisor", ""] { rmdir(group + part) }
        return access(group, F_OK) != 0
    }

    /// Puts cgroup2 where nspawn looks for it. In the lab's own mount namespace.
    static func prepare(_ lab: Lab) throws {
        try lab.host {
            while umount2("/sys/fs/cgroup", Int32(MNT_DETACH)) == 0 {}
            guard mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, nil) == 0 else {
                throw LabError.last("mount cgroup2")
            }
            // What tests left that crashed: groups whose name bears the number of a process that is no more.
            for name in try FileManager.default.contentsOfDirectory(atPath: "/sys/fs/cgroup") {
                let words = name.split(separator: "-")
                guard words.starts(with: ["hive", "test"]), words.count == 5, let pid = pid_t(words[2]),
                    kill(pid, 0) != 0
                else { continue }
                _ = remove("/sys/fs/cgroup/\(name)")
            }
        }
    }

    /// Python: serves a directory at a port, by both families. (`-m http.server` would first ask DNS for the host's name.)
    static let server = """
        import functools, http.server, socketserver, sys
        class Server(socketserver.ThreadingTCPServer):
            address_family = socketserver.socket.AF_INET6
            allow_reuse_address = True
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
        Server(("::", int(sys.argv[2])), handler).serve_forever()
        """

    private static func makeRoot(_ lab: Lab, _ root: String, page: String) throws {
        try lab.host {
            for directory in [
                "", "/usr", "/etc", "/proc", "/sys", "/dev", "/run", "/tmp", "/root", "/srv", "/answers",
            ] {
                mkdir(root + directory, 0o755)
            }
            // /bin and the like are links into /usr (merged /usr), as on the machine.
            for name in ["bin", "sbin", "lib", "lib64"] { symlink("usr/\(name)", "\(root)/\(name)") }
            guard mkfifo("\(root)/orders", 0o666) == 0 else { throw LabError.last("make \(root)/orders") }
        }
        try lab.write("ID=test\n", to: "\(root)/etc/os-release")
        try lab.write(page, to: "\(root)/srv/index.html")
        try lab.write(server, to: "\(root)/serve")
        try lab.write(
            """
            /usr/bin/python3 /serve /srv 8080 >/dev/null 2>&1 &
            echo >/answers/0
            while read -r number seconds url; do
                {
                    curl --silent --globoff --max-time "$seconds" --output /answers/$number.page "$url"
                    echo $? >/answers/$number.code
                    mv /answers/$number.code /answers/$number
                } &
            done </orders
            """, to: "\(root)/agent")
    }

    /// The process that is PID 1 of it.
    func leader() throws -> pid_t {
        for _ in 0..<1000 where process.isRunning {
            let text = try lab.host { [pid = process.pid] in
                try String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)
            }
            // Until the agent runs, the child is one that makes the namespaces.
            if try isUp(), let pid = text.split(separator: " ").first.flatMap({ pid_t($0) }) { return pid }
            usleep(10_000)
        }
        throw LabError("container \(name) does not start: \(try process.wait(seconds: 1))")
    }

    private func isUp() throws -> Bool { try lab.host { [root] in access("\(root)/answers/0", F_OK) == 0 } }

    /// Fetches pages from inside, all at once.
    /// - Parameter seconds: what has to arrive may take its time on a busy machine.
    func fetch(_ urls: [String], seconds: Int = 20) throws -> [Outcome] {
        let first = count + 1
        count += urls.count
        let lines = Array(zip(first..., urls).map { "\($0) \(seconds) \($1)\n" }.joined().utf8)
        guard write(orders, lines, lines.count) == lines.count else { throw LabError.last("write orders") }
        return try urls.indices.map { try outcome(first + $0) }
    }

    private func outcome(_ number: Int) throws -> Outcome {
        try lab.host { [root] in
            let path = "\(root)/answers/\(number)"
            for _ in 0..<3000 where access(path, F_OK) != 0 { usleep(10_000) }
            let text = try String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(
                in: .whitespacesAndNewlines)
            guard let code = Int32(text) else { throw LabError("curl in a container: \(text)") }
            guard code == 0 else { return .failed(code) }
            return .page(try String(contentsOfFile: path + ".page", encoding: .utf8))
        }
    }
}
