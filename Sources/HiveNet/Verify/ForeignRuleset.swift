internal import CNetlink
internal import CNftables
internal import Glibc

/// What other programs have in nf_tables, as far as it bears on agents' packets.
///
/// Read attribute by attribute and not by libnftnl: that gives up on a rule with an expression that it does not know, and
/// nobody can tell what other programs use.
struct ForeignRuleset {
    /// In the kernel's order. Those of dormant tables are left out: they do nothing.
    var chains: [ForeignChain] = []
    var flowtables: [Flowtable] = []

    struct Flowtable {
        let label: String
        let devices: [String]
    }

    /// What packets that enter a base chain may meet, in it or in the chains that it leads to.
    func powers(of chain: ForeignChain) -> RulePowers {
        var powers = RulePowers()
        var visited: Set<String> = []
        var waiting = [chain.name]
        let others = Dictionary(
            chains.filter { $0.table == chain.table && $0.family == chain.family }.map { ($0.name, $0) },
            uniquingKeysWith: { first, _ in first })
        while let name = waiting.popLast() {
            guard visited.insert(name).inserted, let next = others[name] else { continue }
            powers.formUnion(next.powers)
            waiting += next.targets
            // A verdict map may lead anywhere in its table; its elements are not read.
            if next.powers.contains(.verdictMap) { waiting += others.keys }
        }
        return powers
    }
}

/// What rules can do to a packet.
struct RulePowers: OptionSet {
    let rawValue: Int
    /// Drop, reject, or leave it to a program (queue).
    static let drop = RulePowers(rawValue: 1 << 0)
    /// Write over its addresses or ports, or its Ethernet header. (Not so `nat`: the kernel does that at priorities of its own.)
    static let rewriting = RulePowers(rawValue: 1 << 1)
    /// `notrack`: rules that ask for a connection's state do not know it.
    static let notrack = RulePowers(rawValue: 1 << 2)
    /// Send it, or a copy, out of another link.
    static let forwarding = RulePowers(rawValue: 1 << 3)
    /// Assign a helper of connection tracking, which follows FTP, SIP and the like into their further connections.
    static let helper = RulePowers(rawValue: 1 << 5)
    /// Go on as a map says.
    static let verdictMap = RulePowers(rawValue: 1 << 4)
}

struct ForeignChain {
    /// `NFPROTO_…`
    let family: UInt8
    let table: String
    let name: String
    /// Nil: not a base chain.
    let hook: (number: UInt32, priority: Int32)?
    /// `filter`, `nat`, `route`
    let type: String
    let policyDrops: Bool
    /// Of a chain on the ingress or egress of links.
    let devices: [String]
    var powers = RulePowers()
    /// Chains of its table that its rules go to.
    var targets: Set<String> = []

    /// As nft calls it.
    static func name(ofFamily family: UInt8) -> String {
        switch Int32(family) {
        case Int32(NFPROTO_INET): "inet"
        case Int32(NFPROTO_IPV4): "ip"
        case Int32(NFPROTO_IPV6): "ip6"
        case Int32(NFPROTO_ARP): "arp"
        case Int32(NFPROTO_BRIDGE): "bridge"
        case Int32(NFPROTO_NETDEV): "netdev"
        default: "family \(family)"
        }
    }

    /// As nft calls it. The numbers are those of `NF_INET_*`, `NF_BR_*`, `NF_ARP_*`, `NF_NETDEV_*`.
    var hookName: String {
        let names =
            switch Int32(family) {
            case Int32(NFPROTO_ARP): ["input", "output", "forward"]
            case Int32(NFPROTO_NETDEV): ["ingress", "egress"]
            default: ["prerouting", "input", "forward", "output", "postrouting", "ingress"]
            }
        guard let number = hook.map({ Int($0.number) }), names.indices.contains(number) else { return "?" }
        return names[number]
    }

    /// `ip filter FORWARD (hook forward, priority 0, policy drop)`
    var words: String {
        "\(Self.name(ofFamily: family)) \(table) \(name) (hook \(hookName), priority \(hook?.priority ?? 0), policy "
            + "\(policyDrops ? "drop" : "accept"))"
    }
}

extension NetlinkSocket {
    /// Reads all tables but ours, of all families. On a `NETLINK_NETFILTER` socket.
    mutating func readForeignRuleset() throws(KernelError) -> ForeignRuleset {
        var ruleset = ForeignRuleset()
        var dormant: Set<String> = []
        let tables: [String?] = try dump(NFT_MSG_GETTABLE, "read the nftables tables", of: TableScope.self) {
            UInt32(bigEndian: $1[.flags] ?? 0) & UInt32(NFT_TABLE_F_DORMANT.rawValue) != 0
                ? Self.key($0, $1[.name]) : nil
        }
        for case let table? in tables { dormant.insert(table) }
        ruleset.chains = try dump(NFT_MSG_GETCHAIN, "read the nftables chains", of: ChainScope.self) {
            family, attributes in
            let key = Self.key(family, attributes[.table])
            return Self.ours.contains(key) || dormant.contains(key) ? nil : ForeignChain(family, attributes)
        }
        let places = Dictionary(
            ruleset.chains.enumerated().map { (Self.key($1.family, $1.table) + " " + $1.name, $0) },
            uniquingKeysWith: { first, _ in first })
        let rules: [(Int, RulePowers, Set<String>)] = try dump(
            NFT_MSG_GETRULE, "read the nftables rules", of: RuleScope.self
        ) { family, attributes in
            let key = Self.key(family, attributes[.table])
            guard let place = places[key + " " + (attributes[.chain] ?? "")] else { return nil }
            var powers = RulePowers()
            var targets: Set<String> = []
            attributes[.expressions].forEach { _, payload in
                Attributes<ExpressionScope>(bytes: payload).add(to: &powers, &targets)
            }
            return (place, powers, targets)
        }
        for (place, powers, targets) in rules {
            ruleset.chains[place].powers.formUnion(powers)
            ruleset.chains[place].targets.formUnion(targets)
        }
        ruleset.flowtables = try dump(
            NFT_MSG_GETFLOWTABLE, "read the nftables flowtables", of: FlowtableScope.self
        ) { family, attributes in
            let label =
                "\(ForeignChain.name(ofFamily: family)) \(attributes[.table] ?? "") \(attributes[.name] ?? "")"
            return ForeignRuleset.Flowtable(label: label, devices: attributes[.hook][.devices].names)
        }
        return ruleset
    }

