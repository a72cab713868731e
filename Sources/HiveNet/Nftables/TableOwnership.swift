internal import CNetlink
internal import CNftables

/// Who may change a table (`nft_table_has_owner`). Everybody may read it.
public enum TableOwnership: Codable, Hashable, Sendable {
    /// Whoever is root; the next `nft flush ruleset` takes it away. It cannot become anybody's own.
    case anybody
    /// Whoever is root, until somebody makes it their own: it was made to outlive its owner (`NFT_TABLE_F_PERSIST`, Linux 6.9).
    case nobody
    /// Only the netlink socket with this port id. Flushing the ruleset passes it over. Mostly the id of the socket's process
    /// (`netlink_autobind`).
    case owner(port: UInt32)

    /// - Parameters:
    ///   - flags: `NFTA_TABLE_FLAGS`.
    ///   - owner: `NFTA_TABLE_OWNER`.
    init(flags: UInt32, owner: UInt32?) {
        if flags & UInt32(NFT_TABLE_F_OWNER.rawValue) != 0 {
            self = .owner(port: owner ?? 0)
        } else {
            self = flags & UInt32(HIVE_NFT_TABLE_F_PERSIST) != 0 ? .nobody : .anybody
        }
    }
}

/// How the tables that this process makes are to be had.
public enum TableKeeping: Equatable, Sendable {
    /// By everybody who is root, as nothing stays of this process that could own them.
    case shared
    /// By this process alone, for as long as it lives. They stay when it dies, and the next one takes them over.
    case owned
}

extension TableKeeping {
    /// `NFTA_TABLE_FLAGS` of a table that is made. A shared one has none: nft before 1.1 prints a flag that it does not know as
    /// something that it cannot read again.
    ///
    /// - Parameter persists: the kernel knows tables that outlive their owner. Without them an owned table would go with its owner, and
    ///   the boundary with it: so it is nobody's own.
    func flags(persists: Bool) -> UInt32 {
        self == .owned && persists ? UInt32(NFT_TABLE_F_OWNER.rawValue) | UInt32(HIVE_NFT_TABLE_F_PERSIST) : 0
    }
}

extension Transaction {
    /// Makes a table that is nobody's this socket's own (nf_tables_updtable). Its contents stay as they are.
    func adopt(_ table: Table) throws(KernelError) {
        let object = try TableObject(
            table.name, table.family, flags: TableKeeping.owned.flags(persists: true))
        object.append(to: batch, NFT_MSG_NEWTABLE, 0, "take over table \(table.label)")
    }
}
