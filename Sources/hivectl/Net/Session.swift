import HiveCommand
import HiveCore
import HiveNet
import HiveWatch

extension Session {
    /// As the command line says.
    init(_ values: Values, _ global: GlobalOptions, _ console: Console, patience: Int? = nil) throws {
        self.init(
            configPath: try values[global.config], state: StateDirectory(try values[global.state]),
            socket: try values[global.socket], patience: patience, note: { console.note("hivectl: \($0)") },
            progress: { [progress = console.progress] done, total in
                progress.step("\(done) of \(total) agents")
            })
    }
}

extension Console {
    func report(_ applied: AppliedChanges, json: Bool) throws {
        try report(ChangeReport(applied.changes).changes, json: json)
    }

    func report(_ changes: [ChangeReport.Item], json: Bool) throws {
        if json {
            try print(ChangeReport(items: changes).json())
        } else {
            for line in changes.lines(style) { print(line) }
            let number = changes.count
            remark(number == 0 ? "Nothing to do." : "\(number) change\(number == 1 ? "" : "s") made.")
        }
    }
}

extension [ChangeReport.Item] {
    func lines(_ style: Style) -> [String] {
        let plan = map { change in
            let sign: PlanLine.Sign =
                switch change.action {
                case .add: .add
                case .change: .change
                case .remove: .remove
                }
            return PlanLine(
                sign, change.object, detail: change.detail.isEmpty ? nil : change.detail,
                reason: change.reason.isEmpty ? nil : change.reason)
        }
        return PlanText.lines(plan, style)
    }
}

/// Words and exit codes for errors that are not the command line's.
func explain(_ error: any Error) -> Failure { Failure(Explanation(error)) }

extension Failure {
    init(_ explanation: Explanation) {
        self.init(ExitCode(rawValue: explanation.code) ?? .dataError, explanation.sentences)
    }
}
