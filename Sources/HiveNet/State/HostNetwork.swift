internal import CNetlink
internal import Glibc

/// The network namespace that agents are to be kept out of: that of the thread which makes this value.
///
/// Blocking, for one thread at a time.
public struct HostNetwork: ~Copyable {
    var route: NetlinkSocket
    var filter: NetlinkSocket
    let receiveBuffer: NetlinkSocket.ReceiveBuffer
    let keeping: TableKeeping
    /// The kernel knows tables that outlive their owner. Found out by making one.
    var tablesPersist = true
    /// The ruleset's generation that the last transaction of ours made.
    var ownGeneration: UInt32?
    /// What the last observation read. Nil: everything is always read.
    var memory: Memory?

    /// - Parameter keeping: whether the tables that it makes, and those it finds and may take over, become its own.
    /// - Throws: `KernelError`, `isPermission` where CAP_NET_ADMIN is missing.
    public init(keeping: TableKeeping = .shared) throws(KernelError) {
        try self.init(keeping: keeping, faults: nil)
    }

    /// - Parameter faults: of all sockets that are opened in its course.
    init(keeping: TableKeeping = .shared, faults: (any TransportFaults)?) throws(KernelError) {
        self.keeping = keeping
        let buffer = NetlinkSocket.ReceiveBuffer(faults: faults)
        // One nf_tables transaction must go out in one piece; rtnetlink batches gain from large pieces.
        let route = try NetlinkSocket(family: NETLINK_ROUTE, sendBuffer: 1 << 20, receiveBuffer: buffer)
        let filter = try NetlinkSocket(family: NETLINK_NETFILTER, sendBuffer: 1 << 24, receiveBuffer: buffer)
        self.route = route
        self.filter = filter
        receiveBuffer = buffer
    }
}

extension HostNetwork {
    /// The netlink port that our tables are to belong to; nil: it does not matter whom they belong to.
    var owner: UInt32? { keeping == .owned && tablesPersist ? filter.portID : nil }
}

/// What was found in the kernel at one time.
public struct NetworkObservation: Sendable {
    public var state: NetworkState
    /// Packets blocked, by agent.
    public var blocked: [String: Blocked]
    /// Packets blocked in all, by the named counters: `inet hive host`. More than the sum over agents where a sender was none.
    public var blockedInAll: [String: UInt64]
    /// What the host does that bears on the hive, and is not ours to change.
    public var host: HostFacts

    /// Who may change our tables, by their labels.
    public var ownership: [String: TableOwnership] = [:]

    /// Of the ruleset, for `Transaction`.
    var generation: UInt32
    var bridgeIndex: Int32?
    /// By link name: our ports, strays and foreign ports.
    var linkIndexes: [String: Int32]
    /// No link has this index or a higher one.
    var freeIndex: Int32
    /// The chains of our tables, by the table's label.
    var chains: [String: [String: String]]
    /// Since when packets are counted, in seconds since 1970-01-01 UTC: the tables were made then. Nil: there are none, or
    /// they do not say.
    public var countsSince: Int64?
}

extension NetworkObservation {
    /// The netlink port of somebody else who owns our tables.
    func foreignOwner(besides own: UInt32?) -> UInt32? {
        for case .owner(let port) in ownership.values where port != own { return port }
        return nil
    }
}

/// Packets that the boundary dropped.
public struct Blocked: Codable, Equatable, Sendable {
    /// Towards the host: its addresses, broadcast and multicast.
    public var host: UInt64 = 0
    /// Towards other agents.
    public var peer: UInt64 = 0
    /// With a false sender, or otherwise forged.
    public var spoof: UInt64 = 0
    /// Outwards, against the egress policy.
    public var egress: UInt64 = 0
    /// Outwards, for being more than the agent may send: connections, or octets a second.
    public var excess: UInt64 = 0

    public init() {}
}

/// Why a namespace is no place for an agent.
public enum NamespaceFault: Equatable, Sendable {
    case isTheHosts
    case isAlso(agent: String)
    /// Of a namespace that is somebody else's to make.
    case doesNotExist
    /// The process has ended, and another one has its number.
    case isAnothers
    /// Which may lead somewhere else the next time.
    case isSymbolicLink
    /// There is one, somebody else's, and the kernel does not let us in.
    case isClosed(reason: String)
}

/// What the host does that bears on the hive.
public struct HostFacts: Sendable {
    /// Routes of the main tables that do not lead to the bridge, default routes aside, and what they lead to.
    public var routes4: [(Prefix4, link: String)] = []
    public var routes6: [(Prefix6, link: String)] = []
    /// `net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding`: without them nothing of the host's is routed.
    public var forwards4 = false
    public var forwards6 = false
    /// The kernel has IPv6 here.
    public var hasIPv6 = true
    /// Links that are not ours, by name.
    public var foreignLinks: Set<String> = []
    /// Agents whose namespace is the host's own, or another agent's.
    public var namespaceFaults: [String: NamespaceFault] = [:]
    /// Agents whose namespace could not be looked into.
    public var closedNamespaces: Set<String> {
        Set(namespaceFaults.filter { if case .isClosed = $0.value { true } else { false } }.keys)
    }
    /// Agents' namespaces.
    var namespaces: [String: NamespaceID] = [:]
    /// Links in agents' namespaces that are neither the agent's end of its pair nor the loopback link.
    var otherLinks: [String: [LinkRecord]] = [:]
    /// Links of the host that lead to another namespace, and the agent whose port it is.
    var linksElsewhere: [(link: LinkRecord, agent: String?)] = []
}
