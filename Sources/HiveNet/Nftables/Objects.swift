internal import CNetlink
internal import CNftables

// libnftnl's objects. Each is freed when its owner goes away; what is added to another belongs to that one from then on.

struct TableObject: ~Copyable {
    private let pointer: OpaquePointer
    private let family: Table.Family

    deinit { nftnl_table_free(pointer) }

    /// - Parameter flags: `NFT_TABLE_F_…`; 0: they are not mentioned.
    init(_ name: String, _ family: Table.Family, flags: UInt32 = 0) throws(KernelError) {
        guard let pointer = nftnl_table_alloc() else { throw .outOfMemory }
        self.pointer = pointer
        self.family = family
        nftnl_table_set_str(pointer, UInt16(NFTNL_TABLE_NAME.rawValue), name)
        if flags != 0 { nftnl_table_set_u32(pointer, UInt16(NFTNL_TABLE_FLAGS.rawValue), flags) }
    }

    /// The comment that `nft list` shows. The kernel takes one only when it makes the table.
    func set(comment: String) {
        let data = UserData.table(comment: comment)
        nftnl_table_set_data(pointer, UInt16(NFTNL_TABLE_USERDATA.rawValue), data, UInt32(data.count))
    }

    func append(
        to batch: Batch, _ type: nf_tables_msg_types, _ flags: Int32,
        _ operation: @escaping @autoclosure () -> String
    ) {
        batch.append(family, type, flags, operation()) { nftnl_table_nlmsg_build_payload($0, pointer) }
    }
}

struct ChainObject: ~Copyable {
    private let pointer: OpaquePointer
    private let family: Table.Family

    deinit { nftnl_chain_free(pointer) }

    init(_ chain: Chain, in table: Table) throws(KernelError) {
        guard let pointer = nftnl_chain_alloc() else { throw .outOfMemory }
        self.pointer = pointer
        family = table.family
        nftnl_chain_set_str(pointer, UInt16(NFTNL_CHAIN_TABLE.rawValue), table.name)
        nftnl_chain_set_str(pointer, UInt16(NFTNL_CHAIN_NAME.rawValue), chain.name)
        guard let hook = chain.hook else { return }
        nftnl_chain_set_u32(pointer, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue), hook.number)
        nftnl_chain_set_s32(pointer, UInt16(NFTNL_CHAIN_PRIO.rawValue), hook.priority)
        nftnl_chain_set_str(pointer, UInt16(NFTNL_CHAIN_TYPE.rawValue), hook.type)
        nftnl_chain_set_u32(pointer, UInt16(NFTNL_CHAIN_POLICY.rawValue), UInt32(NF_ACCEPT))
    }

    private init(_ family: Table.Family) throws(KernelError) {
        guard let pointer = nftnl_chain_alloc() else { throw .outOfMemory }
        self.pointer = pointer
        self.family = family
    }

    static func parse(
        _ message: NetlinkSocket.Message, _ family: Table.Family
    ) throws(KernelError) -> ChainObject {
        try message.check("chain")
        let object = try ChainObject(family)
        guard nftnl_chain_nlmsg_parse(message.header, object.pointer) == 0,
            nftnl_chain_is_set(object.pointer, UInt16(NFTNL_CHAIN_NAME.rawValue)),
            nftnl_chain_is_set(object.pointer, UInt16(NFTNL_CHAIN_TABLE.rawValue))
        else { throw .unreadable("chain") }
        return object
    }

    var name: String { String(cString: nftnl_chain_get_str(pointer, UInt16(NFTNL_CHAIN_NAME.rawValue))) }
    var table: String { String(cString: nftnl_chain_get_str(pointer, UInt16(NFTNL_CHAIN_TABLE.rawValue))) }

    /// Hook, priority, type and policy, as `TableText.chain` words them.
    var definition: String {
        guard nftnl_chain_is_set(pointer, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue)) else { return "" }
        let type = nftnl_chain_get_str(pointer, UInt16(NFTNL_CHAIN_TYPE.rawValue))
        let hook = Chain.Hook(
            number: nftnl_chain_get_u32(pointer, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue)),
            priority: nftnl_chain_get_s32(pointer, UInt16(NFTNL_CHAIN_PRIO.rawValue)),
            type: type.map { String(cString: $0) } ?? "")
        let text = TableText.chain(hook)
        let policy = nftnl_chain_get_u32(pointer, UInt16(NFTNL_CHAIN_POLICY.rawValue))
        return policy == UInt32(NF_ACCEPT) ? text : text.replacingSuffix("accept", with: "\(policy)")
    }

    func append(
        to batch: Batch, _ type: nf_tables_msg_types, _ flags: Int32,
        _ operation: @escaping @autoclosure () -> String
    ) {
        batch.append(family, type, flags, operation()) { nftnl_chain_nlmsg_build_payload($0, pointer) }
    }
}

