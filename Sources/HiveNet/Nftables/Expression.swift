internal import CNftables
internal import Glibc

/// One instruction of a rule, as nf_tables executes it. Values pass between instructions in registers.
///
/// A match loads a value into a register and compares it; a rule goes on to its next instruction only while every
/// comparison holds (`nft_do_chain`). An instruction that cannot load (no transport header, a lookup that finds
/// nothing) ends the rule as well: so what must be dropped is not left to a rule with one of those in it. (A drop of
/// noise is: whatever it misses comes to the denial at the end of its chain.)
enum Expression: Equatable, Sendable {
    case meta(Meta, Register = .first)
    case payload(Base, offset: UInt32, length: UInt32, Register = .first)
    /// `register & mask`
    case mask([UInt8], Register = .first)
    case compare(Comparison, [UInt8], Register = .first)
    /// Is the key in the set? With `inverted`: is it not?
    case lookup(set: String, inverted: Bool = false, Register = .first)
    /// Take the verdict that the map holds for the key; go on where there is none.
    case verdictMap(set: String, Register = .first)
    /// The type of the destination address by the routing tables: local, unicast, multicast …
    case destinationType
    case connection(Connection)
    /// Counts in a named counter.
    case counter(String)
    case verdict(Verdict)
    /// Puts a value into a register.
    case load([UInt8], Register)
    /// Gives the packet the address of the link that it leaves by. With ports: one of the range in `portMinimum` and
    /// `portMaximum`.
    case masquerade(hasPorts: Bool)
    /// Goes on for so many packets a second, and so many at once besides; ends the rule for the rest.
    case limit(packets: UInt64, burst: UInt32)
    /// Hands the packet's first octets to whoever listens to a group of nfnetlink_log; nobody: costs little.
    case log(prefix: String, group: UInt16, length: UInt32)
    /// Has the kernel tell of every rule that the packet meets from here on, where the register's first octet is 1
    /// (`meta nftrace set`).
    case trace(Register)

    enum Base: Sendable { case link, network, transport }

    enum Meta: Sendable {
        case inputName, outputName, inputType, packetType, networkProtocol, transportProtocol, socketUser
    }

    enum Comparison: Sendable { case equal, notEqual }

    enum Connection: Sendable { case state, status, direction }

    enum Verdict: Equatable, Sendable {
        case accept, drop
        case goto(String)
    }

    /// A register of four octets or more. Concatenated keys fill consecutive registers.
    struct Register: Equatable, Sendable {
        /// In words of four octets from the first data register.
        let word: UInt32
        static let first = Register(word: 0)
        static let portMinimum = Register(word: 0)
        static let portMaximum = Register(word: 4)

        /// The number by which the kernel itself reports it (`nft_dump_register`): `NFT_REG_1` … for multiples of
        /// 16 octets, `NFT_REG32_01` … between.
        var number: UInt32 {
            word % 4 == 0 ? NFT_REG_1.rawValue + word / 4 : NFT_REG32_00.rawValue + word
        }
    }
}

/// A libnftnl expression. It belongs to this value until a rule takes it.
struct ExpressionObject: ~Copyable {
    private let pointer: OpaquePointer

    deinit { nftnl_expr_free(pointer) }

    init(_ name: String) throws(KernelError) {
        guard let pointer = nftnl_expr_alloc(name) else {
            throw KernelError("allocate the nftables expression '\(name)'", code: ENOMEM)
        }
        self.pointer = pointer
    }

    /// Gives up ownership: whoever calls it must pass the pointer to a libnftnl object that frees it.
    consuming func release() -> OpaquePointer {
        let pointer = pointer
        discard self
        return pointer
    }

    func set(_ attribute: some BinaryInteger, _ value: UInt32) {
        nftnl_expr_set_u32(pointer, UInt16(attribute), value)
    }
    func set(_ attribute: some BinaryInteger, _ value: UInt64) {
        nftnl_expr_set_u64(pointer, UInt16(attribute), value)
    }
    private func set(_ attribute: some BinaryInteger, _ value: UInt16) {
        nftnl_expr_set_u16(pointer, UInt16(attribute), value)
    }
    private func set(_ attribute: some BinaryInteger, _ value: String) {
        nftnl_expr_set_str(pointer, UInt16(attribute), value)
    }
    private func set(_ attribute: some BinaryInteger, _ value: [UInt8]) {
        nftnl_expr_set(pointer, UInt16(attribute), value, UInt32(value.count))
    }

