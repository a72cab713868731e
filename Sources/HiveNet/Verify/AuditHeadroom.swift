internal import CNetlink
internal import Glibc

extension HostNetwork {
    /// Looks how full the kernel's tables are that agents' traffic, or the next agent, needs room in.
    mutating func auditHeadroom(
        _ spec: NetworkSpec, _ observed: NetworkObservation, _ links: [LinkRecord]
    ) throws(KernelError) -> [Finding] {
        var tables: [Fill] = []
        if let count = Sysctl.read("netfilter/nf_conntrack_count").flatMap({ Int($0) }),
            let most = Sysctl.read("netfilter/nf_conntrack_max").flatMap({ Int($0) })
        {
            tables.append(
                Fill(
                    what: "the connection tracking table", count: count, most: most,
                    consequence:
                        "when it is full, new connections of the whole host are dropped (net.netfilter.nf_conntrack_max)"
                ))
        }
        if let bridge = links.first(where: { $0.name == spec.bridge }) {
            tables.append(
                Fill(
                    what: "the bridge \(spec.bridge)", unit: "ports",
                    count: links.count { $0.master == UInt32(bridge.index) }, most: Bridge.mostPorts,
                    consequence: "further agents are refused then", isFatal: false))
        }
        var findings: [Finding] = []
        for table in try route.neighbourTables() {
            // Permanent entries have been exempt from the limit since Linux 5.0 (neigh_alloc), but are in the number of
            // entries. Ours are known: one on the host for each agent, one in its namespace.
            let ours = observed.state.agents.values.reduce(into: 0) { sum, agent in
                sum += agent.inside?.neighbours.count { table.holds($0) } ?? 0
            }
            let onHost = observed.state.bridge?.neighbours.count { table.holds($0) } ?? 0
            tables.append(
                Fill(
                    what: "the neighbour table \(table.name)", count: max(0, table.entries - ours - onHost),
                    most: table.limit,
                    consequence:
                        "when it is full, new neighbours of all namespaces of the machine wait for the kernel to throw others out "
                        + "(gc_thresh3); ours are permanent, and exempt",
                    isFatal: false))
            if table.overflows > 0 {
                findings.append(
                    .warning(
                        "headroom",
                        "the neighbour table \(table.name) has been full \(counted(table.overflows, "time")) since boot "
                            + "(gc_thresh3 is \(table.limit))"))
            }
        }
        findings += tables.compactMap(\.finding)
        guard findings.isEmpty else { return findings }
        return [.fine("headroom", tables.map(\.words).joined(separator: "; "))]
    }
}

extension Bridge {
    /// The kernel numbers ports with ten bits, from 1 (`BR_MAX_PORTS` in its net/bridge/br_private.h, in no header of ours).
    static let mostPorts = 1023
}

/// How full something is.
struct Fill {
    let what: String
    var unit = "entries"
    let count: Int
    let most: Int
    /// What happens when it is full.
    let consequence: String
    /// Something that works stops working then.
    var isFatal = true

    var words: String { "\(what) has \(count) of \(most) \(unit)" }

    var finding: Finding? {
        guard most > 0, count * 100 > most * 75 else { return nil }
        let sentence = "\(words); \(consequence)"
        return isFatal && count * 100 > most * 95
            ? .alarm("headroom", sentence) : .warning("headroom", sentence)
    }
}

/// A neighbour table of the machine's: it has one for each protocol, for all namespaces together.
struct NeighbourTable {
    /// `arp_cache` or `ndisc_cache`.
    let name: String
    let isIPv6: Bool
    let entries: Int
    let limit: Int
    /// How often no room was found (`ndts_table_fulls`).
    let overflows: Int

    func holds(_ neighbour: Neighbour) -> Bool { neighbour.address.contains(":") == isIPv6 }
}

/// The attributes of RTM_NEWNEIGHTBL, linux/neighbour.h.
private enum NeighbourTableScope {}
extension Attribute where Scope == NeighbourTableScope, Value == String {
    fileprivate static var name: Self { .init(NDTA_NAME, "NDTA_NAME") }
}
extension Attribute where Scope == NeighbourTableScope, Value == UInt32 {
    fileprivate static var limit: Self { .init(NDTA_THRESH3, "NDTA_THRESH3") }
}
extension Attribute where Scope == NeighbourTableScope, Value == ndt_config {
    fileprivate static var configuration: Self { .init(NDTA_CONFIG, "NDTA_CONFIG") }
}
extension Attribute where Scope == NeighbourTableScope, Value == ndt_stats {
    fileprivate static var statistics: Self { .init(NDTA_STATS, "NDTA_STATS") }
}

extension NetlinkSocket {
    /// By netlink, because /proc/sys/net/ipv4/neigh/default shows in the first namespace only.
    fileprivate mutating func neighbourTables() throws(KernelError) -> [NeighbourTable] {
        let request = Batch(capacity: 1 << 11)
        request.append(
            RTM_GETNEIGHTBL, flags: NLM_F_DUMP, header: ndtmsg(), "read the neighbour tables",
            of: NeighbourTableScope.self
        ) { _ in }
        let tables: [NeighbourTable] = try query(request) { message in
            // The messages about single links bring no configuration of the table.
            guard let (header, attributes) = message.parse(ndtmsg.self, of: NeighbourTableScope.self),
                let name = attributes[.name], let limit = attributes[.limit],
                let configuration: ndt_config = attributes.value(.configuration)
            else { return nil }
            let statistics: ndt_stats? = attributes.value(.statistics)
            return NeighbourTable(
                name: name, isIPv6: Int32(header.ndtm_family) == AF_INET6,
                entries: Int(configuration.ndtc_entries), limit: Int(limit),
                overflows: Int(clamping: statistics?.ndts_table_fulls ?? 0))
        }
        // A dump in several parts begins each with the table again.
        var seen: Set<String> = []
        return tables.filter { seen.insert($0.name).inserted }
    }
}

extension Attributes {
    /// An attribute that holds a C structure; nil if it is absent, or shorter (an older kernel's).
    func value<Structure: BitwiseCopyable>(_ key: Attribute<Scope, Structure>) -> Structure? {
        payload(key.type).flatMap {
            $0.count >= MemoryLayout<Structure>.size ? $0.loadUnaligned(as: Structure.self) : nil
        }
    }
}
