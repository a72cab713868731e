public import HiveNet

/// What `net plan --json` and `net apply --json` print.
public struct ChangeReport: Codable, Sendable {
    /// Counts up when a key changes its meaning or goes; new keys may come at any time.
    public private(set) var version = 1
    public let changes: [Item]

    public struct Item: Codable, Equatable, Sendable {
        public enum Action: String, Codable, Sendable { case add, change, remove }

        public let action: Action
        public let object: String
        public let detail: String
        public let reason: String
        public let agent: String?
    }

    public init(_ changes: [Change]) { self.init(items: changes.map(Item.init)) }
    public init(items: [Item]) { changes = items }
}

extension ChangeReport.Item {
    init(_ change: Change) {
        let action: Action =
            switch change.kind {
            case .add: .add
            case .change: .change
            case .remove: .remove
            }
        self.init(
            action: action, object: change.object, detail: change.detail, reason: change.reason,
            agent: change.agent)
    }

    /// `link hv-alpha (isolated false -> true)`
    public var words: String {
        let what = [object, detail].filter { !$0.isEmpty }.joined(separator: " ")
        return reason.isEmpty ? what : "\(what) (\(reason))"
    }
}
