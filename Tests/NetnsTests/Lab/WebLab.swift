import Foundation
import Glibc

/// Agents with sockets, hived, hive-web as its own user, and nginx in front of it.
final class WebLab {
    static let obstacle = GatewayLab.obstacle ?? CoreLab.usersObstacle
    static let address = "http://localhost:8420"

    let gateway: GatewayLab
    let core: CoreLab
    /// hive-web.
    let process: Command.Process
    var lab: Lab { gateway.lab }

    /// - Parameter agents: names of further ones than alpha and beta.
    init(agents: [String] = []) throws {
        let more = agents.map { "\($0): {}" }.joined(separator: ", ")
        gateway = try GatewayLab(
            configuration: GatewayLab.configuration("dashboard: '/run/lab/web/web.sock'")
                .replacingOccurrences(of: "agents: { ", with: "agents: { \(more)\(more.isEmpty ? "" : ", ")"))
        core = try CoreLab(gateway.lab, configuration: nil)
        // Its own, and the group of what is made in it is nginx's, as systemd has it for the socket (hive-web.socket).
        try gateway.lab.must("install -d -o \(CoreLab.web) -g www-data -m 2750 /run/lab/web")
        process = try gateway.lab.background([
            "setpriv", "--reuid=\(CoreLab.web)", "--regid=\(CoreLab.web)", "--clear-groups", "--no-new-privs",
            "--inh-caps=-all", "--bounding-set=-all", CoreLab.program("hive-web"), "--listen",
            "/run/lab/web/web.sock",
        ])
        let (gateway, process) = (gateway, process)
        try wait(seconds: 30) { try process.isRunning && gateway.ask("/").status != 200 }
        guard try gateway.ask("/").status == 200 else {
            throw LabError("no dashboard: \(process.words) \(gateway.log)")
        }
    }

    func end() { process.end() }

    /// An agent asks, and waits for the answer.
    func ask(_ agent: String = "alpha", _ text: String, options: [String] = []) throws -> (
        ControlLine, id: Int
    ) {
        try request(agent, ["cmd": "ask", "text": text, "options": options, "wait": true])
    }

    func request(_ agent: String, _ request: [String: Any]) throws -> (ControlLine, id: Int) {
        let line = try core.agent(agent)
        let answer = try line.ask(request)
        guard let id = answer["id"] as? Int else { throw LabError("\(request): \(answer)") }
        return (line, id)
    }

    /// Whether a question or an approval is open.
    func isOpen(_ id: Int) throws -> Bool {
        let questions = try core.operate(["cmd": "questions"])["questions"] as? [[String: Any]] ?? []
        let approvals = try core.operate(["cmd": "pending"])["approvals"] as? [[String: Any]] ?? []
        return (questions + approvals).contains { $0["id"] as? Int == id }
    }
}