    private static let ours: Set<String> = [
        key(UInt8(NFPROTO_INET), Boundary.tableName), key(UInt8(NFPROTO_BRIDGE), Boundary.tableName),
    ]

    private static func key(_ family: UInt8, _ table: String?) -> String { "\(family) \(table ?? "")" }

    /// All objects of a kind, of all families.
    mutating func dump<Scope, Element>(
        _ type: nf_tables_msg_types, _ operation: @escaping @autoclosure () -> String, of _: Scope.Type,
        _ parse: (UInt8, Attributes<Scope>) -> Element?
    ) throws(KernelError) -> [Element] {
        let request = Batch(capacity: 1 << 11)
        var header = nfgenmsg()
        header.nfgen_family = UInt8(NFPROTO_UNSPEC)
        header.version = UInt8(NFNETLINK_V0)
        request.append(
            UInt32(NFNL_SUBSYS_NFTABLES) << 8 | type.rawValue, flags: NLM_F_DUMP, header: header, operation(),
            of: Scope.self
        ) { _ in }
        return try query(request) { message in
            message.parse(nfgenmsg.self, of: Scope.self).flatMap { parse($0.nfgen_family, $1) }
        }
    }
}

extension ForeignChain {
    init?(_ family: UInt8, _ attributes: Attributes<ChainScope>) {
        guard let table = attributes[.table], let name = attributes[.name] else { return nil }
        let hook = attributes[.hook]
        self.init(
            family: family, table: table, name: name,
            hook: hook[.number].map {
                (UInt32(bigEndian: $0), Int32(bitPattern: UInt32(bigEndian: hook[.priority] ?? 0)))
            },
            type: attributes[.type] ?? "filter",
            policyDrops: attributes[.policy].map { UInt32(bigEndian: $0) == UInt32(NF_DROP) } ?? false,
            // Of a single link the name comes twice.
            devices: Set(hook[.devices].names + [hook[.device]].compactMap(\.self)).sorted())
    }
}

extension Attributes where Scope == ExpressionScope {
    /// Adds what one expression of a rule can do.
    func add(to powers: inout RulePowers, _ targets: inout Set<String>) {
        switch self[.name] {
        case "immediate":
            let verdict = self[.immediate][.data][.verdict]
            guard let code = verdict[.code].map({ Int32(bitPattern: UInt32(bigEndian: $0)) }) else { return }
            // The upper half of a queue's verdict is its number (NF_VERDICT_MASK).
            if code == NF_DROP || code & 0xff == NF_QUEUE && code > 0 { powers.insert(.drop) }
            if let chain = verdict[.chain] { targets.insert(chain) }
        case "reject", "queue": powers.insert(.drop)
        case "notrack": powers.insert(.notrack)
        case "objref":
            if self[.object][.type].map({ UInt32(bigEndian: $0) }) == UInt32(NFT_OBJECT_CT_HELPER) {
                powers.insert(.helper)
            }
        case "fwd", "dup": powers.insert(.forwarding)
        case "payload": if self[.payload].writesAddress { powers.insert(.rewriting) }
        case "lookup":
            if self[.lookup][.destination].map({ UInt32(bigEndian: $0) }) == NFT_REG_VERDICT.rawValue {
                powers.formUnion([.verdictMap, .drop])
            }
        case "target":
            // Of iptables-nft, which keeps some of iptables' own targets (nft_compat).
            switch self[.target][.name] {
            case "REJECT", "NFQUEUE": powers.insert(.drop)
            case "NOTRACK": powers.insert(.notrack)
            // One target for both, told apart by data that is the module's own.
            case "CT": powers.formUnion([.notrack, .helper])
            case "TEE": powers.insert(.forwarding)
            default: break
            }
        default: break
        }
    }
}

extension Attributes where Scope == PayloadScope {
    /// It writes into the packet, and not into the first octets of the IP header only, where DSCP and TTL are: addresses begin at
    /// octet 12 (IPv4) and 8 (IPv6, in whole).
    fileprivate var writesAddress: Bool {
        guard self[.source] != nil else { return false }
        func number(_ key: Attribute<PayloadScope, UInt32>) -> UInt32 { UInt32(bigEndian: self[key] ?? 0) }
        let isInNetworkHeader = number(.base) == UInt32(NFT_PAYLOAD_NETWORK_HEADER.rawValue)
        return !isInNetworkHeader || number(.offset) >= 12 || number(.length) >= 16
    }
}
