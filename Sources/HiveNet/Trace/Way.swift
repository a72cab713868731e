/// The way that one packet took, and what became of it. Encoded as JSON, it is what `hivectl net why --json` prints.
public struct Way: Codable, Equatable, Sendable {
    /// Counts up when a key changes its meaning or goes.
    public var version = 1
    public var from: String
    public var to: String
    /// `a SYN from 10.77.0.2 to 10.77.0.1 port 7000`
    public var packet: String
    public internal(set) var outcome: Outcome
    /// How that is known.
    public internal(set) var basis: Basis
    /// Where it was stopped. Nil: nowhere, or by nothing of Hive's.
    public internal(set) var layer: Layer?
    /// What stopped it. Nil: no rule did.
    public internal(set) var rule: RuleName?
    /// The named counter that counted it.
    public internal(set) var counter: String?
    /// The answer.
    public internal(set) var sentence: String
    /// In order.
    public internal(set) var steps: [Step] = []

    public enum Outcome: String, Codable, Sendable {
        case passes, blocked
        /// It could not be sent, or nobody can tell.
        case unknown
    }

    public enum Basis: String, Codable, Sendable {
        /// A rule said so, or the packet was seen where it was to go.
        case trace
        /// From what was seen and what was not: the bridge and the routing tell nothing.
        case conclusion
        /// Nothing could be sent: from the rules of the configuration alone.
        case rules
        /// Nothing was sent, and nothing is known.
        case none
    }

    /// Of the picture in README.
    public struct Layer: Codable, Equatable, Sendable {
        public var number: Int
        public var name: String

        static let port = Layer(number: 1, name: "port")
        static let settings = Layer(number: 7, name: "settings")

        /// Which one a base chain of ours is.
        init?(family: Table.Family, base: String) {
            let names: [String: (Int, String)] = [
                "early": (3, "early"), "tracked": (4, "tracked"), "input": (4, "input"),
                "forward": (5, "forward"), "output": (6, "output"),
            ]
            if family == .bridge {
                (number, name) = (2, "frame")
            } else if let layer = names[base] {
                (number, name) = layer
            } else {
                return nil
            }
        }

        init(number: Int, name: String) {
            self.number = number
            self.name = name
        }

        public var words: String { "layer \(number) (\(name))" }
    }

    public struct RuleName: Codable, Equatable, Sendable {
        /// `inet hive`
        public var table: String
        public var chain: String
        /// The rule's comment. Nil: it has none, or it is the chain's policy.
        public var comment: String?
        /// Nil: the chain's policy.
        public var handle: UInt64?
    }

    public struct Step: Codable, Equatable, Sendable {
        /// `bridge prerouting`: the hook that it is at. Nil: it is at none.
        public var hook: String?
        /// `inet hive`, `early` and so on. Nil: nobody's rule.
        public var table: String?
        public var chain: String?
        public var rule: String?
        public var handle: UInt64?
        public var verdict: String?
        /// What happened, where it was no rule.
        public var words: String?
    }
}

/// What a trace tells.
struct Trail {
    fileprivate(set) var steps: [Way.Step] = []
    private(set) var last: Tracer.Milestone?
    /// The link that it was about to leave by when it came to `last`, by index.
    private(set) var output: Int32 = 0
    private(set) var stop: Stop?

    struct Stop {
        let sentence: String
        let layer: Way.Layer?
        let rule: Way.RuleName
        let counter: String?
        let isDropped: Bool
    }

    private let book: RuleBook
    /// The base chain that it is in.
    private var base: (name: String, chain: ForeignChain)?
    /// The rule that led into the chain of the next event.
    private var lead: (event: TraceEvent, target: String)?

    init(_ book: RuleBook) { self.book = book }

