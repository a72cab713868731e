/// Everything that makes a hive's network, as one value.
///
/// `NetworkState(_: NetworkSpec)` is what is wanted, `HostNetwork.observe(_:)` reads what the kernel has,
/// `plan(desired:observed:)` compares the two. Encoded as JSON, it is the `network` part of `hivectl net show --json`.
public struct NetworkState: Codable, Equatable, Sendable {
    /// Nil: there is none (in a wanted state: take ours away).
    public var bridge: Bridge?
    /// By agent's name.
    public var agents: [String: Agent]
    /// Nil: the tables named `hive` do not exist (in a wanted state: take them away).
    public var boundary: Boundary?
    /// Links that have our mark and belong to no agent, sorted: left by an apply that was cut short. Wanted is none.
    public var strayLinks: [String]
    /// Files of ours in /run/netns that no agent lives in: of an agent that moved to somebody else's namespace, or without a
    /// namespace behind them any more. Sorted paths; wanted is none.
    public var strayNamespaces: [String]

    public init(
        bridge: Bridge? = nil, agents: [String: Agent] = [:], boundary: Boundary? = nil,
        strayLinks: [String] = [], strayNamespaces: [String] = []
    ) {
        self.bridge = bridge
        self.agents = agents
        self.boundary = boundary
        self.strayLinks = strayLinks
        self.strayNamespaces = strayNamespaces
    }
}

/// The bridge that the agents' host ends are ports of.
public struct Bridge: Codable, Equatable, Sendable {
    public var name: String
    /// The corresponding C constant is `IFLA_IFALIAS`: our mark.
    public var alias: String?
    public var mac: MACAddress
    /// Bytes.
    public var mtu: UInt32
    /// Administratively up (`IFF_UP`).
    public var up: Bool
    /// `IFLA_BR_STP_STATE` is not 0.
    public var stp: Bool
    /// `IFLA_BR_MCAST_SNOOPING`.
    public var multicastSnooping: Bool
    /// The host's addresses on it, sorted.
    public var addresses4: [Prefix4]
    public var addresses6: [Prefix6]
    public var ipv4: IPv4Settings
    /// Nil where the kernel has no IPv6 for this link.
    public var ipv6: IPv6Settings?
    /// Permanent neighbours on it: who has which agent's address, sorted by address. Present so that an agent's ARP or ND
    /// answer can change nothing.
    public var neighbours: [Neighbour]
    /// Ports that are no agent's: sorted names. Wanted is none.
    public var foreignPorts: [String]
    /// Networks of its addresses that the main tables have no route to over it, sorted. Wanted is none: the operator's
    /// packets to agents would leave by another way.
    public var missingRoutes: [String]
}

/// A permanent neighbour entry (`NUD_PERMANENT`).
public struct Neighbour: Codable, Hashable, Comparable, Sendable {
    /// IPv4 or IPv6, as text.
    public var address: String
    public var mac: MACAddress

    public static func < (left: Neighbour, right: Neighbour) -> Bool { left.address < right.address }
}

/// `net.ipv4.conf.LINK.*`, as read and written by netlink (`IFLA_INET_CONF`).
public struct IPv4Settings: Codable, Equatable, Sendable {
    public var forwarding: UInt32
    public var rpFilter: UInt32
    public var routeLocalnet: UInt32
    public var acceptRedirects: UInt32
    public var sendRedirects: UInt32
    public var acceptSourceRoute: UInt32
    public var proxyARP: UInt32
    public var arpIgnore: UInt32
}

/// `net.ipv6.conf.LINK.*`, read by netlink (`IFLA_INET6_CONF`), written through /proc/sys, and the address
/// generation mode.
public struct IPv6Settings: Codable, Equatable, Sendable {
    public var disabled: Bool
    public var acceptRA: UInt32
    public var acceptRedirects: UInt32
    public var proxyNDP: UInt32
    /// The kernel makes a link-local address for the link (`IFLA_INET6_ADDR_GEN_MODE` is not `none`).
    public var generatesLinkLocal: Bool
}