struct RuleObject: ~Copyable {
    private let pointer: OpaquePointer
    private let family: Table.Family

    deinit { nftnl_rule_free(pointer) }

    private init(_ family: Table.Family) throws(KernelError) {
        guard let pointer = nftnl_rule_alloc() else { throw .outOfMemory }
        self.pointer = pointer
        self.family = family
    }

    static func make(_ rule: Rule, chain: String, in table: Table) throws(KernelError) -> RuleObject {
        let object = try RuleObject(table.family)
        nftnl_rule_set_u32(object.pointer, UInt16(NFTNL_RULE_FAMILY.rawValue), UInt32(table.family.rawValue))
        nftnl_rule_set_str(object.pointer, UInt16(NFTNL_RULE_TABLE.rawValue), table.name)
        nftnl_rule_set_str(object.pointer, UInt16(NFTNL_RULE_CHAIN.rawValue), chain)
        let comment = UserData.rule(comment: rule.comment)
        nftnl_rule_set_data(
            object.pointer, UInt16(NFTNL_RULE_USERDATA.rawValue), comment, UInt32(comment.count))
        for expression in rule.expressions { object.add(try ExpressionObject(expression)) }
        return object
    }

    /// Reads a rule from a message of the kernel.
    static func parse(
        _ message: NetlinkSocket.Message, _ family: Table.Family
    ) throws(KernelError) -> RuleObject {
        try message.check("rule")
        let object = try RuleObject(family)
        guard nftnl_rule_nlmsg_parse(message.header, object.pointer) == 0,
            nftnl_rule_is_set(object.pointer, UInt16(NFTNL_RULE_TABLE.rawValue)),
            nftnl_rule_is_set(object.pointer, UInt16(NFTNL_RULE_CHAIN.rawValue))
        else { throw .unreadable("rule") }
        return object
    }

    private func add(_ expression: consuming ExpressionObject) {
        nftnl_rule_add_expr(pointer, expression.release())
    }

    func append(
        to batch: Batch, _ type: nf_tables_msg_types, _ flags: Int32,
        _ operation: @escaping @autoclosure () -> String
    ) {
        batch.append(family, type, flags, operation()) { nftnl_rule_nlmsg_build_payload($0, pointer) }
    }

    var table: String { String(cString: nftnl_rule_get_str(pointer, UInt16(NFTNL_RULE_TABLE.rawValue))) }
    var chain: String { String(cString: nftnl_rule_get_str(pointer, UInt16(NFTNL_RULE_CHAIN.rawValue))) }

    var comment: String? {
        var length: UInt32 = 0
        let data = nftnl_rule_get_data(pointer, UInt16(NFTNL_RULE_USERDATA.rawValue), &length)
        return UserData.comment(in: UnsafeRawBufferPointer(start: data, count: Int(length)))
    }

    /// The rule's instructions as libnftnl prints them, the same for a rule that we built and for the one that the kernel
    /// gives back.
    var instructions: String {
        var text = ""
        guard let iterator = nftnl_expr_iter_create(pointer) else { return text }
        defer { nftnl_expr_iter_destroy(iterator) }
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
            while let expression = nftnl_expr_iter_next(iterator) {
                nftnl_expr_snprintf(
                    buffer.baseAddress, buffer.count, expression, NFTNL_OUTPUT_DEFAULT.rawValue, 0)
                if let kind = nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_NAME)) {
                    text += String(cString: kind)
                }
                if let start = buffer.baseAddress { text += " " + String(cString: start) + "\n" }
            }
        }
        return text
    }
}

