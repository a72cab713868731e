internal import CNetlink
internal import CNftables
internal import Glibc

/// Changes to tables that the kernel makes all together or not at all (`nf_tables_commit`).
///
/// Messages are built by libnftnl into one `Batch` between `NFNL_MSG_BATCH_BEGIN` and `…_END`.
struct Transaction: ~Copyable {
    let batch = Batch(capacity: 1 << 16)

    /// - Parameter generation: the ruleset's generation that the changes were computed from. The kernel refuses them with
    ///   ERESTART if it has moved on (`nfnetlink_rcv_batch`). Nil: no guard.
    init(generation: UInt32?) {
        batch.append(reserve: 256, "begin an nftables transaction") { message in
            nftnl_batch_begin(UnsafeMutableRawPointer(message).assumingMemoryBound(to: CChar.self), 0)
            if let generation {
                mnl_attr_put_u32(message, UInt16(NFNL_BATCH_GENID.rawValue), generation.bigEndian)
            }
        }
    }

    var isEmpty: Bool { batch.requests.count == 1 }

    /// Sends it. - Throws: the first refusal; nothing was changed then.
    consuming func commit(on socket: inout NetlinkSocket) throws(KernelError) {
        let last = batch.requests.count - 1
        guard last > 0 else { return }
        batch.header(of: batch.requests[last]).pointee.nlmsg_flags |= UInt16(NLM_F_ACK)
        batch.append(reserve: 256, "end an nftables transaction") { message in
            nftnl_batch_end(UnsafeMutableRawPointer(message).assumingMemoryBound(to: CChar.self), 0)
        }
        try socket.transact(batch, acknowledged: last)
    }

    // MARK: Tables

    /// Makes a table with everything in it. Where it exists already, `replace` it instead.
    /// - Parameter flags: `NFTA_TABLE_FLAGS`.
    func create(_ table: Table, flags: UInt32 = 0) throws(KernelError) {
        let object = try TableObject(table.name, table.family, flags: flags)
        if table.name == Boundary.tableName { object.set(comment: CountsSince.comment(Int64(time(nil)))) }
        object.append(to: batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, "create table \(table.label)")
        try addCounters(table)
        for set in table.sets { try add(set, to: table) }
        try addChains(table)
    }

    // An existing table is refreshed in three steps; its sets and counters stay with what they hold. Elements that lead to a chain
    // that goes are removed between the first and the second, and those that lead to a new one added after the third.

    /// Takes all rules away.
    func deleteRules(of table: Table) {
        // Of a rule with nothing but a table: all rules of the table (nf_tables_delrule).
        batch.append(table, NFT_MSG_DELRULE, 0, "delete the rules of \(table.label)") { message in
            mnl_attr_put_strz(message, UInt16(NFTA_RULE_TABLE.rawValue), table.name)
        }
    }

    /// Takes away the chains that the table should not have, or not so, and some sets.
    /// - Parameter actual: the chains that it has, by name, as `TableText.chain` words them.
    func deleteExcess(of table: Table, actual: [String: String], sets: [SetDefinition]) throws(KernelError) {
        let wanted = Dictionary(
            uniqueKeysWithValues: table.chains.map { ($0.name, TableText.chain($0.hook)) })
        for (name, definition) in actual.sorted(by: { $0.key < $1.key }) where wanted[name] != definition {
            batch.append(table, NFT_MSG_DELCHAIN, 0, "delete chain \(table.label) \(name)") { message in
                mnl_attr_put_strz(message, UInt16(NFTA_CHAIN_TABLE.rawValue), table.name)
                mnl_attr_put_strz(message, UInt16(NFTA_CHAIN_NAME.rawValue), name)
            }
        }
        for set in sets {
            let object = try SetObject(named: set.name, in: table)
            object.append(to: batch, NFT_MSG_DELSET, 0, "delete set \(table.label) \(set.name)")
        }
    }

    /// Makes some sets, the chains that are missing, and all rules.
    func addMissing(to table: Table, actual: [String: String], sets: [SetDefinition]) throws(KernelError) {
        for set in sets { try add(set, to: table) }
        for chain in table.chains where actual[chain.name] != TableText.chain(chain.hook) {
            try add(chain, to: table)
        }
        for chain in table.chains { try addRules(of: chain, to: table) }
    }

    /// Deletes a table with everything in it.
    func delete(table name: String, _ family: Table.Family) throws(KernelError) {
        let object = try TableObject(name, family)
        object.append(to: batch, NFT_MSG_DELTABLE, 0, "delete table \(family.name) \(name)")
    }