/// One agent's share of the network.
public struct Agent: Codable, Equatable, Sendable {
    /// Nil: it does not exist.
    public var namespace: NamespaceState?
    /// The host end of its veth pair.
    public var port: Port?
    /// What is inside its namespace. Nil: no such link there.
    public var inside: Inside?
    /// Port that the gateway's user may connect to. Told by the boundary's elements.
    public var webPort: UInt16?
    /// `Egress.label`. Told by the boundary's elements. Nil: the boundary does not know the agent.
    public var egress: String?
}

public struct NamespaceState: Codable, Equatable, Sendable {
    /// A file that stands for the namespace: `/run/netns/hive-alpha`, `/proc/1234/ns/net`.
    public var path: String
    /// Ours to make and to remove.
    public var own: Bool
}

/// The host end of an agent's veth pair: a port of the bridge.
public struct Port: Codable, Equatable, Sendable {
    public var name: String
    /// Names the agent, and its namespace if that is somebody else's.
    public var alias: String?
    /// `IFLA_GROUP`: our mark, and the handle for removing many at once.
    public var group: UInt32
    public var mac: MACAddress
    /// Bytes.
    public var mtu: UInt32
    public var up: Bool
    /// The bridge's name, or nil where it is no port of one.
    public var bridge: String?
    /// The bridge takes nothing from it, though the link is up (`BR_STATE_DISABLED`): its guard closed it (br_stp_rcv: with
    /// spanning tree switched on, by a BPDU of the agent's), or somebody did.
    public var closed: Bool
    /// `IFLA_BRPORT_ISOLATED`: no frame to another isolated port.
    public var isolated: Bool
    /// `IFLA_BRPORT_LOCKED`: only sources with a static FDB entry on this port. Nil: the kernel (before 5.16) has
    /// no such flag.
    public var locked: Bool?
    /// `IFLA_BRPORT_LEARNING`.
    public var learning: Bool
    /// `IFLA_BRPORT_UNICAST_FLOOD`, `…MCAST_FLOOD`, `…BCAST_FLOOD`.
    public var unicastFlood: Bool
    public var multicastFlood: Bool
    public var broadcastFlood: Bool
    /// `IFLA_BRPORT_GUARD`: a BPDU from the agent closes the port.
    public var bpduGuard: Bool
    /// `IFLA_BRPORT_MODE`: reflects frames to the port that they came from.
    public var hairpin: Bool
    /// `IFLA_BRPORT_BACKUP_PORT`: the name of the port that gets what this one cannot take because it is down (br_forward). Nil: none, and
    /// that is what is wanted: it would be another agent's.
    public var backup: String?
    public var ipv4: IPv4Settings
    public var generatesLinkLocal: Bool
    /// Entries of the bridge's forwarding database for this port, sorted: the static one (`NUD_NOARP`), and what the bridge has
    /// learnt while somebody let it. Wanted is one.
    public var fdb: [MACAddress]
}

/// The agent's end of the pair, in its namespace.
public struct Inside: Codable, Equatable, Sendable {
    public var name: String
    public var mac: MACAddress
    public var mtu: UInt32
    public var up: Bool
    /// The loopback link is up. Nil where the namespace is not ours: it is not looked at.
    public var loopbackUp: Bool?
    public var ipv6Disabled: Bool
    public var generatesLinkLocal: Bool
    /// Addresses of the link, link-local ones aside, sorted.
    public var addresses4: [Prefix4]
    public var addresses6: [Prefix6]
    /// Gateways of the default routes through the link, sorted.
    public var gateways4: [IPv4Address]
    public var gateways6: [IPv6Address]
    /// The gateways' permanent neighbour entries, sorted by address.
    public var neighbours: [Neighbour]
}