struct SetObject: ~Copyable {
    let pointer: OpaquePointer
    private let family: Table.Family

    deinit { nftnl_set_free(pointer) }

    private init(_ family: Table.Family) throws(KernelError) {
        guard let pointer = nftnl_set_alloc() else { throw .outOfMemory }
        self.pointer = pointer
        self.family = family
    }

    /// Only the name: to add elements, or to delete it.
    init(named name: String, in table: Table) throws(KernelError) {
        guard let pointer = nftnl_set_alloc() else { throw .outOfMemory }
        self.pointer = pointer
        family = table.family
        nftnl_set_set_str(pointer, UInt16(NFTNL_SET_TABLE.rawValue), table.name)
        nftnl_set_set_str(pointer, UInt16(NFTNL_SET_NAME.rawValue), name)
    }

    static func make(_ set: SetDefinition, in table: Table) throws(KernelError) -> SetObject {
        let object = try SetObject(named: set.name, in: table)
        object.put(NFTNL_SET_FLAGS, set.flags)
        object.put(NFTNL_SET_KEY_TYPE, set.keyType)
        object.put(NFTNL_SET_KEY_LEN, UInt32(set.keyLength))
        // nf_tables_newset demands one: a transaction's other messages could refer to the set by it. Ours use the name.
        object.put(NFTNL_SET_ID, 1)
        // By it `nft list` knows how to print a number or a name; the kernel only stores it.
        let order = UserData.keyByteOrder(isHost: set.isHostOrdered)
        nftnl_set_set_data(object.pointer, UInt16(NFTNL_SET_USERDATA.rawValue), order, UInt32(order.count))
        if set.holdsVerdicts { object.put(NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT.rawValue) }
        if set.isInterval {
            // How the key is made up (NFTA_SET_DESC_CONCAT), for ranges in each field; in octets, without padding.
            let lengths = set.fields.map { UInt8($0.length) }
            nftnl_set_set_data(
                object.pointer, UInt16(NFTNL_SET_DESC_CONCAT.rawValue), lengths, UInt32(lengths.count))
        }
        if let statement = set.statement {
            // What its limit is does not matter: each element brings its own.
            nftnl_set_add_expr(object.pointer, try ExpressionObject(statement, limit: 1).release())
        }
        return object
    }

    /// Reads a set, or elements of one, from a message of the kernel.
    static func parse(
        _ message: NetlinkSocket.Message, _ family: Table.Family, elements: Bool
    ) throws(KernelError) -> SetObject {
        try message.check("set")
        let object = try SetObject(family)
        let parsed =
            elements
            ? nftnl_set_elems_nlmsg_parse(message.header, object.pointer)
            : nftnl_set_nlmsg_parse(message.header, object.pointer)
        guard parsed == 0, nftnl_set_is_set(object.pointer, UInt16(NFTNL_SET_NAME.rawValue)),
            nftnl_set_is_set(object.pointer, UInt16(NFTNL_SET_TABLE.rawValue))
        else { throw .unreadable("set") }
        return object
    }

    private func put(_ attribute: nftnl_set_attr, _ value: UInt32) {
        nftnl_set_set_u32(pointer, UInt16(attribute.rawValue), value)
    }
    func number(_ attribute: nftnl_set_attr) -> UInt32 {
        nftnl_set_get_u32(pointer, UInt16(attribute.rawValue))
    }

    var name: String { String(cString: nftnl_set_get_str(pointer, UInt16(NFTNL_SET_NAME.rawValue))) }
    var table: String { String(cString: nftnl_set_get_str(pointer, UInt16(NFTNL_SET_TABLE.rawValue))) }
    /// Nil: none, or one that we do not know.
    var statement: SetDefinition.Statement? {
        var length: UInt32 = 0
        return nftnl_set_get_data(pointer, UInt16(NFTNL_SET_EXPR.rawValue), &length).flatMap {
            ElementStatement(OpaquePointer($0))?.kind
        }
    }

