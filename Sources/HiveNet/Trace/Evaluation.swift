internal import CNetlink
internal import CNftables

/// The boundary's own rules, as the configuration has them, carried out on a packet that was never sent.
///
/// It knows nothing of other programs' rules, of routes, or of what the kernel has in place of the configuration: so what it says is
/// what the rules say, and no more. The packet opens its connection, and no limit has been reached.
struct Evaluation {
    private let tables: [Table]
    private var elements: [String: [SetDefinition.Element]] = [:]
    private let octets: [UInt8]
    private let isIPv6: Bool
    private let addressType: UInt8
    private var registers = [UInt8](repeating: 0, count: 64)
    private(set) var trail: Trail

    /// At one hook.
    private struct Place {
        let family: Table.Family
        let hook: Tracer.Hook
        let input: String
        let output: String
    }

    private enum Outcome { case end, accept, drop }

    /// - Parameter isLocal: the destination is an address of the host's.
    init(_ spec: NetworkSpec, frame: Frame, isLocal: Bool) {
        tables = Boundary.tables(for: spec)
        octets = frame.octets
        isIPv6 = octets.count > 13 && octets[12] == 0x86
        addressType = isLocal ? AddressType.local.rawValue : UInt8(RTN_UNICAST)
        trail = Trail(RuleBook(tables))
        for table in tables {
            for set in table.sets { elements["\(table.label) \(set.name)"] = set.constants ?? [] }
        }
        let agents = spec.agents.flatMap { Boundary.elements(for: $0, spec) }
        for element in agents + Boundary.policyElements(spec) {
            elements[element.set.label, default: []].append(
                SetDefinition.Element(key: element.key, end: element.end, target: element.target))
        }
    }

    /// What an agent sends.
    /// - Parameter isToAgent: the destination is an agent's.
    mutating func run(fromPort port: String, _ bridge: String, isToAgent: Bool) {
        let isLocal = addressType == AddressType.local.rawValue
        let rest: Place =
            isLocal
            ? Place(family: .inet, hook: .input, input: bridge, output: "")
            : Place(family: .inet, hook: .forward, input: bridge, output: isToAgent ? bridge : "")
        run([
            Place(family: .bridge, hook: .prerouting, input: port, output: ""),
            Place(family: .bridge, hook: .input, input: port, output: ""),
            Place(family: .inet, hook: .prerouting, input: bridge, output: ""), rest,
        ])
    }

    private mutating func run(_ places: [Place]) {
        for place in places {
            trail.add(
                event(place, "", .policy, .accept),
                .init(family: place.family, hook: place.hook, isLast: false))
            for table in tables where table.family == place.family {
                let chains = table.chains.filter {
                    $0.hook?.number == place.hook.rawValue && $0.hook?.type == "filter"
                }
                for chain in chains.sorted(by: { ($0.hook?.priority ?? 0) < ($1.hook?.priority ?? 0) }) {
                    if run(chain, table, place, isTracked: (chain.hook?.priority ?? 0) > -200) == .drop {
                        return
                    }
                }
            }
            trail.add(
                event(place, "", .policy, .accept),
                .init(family: place.family, hook: place.hook, isLast: true))
        }
    }

    private func event(
        _ place: Place, _ chain: String, _ kind: TraceEvent.Kind, _ verdict: TraceEvent.Verdict
    ) -> TraceEvent {
        TraceEvent(
            family: UInt8(place.family.rawValue), table: Boundary.tableName, chain: chain, kind: kind,
            verdict: verdict)
    }

    private mutating func run(_ chain: Chain, _ table: Table, _ place: Place, isTracked: Bool) -> Outcome {
        for (index, rule) in chain.rules.enumerated() {
            guard let verdict = run(rule, table, place, isTracked) else { continue }
            let handle = RuleHandle(number: UInt64(index + 1))
            trail.add(event(place, chain.name, .rule(handle), verdict), nil)
            switch verdict {
            case .accept: return .accept
            case .drop: return .drop
            case .goto(let name):
                guard let next = table.chains.first(where: { $0.name == name }) else { return .end }
                return run(next, table, place, isTracked: isTracked)
            default: continue
            }
        }
        return .end
    }

