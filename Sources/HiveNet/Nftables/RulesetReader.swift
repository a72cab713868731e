internal import CNetlink
internal import CNftables
internal import Glibc

/// What the kernel has of our tables, with the counts.
struct BoundaryObservation {
    /// Of the ruleset as a whole; a transaction can demand that it has not moved on (`NFNL_BATCH_GENID`).
    var generation: UInt32
    /// The tables that exist, as text.
    var tables: [TableText]
    /// Of each table, by its label.
    var ownership: [String: TableOwnership]
    /// In no order.
    var elements: [SetElement]
    /// Packets counted by elements of counting sets.
    var counts: [(element: SetElement, packets: UInt64)]
    /// Packets counted by named counters: `inet hive host`.
    var totals: [String: UInt64]
    /// Since when all of these count, in seconds since 1970-01-01 UTC. Nil: no table, or one that does not say.
    var since: Int64?

    /// Nil: no table exists.
    var boundary: Boundary? {
        tables.isEmpty ? nil : Boundary(rules: tables.flatMap(\.lines), elements: elements.sorted())
    }
}

extension NetlinkSocket {
    /// Reads our tables. On a `NETLINK_NETFILTER` socket.
    ///
    /// Tables, chains, rules and elements are read by separate dumps, so the ruleset's generation is read before and after,
    /// and everything is read again if somebody changed anything in between.
    mutating func readBoundary() throws(KernelError) -> BoundaryObservation {
        let attempts = 64
        for _ in 0..<attempts {
            let before = try generation()
            var observation = BoundaryObservation(
                generation: before, tables: [], ownership: [:], elements: [], counts: [], totals: [:])
            for family in [Table.Family.bridge, .inet] {
                guard let header = try header(of: family) else { continue }
                // Of two tables, one of which is younger, that one.
                observation.since = [observation.since, header.since].compactMap(\.self).max()
                do {
                    let table = try readTable(family, header.flags, into: &observation)
                    observation.tables.append(table)
                    observation.ownership[table.label] = header.ownership
                } catch  where error.isNotFound {
                    continue  // Deleted meanwhile: the generation has moved on.
                }
            }
            if try generation() == before { return observation }
        }
        throw KernelError(
            "read the nftables tables", code: EINTR,
            explanation: "the ruleset changed during each of \(attempts) attempts to read it")
    }

    /// Of the whole ruleset: another one after every transaction, whoever made it.
    mutating func generation() throws(KernelError) -> UInt32 {
        let request = Batch(capacity: 1 << 12)
        request.append(.inet, NFT_MSG_GETGEN, 0, "read the ruleset's generation") { _ in }
        let generations = try query(request) { message in
            message.parse(nfgenmsg.self, of: GenerationScope.self)?.1[.identifier]
        }
        return UInt32(bigEndian: generations.first ?? 0)
    }

    private struct Header {
        let flags: UInt32
        let ownership: TableOwnership
        let since: Int64?
    }

    /// - Returns: nil if there is no table.
    private mutating func header(of family: Table.Family) throws(KernelError) -> Header? {
        let request = Batch(capacity: 1 << 12)
        let table = try TableObject(Boundary.tableName, family)
        table.append(
            to: request, NFT_MSG_GETTABLE, 0, "look for the table \(family.name) \(Boundary.tableName)")
        do {
            return try query(request) { message in
                message.parse(nfgenmsg.self, of: TableScope.self).map { _, attributes in
                    let data = attributes.payload(UInt16(NFTA_TABLE_USERDATA.rawValue))
                    let flags = UInt32(bigEndian: attributes[.flags] ?? 0)
                    return Header(
                        flags: flags,
                        ownership: TableOwnership(
                            flags: flags, owner: attributes[.owner].map(UInt32.init(bigEndian:))),
                        since: CountsSince.seconds(comment: data.flatMap { UserData.comment(in: $0) }))
                }
            }.first
        } catch  where error.isNotFound {
            return nil
        }
    }

