internal import CNftables

// The attributes of nf_tables messages that tell what other programs' chains and rules can do, linux/netfilter/nf_tables.h.
// Numbers are in network byte order.

enum TableScope {}
enum ChainScope {}
enum HookScope {}
enum DevicesScope {}
enum RuleScope {}
enum ExpressionsScope {}
enum ExpressionScope {}
enum ImmediateScope {}
enum DataScope {}
enum VerdictScope {}
enum PayloadScope {}
enum LookupScope {}
enum TargetScope {}
enum ObjectScope {}
enum FlowtableScope {}
enum FlowtableHookScope {}

extension Attribute where Scope == TableScope, Value == String {
    static var name: Self { .init(NFTA_TABLE_NAME.rawValue, "NFTA_TABLE_NAME") }
}
extension Attribute where Scope == TableScope, Value == UInt32 {
    static var flags: Self { .init(NFTA_TABLE_FLAGS.rawValue, "NFTA_TABLE_FLAGS") }
    /// The port id of the netlink socket that alone may change the table. Linux 5.12.
    static var owner: Self { .init(NFTA_TABLE_OWNER.rawValue, "NFTA_TABLE_OWNER") }
}

extension Attribute where Scope == ChainScope, Value == String {
    static var table: Self { .init(NFTA_CHAIN_TABLE.rawValue, "NFTA_CHAIN_TABLE") }
    static var name: Self { .init(NFTA_CHAIN_NAME.rawValue, "NFTA_CHAIN_NAME") }
    static var type: Self { .init(NFTA_CHAIN_TYPE.rawValue, "NFTA_CHAIN_TYPE") }
}
extension Attribute where Scope == ChainScope, Value == UInt32 {
    static var policy: Self { .init(NFTA_CHAIN_POLICY.rawValue, "NFTA_CHAIN_POLICY") }
}
extension Attribute where Scope == ChainScope, Value == Nested<HookScope> {
    static var hook: Self { .init(NFTA_CHAIN_HOOK.rawValue, "NFTA_CHAIN_HOOK") }
}
extension Attribute where Scope == HookScope, Value == UInt32 {
    static var number: Self { .init(NFTA_HOOK_HOOKNUM.rawValue, "NFTA_HOOK_HOOKNUM") }
    static var priority: Self { .init(NFTA_HOOK_PRIORITY.rawValue, "NFTA_HOOK_PRIORITY") }
}
extension Attribute where Scope == HookScope, Value == String {
    /// Of a chain on one link.
    static var device: Self { .init(NFTA_HOOK_DEV.rawValue, "NFTA_HOOK_DEV") }
}
extension Attribute where Scope == HookScope, Value == Nested<DevicesScope> {
    /// Of a chain on several.
    static var devices: Self { .init(NFTA_HOOK_DEVS.rawValue, "NFTA_HOOK_DEVS") }
}

