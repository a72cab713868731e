/// One change of a plan, as a person reads it.
public struct PlanLine: Equatable, Sendable {
    public enum Sign: String, Sendable, CaseIterable {
        case add = "+"
        case change = "~"
        case remove = "-"
    }

    public let sign: Sign
    /// The kind and the name: `link hv-alpha`.
    public let object: String
    /// What it will be, or what changes: `mtu 1500 -> 1400`.
    public let detail: String?
    /// Why: `not in the configuration`.
    public let reason: String?

    public init(_ sign: Sign, _ object: String, detail: String? = nil, reason: String? = nil) {
        self.sign = sign
        self.object = object
        self.detail = detail
        self.reason = reason
    }
}

/// A plan as text: the sign first, then what it is about, then details and reasons aligned.
public enum PlanText {
    /// An object that is longer pushes its details to the right instead of everyone's.
    private static let widestObject = 40

    /// `+ link hv-alpha     master hive0 (new agent)`
    public static func lines(_ plan: [PlanLine], _ style: Style) -> [String] {
        let objects = plan.map { Text.printable($0.object) }
        let width = objects.map(Text.width).filter { $0 <= widestObject }.max() ?? 0
        return zip(plan, objects).map { line, object in
            let detail = line.detail.map(Text.printable)
            let reason = line.reason.map { style.paint("(\(Text.printable($0)))", .faint) }
            let rest = [detail, reason].compactMap(\.self).joined(separator: " ")
            let start = style.paint(line.sign.rawValue, paint(line.sign))
            return "\(start) " + (rest.isEmpty ? object : Text.pad(object, to: width) + "  " + rest)
        }
    }

    /// `3 changes: 1 to add, 2 to remove.` or `Nothing to do.`
    public static func summary(_ plan: [PlanLine]) -> String {
        if plan.isEmpty { return "Nothing to do." }
        let verbs: [(PlanLine.Sign, String)] = [(.add, "add"), (.change, "change"), (.remove, "remove")]
        let parts = verbs.compactMap { sign, verb in
            let count = plan.count { $0.sign == sign }
            return count == 0 ? nil : "\(count) to \(verb)"
        }
        return "\(plan.count) change\(plan.count == 1 ? "" : "s"): " + parts.joined(separator: ", ") + "."
    }

    private static func paint(_ sign: PlanLine.Sign) -> Style.Paint {
        switch sign {
        case .add: .good
        case .change: .notable
        case .remove: .bad
        }
    }
}