    private mutating func readTable(
        _ family: Table.Family, _ flags: UInt32, into observation: inout BoundaryObservation
    ) throws(KernelError) -> TableText {
        let table = Table(family: family, name: Boundary.tableName)
        // A dormant table has rules, and does nothing.
        let isDormant = flags & UInt32(NFT_TABLE_F_DORMANT.rawValue) != 0
        var text = TableText(label: table.label, isDormant: isDormant)
        for (name, packets) in try readCounters(table) {
            text.counters.append(name)
            observation.totals["\(table.label) \(name)"] = packets
        }
        let now = Int64(time(nil))
        for set in try readSets(table) {
            let elements = try readElements(of: set.name, in: table)
            guard let agentSet = AgentSet(named: set.name, in: family) else {
                text.sets[set.name] = set.text(constants: elements.map(\.element))
                continue
            }
            text.sets[set.name] = set.text(constants: nil)
            for found in elements {
                // An element for every key there is (NFT_SET_ELEM_CATCHALL): no agent's, and the set no longer ours.
                guard !found.element.key.isEmpty else {
                    text.sets[set.name]? += " with a catch-all element"
                    continue
                }
                let statement = found.statement
                let element = SetElement(
                    agentSet, key: found.element.key, end: found.element.end, target: found.element.target,
                    limit: statement?.kind == .counter ? nil : statement?.value, comment: found.comment,
                    expires: found.element.lifetime.map { now + Int64(clamping: $0 / 1000) })
                observation.elements.append(element)
                if let statement, statement.kind == .counter {
                    observation.counts.append((element, statement.value))
                }
            }
        }
        for (name, definition) in try readChains(table) { text.chains[name] = (definition, []) }
        for (chain, line) in try readRules(table) { text.chains[chain]?.rules.append(line) }
        return text
    }

    // MARK: One kind of object each

    private mutating func readCounters(_ table: Table) throws(KernelError) -> [(String, UInt64)] {
        let request = Batch(capacity: 1 << 12)
        request.append(table.family, NFT_MSG_GETOBJ, NLM_F_DUMP, "read the counters of \(table.label)") {
            message in
            mnl_attr_put_strz(message, UInt16(NFTA_OBJ_TABLE.rawValue), table.name)
            mnl_attr_put_u32(message, UInt16(NFTA_OBJ_TYPE.rawValue), UInt32(NFT_OBJECT_COUNTER).bigEndian)
        }
        return try query(request) { (message) throws(KernelError) in
            try Self.counter(message)
        }
    }

    /// - Returns: its name, and packets.
    static func counter(_ message: Message) throws(KernelError) -> (String, UInt64)? {
        try message.check("counter")
        guard let object = nftnl_obj_alloc() else { throw .outOfMemory }
        defer { nftnl_obj_free(object) }
        guard nftnl_obj_nlmsg_parse(message.header, object) == 0 else { throw .unreadable("counter") }
        guard let name = nftnl_obj_get_str(object, UInt16(NFTNL_OBJ_NAME)) else { return nil }
        return (String(cString: name), nftnl_obj_get_u64(object, UInt16(NFTNL_OBJ_CTR_PKTS)))
    }

    private struct FoundSet {
        let name: String
        let keyType: UInt32, keyLength: UInt32, flags: UInt32
        let statement: SetDefinition.Statement?

        func text(constants: [SetDefinition.Element]?) -> String {
            TableText.set(
                keyType: keyType, keyLength: keyLength, flags: flags, statement: statement,
                constants: constants)
        }
    }

    private mutating func readSets(_ table: Table) throws(KernelError) -> [FoundSet] {
        let request = Batch(capacity: 1 << 12)
        request.append(table.family, NFT_MSG_GETSET, NLM_F_DUMP, "read the sets of \(table.label)") {
            message in
            mnl_attr_put_strz(message, UInt16(NFTA_SET_TABLE.rawValue), table.name)
        }
        return try query(request) { (message) throws(KernelError) in
            let set = try SetObject.parse(message, table.family, elements: false)
            guard set.table == table.name else { return nil }
            return FoundSet(
                name: set.name, keyType: set.number(NFTNL_SET_KEY_TYPE),
                keyLength: set.number(NFTNL_SET_KEY_LEN),
                flags: set.number(NFTNL_SET_FLAGS), statement: set.statement)
        }
    }

    private struct FoundElement {
        let element: SetDefinition.Element
        let comment: String?
        let statement: ElementStatement?
    }