    private func addChains(_ table: Table) throws(KernelError) {
        // First all chains, since rules and verdict maps go to chains.
        for chain in table.chains { try add(chain, to: table) }
        for set in table.sets {
            if let constants = set.constants { try add(constants.map { ($0, nil) }, to: set, in: table) }
        }
        for chain in table.chains { try addRules(of: chain, to: table) }
    }

    private func add(_ chain: Chain, to table: Table) throws(KernelError) {
        let object = try ChainObject(chain, in: table)
        object.append(to: batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, "create chain \(table.label) \(chain.name)")
    }

    private func addRules(of chain: Chain, to table: Table) throws(KernelError) {
        for rule in chain.rules {
            let object = try RuleObject.make(rule, chain: chain.name, in: table)
            object.append(
                to: batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
                "add rule '\(rule.comment)' to chain \(table.label) \(chain.name)")
        }
    }

    private func addCounters(_ table: Table) throws(KernelError) {
        for name in table.counters {
            guard let object = nftnl_obj_alloc() else { throw .outOfMemory }
            defer { nftnl_obj_free(object) }
            nftnl_obj_set_str(object, UInt16(NFTNL_OBJ_TABLE), table.name)
            nftnl_obj_set_str(object, UInt16(NFTNL_OBJ_NAME), name)
            nftnl_obj_set_u32(object, UInt16(NFTNL_OBJ_TYPE), UInt32(NFT_OBJECT_COUNTER))
            nftnl_obj_set_u64(object, UInt16(NFTNL_OBJ_CTR_PKTS), 0)
            batch.append(table, NFT_MSG_NEWOBJ, NLM_F_CREATE, "create counter \(table.label) \(name)") {
                nftnl_obj_nlmsg_build_payload($0, object)
            }
        }
    }

    // MARK: Sets

    private func add(_ set: SetDefinition, to table: Table) throws(KernelError) {
        let object = try SetObject.make(set, in: table)
        object.append(to: batch, NFT_MSG_NEWSET, NLM_F_CREATE, "create set \(table.label) \(set.name)")
    }

    /// Adds elements, each with a comment or without.
    func add(
        _ elements: [(SetDefinition.Element, comment: String?)], to set: SetDefinition, in table: Table
    ) throws(KernelError) {
        try change(
            elements, of: set, in: table, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, "add elements to")
    }

    func remove(
        _ elements: [SetDefinition.Element], from set: SetDefinition, in table: Table
    ) throws(KernelError) {
        try change(
            elements.map { ($0, nil) }, of: set, in: table, NFT_MSG_DELSETELEM, 0, "remove elements from")
    }

    private func change(
        _ elements: [(SetDefinition.Element, comment: String?)], of set: SetDefinition, in table: Table,
        _ type: nf_tables_msg_types, _ flags: Int32, _ operation: String
    ) throws(KernelError) {
        // All elements of a message are one attribute, and an attribute's length is 16 bits: so in portions.
        let portion = 256
        for start in stride(from: 0, to: elements.count, by: portion) {
            let object = try SetObject(named: set.name, in: table)
            for (element, comment) in elements[start..<min(start + portion, elements.count)] {
                try object.add(element, comment: comment, set)
            }
            batch.append(
                table, type, flags, reserve: 1 << 17, "\(operation) set \(table.label) \(set.name)"
            ) { nftnl_set_elems_nlmsg_build_payload($0, object.pointer) }
        }
    }
}

extension Table {
    /// `inet hive`
    var label: String { "\(family.name) \(name)" }
}

extension KernelError {
    static var outOfMemory: KernelError { KernelError("allocate an nftables object", code: ENOMEM) }

    static func unreadable(_ kind: String) -> KernelError {
        KernelError("read an nftables \(kind)", code: EBADMSG)
    }
}

extension Batch {
    /// Appends an nf_tables message whose payload libnftnl builds.
    func append(
        _ family: Table.Family, _ type: nf_tables_msg_types, _ flags: some BinaryInteger,
        reserve: Int = 1 << 13,
        _ operation: @escaping @autoclosure () -> String, _ payload: (UnsafeMutablePointer<nlmsghdr>) -> Void
    ) {
        append(reserve: reserve, operation()) { message in
            let place = UnsafeMutableRawPointer(message).assumingMemoryBound(to: CChar.self)
            nftnl_nlmsg_build_hdr(place, UInt16(type.rawValue), family.rawValue, UInt16(flags), 0)
            payload(message)
        }
    }

    fileprivate func append(
        _ table: Table, _ type: nf_tables_msg_types, _ flags: some BinaryInteger, reserve: Int = 1 << 13,
        _ operation: @escaping @autoclosure () -> String, _ payload: (UnsafeMutablePointer<nlmsghdr>) -> Void
    ) {
        append(table.family, type, flags, reserve: reserve, operation(), payload)
    }
}
