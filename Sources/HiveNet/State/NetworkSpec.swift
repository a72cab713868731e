/// What an operator wants of the network, in as few words as possible: the input from which
/// `NetworkState.init(_:)` derives every link, address, neighbour, sysctl and rule.
///
/// It is checked by whoever makes it (HiveCore, from a configuration): addresses are unique and inside
/// their subnets, names are valid.
public struct NetworkSpec: Equatable, Sendable {
    /// The bridge's name, at most 15 bytes.
    public var bridge: String
    /// What the names of agents' host links begin with (`hv-`).
    public var interfacePrefix: String
    /// The agents' IPv4 network. The first host address is the bridge's.
    public var subnet4: Prefix4
    /// The agents' IPv6 network, or nil for no IPv6 at all on agents' links.
    public var subnet6: Prefix6?
    /// Of the bridge and of both ends of every veth pair, in bytes.
    public var mtu: UInt32
    /// User ids that, besides root, may connect to agents' web ports.
    public var gatewayUsers: [UInt32]
    /// The group of nfnetlink_log that denied packets go to, so many a second; nil: no log.
    public var logGroup: UInt16?
    /// One entry an agent, in any order.
    public var agents: [Agent]
    /// What the names in egress policies stand for now. A name that is not here reaches nothing.
    public var names: [String: ResolvedName]

    public struct Agent: Equatable, Sendable {
        public var name: String
        public var address4: IPv4Address
        /// Nil exactly when the network has no IPv6.
        public var address6: IPv6Address?
        public var namespace: Namespace
        public var webPort: UInt16?
        public var egress: Egress

        public init(
            name: String, address4: IPv4Address, address6: IPv6Address?, namespace: Namespace = .own,
            webPort: UInt16? = nil, egress: Egress = .none
        ) {
            self.name = name
            self.address4 = address4
            self.address6 = address6
            self.namespace = namespace
            self.webPort = webPort
            self.egress = egress
        }
    }

    /// Where an agent lives.
    public enum Namespace: Equatable, Hashable, Sendable {
        /// `/run/netns/hive-NAME`, made and removed by us.
        case own
        /// Somebody else's namespace, by a path such as `/run/netns/mine`: we put a link into it.
        case path(String)
        /// The namespace that a process is in; and when it was started (`ProcessStart`), so that none is taken for it that has its
        /// number later. Nil: not known.
        case process(Int32, started: UInt64? = nil)
    }

    public init(
        bridge: String, interfacePrefix: String, subnet4: Prefix4, subnet6: Prefix6?, mtu: UInt32,
        gatewayUsers: [UInt32], agents: [Agent], names: [String: ResolvedName] = [:],
        logGroup: UInt16? = 104
    ) {
        self.bridge = bridge
        self.interfacePrefix = interfacePrefix
        self.subnet4 = subnet4
        self.subnet6 = subnet6
        self.mtu = mtu
        self.gatewayUsers = gatewayUsers
        self.agents = agents
        self.names = names
        self.logGroup = logGroup
    }

    /// The host's address on the bridge: the first host address of the subnet.
    public var gateway4: IPv4Address { IPv4Address(bits: subnet4.first.bits + 1) }
    public var gateway6: IPv6Address? { subnet6.map { IPv6Address(bits: $0.first.bits + 1) } }
}
