import Foundation
import HiveNet

/// What `hivectl net verify --json` said, and how it ended.
struct Verified: CustomStringConvertible {
    let status: Int32
    let report: Verification
    let stderr: String

    /// The codes of the command's help.
    static let holds: Int32 = 0, breached: Int32 = 3, unproven: Int32 = 4

    func cell(_ agent: String, _ target: Verification.Target) -> Verification.Cell {
        report.agents[agent]?[target] ?? Verification.Cell()
    }

    /// Where something forbidden arrived.
    var reached: Set<Verification.Target> {
        Set(report.incidents.filter { $0.outcome == .reached }.map(\.target))
    }

    func has(_ outcome: Verification.Outcome, _ words: String) -> Bool {
        report.incidents.contains { $0.outcome == outcome && $0.sentence.contains(words) }
    }

    var description: String {
        "exit \(status)\n"
            + report.incidents.map { "\($0.outcome.rawValue): \($0.sentence)" }.joined(separator: "\n")
            + report.findings.filter { $0.severity != .fine }
            .map { "\n\($0.severity.rawValue): \($0.check): \($0.sentence)" }.joined()
            + "\n\(report.agents)\n\(report.notes)\n\(stderr)"
    }
}

extension Lab {
    /// Runs verify on the host.
    func verify(_ arguments: String...) throws -> Verified {
        let result = try run(Self.commandLine(["net", "verify", "--json", "--seed", "7"] + arguments))
        guard let data = result.stdout.data(using: .utf8), !data.isEmpty else {
            throw LabError("net verify: \(result)")
        }
        return Verified(
            status: result.status, report: try JSONDecoder().decode(Verification.self, from: data),
            stderr: result.stderr)
    }
}
