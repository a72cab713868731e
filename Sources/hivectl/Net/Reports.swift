import FoundationEssentials
import HiveNet

/// What `net plan --json` and `net apply --json` print.
struct ChangeReport: Encodable {
    /// Counts up when a key changes its meaning or goes; new keys may come at any time.
    let version = 1
    let changes: [Item]

    struct Item: Encodable {
        /// `add`, `change` or `remove`.
        let action: String
        let object: String
        let detail: String
        let reason: String
        let agent: String?
    }

    init(_ changes: [Change]) {
        self.changes = changes.map { change in
            let action =
                switch change.kind {
                case .add: "add"
                case .change: "change"
                case .remove: "remove"
                }
            return Item(
                action: action, object: change.object, detail: change.detail, reason: change.reason,
                agent: change.agent)
        }
    }
}

extension Encodable {
    /// Two-space indented, keys sorted, so that two outputs can be compared line by line.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
