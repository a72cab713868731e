import Foundation
import Glibc

/// Two agents, and a real nginx in front of them.
final class GatewayLab {
    /// Why there is none here, or nil.
    static let obstacle: String? = {
        guard geteuid() == 0, ThreatOutsideTests.hasUsers else {
            return "nginx becomes another user, for which it has to be root of the machine"
        }
        let programs = ["/usr/sbin/nginx", "/usr/lib/nginx/modules/ngx_http_js_module.so"]
        return programs.allSatisfy { access($0, F_OK) == 0 } ? nil : "there is no nginx with njs"
    }()

    let hive: TwoAgents
    var lab: Lab { hive.lab }
    private var nginx: Command.Process?

    static func configuration(
        _ gateway: String = "", alpha: String = "web: { port: 8080 }", beta: String = "web: { port: 8080 }"
    ) -> String {
        """
        { gateway: { enable: true, \(gateway) },
          agents: { alpha: { address4: "10.77.0.2", \(alpha) }, beta: { address4: "10.77.0.3", \(beta) } } }
        """
    }

    init(configuration: String = GatewayLab.configuration(), starts: Bool = true) throws {
        hive = try TwoAgents(configuration: configuration)
        guard starts else { return }
        let applied = try apply()
        guard applied.status == 0 else { throw LabError("\(applied)") }
        try start()
    }

    func start() throws {
        nginx = try lab.background([
            "/usr/sbin/nginx", "-c", "/run/hive/nginx/current/nginx.conf", "-g", "daemon off;",
        ])
        try wait(seconds: 20) { try !isServed }
        guard try isServed else { throw LabError("nginx: \(log)") }
    }

    var isServed: Bool {
        get throws {
            let shown = try lab.hivectl("gateway", "show", "--standalone", "--json")
            return (try shown.json() as? [String: Any])?["served"] as? Bool == true
        }
    }

    var log: String { (try? lab.run(["cat", "/run/hive/nginx/private/error.log"]).stdout) ?? "" }

    @discardableResult
    func apply(_ configuration: String? = nil) throws -> CommandResult {
        if let configuration {
            try lab.write(configuration: configuration)
            try lab.apply()
        }
        return try lab.hivectl("gateway", "apply", "--standalone")
    }

    /// Ends it as whoever started it would: a master that is killed leaves its workers.
    func stop() {
        guard let nginx, nginx.isRunning else { return }
        kill(nginx.pid, SIGTERM)
        let deadline = ContinuousClock.now + .seconds(10)
        while nginx.isRunning, ContinuousClock.now < deadline { usleep(5_000) }
        nginx.end()
    }

    /// Has nginx read its files, whoever wrote them. Nobody is answered by what it read before, also on connections that are open.
    func reload() throws {
        guard let nginx else { throw LabError("there is no nginx") }
        func workers() throws -> Set<pid_t> {
            let path = "/proc/\(nginx.pid)/task/\(nginx.pid)/children"
            return Set(
                try String(contentsOfFile: path, encoding: .utf8).split(separator: " ").compactMap {
                    pid_t($0)
                })
        }
        let old = try workers()
        kill(nginx.pid, SIGHUP)
        try wait(seconds: 20) { try workers().isSubset(of: old) }
        guard try !workers().isSubset(of: old) else { throw LabError("nginx does not read again: \(log)") }
        for worker in old { kill(worker, SIGTERM) }
        try wait(seconds: 20) { try !workers().isDisjoint(with: old) }
    }

    /// Edits what nginx goes by, as `sed` does, and has it read that.
    func weaken(_ edit: String) throws {
        let file = "/run/hive/nginx/current/hive.conf"
        let before = try lab.must("cat \(file)").stdout
        let done = try lab.run(["sed", "-i", "--follow-symlinks", edit, file])
        guard done.status == 0, try lab.must("cat \(file)").stdout != before else {
            throw LabError("nothing is edited: \(edit) \(done)")
        }
        try reload()
    }

    deinit { stop() }

    // MARK: Asking

    func ask(
        _ target: String, method: String = "GET", headers: [String] = [], body: [UInt8] = [],
        host: String = "localhost", at place: String = "127.0.0.1:8420", seconds: Double = 20
    ) throws -> HTTP {
        try HTTP.ask(
            lab, target, method: method, headers: headers, body: body, host: host, at: place, seconds: seconds
        )
    }

    /// Where an agent's bookmark leads now: `/agent/alpha/~TOKEN`.
    func prefix(_ agent: String) throws -> String {
        let answer = try ask("/agent/\(agent)/", headers: HTTP.navigation)
        guard answer.status == 303, let location = answer["Location"] else {
            throw LabError("the bookmark of \(agent): \(String(decoding: answer.bytes, as: UTF8.self))")
        }
        return String(location.dropLast())
    }
}