    init(_ expression: Expression) throws(KernelError) {
        switch expression {
        case .meta(let key, let register):
            try self.init("meta")
            set(NFTNL_EXPR_META_KEY, key.number)
            set(NFTNL_EXPR_META_DREG, register.number)
        case .payload(let base, let offset, let length, let register):
            try self.init("payload")
            set(NFTNL_EXPR_PAYLOAD_BASE, base.number)
            set(NFTNL_EXPR_PAYLOAD_OFFSET, offset)
            set(NFTNL_EXPR_PAYLOAD_LEN, length)
            set(NFTNL_EXPR_PAYLOAD_DREG, register.number)
        case .mask(let mask, let register):
            try self.init("bitwise")
            set(NFTNL_EXPR_BITWISE_SREG, register.number)
            set(NFTNL_EXPR_BITWISE_DREG, register.number)
            set(NFTNL_EXPR_BITWISE_LEN, UInt32(mask.count))
            set(NFTNL_EXPR_BITWISE_MASK, mask)
            set(NFTNL_EXPR_BITWISE_XOR, [UInt8](repeating: 0, count: mask.count))
        case .compare(let comparison, let value, let register):
            try self.init("cmp")
            set(NFTNL_EXPR_CMP_SREG, register.number)
            set(NFTNL_EXPR_CMP_OP, comparison == .equal ? NFT_CMP_EQ.rawValue : NFT_CMP_NEQ.rawValue)
            set(NFTNL_EXPR_CMP_DATA, value)
        case .lookup(let name, let inverted, let register):
            try self.init("lookup")
            set(NFTNL_EXPR_LOOKUP_SREG, register.number)
            set(NFTNL_EXPR_LOOKUP_SET, name)
            // Flags of 0 too: the kernel reports them, and what it gives back should print like what we wrote.
            set(NFTNL_EXPR_LOOKUP_FLAGS, inverted ? UInt32(NFT_LOOKUP_F_INV.rawValue) : 0)
        case .verdictMap(let name, let register):
            try self.init("lookup")
            set(NFTNL_EXPR_LOOKUP_SREG, register.number)
            set(NFTNL_EXPR_LOOKUP_SET, name)
            set(NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT.rawValue)
            set(NFTNL_EXPR_LOOKUP_FLAGS, UInt32(0))
        case .destinationType:
            try self.init("fib")
            set(NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE.rawValue)
            set(NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR.rawValue)
            set(NFTNL_EXPR_FIB_DREG, Expression.Register.first.number)
        case .connection(let key):
            try self.init("ct")
            set(NFTNL_EXPR_CT_KEY, key.number)
            set(NFTNL_EXPR_CT_DREG, Expression.Register.first.number)
        case .counter(let name):
            try self.init("objref")
            set(NFTNL_EXPR_OBJREF_IMM_TYPE, UInt32(NFT_OBJECT_COUNTER))
            set(NFTNL_EXPR_OBJREF_IMM_NAME, name)
        case .verdict(let verdict):
            try self.init("immediate")
            set(NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT.rawValue)
            switch verdict {
            case .accept: set(NFTNL_EXPR_IMM_VERDICT, UInt32(NF_ACCEPT))
            case .drop: set(NFTNL_EXPR_IMM_VERDICT, UInt32(NF_DROP))
            case .goto(let chain):
                set(NFTNL_EXPR_IMM_VERDICT, UInt32(bitPattern: NFT_GOTO.rawValue))
                set(NFTNL_EXPR_IMM_CHAIN, chain)
            }
        case .load(let value, let register):
            try self.init("immediate")
            set(NFTNL_EXPR_IMM_DREG, register.number)
            set(NFTNL_EXPR_IMM_DATA, value)
        case .masquerade(let hasPorts):
            try self.init("masq")
            guard hasPorts else { break }
            set(NFTNL_EXPR_MASQ_REG_PROTO_MIN, Expression.Register.portMinimum.number)
            set(NFTNL_EXPR_MASQ_REG_PROTO_MAX, Expression.Register.portMaximum.number)
            // The kernel reports it, whether or not it was asked for (nft_masq_init).
            set(NFTNL_EXPR_MASQ_FLAGS, UInt32(NF_NAT_RANGE_PROTO_SPECIFIED))
        case .limit(let packets, let burst):
            try self.init("limit")
            set(NFTNL_EXPR_LIMIT_RATE, packets)
            set(NFTNL_EXPR_LIMIT_UNIT, UInt64(1))
            set(NFTNL_EXPR_LIMIT_BURST, burst)
            set(NFTNL_EXPR_LIMIT_TYPE, UInt32(NFT_LIMIT_PKTS.rawValue))
            set(NFTNL_EXPR_LIMIT_FLAGS, UInt32(0))
        case .log(let prefix, let group, let length):
            try self.init("log")
            set(NFTNL_EXPR_LOG_PREFIX, prefix)
            set(NFTNL_EXPR_LOG_GROUP, group)
            set(NFTNL_EXPR_LOG_SNAPLEN, length)
        case .trace(let register):
            try self.init("meta")
            set(NFTNL_EXPR_META_KEY, NFT_META_NFTRACE.rawValue)
            set(NFTNL_EXPR_META_SREG, register.number)
        }
    }
}

extension Expression.Meta {
    fileprivate var number: UInt32 {
        switch self {
        case .inputName: NFT_META_IIFNAME.rawValue
        case .outputName: NFT_META_OIFNAME.rawValue
        case .inputType: NFT_META_IFTYPE.rawValue
        case .packetType: NFT_META_PKTTYPE.rawValue
        case .networkProtocol: NFT_META_NFPROTO.rawValue
        case .transportProtocol: NFT_META_L4PROTO.rawValue
        case .socketUser: NFT_META_SKUID.rawValue
        }
    }
}

extension Expression.Connection {
    fileprivate var number: UInt32 {
        switch self {
        case .state: NFT_CT_STATE.rawValue
        case .status: NFT_CT_STATUS.rawValue
        case .direction: NFT_CT_DIRECTION.rawValue
        }
    }
}

extension Expression.Base {
    fileprivate var number: UInt32 {
        switch self {
        case .link: NFT_PAYLOAD_LL_HEADER.rawValue
        case .network: NFT_PAYLOAD_NETWORK_HEADER.rawValue
        case .transport: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue
        }
    }
}
