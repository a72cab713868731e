internal import CNetlink
internal import CNftables
internal import Glibc

extension HostNetwork {
    /// Looks at what other programs do with the packets that pass our rules.
    ///
    /// In nf_tables a drop is final and an accept is not: so nothing there can let through what our rules drop, unless it comes
    /// before them and changes the packet, or takes it past them. But anything there can drop what our rules accept.
    ///
    /// That somebody flushed our tables, and they were put back, cannot be seen afterwards.
    mutating func auditFirewall(
        _ spec: NetworkSpec, _ links: [LinkRecord]
    ) throws(KernelError) -> [Finding] {
        let ruleset = try filter.readForeignRuleset()
        let ours = OurLinks(spec, links)
        var findings: [Finding] = []
        for chain in ruleset.chains where chain.hook != nil {
            findings += Self.findings(chain, ruleset.powers(of: chain), ours, hasIPv6: spec.subnet6 != nil)
        }
        findings += ruleset.flowtables.filter { !$0.devices.isEmpty }.map { Self.finding($0, ours) }
        findings += Self.legacyTables()
        findings += try auditTrafficControl(ours)
        guard findings.isEmpty else { return findings }
        return [
            .fine(
                "firewall",
                "nobody else drops packets, or changes them before Hive's rules: "
                    + "\(counted(ruleset.chains.count, "foreign nftables chain")), no flowtable, no table of legacy iptables"
            )
        ]
    }

    // MARK: Chains

    private static func findings(
        _ chain: ForeignChain, _ powers: RulePowers, _ ours: OurLinks, hasIPv6: Bool
    ) -> [Finding] {
        if ["ingress", "egress"].contains(chain.hookName) {
            let devices = chain.devices.filter(ours.includes)
            guard !devices.isEmpty else { return [] }
            let words =
                "the chain \(chain.words) sees the packets of \(listed(devices)) before Hive's rules do"
            if powers.contains(.forwarding) {
                return [
                    .alarm("firewall", "\(words), and can send them past the boundary (fwd, dup)")
                ]
            }
            return [
                powers.contains(.rewriting)
                    ? .alarm("firewall", "\(words), and writes over their addresses or ports")
                    : .warning("firewall", "\(words), and can drop what is allowed")
            ]
        }
        guard hasIPv6 || Int32(chain.family) != Int32(NFPROTO_IPV6) else { return [] }
        var findings: [Finding] = []
        if chain.precedesOurs, powers.contains(.rewriting) {
            findings.append(
                .alarm(
                    "firewall",
                    "the chain \(chain.words) writes over addresses or ports before Hive's rules have judged them: an agent "
                        + "may reach what it is kept from, by another address"))
        }
        if chain.precedesOurs, powers.contains(.forwarding) {
            findings.append(
                .alarm(
                    "firewall",
                    "the chain \(chain.words) sends packets, or copies, on before Hive's rules have judged them (dup)"
                ))
        }
        if powers.contains(.helper) {
            findings.append(
                .warning(
                    "firewall",
                    "the chain \(chain.words) assigns helpers of connection tracking, perhaps to agents' connections too; Hive's "
                        + "rules let no related connection in"))
        }
        var reasons: [String] = []
        if chain.policyDrops { reasons.append("drops by policy") }
        if powers.contains(.drop) { reasons.append("has rules that may drop") }
        if powers.contains(.notrack) { reasons.append("exempts packets from connection tracking") }
        if !reasons.isEmpty {
            findings.append(
                .warning(
                    "firewall",
                    "the chain \(chain.words) \(reasons.joined(separator: " and ")): it may cut what Hive allows"
                ))
        }
        return findings
    }

    static func finding(_ flowtable: ForeignRuleset.Flowtable, _ ours: OurLinks) -> Finding {
        let devices = flowtable.devices.filter(ours.includes)
        let words = "the flowtable \(flowtable.label)"
        return devices.isEmpty
            ? .warning(
                "firewall",
                "\(words) takes connections over \(listed(flowtable.devices)) past the forward hook: one that is under way "
                    + "goes on after its agent's policy has changed")
            : .alarm(
                "firewall",
                "\(words) takes connections over \(listed(devices)) past Hive's rules in the forward hook")
    }

    // MARK: Others

    /// Tables of the older iptables, which nf_tables does not show.
    private static func legacyTables() -> [Finding] {
        ["ip_tables", "ip6_tables", "arp_tables"].compactMap { kind in
            let names = (textOfFile("/proc/thread-self/net/\(kind)_names") ?? "").split(separator: "\n")
            guard !names.isEmpty else { return nil }
            return .warning(
                "firewall",
                "there are tables of legacy iptables (\(kind): \(names.joined(separator: ", "))), whose rules were not looked "
                    + "at: they may cut what Hive allows")
        }
    }

    /// Filters of tc hang on a qdisc of one of these kinds, and see packets before any hook of netfilter.
    private mutating func auditTrafficControl(_ ours: OurLinks) throws(KernelError) -> [Finding] {
        let request = Batch(capacity: 1 << 11)
        request.append(
            RTM_GETQDISC, flags: NLM_F_DUMP, header: tcmsg(), "read the queueing disciplines",
            of: QueueScope.self
        ) { _ in }
        let found: [(Int32, String)] = try route.query(request) { message in
            guard let (header, attributes) = message.parse(tcmsg.self, of: QueueScope.self),
                let kind = attributes[.kind], ["clsact", "ingress"].contains(kind)
            else { return nil }
            return (header.tcm_ifindex, kind)
        }
        return found.compactMap { index, kind in
            ours.names[index].map {
                Finding(
                    .unproven, "firewall",
                    "there is a qdisc \(kind) on \($0): filters of tc on it see its packets before Hive's rules do, and were "
                        + "not looked at")
            }
        }
    }
}

extension ForeignChain {
    /// It sees agents' packets before our chain `tracked` does, the last that judges them by the destination that the agent wrote.
    /// (Of chains with the same priority either may be the first.)
    ///
    /// Chains of type `nat` do not, whatever their priority: it only orders them among themselves. The kernel translates
    /// destinations at -100 (`NF_IP_PRI_NAT_DST`, nf_nat_register_fn).
    fileprivate var precedesOurs: Bool {
        guard let hook, type != "nat" else { return false }
        // The bridge has a frame before IP does.
        if Int32(family) == Int32(NFPROTO_BRIDGE) { return ["prerouting", "input"].contains(hookName) }
        return hookName == "prerouting" && hook.priority <= -150
    }
}

/// The bridge and agents' ports.
struct OurLinks {
    /// By index.
    let names: [Int32: String]
    private let all: Set<String>

    init(_ names: [Int32: String]) {
        self.names = names
        all = Set(names.values)
    }

    init(_ spec: NetworkSpec, _ links: [LinkRecord]) {
        let ours = links.filter { $0.name == spec.bridge || $0.name.hasPrefix(spec.interfacePrefix) }
        self.init(Dictionary(ours.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first }))
    }

    /// - Parameter device: a name, or the beginning of names and a `*`.
    func includes(_ device: String) -> Bool {
        guard device.hasSuffix("*") else { return all.contains(device) }
        return all.contains { $0.hasPrefix(device.dropLast()) }
    }
}

/// The attributes of RTM_NEWQDISC, linux/rtnetlink.h.
private enum QueueScope {}
extension Attribute where Scope == QueueScope, Value == String {
    fileprivate static var kind: Self { .init(TCA_KIND, "TCA_KIND") }
}
