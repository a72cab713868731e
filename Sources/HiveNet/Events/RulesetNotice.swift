internal import CNetlink
internal import CNftables

/// A process, as the kernel names the author of a change. It may have ended meanwhile.
public struct Actor: Codable, Hashable, Sendable {
    /// Of the thread, in the first process id namespace (`NFTA_GEN_PROC_PID`); of rtnetlink's notifications the socket's port id,
    /// which mostly is the process's.
    public let process: UInt32
    /// Its name (`comm`), where it is known: 15 octets that it chooses itself.
    public let name: String?

    public init(process: UInt32, name: String?) {
        self.process = process
        self.name = name
    }
}

extension Actor: CustomStringConvertible {
    public var description: String { name.map { "\($0) (process \(process))" } ?? "process \(process)" }
}

/// What a notification of nf_tables' is about. Those of a transaction come together, the generation last (`nf_tables_gen_notify`).
enum RulesetNotice: Equatable {
    /// Something of a table, or the table.
    case table(family: UInt8, name: String)
    /// Everything that came before is the work of this process, and now the ruleset has this generation.
    case generation(UInt32, Actor)

    /// - Returns: nil for what is neither, and for a message that is too short.
    init?(_ message: NetlinkSocket.Message) {
        guard message.type >> 8 == UInt16(NFNL_SUBSYS_NFTABLES) else { return nil }
        guard UInt32(message.type & 0xff) == NFT_MSG_NEWGEN.rawValue else {
            // The table's name is the first attribute of each kind: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE …
            guard let (header, attributes) = message.parse(nfgenmsg.self, of: TableScope.self),
                let name = attributes[.name]
            else { return nil }
            self = .table(family: header.nfgen_family, name: name)
            return
        }
        guard let (_, attributes) = message.parse(nfgenmsg.self, of: GenerationScope.self),
            let generation = attributes[.identifier]
        else { return nil }
        self = .generation(
            UInt32(bigEndian: generation),
            Actor(
                process: UInt32(bigEndian: attributes[.process] ?? 0),
                name: attributes[.processName].flatMap { $0.isEmpty ? nil : $0 }))
    }
}

/// The attributes of `NFT_MSG_NEWGEN`, linux/netfilter/nf_tables.h. Numbers are in network byte order.
enum GenerationScope {}
extension Attribute where Scope == GenerationScope, Value == UInt32 {
    static var identifier: Self { .init(NFTA_GEN_ID.rawValue, "NFTA_GEN_ID") }
    static var process: Self { .init(NFTA_GEN_PROC_PID.rawValue, "NFTA_GEN_PROC_PID") }
}
extension Attribute where Scope == GenerationScope, Value == String {
    static var processName: Self { .init(NFTA_GEN_PROC_NAME.rawValue, "NFTA_GEN_PROC_NAME") }
}
