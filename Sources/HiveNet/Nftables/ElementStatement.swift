internal import CNftables

// The expressions that elements of sets have of their own.

extension ExpressionObject {
    /// - Parameter limit: connections, or octets or packets a second; of no meaning for a counter.
    init(_ statement: SetDefinition.Statement, limit: UInt64) throws(KernelError) {
        switch statement {
        case .counter:
            try self.init("counter")
            set(NFTNL_EXPR_CTR_PACKETS, UInt64(0))
            set(NFTNL_EXPR_CTR_BYTES, UInt64(0))
        case .connections:
            try self.init("connlimit")
            set(NFTNL_EXPR_CONNLIMIT_COUNT, UInt32(clamping: limit))
            // "over": the rule goes on above the limit and not below.
            set(NFTNL_EXPR_CONNLIMIT_FLAGS, UInt32(NFT_CONNLIMIT_F_INV.rawValue))
        case .rate:
            try self.init("limit")
            set(NFTNL_EXPR_LIMIT_RATE, limit)
            set(NFTNL_EXPR_LIMIT_UNIT, UInt64(1))
            set(NFTNL_EXPR_LIMIT_BURST, ElementStatement.burst)
            set(NFTNL_EXPR_LIMIT_TYPE, UInt32(NFT_LIMIT_PKT_BYTES.rawValue))
            set(NFTNL_EXPR_LIMIT_FLAGS, UInt32(NFT_LIMIT_F_INV.rawValue))
        case .packets:
            try self.init(.limit(packets: limit, burst: LogLimit.burst))
        }
    }
}

/// An element's own expression, as the kernel reports it.
struct ElementStatement {
    let kind: SetDefinition.Statement
    /// Packets, connections, or octets or packets a second; 0 for a limit of another form than ours.
    let value: UInt64

    /// In octets. A bucket holds what a second brings, and this besides (`nft_limit_init`): at least one packet that segmentation
    /// offload has put together (`GSO_LEGACY_MAX_SIZE`), or none would ever fit into a slow one.
    fileprivate static let burst: UInt32 = 1 << 16

    /// - Returns: nil for an expression that none of our sets has.
    init?(_ expression: OpaquePointer) {
        guard let name = nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_NAME)) else { return nil }
        switch String(cString: name) {
        case "counter":
            kind = .counter
            value = nftnl_expr_get_u64(expression, UInt16(NFTNL_EXPR_CTR_PACKETS))
        case "connlimit":
            kind = .connections
            let flags = nftnl_expr_get_u32(expression, UInt16(NFTNL_EXPR_CONNLIMIT_FLAGS))
            let count = nftnl_expr_get_u32(expression, UInt16(NFTNL_EXPR_CONNLIMIT_COUNT))
            value = flags == UInt32(NFT_CONNLIMIT_F_INV.rawValue) ? UInt64(count) : 0
        case "limit":
            let type = nftnl_expr_get_u32(expression, UInt16(NFTNL_EXPR_LIMIT_TYPE))
            kind = type == UInt32(NFT_LIMIT_PKT_BYTES.rawValue) ? .rate : .packets
            let isOurs =
                nftnl_expr_get_u64(expression, UInt16(NFTNL_EXPR_LIMIT_UNIT)) == 1
                && nftnl_expr_get_u32(expression, UInt16(NFTNL_EXPR_LIMIT_BURST))
                    == (kind == .rate ? Self.burst : LogLimit.burst)
                && nftnl_expr_get_u32(expression, UInt16(NFTNL_EXPR_LIMIT_FLAGS))
                    == (kind == .rate ? UInt32(NFT_LIMIT_F_INV.rawValue) : 0)
            value = isOurs ? nftnl_expr_get_u64(expression, UInt16(NFTNL_EXPR_LIMIT_RATE)) : 0
        default: return nil
        }
    }
}