extension Attribute where Scope == RuleScope, Value == String {
    static var table: Self { .init(NFTA_RULE_TABLE.rawValue, "NFTA_RULE_TABLE") }
    static var chain: Self { .init(NFTA_RULE_CHAIN.rawValue, "NFTA_RULE_CHAIN") }
}
extension Attribute where Scope == RuleScope, Value == Nested<ExpressionsScope> {
    /// A list: one attribute for each (`NFTA_LIST_ELEM`).
    static var expressions: Self { .init(NFTA_RULE_EXPRESSIONS.rawValue, "NFTA_RULE_EXPRESSIONS") }
}
extension Attribute where Scope == ExpressionScope, Value == String {
    static var name: Self { .init(NFTA_EXPR_NAME.rawValue, "NFTA_EXPR_NAME") }
}
// What the data holds depends on the name.
extension Attribute where Scope == ExpressionScope, Value == Nested<ImmediateScope> {
    static var immediate: Self { .init(NFTA_EXPR_DATA.rawValue, "NFTA_EXPR_DATA") }
}
extension Attribute where Scope == ExpressionScope, Value == Nested<PayloadScope> {
    static var payload: Self { .init(NFTA_EXPR_DATA.rawValue, "NFTA_EXPR_DATA") }
}
extension Attribute where Scope == ExpressionScope, Value == Nested<LookupScope> {
    static var lookup: Self { .init(NFTA_EXPR_DATA.rawValue, "NFTA_EXPR_DATA") }
}
extension Attribute where Scope == ExpressionScope, Value == Nested<TargetScope> {
    static var target: Self { .init(NFTA_EXPR_DATA.rawValue, "NFTA_EXPR_DATA") }
}
extension Attribute where Scope == ExpressionScope, Value == Nested<ObjectScope> {
    static var object: Self { .init(NFTA_EXPR_DATA.rawValue, "NFTA_EXPR_DATA") }
}
extension Attribute where Scope == ObjectScope, Value == String {
    static var name: Self { .init(NFTA_OBJREF_IMM_NAME.rawValue, "NFTA_OBJREF_IMM_NAME") }
}
extension Attribute where Scope == ObjectScope, Value == UInt32 {
    static var type: Self { .init(NFTA_OBJREF_IMM_TYPE.rawValue, "NFTA_OBJREF_IMM_TYPE") }
}
extension Attribute where Scope == ImmediateScope, Value == Nested<DataScope> {
    static var data: Self { .init(NFTA_IMMEDIATE_DATA.rawValue, "NFTA_IMMEDIATE_DATA") }
}
extension Attribute where Scope == DataScope, Value == Nested<VerdictScope> {
    static var verdict: Self { .init(NFTA_DATA_VERDICT.rawValue, "NFTA_DATA_VERDICT") }
}
extension Attribute where Scope == VerdictScope, Value == UInt32 {
    static var code: Self { .init(NFTA_VERDICT_CODE.rawValue, "NFTA_VERDICT_CODE") }
}
extension Attribute where Scope == VerdictScope, Value == String {
    static var chain: Self { .init(NFTA_VERDICT_CHAIN.rawValue, "NFTA_VERDICT_CHAIN") }
}
extension Attribute where Scope == PayloadScope, Value == UInt32 {
    /// The register that is written into the packet.
    static var source: Self { .init(NFTA_PAYLOAD_SREG.rawValue, "NFTA_PAYLOAD_SREG") }
    static var base: Self { .init(NFTA_PAYLOAD_BASE.rawValue, "NFTA_PAYLOAD_BASE") }
    static var offset: Self { .init(NFTA_PAYLOAD_OFFSET.rawValue, "NFTA_PAYLOAD_OFFSET") }
    static var length: Self { .init(NFTA_PAYLOAD_LEN.rawValue, "NFTA_PAYLOAD_LEN") }
}
extension Attribute where Scope == LookupScope, Value == UInt32 {
    /// The register that a map's value goes to; that of the verdict is a jump.
    static var destination: Self { .init(NFTA_LOOKUP_DREG.rawValue, "NFTA_LOOKUP_DREG") }
}
extension Attribute where Scope == TargetScope, Value == String {
    static var name: Self { .init(NFTA_TARGET_NAME.rawValue, "NFTA_TARGET_NAME") }
}

extension Attribute where Scope == FlowtableScope, Value == String {
    static var table: Self { .init(NFTA_FLOWTABLE_TABLE.rawValue, "NFTA_FLOWTABLE_TABLE") }
    static var name: Self { .init(NFTA_FLOWTABLE_NAME.rawValue, "NFTA_FLOWTABLE_NAME") }
}
extension Attribute where Scope == FlowtableScope, Value == Nested<FlowtableHookScope> {
    static var hook: Self { .init(NFTA_FLOWTABLE_HOOK.rawValue, "NFTA_FLOWTABLE_HOOK") }
}
extension Attribute where Scope == FlowtableHookScope, Value == Nested<DevicesScope> {
    static var devices: Self { .init(NFTA_FLOWTABLE_HOOK_DEVS.rawValue, "NFTA_FLOWTABLE_HOOK_DEVS") }
}

extension Attribute where Scope == DevicesScope, Value == String {
    static var device: Self { .init(NFTA_DEVICE_NAME.rawValue, "NFTA_DEVICE_NAME") }
}

extension Attributes where Scope == DevicesScope {
    /// A list of names (`NFTA_DEVICE_NAME`). Newer kernels also have beginnings of names, which come with a `*` here.
    var names: [String] {
        var names: [String] = []
        forEach { type, payload in
            guard let name = String(attribute: payload) else { return }
            names.append(type == Attribute<DevicesScope, String>.device.type ? name : name + "*")
        }
        return names
    }
}
