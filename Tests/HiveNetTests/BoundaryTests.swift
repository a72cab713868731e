import Testing

@testable import HiveNet

/// The ruleset as a value: what can be seen in it without a kernel.
struct BoundaryTests {
    private func tables(ipv6: Bool = true) throws -> [Table] { Boundary.tables(for: try .sample(ipv6: ipv6)) }

    private func eachRule(_ body: (Table, Chain, Rule) throws -> Void) throws {
        for ipv6 in [true, false] {
            for table in try tables(ipv6: ipv6) {
                for chain in table.chains {
                    for rule in chain.rules { try body(table, chain, rule) }
                }
            }
        }
    }

    @Test func printsTheSameEveryTime() throws {
        let first = try NetworkState(.sample()).boundary
        for _ in 0..<5 { #expect(try NetworkState(.sample()).boundary == first) }
        let rules = try #require(first).rules
        #expect(rules.filter { $0.hasPrefix("table ") } == ["table bridge hive", "table inet hive"])
        #expect(rules.allSatisfy { $0.utf8.allSatisfy { (0x20..<0x7f).contains($0) } })
    }

    @Test func everyDifferenceShows() throws {
        let spec = try NetworkSpec.sample()
        let rules = try NetworkState(spec).boundary?.rules
        func changed(_ change: (inout NetworkSpec) throws -> Void) throws -> Bool {
            var other = spec
            try change(&other)
            return try NetworkState(other).boundary?.rules != rules
        }
        #expect(try changed { $0.bridge = "hive1" })
        #expect(try changed { $0.interfacePrefix = "hw-" })
        #expect(try changed { $0.subnet4 = try value("10.78.0.0/16") })
        #expect(try changed { $0.subnet6 = try value("fd78::/64") })
        #expect(try changed { $0.subnet6 = nil })
        #expect(try changed { $0.gatewayUsers = [34] })
        #expect(try changed { $0.gatewayUsers = [] })
        #expect(try changed { $0.logGroup = nil })
        #expect(try changed { $0.logGroup = 105 })
        #expect(try changed { $0.agents[0].egress = .none })
        #expect(try changed { $0.agents[0].egress.deny = [try value("8.8.8.8")] })
        // What the rules do not depend on.
        #expect(try !changed { $0.mtu = 1400 })
        #expect(try !changed { $0.agents.removeAll { $0.egress == .none } })
        #expect(try !changed { $0.agents[0].egress.connections = 3 })
        #expect(try !changed { $0.agents.reverse() })
    }

    @Test func theNumberOfRulesDoesNotGrowWithTheAgents() throws {
        let none = try #require(try NetworkState(.many(0)).boundary)
        let few = try #require(try NetworkState(.many(2)).boundary)
        let many = try #require(try NetworkState(.many(1000)).boundary)
        #expect(none.elements.isEmpty)
        #expect(many.elements.count > 8000)
        #expect(many.rules == few.rules)
    }

    /// A policy is a chain, its three rules and two sets, however many agents have it and however much it lists.
    @Test func aPolicyIsSixLines() throws {
        func lines(_ policies: Int) throws -> Int {
            var spec = try NetworkSpec.many(100)
            for index in spec.agents.indices {
                guard policies > 0 else {
                    spec.agents[index].egress = .none
                    continue
                }
                let list = (0...(index % policies)).map { "9.0.0.\($0 * 2):443/tcp" }
                spec.agents[index].egress = Egress(allow: try list.map { try value($0) })
            }
            return try #require(try NetworkState(spec).boundary).rules.count
        }
        let none = try lines(0)
        #expect(try lines(1) == none + 6)
        #expect(try lines(50) == none + 50 * 6)
    }

    /// nft's limits: NFTNL_UDATA_COMMENT_MAXLEN with its NUL, and 31 characters for whoever lists with an old one.
    @Test func namesAndCommentsFit() throws {
        try eachRule { table, chain, rule in
            #expect((1...127).contains(rule.comment.utf8.count), "\(chain.name): \(rule.comment)")
            #expect((1...31).contains(chain.name.utf8.count))
            #expect(table.name == "hive")
        }
        for table in try tables() {
            #expect(Set(table.chains.map(\.name)).count == table.chains.count)
            #expect(Set(table.sets.map(\.name)).count == table.sets.count)
            #expect(Set(table.counters).count == table.counters.count)
            #expect(table.sets.allSatisfy { (1...31).contains($0.name.utf8.count) })
        }
    }

    @Test func everythingThatARuleNamesExists() throws {
        var (jumps, lookups, counts) = (0, 0, 0)
        try eachRule { table, chain, rule in
            let chains = Dictionary(uniqueKeysWithValues: table.chains.map { ($0.name, $0) })
            let sets = Dictionary(uniqueKeysWithValues: table.sets.map { ($0.name, $0) })
            for expression in rule.expressions {
                switch expression {
                case .verdict(.goto(let name)):
                    jumps += 1
                    // A base chain is nobody's target.
                    #expect(chains[name].map { $0.hook == nil } == true, "\(chain.name) goes to \(name)")
                case .lookup(let name, _, _):
                    lookups += 1
                    #expect(sets[name].map { !$0.holdsVerdicts } == true, "\(chain.name) looks into \(name)")
                case .verdictMap(let name, _):
                    lookups += 1
                    #expect(sets[name].map(\.holdsVerdicts) == true, "\(chain.name) looks into \(name)")
                case .counter(let name):
                    counts += 1
                    #expect(table.counters.contains(name), "\(chain.name) counts in \(name)")
                default: break
                }
            }
        }
        #expect(jumps > 50 && lookups > 20 && counts > 10)
        for table in try tables() {
            let chains = Set(table.chains.filter { $0.hook == nil }.map(\.name))
            for target in table.sets.flatMap({ $0.constants ?? [] }).compactMap(\.target) {
                #expect(chains.contains(target))
            }
        }
    }

    @Test func verdictMapsElementsGoToChainsThatExist() throws {
        let state = try NetworkState(.sample())
        let targets = Set(try #require(state.boundary).elements.compactMap(\.target))
        #expect(targets == ["egress_internet"])
        let inet = try #require(try tables().first { $0.family == .inet })
        #expect(inet.chains.contains { $0.name == Boundary.chain(for: "internet") && $0.hook == nil })
    }

    /// A set or a chain that no rule refers to does nothing.
    @Test func nothingIsLeftUnused() throws {
        for table in try tables() {
            let expressions = table.chains.flatMap(\.rules).flatMap(\.expressions)
            var used: Set<String> = []
            for expression in expressions {
                switch expression {
                case .verdict(.goto(let name)): used.insert("chain \(name)")
                case .lookup(let name, _, _), .verdictMap(let name, _): used.insert("set \(name)")
                case .counter(let name): used.insert("counter \(name)")
                default: break
                }
            }
            used.formUnion(
                table.sets.flatMap { $0.constants ?? [] }.compactMap(\.target).map { "chain \($0)" })
            used.formUnion(["chain \(Boundary.chain(for: "internet"))"])
            for chain in table.chains where chain.hook == nil {
                #expect(used.contains("chain \(chain.name)"))
            }
            for set in table.sets { #expect(used.contains("set \(set.name)")) }
            for counter in table.counters { #expect(used.contains("counter \(counter)")) }
        }
    }

    /// A look-up that finds nothing ends its rule. So whoever counts agents by one drops in another rule.
    @Test func countingAndDroppingAreTwoRules() throws {
        var counting = 0
        try eachRule { table, chain, rule in
            let counted = Set(table.sets.filter { $0.statement == .counter }.map(\.name))
            for (index, expression) in rule.expressions.enumerated() {
                guard case .lookup(let name, let inverted, _) = expression, counted.contains(name) else {
                    continue
                }
                counting += 1
                #expect(!inverted)
                #expect(
                    index == rule.expressions.count - 1, "\(chain.name): nothing may stand behind the count")
                #expect(chain.rules.last?.expressions.last == .verdict(.drop))
            }
        }
        #expect(counting > 5)
    }

    /// Whatever is dropped for a reason is logged first, by rules that give no verdict: one for each agent's packets, with the
    /// agent's own limit, and one for everybody else's, with a limit. Without a group, everything else is the same.
    @Test func whatIsCountedAndDroppedIsLogged() throws {
        func rules(_ group: UInt16?) throws -> [(chain: String, rule: Rule)] {
            var spec = try NetworkSpec.sample()
            spec.logGroup = group
            return Boundary.tables(for: spec).flatMap { table in
                table.chains.flatMap { chain in chain.rules.map { ("\(table.label) \(chain.name)", $0) } }
            }
        }
        func prefix(_ rule: Rule) -> String? {
            guard case .log(let prefix, 104, 128)? = rule.expressions.last else { return nil }
            return prefix
        }
        let all = try rules(104)
        var reasons: [String: Int] = [:]
        for (index, (chain, rule)) in all.enumerated() {
            if prefix(rule) != nil {
                let isLimited = rule.expressions.contains {
                    if case .limit = $0 { return true }
                    if case .lookup("logged", false, _) = $0 { return true }
                    return false
                }
                #expect(isLimited, "\(chain): \(rule.comment)")
                #expect(!rule.expressions.contains { if case .verdict = $0 { true } else { false } })
            }
            guard rule.expressions.last == .verdict(.drop),
                case .counter(let reason)? = rule.expressions.dropLast().last
            else { continue }
            reasons[reason, default: 0] += 1
            #expect(all[index - 1].chain == chain && prefix(all[index - 1].rule) == "hive: \(reason)")
        }
        #expect(Set(reasons.keys) == Set(DropReason.allCases.map(\.rawValue)))
        #expect(reasons.values.reduce(0, +) == 10)
        let boundary = try #require(try NetworkState(.sample()).boundary)
        #expect(try boundary.logs(to: 104) && !boundary.logs(to: 105))
        let without = try rules(nil)
        #expect(without.allSatisfy { prefix($0.rule) == nil })
        #expect(
            without.map(\.rule.expressions) == all.filter { prefix($0.rule) == nil }.map(\.rule.expressions))
    }

    /// The only drops behind a look-up are those of noise, which is not worth counting: what the look-up does not find falls
    /// to the rules behind it, which deny.
    @Test func aDropBehindALookUpIsNotTheLastWord() throws {
        var seen = 0
        try eachRule { _, chain, rule in
            guard rule.expressions.last == .verdict(.drop) else { return }
            let looksUp = rule.expressions.contains {
                if case .lookup = $0 { true } else if case .verdictMap = $0 { true } else { false }
            }
            if looksUp {
                seen += 1
                #expect(rule.comment.hasPrefix("noise: "), "\(chain.name): \(rule.comment)")
                #expect(chain.rules.last.map { endsUnconditionally($0) } == true)
            }
        }
        #expect(seen > 0)
    }

    private func endsUnconditionally(_ rule: Rule) -> Bool {
        let conditions = rule.expressions.filter { expression in
            switch expression {
            case .counter, .verdict, .masquerade, .log: false
            default: true
            }
        }
        switch rule.expressions.last {
        // nft_masq_eval always gives a verdict.
        case .verdict, .masquerade: return conditions.isEmpty
        default: return false
        }
    }

    /// A chain that is gone to does not return, and at its end the base chain's policy is to accept: so none may end.
    @Test func noChainThatIsGoneToRunsOut() throws {
        for ipv6 in [true, false] {
            for table in try tables(ipv6: ipv6) {
                for chain in table.chains where chain.hook == nil {
                    let last = try #require(chain.rules.last)
                    #expect(endsUnconditionally(last), "\(table.label) \(chain.name)")
                    let accepts = last.expressions.last == .verdict(.accept)
                    #expect(
                        accepts == (chain.name == "allowed"),
                        "\(table.label) \(chain.name)")
                }
            }
        }
    }

    /// nf_tables refuses a ruleset in which a chain leads to itself (`nf_tables_check_loops`).
    @Test func noChainLeadsToItself() throws {
        for table in try tables() {
            var next: [String: Set<String>] = [:]
            for chain in table.chains {
                for expression in chain.rules.flatMap(\.expressions) {
                    switch expression {
                    case .verdict(.goto(let name)): next[chain.name, default: []].insert(name)
                    case .verdictMap(let name, _):
                        let constants = table.sets.first { $0.name == name }?.constants
                        let targets =
                            constants?.compactMap(\.target)
                            ?? [Boundary.chain(for: "internet")]
                        next[chain.name, default: []].formUnion(targets)
                    default: break
                    }
                }
            }
            for chain in table.chains {
                var reached: Set<String> = []
                var open = next[chain.name] ?? []
                while let name = open.popFirst() {
                    if reached.insert(name).inserted { open.formUnion(next[name] ?? []) }
                }
                #expect(!reached.contains(chain.name))
            }
        }
    }

    /// Loaded by one instruction, compared by the next: with as many octets as were loaded.
    @Test func comparisonsAreAsLongAsWhatTheyCompare() throws {
        try eachRule { _, chain, rule in
            var loaded: UInt32?
            for expression in rule.expressions {
                switch expression {
                case .payload(_, _, let length, _): loaded = length
                case .meta(let key, _):
                    switch key {
                    case .inputName, .outputName: loaded = nil  // A prefix of the name may be compared.
                    case .inputType: loaded = 2
                    case .networkProtocol, .transportProtocol, .packetType: loaded = 1
                    case .socketUser: loaded = 4
                    }
                case .connection(let key): loaded = key == .direction ? 1 : 4
                case .destinationType: loaded = 4
                case .mask(let mask, _):
                    #expect(loaded == UInt32(mask.count), "\(chain.name): \(rule.comment)")
                case .compare(_, let value, _):
                    #expect(loaded == nil || loaded == UInt32(value.count), "\(chain.name): \(rule.comment)")
                default: break
                }
            }
        }
    }

    /// What a look-up takes from the registers is as long as the set's key.
    @Test func keysFillTheRegistersThatALookUpReads() throws {
        try eachRule { table, chain, rule in
            var end: UInt32 = 0
            for expression in rule.expressions {
                switch expression {
                case .payload(_, _, let length, let register): end = register.word * 4 + length
                case .meta(.inputName, let register): end = register.word * 4 + 16
                case .meta(.transportProtocol, let register) where register != .first:
                    end = register.word * 4 + 1
                case .destinationType: end = 4
                case .lookup(let name, _, let register), .verdictMap(let name, let register):
                    let set = try #require(table.sets.first { $0.name == name })
                    #expect(register == .first)
                    let length = set.fields.count > 1 ? (end + 3) & ~3 : end
                    #expect(Int(length) == set.keyLength, "\(chain.name): \(rule.comment)")
                default: break
                }
            }
        }
    }
}