    private mutating func readElements(of set: String, in table: Table) throws(KernelError) -> [FoundElement]
    {
        let request = Batch(capacity: 1 << 12)
        request.append(
            table.family, NFT_MSG_GETSETELEM, NLM_F_DUMP, "read the elements of the set \(table.label) \(set)"
        ) { message in
            mnl_attr_put_strz(message, UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), table.name)
            mnl_attr_put_strz(message, UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), set)
        }
        let messages = try query(request) { (message) throws(KernelError) in
            let object = try SetObject.parse(message, table.family, elements: true)
            return object.elements
        }
        return messages.flatMap {
            $0.map { FoundElement(element: $0.0, comment: $0.comment, statement: $0.statement) }
        }
    }

    private mutating func readChains(_ table: Table) throws(KernelError) -> [(String, String)] {
        let request = Batch(capacity: 1 << 12)
        request.append(table.family, NFT_MSG_GETCHAIN, NLM_F_DUMP, "read the chains of \(table.label)") {
            message in
            // Filters from Linux 6.5 on (nf_tables_dump_chains); before it, other tables' chains come too.
            mnl_attr_put_strz(message, UInt16(NFTA_CHAIN_TABLE.rawValue), table.name)
        }
        return try query(request) { (message) throws(KernelError) in
            let chain = try ChainObject.parse(message, table.family)
            return chain.table == table.name ? (chain.name, chain.definition) : nil
        }
    }

    private mutating func readRules(_ table: Table) throws(KernelError) -> [(chain: String, line: String)] {
        let request = Batch(capacity: 1 << 12)
        request.append(table.family, NFT_MSG_GETRULE, NLM_F_DUMP, "read the rules of \(table.label)") {
            message in
            mnl_attr_put_strz(message, UInt16(NFTA_RULE_TABLE.rawValue), table.name)
        }
        return try query(request) { (message) throws(KernelError) in
            let rule = try RuleObject.parse(message, table.family)
            return rule.table == table.name ? (rule.chain, TableText.rule(rule)) : nil
        }
    }
}

extension SetObject {
    /// The elements that a message brought. An element's lifetime is what is left of it.
    var elements: [(SetDefinition.Element, comment: String?, statement: ElementStatement?)] {
        var found: [(SetDefinition.Element, comment: String?, statement: ElementStatement?)] = []
        guard let iterator = nftnl_set_elems_iter_create(pointer) else { return found }
        defer { nftnl_set_elems_iter_destroy(iterator) }
        while let element = nftnl_set_elems_iter_next(iterator) {
            var length: UInt32 = 0
            let key = nftnl_set_elem_get(element, UInt16(NFTNL_SET_ELEM_KEY), &length)
            let octets = [UInt8](UnsafeRawBufferPointer(start: key, count: Int(length)))
            let target = nftnl_set_elem_get_str(element, UInt16(NFTNL_SET_ELEM_CHAIN)).map {
                String(cString: $0)
            }
            let data = nftnl_set_elem_get(element, UInt16(NFTNL_SET_ELEM_USERDATA), &length)
            let comment = data.flatMap {
                UserData.comment(in: UnsafeRawBufferPointer(start: $0, count: Int(length)))
            }
            let statement = nftnl_set_elem_get(element, UInt16(NFTNL_SET_ELEM_EXPR), &length).flatMap {
                ElementStatement(OpaquePointer($0))
            }
            let end = nftnl_set_elem_get(element, UInt16(NFTNL_SET_ELEM_KEY_END), &length).map {
                [UInt8](UnsafeRawBufferPointer(start: $0, count: Int(length)))
            }
            var lifetime: UInt64?
            if nftnl_set_elem_is_set(element, UInt16(NFTNL_SET_ELEM_TIMEOUT)) {
                lifetime = nftnl_set_elem_get_u64(element, UInt16(NFTNL_SET_ELEM_EXPIRATION))
            }
            found.append(
                (
                    SetDefinition.Element(
                        key: octets, end: end, target: target, lifetime: lifetime),
                    comment, statement
                ))
        }
        return found
    }
}

extension NetlinkSocket.Message {
    /// Before libnftnl gets it, which stops at an attribute that does not fit, and takes what it has for everything.
    func check(_ kind: String) throws(KernelError) {
        guard parse(nfgenmsg.self, of: GenerationScope.self) != nil else { throw .unreadable(kind) }
    }
}
