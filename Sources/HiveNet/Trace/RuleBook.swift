internal import CNftables

/// The chains and rules of all tables, to say which rule a trace names by its number.
///
/// Read attribute by attribute, as in `ForeignRuleset`, and for the same reason.
struct RuleBook {
    struct Entry {
        let comment: String?
        /// From 1, in its chain.
        let position: Int
        /// It has no condition.
        let isForAll: Bool
        /// The named counter that counts there.
        let counter: String?
    }

    struct ChainKey: Hashable {
        let family: UInt8
        let table: String
        let chain: String
    }

    /// Base chains: where they are hooked in, as `ForeignChain` words it.
    var bases: [ChainKey: ForeignChain] = [:]
    var entries: [ChainKey: [RuleHandle: Entry]] = [:]
    /// The comment of each chain's first rule.
    var firsts: [ChainKey: String] = [:]

    func base(_ key: ChainKey) -> ForeignChain? { bases[key] }
    func entry(_ key: ChainKey, _ handle: RuleHandle) -> Entry? { entries[key]?[handle] }
    /// What the event names is in here.
    func knows(_ event: TraceEvent) -> Bool {
        guard case .rule(let handle) = event.kind else { return true }
        return entry(ChainKey(family: event.family, table: event.table, chain: event.chain), handle) != nil
    }
    /// What the chain's first rule is called: it says what the chain is about.
    func first(_ key: ChainKey) -> String? { firsts[key] }

    /// On a `NETLINK_NETFILTER` socket.
    init(_ socket: inout NetlinkSocket) throws(KernelError) {
        let chains: [ForeignChain] = try socket.dump(
            NFT_MSG_GETCHAIN, "read the nftables chains", of: ChainScope.self
        ) { ForeignChain($0, $1) }
        for chain in chains where chain.hook != nil {
            bases[ChainKey(family: chain.family, table: chain.table, chain: chain.name)] = chain
        }
        let rules: [(ChainKey, RuleHandle, Attributes<RuleScope>.Summary)] = try socket.dump(
            NFT_MSG_GETRULE, "read the nftables rules", of: RuleScope.self
        ) { family, rule in
            guard let table = rule[.table], let chain = rule[.chain], let handle = rule[.handle] else {
                return nil
            }
            return (ChainKey(family: family, table: table, chain: chain), handle, rule.summary)
        }
        for (key, handle, summary) in rules {
            let position = entries[key, default: [:]].count + 1
            if position == 1 { firsts[key] = summary.comment }
            entries[key, default: [:]][handle] = Entry(
                comment: summary.comment, position: position, isForAll: summary.isForAll,
                counter: summary.counter)
        }
    }
}

extension Attribute where Scope == RuleScope, Value == RuleHandle {
    fileprivate static var handle: Self { .init(NFTA_RULE_HANDLE.rawValue, "NFTA_RULE_HANDLE") }
}

extension Attributes where Scope == RuleScope {
    fileprivate struct Summary {
        var comment: String?
        var isForAll = true
        var counter: String?
    }

    fileprivate var summary: Summary {
        var summary = Summary()
        summary.comment = payload(UInt16(NFTA_RULE_USERDATA.rawValue)).flatMap(UserData.comment(in:))
        self[.expressions].forEach { _, payload in
            let expression = Attributes<ExpressionScope>(bytes: payload)
            switch expression[.name] {
            case "objref":
                let object = expression[.object]
                if object[.type].map({ UInt32(bigEndian: $0) }) == UInt32(NFT_OBJECT_COUNTER) {
                    summary.counter = object[.name]
                }
            case "immediate", "counter", "log", "reject": break
            default: summary.isForAll = false
            }
        }
        return summary
    }
}