    /// - Parameter milestone: what the event stands for, if it is of the tracer's own chains.
    mutating func add(_ event: TraceEvent, _ milestone: Tracer.Milestone?) {
        if let milestone {
            // The rule that begins the trace is no news.
            guard event.kind == .policy else { return }
            if event.output != 0 { output = event.output }
            if !milestone.isLast {
                steps.append(Way.Step(hook: "\(milestone.family.name) \(milestone.hook.name)"))
            }
            last = milestone
            return
        }
        let key = RuleBook.ChainKey(family: event.family, table: event.table, chain: event.chain)
        if let chain = book.base(key) { base = (event.chain, chain) }
        let table = "\(ForeignChain.name(ofFamily: event.family)) \(event.table)"
        var step = Way.Step(table: table, chain: event.chain, verdict: event.verdict.words)
        var entry: RuleBook.Entry?
        switch event.kind {
        case .rule(let handle):
            entry = book.entry(key, handle)
            step.handle = handle.number
            step.rule = entry?.comment ?? "rule \(entry.map { "\($0.position)" } ?? "?") (no comment)"
        case .policy: step.words = "policy"
        case .ending: step.words = "end of the chain"
        }
        // Whether one is met depends on how much was logged just before, and decides nothing.
        if step.rule?.hasPrefix(Boundary.logComment) != true { steps.append(step) }
        switch event.verdict {
        case .goto(let target), .jump(let target): lead = (event, target)
        case .drop, .queue, .stolen: stop = stop(event, key, table, entry)
        default: break
        }
    }

    private func stop(
        _ event: TraceEvent, _ key: RuleBook.ChainKey, _ table: String, _ entry: RuleBook.Entry?
    ) -> Stop {
        var (event, key, decisive) = (event, key, entry)
        let isOurs = event.table == Boundary.tableName && Table.Family(rawValue: UInt16(event.family)) != nil
        let counter = entry?.counter
        // Our chains that count and drop have a rule that led there: that one says why.
        if isOurs, Boundary.isDenial(chain: event.chain), let lead, lead.target == event.chain {
            event = lead.event
            key = RuleBook.ChainKey(family: event.family, table: event.table, chain: event.chain)
            if case .rule(let handle) = event.kind { decisive = book.entry(key, handle) }
        }
        var name = Way.RuleName(table: table, chain: event.chain, comment: decisive?.comment, handle: nil)
        if case .rule(let handle) = event.kind { name.handle = handle.number }
        guard isOurs, let family = Table.Family(rawValue: UInt16(event.family)) else {
            return Stop(
                sentence: foreign(table, event, decisive), layer: nil, rule: name, counter: counter,
                isDropped: event.verdict == .drop)
        }
        let layer = base.flatMap { Way.Layer(family: family, base: $0.name) }
        var parts = [layer?.words ?? "chain \(base?.name ?? event.chain)"]
        var rule = "rule '\(decisive?.comment ?? "?")'"
        // Behind everything that would have let it through: what that is, the first of them says.
        if decisive?.isForAll == true, let first = book.first(key), first != decisive?.comment {
            rule += " (chain \(event.chain): '\(first)')"
        }
        parts.append(rule)
        if let counter { parts.append("counter \(counter)") }
        return Stop(
            sentence: parts.joined(separator: ", "), layer: layer, rule: name, counter: counter,
            isDropped: true)
    }

    private func foreign(_ table: String, _ event: TraceEvent, _ entry: RuleBook.Entry?) -> String {
        let place = base.map { "hook \($0.chain.hookName), priority \($0.chain.hook?.priority ?? 0)" } ?? "?"
        var what = "its policy"
        if case .rule(let handle) = event.kind {
            what =
                (entry?.comment.map { "rule '\($0)'" } ?? "its rule number \(entry?.position ?? 0)")
                + " (handle \(handle.number))"
        }
        return "not Hive, but table \(table), chain \(event.chain) (\(place)), \(what)"
    }
}

extension Trail {
    /// Puts before everything else where the packet came in.
    mutating func begin(from sender: String, link: String, isAgent: Bool) {
        let words =
            isAgent
            ? "\(insideName) of \(sender) -> port \(link)" : "from elsewhere -> \(link), a link made for it"
        steps.insert(Way.Step(words: words), at: 0)
    }
}