    func append(
        to batch: Batch, _ type: nf_tables_msg_types, _ flags: Int32,
        _ operation: @escaping @autoclosure () -> String
    ) {
        batch.append(family, type, flags, operation()) { nftnl_set_nlmsg_build_payload($0, pointer) }
    }

    func add(
        _ element: SetDefinition.Element, comment: String?, _ set: SetDefinition
    ) throws(KernelError) {
        guard let object = nftnl_set_elem_alloc() else { throw .outOfMemory }
        nftnl_set_elem_set(object, UInt16(NFTNL_SET_ELEM_KEY), element.key, UInt32(element.key.count))
        if let end = element.end {
            nftnl_set_elem_set(object, UInt16(NFTNL_SET_ELEM_KEY_END), end, UInt32(end.count))
        }
        if let lifetime = element.lifetime {
            nftnl_set_elem_set_u64(object, UInt16(NFTNL_SET_ELEM_TIMEOUT), lifetime)
        }
        if let statement = set.statement, let limit = element.limit {
            let expression = try ExpressionObject(statement, limit: limit)
            nftnl_set_elem_add_expr(object, expression.release())
        }
        if let target = element.target {
            nftnl_set_elem_set_u32(
                object, UInt16(NFTNL_SET_ELEM_VERDICT), UInt32(bitPattern: NFT_GOTO.rawValue))
            nftnl_set_elem_set_str(object, UInt16(NFTNL_SET_ELEM_CHAIN), target)
        }
        if let comment {
            let data = UserData.element(comment: comment)
            nftnl_set_elem_set(object, UInt16(NFTNL_SET_ELEM_USERDATA), data, UInt32(data.count))
        }
        nftnl_set_elem_add(pointer, object)
    }
}

/// A comment in the form in which nft stores it: one type-length-value triple, type 0 for rules, elements and tables alike
/// (`NFTNL_UDATA_RULE_COMMENT`, `NFTNL_UDATA_SET_ELEM_COMMENT`, `NFTNL_UDATA_TABLE_COMMENT`), the text with its NUL.
enum UserData {
    static func rule(comment: String) -> [UInt8] { triple(UInt8(NFTNL_UDATA_RULE_COMMENT.rawValue), comment) }
    /// `NFTNL_UDATA_SET_KEYBYTEORDER`: 1 for host order, 2 for network order (nft's `enum byteorder`).
    static func keyByteOrder(isHost: Bool) -> [UInt8] {
        [UInt8(NFTNL_UDATA_SET_KEYBYTEORDER.rawValue), 4, isHost ? 1 : 2, 0, 0, 0]
    }
    static func element(comment: String) -> [UInt8] {
        triple(UInt8(NFTNL_UDATA_SET_ELEM_COMMENT.rawValue), comment)
    }

    static func table(comment: String) -> [UInt8] {
        triple(UInt8(NFTNL_UDATA_TABLE_COMMENT.rawValue), comment)
    }

    private static func triple(_ type: UInt8, _ text: String) -> [UInt8] {
        let octets = text.utf8.prefix(127)
        return [type, UInt8(octets.count + 1)] + octets + [0]
    }

    static func comment(in data: UnsafeRawBufferPointer) -> String? {
        var offset = 0
        while offset + 2 <= data.count {
            let length = Int(data[offset + 1])
            guard offset + 2 + length <= data.count else { return nil }
            if data[offset] == 0 {
                return String(
                    decoding: data[(offset + 2)..<(offset + 2 + length)].prefix { $0 != 0 }, as: UTF8.self)
            }
            offset += 2 + length
        }
        return nil
    }
}

extension String {
    fileprivate func replacingSuffix(_ suffix: String, with other: String) -> String {
        hasSuffix(suffix) ? dropLast(suffix.count) + other : self
    }
}