    /// - Returns: nil where a condition does not hold (`NFT_BREAK`).
    private mutating func run(
        _ rule: Rule, _ table: Table, _ place: Place, _ isTracked: Bool
    ) -> TraceEvent.Verdict? {
        for expression in rule.expressions {
            switch expression {
            case .meta(let key, let register):
                guard let value = meta(key, place) else { return nil }
                store(value, register)
            case .payload(let base, let offset, let length, let register):
                let start: Int =
                    switch base {
                    case .link: 0
                    case .network: Frame.headerLength
                    case .transport: Frame.headerLength + (isIPv6 ? 40 : 20)
                    }
                let first = start + Int(offset)
                guard first + Int(length) <= octets.count else { return nil }
                store(Array(octets[first..<(first + Int(length))]), register)
            case .mask(let mask, let register):
                let value = load(mask.count, register)
                store(zip(value, mask).map { $0 & $1 }, register)
            case .compare(let comparison, let value, let register):
                guard (load(value.count, register) == value) == (comparison == .equal) else { return nil }
            case .lookup(let name, let isInverted, let register):
                guard (find(name, table, register) != nil) != isInverted else { return nil }
            case .verdictMap(let name, let register):
                guard let target = find(name, table, register)?.target else { return nil }
                return .goto(target)
            case .destinationType: store([addressType, 0, 0, 0], .first)
            case .connection(let key):
                // Without connection tracking there is no connection, and the state is invalid (nft_ct_get_eval).
                switch key {
                case .state: store([isTracked ? 0x08 : 0x01, 0, 0, 0], .first)
                case .status: if isTracked { store([0, 0, 0, 0], .first) } else { return nil }
                case .direction: if isTracked { store([0], .first) } else { return nil }
                }
            case .verdict(.accept): return .accept
            case .verdict(.drop): return .drop
            case .verdict(.goto(let chain)): return .goto(chain)
            case .load(let value, let register): store(value, register)
            case .counter, .masquerade, .trace, .limit, .log: break
            }
        }
        return .goOn
    }

    private func meta(_ key: Expression.Meta, _ place: Place) -> [UInt8]? {
        switch key {
        case .inputName: place.input.keyOctets
        case .outputName: place.output.keyOctets
        case .inputType: [1, 0]
        case .packetType: [0]
        case .networkProtocol: [UInt8(isIPv6 ? NFPROTO_IPV6 : NFPROTO_IPV4)]
        case .transportProtocol: [octets[isIPv6 ? 20 : 23]]
        case .socketUser: nil
        }
    }

    private mutating func store(_ value: [UInt8], _ register: Expression.Register) {
        let start = Int(register.word) * 4
        for (index, octet) in value.enumerated() { registers[start + index] = octet }
        // What follows in the last word is zero (nft_reg_store8, nft_payload_eval).
        for index in value.count..<((value.count + 3) & ~3) { registers[start + index] = 0 }
    }

    private func load(_ count: Int, _ register: Expression.Register) -> [UInt8] {
        let start = Int(register.word) * 4
        return Array(registers[start..<(start + count)])
    }

    private func find(
        _ name: String, _ table: Table, _ register: Expression.Register
    ) -> SetDefinition.Element? {
        guard let set = table.sets.first(where: { $0.name == name }) else { return nil }
        // Over its limit is nobody who has sent nothing.
        if let statement = set.statement, statement != .counter { return nil }
        let key = load(set.keyLength, register)
        return elements["\(table.label) \(name)"]?.first { element in
            guard let end = element.end else { return element.key == key }
            var offset = 0
            return set.fields.allSatisfy { field in
                defer { offset += (field.length + 3) & ~3 }
                let range = offset..<(offset + field.length)
                return !key[range].lexicographicallyPrecedes(element.key[range])
                    && !end[range].lexicographicallyPrecedes(key[range])
            }
        }
    }
}

extension RuleBook {
    /// Of tables as values: a rule's number is its position.
    init(_ tables: [Table]) {
        for table in tables {
            for chain in table.chains {
                let family = UInt8(table.family.rawValue)
                let key = ChainKey(family: family, table: table.name, chain: chain.name)
                if let hook = chain.hook {
                    bases[key] = ForeignChain(
                        family: family, table: table.name, name: chain.name,
                        hook: (hook.number, hook.priority), type: hook.type, policyDrops: false, devices: [])
                }
                firsts[key] = chain.rules.first?.comment
                for (index, rule) in chain.rules.enumerated() {
                    var counter: String?
                    var isForAll = true
                    for expression in rule.expressions {
                        switch expression {
                        case .counter(let name): counter = name
                        case .verdict: break
                        default: isForAll = false
                        }
                    }
                    entries[key, default: [:]][RuleHandle(number: UInt64(index + 1))] = Entry(
                        comment: rule.comment, position: index + 1, isForAll: isForAll, counter: counter)
                }
            }
        }
    }
}
