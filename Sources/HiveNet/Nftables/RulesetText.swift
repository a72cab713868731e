/// A table as lines of text, the same for one that we want and for one that the kernel gave back: so comparing texts compares
/// rulesets. Order is that of names, and of rules within their chain.
struct TableText {
    let label: String
    var isDormant = false
    var counters: [String] = []
    /// By name.
    var sets: [String: String] = [:]
    var chains: [String: (definition: String, rules: [String])] = [:]

    var lines: [String] {
        ["table \(label)\(isDormant ? " dormant" : "")"]
            + counters.sorted().map { "counter \(label) \($0)" }
            + sets.sorted { $0.key < $1.key }.map { "set \(label) \($0.key): \($0.value)" }
            + chains.sorted { $0.key < $1.key }.flatMap { name, chain in
                ["chain \(label) \(name)\(chain.definition)"]
                    + chain.rules.map { "rule \(label) \(name): \($0)" }
            }
    }

    /// A line about a table, a counter or a set: what cannot change while elements and counts are kept.
    static func isContainer(_ line: String) -> Bool { !line.hasPrefix("chain ") && !line.hasPrefix("rule ") }

    static func chain(_ hook: Chain.Hook?) -> String {
        hook.map { ": \($0.type) hook \($0.number) priority \($0.priority) policy accept" } ?? ""
    }

    static func rule(_ rule: borrowing RuleObject) -> String {
        "\(rule.comment ?? "") [\(fingerprint(rule.instructions.utf8))]"
    }

    static func set(
        keyType: UInt32, keyLength: UInt32, flags: UInt32, statement: SetDefinition.Statement?,
        constants: [SetDefinition.Element]?
    ) -> String {
        var text = "key type \(keyType) length \(keyLength) flags \(flags & SetDefinition.knownFlags)"
        if let statement { text += " with \(statement)" }
        if let constants {
            text += " elements \(fingerprint(constants.map { "\($0)" }.sorted().joined().utf8))"
        }
        return text
    }
}

extension AgentSet {
    /// The set of a policy that a line of a table's text is about; nil for every other line.
    init?(policyLine line: String) {
        let words = line.split(separator: " ", maxSplits: 4)
        guard words.count == 5, words[0] == "set", words[2] == Boundary.tableName, words[3].hasSuffix(":"),
            let family = Table.Family.allCases.first(where: { $0.name == words[1] }),
            let set = AgentSet(named: String(words[3].dropLast()), in: family), set.isPolicy
        else { return nil }
        self = set
    }
}

extension TableText {
    /// Of a table that we want.
    init(_ table: Table) throws(KernelError) {
        label = table.label
        counters = table.counters
        for set in table.sets {
            sets[set.name] = Self.set(
                keyType: set.keyType, keyLength: UInt32(set.keyLength), flags: set.flags,
                statement: set.statement,
                constants: set.constants)
        }
        for chain in table.chains {
            var rules: [String] = []
            for rule in chain.rules {
                let object = try RuleObject.make(rule, chain: chain.name, in: table)
                rules.append(Self.rule(object))
            }
            chains[chain.name] = (Self.chain(chain.hook), rules)
        }
    }
}
