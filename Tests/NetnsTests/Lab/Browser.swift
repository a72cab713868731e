import CNetlink
import Foundation
import Glibc

/// A real Chromium on a lab's host, which it cannot leave: driven over a socket, in the words of the DevTools protocol
/// (chromedevtools.github.io/devtools-protocol).
final class Browser {
    /// Why there is none here, or nil.
    static let obstacle: String? =
        GatewayLab.obstacle
        ?? (access(program, X_OK) == 0 ? nil : "there is no Chromium: scripts/test --browser installs it")

    private static let program = "/usr/bin/chromium"
    private static let home = "/run/lab/browser"

    private let lab: Lab
    private let process: Command.Process
    private let socket: Int32
    private var received: [UInt8] = []
    private var count = 0
    /// Of the namespace's processes.
    private var first: pid_t?

    /// Chromium has many processes. They are in a PID namespace, and the kernel ends it with its first process: that one ends
    /// with unshare, and unshare with the lab's thread.
    init(_ lab: Lab) throws {
        self.lab = lab
        try lab.must("mkdir -p \(Self.home)")
        // (A socket, since a pipe whose other end is gone is a signal.)
        var ends: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0
        else {
            throw LabError.last("make a socket")
        }
        socket = ends[0]
        // What is copied to 3 and 4 must not be one of these.
        let theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, 10)
        close(ends[1])
        defer { close(theirs) }
        do {
            process = try lab.background(
                [
                    "env", "HOME=\(Self.home)", "TMPDIR=\(Self.home)", "XDG_RUNTIME_DIR=\(Self.home)",
                    "unshare",
                    "--mount", "--mount-proc", "--pid", "--fork", "--kill-child", Self.program,
                    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                    "--disable-dev-shm-usage",
                    // A page that opens windows may: the user has clicked somewhere.
                    "--disable-popup-blocking", "--user-data-dir=\(Self.home)/data",
                    "--remote-debugging-pipe",
                    "about:blank",
                ], descriptors: [3: theirs, 4: theirs])
        } catch {
            close(socket)
            throw error
        }
        try ask("Browser.getVersion", seconds: 60)
        let path = "/proc/\(process.pid)/task/\(process.pid)/children"
        first = try String(contentsOfFile: path, encoding: .utf8).split(separator: " ").first.flatMap {
            pid_t($0)
        }
    }

    deinit {
        end()
        close(socket)
    }

    /// Returns when all its processes are gone.
    func end() {
        process.end()
        // The first process of a PID namespace ends when all others have (zap_pid_ns_processes()).
        NetnsTests.wait(seconds: 20) { first.map(Self.isAlive) ?? false }
    }

    /// (In a container whose first process asks about nobody, the dead stay as zombies. The last of its threads may go on.)
    private static func isAlive(_ process: pid_t) -> Bool {
        guard let line = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let threads = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")
        else { return false }
        let isZombie = line.split(separator: ")").last?.hasPrefix(" Z") ?? false
        return !isZombie || threads.count > 1
    }

    /// The PID namespace, by its name.
    var space: String? { first.flatMap(Self.space) }

    private static func space(of process: pid_t) -> String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/pid")
    }

    /// How many are alive.
    static func processes(in space: String) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }
            .count { Self.space(of: $0) == space && isAlive($0) }
    }

    // MARK: Asking

    /// A command, and its result. Whatever else is told in between is not listened to.
    @discardableResult
    func ask(
        _ method: String, _ parameters: [String: Any] = [:], in session: String? = nil, seconds: Double = 30
    ) throws -> [String: Any] {
        count += 1
        var command: [String: Any] = ["id": count, "method": method, "params": parameters]
        command["sessionId"] = session
        let bytes = [UInt8](try JSONSerialization.data(withJSONObject: command)) + [0]
        guard Client(socket: socket).say(bytes) else {
            throw LabError.last("\(method): \(process.words)")
        }
        let deadline = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
        while let message = try next(before: deadline) {
            guard message["id"] as? Int == count else { continue }
            if let error = message["error"] { throw LabError("\(method): \(error)") }
            return message["result"] as? [String: Any] ?? [:]
        }
        throw LabError("Chromium does not answer to \(method): \(process.words)")
    }

    private func next(before deadline: ContinuousClock.Instant) throws -> [String: Any]? {
        while true {
            if let end = received.firstIndex(of: 0) {
                let message = Data(received[..<end])
                received.removeSubrange(...end)
                return try JSONSerialization.jsonObject(with: message) as? [String: Any] ?? [:]
            }
            let left = deadline - .now
            guard left > .zero else { return nil }
            var ready = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            guard poll(&ready, 1, Int32(left / .milliseconds(1)) + 1) > 0 else { continue }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = read(socket, &chunk, chunk.count)
            guard count > 0 else { return nil }
            received += chunk[..<count]
        }
    }

    // MARK: Pages

    struct Page: Sendable {
        let target: String
        let session: String
    }

    /// What the user types into a new tab.
    func open(_ address: String) throws -> Page {
        let made = try ask("Target.createTarget", ["url": "about:blank"])
        guard let target = made["targetId"] as? String,
            let session = try ask("Target.attachToTarget", ["targetId": target, "flatten": true])["sessionId"]
                as? String
        else { throw LabError("no tab: \(made)") }
        let page = Page(target: target, session: session)
        try go(page, to: address)
        return page
    }

    func go(_ page: Page, to address: String) throws {
        // (It is typed in the sense of the protocol: nobody has asked for it, Sec-Fetch-Site is `none`.)
        let gone = try ask("Page.navigate", ["url": address, "transitionType": "typed"], in: page.session)
        if let error = gone["errorText"] { throw LabError("\(address): \(error)") }
    }

    /// Runs JavaScript in the page, as if the user had just clicked, and waits for its promise.
    @discardableResult
    func run(_ script: String, in page: Page, seconds: Double = 30) throws -> Any? {
        let done = try ask(
            "Runtime.evaluate",
            ["expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true],
            in: page.session, seconds: seconds)
        if let exception = done["exceptionDetails"] { throw LabError("\(script): \(exception)") }
        return (done["result"] as? [String: Any])?["value"]
    }

    /// Tabs and windows, and frames that have a process of their own: addresses and titles.
    var shown: [(target: String, type: String, address: String, title: String)] {
        get throws {
            let all = try ask("Target.getTargets")["targetInfos"] as? [[String: Any]] ?? []
            return all.map {
                (
                    $0["targetId"] as? String ?? "", $0["type"] as? String ?? "", $0["url"] as? String ?? "",
                    $0["title"] as? String ?? ""
                )
            }
        }
    }

    /// Waits until some tab or window shows this.
    func waits(for title: String, at address: String, seconds: Double = 20) throws -> Bool {
        var isShown = false
        try NetnsTests.wait(seconds: seconds) {
            isShown = try shown.contains { $0.title == title && $0.address.hasSuffix(address) }
            return !isShown
        }
        return isShown
    }

    var cookies: [String] {
        get throws {
            let all = try ask("Storage.getCookies")["cookies"] as? [[String: Any]] ?? []
            return all.map { "\($0["name"] ?? "")=\($0["value"] ?? "")" }.sorted()
        }
    }
}
