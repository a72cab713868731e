internal import CNetlink

// The attributes of RTM_*LINK messages, linux/if_link.h.

enum LinkScope {}
enum LinkInfoScope {}
enum VethScope {}
enum BridgeScope {}
enum BridgePortScope {}
enum AddressFamilyScope {}
enum XDPScope {}
enum INETScope {}
enum INET6Scope {}

extension Attribute where Scope == LinkScope, Value == String {
    static var name: Self { .init(IFLA_IFNAME, "IFLA_IFNAME") }
    static var alias: Self { .init(IFLA_IFALIAS, "IFLA_IFALIAS") }
}
extension Attribute where Scope == LinkScope, Value == UInt32 {
    static var mtu: Self { .init(IFLA_MTU, "IFLA_MTU") }
    static var group: Self { .init(IFLA_GROUP, "IFLA_GROUP") }
    /// The index of the bridge that the link is a port of; 0: none.
    static var master: Self { .init(IFLA_MASTER, "IFLA_MASTER") }
    /// Of a veth: the index of the other end, in the other end's namespace.
    static var peerIndex: Self { .init(IFLA_LINK, "IFLA_LINK") }
    static var namespaceDescriptor: Self { .init(IFLA_NET_NS_FD, "IFLA_NET_NS_FD") }
    static var transmitQueues: Self { .init(IFLA_NUM_TX_QUEUES, "IFLA_NUM_TX_QUEUES") }
    static var receiveQueues: Self { .init(IFLA_NUM_RX_QUEUES, "IFLA_NUM_RX_QUEUES") }
    /// What a dump should hold besides the usual (`RTEXT_FILTER_*`).
    static var extendedMask: Self { .init(IFLA_EXT_MASK, "IFLA_EXT_MASK") }
}
extension Attribute where Scope == LinkScope, Value == Int32 {
    /// The socket's namespace's number for the one that the other end is in; absent where that is the same (rtnl_fill_link_netnsid).
    static var peerNamespace: Self { .init(IFLA_LINK_NETNSID, "IFLA_LINK_NETNSID") }
}
extension Attribute where Scope == LinkScope, Value == UInt8 {
    /// RFC 2863's state, `IF_OPER_UP` and so on (linux/if.h).
    static var operationalState: Self { .init(IFLA_OPERSTATE, "IFLA_OPERSTATE") }
}
extension Attribute where Scope == LinkScope, Value == MACAddress {
    static var address: Self { .init(IFLA_ADDRESS, "IFLA_ADDRESS") }
}
extension Attribute where Scope == LinkScope, Value == Nested<LinkInfoScope> {
    static var linkInfo: Self { .init(IFLA_LINKINFO, "IFLA_LINKINFO") }
}
extension Attribute where Scope == LinkScope, Value == Nested<XDPScope> {
    static var xdp: Self { .init(IFLA_XDP, "IFLA_XDP") }
}
extension Attribute where Scope == XDPScope, Value == UInt8 {
    /// `XDP_ATTACHED_NONE` and so on.
    static var attached: Self { .init(IFLA_XDP_ATTACHED, "IFLA_XDP_ATTACHED") }
}
extension Attribute where Scope == LinkScope, Value == Nested<AddressFamilyScope> {
    static var addressFamilies: Self { .init(IFLA_AF_SPEC, "IFLA_AF_SPEC") }
}

extension Attribute where Scope == LinkInfoScope, Value == String {
    static var kind: Self { .init(IFLA_INFO_KIND, "IFLA_INFO_KIND") }
    static var portKind: Self { .init(IFLA_INFO_SLAVE_KIND, "IFLA_INFO_SLAVE_KIND") }
}
extension Attribute where Scope == LinkInfoScope, Value == Nested<VethScope> {
    static var veth: Self { .init(IFLA_INFO_DATA, "IFLA_INFO_DATA") }
}
extension Attribute where Scope == LinkInfoScope, Value == Nested<BridgeScope> {
    static var bridge: Self { .init(IFLA_INFO_DATA, "IFLA_INFO_DATA") }
}
extension Attribute where Scope == LinkInfoScope, Value == Nested<BridgePortScope> {
    static var bridgePort: Self { .init(IFLA_INFO_SLAVE_DATA, "IFLA_INFO_SLAVE_DATA") }
}

extension Attribute where Scope == VethScope, Value == Nested<LinkScope> {
    /// Begins with an `ifinfomsg`.
    static var peer: Self { .init(VETH_INFO_PEER, "VETH_INFO_PEER") }
}

extension Attribute where Scope == BridgeScope, Value == UInt32 {
    static var stpState: Self { .init(IFLA_BR_STP_STATE, "IFLA_BR_STP_STATE") }
}
extension Attribute where Scope == BridgeScope, Value == UInt8 {
    static var multicastSnooping: Self { .init(IFLA_BR_MCAST_SNOOPING, "IFLA_BR_MCAST_SNOOPING") }
}

extension Attribute where Scope == BridgePortScope, Value == UInt32 {
    static var backupPort: Self { .init(IFLA_BRPORT_BACKUP_PORT, "IFLA_BRPORT_BACKUP_PORT") }
}
extension Attribute where Scope == BridgePortScope, Value == UInt8 {
    static var state: Self { .init(IFLA_BRPORT_STATE, "IFLA_BRPORT_STATE") }
    static var isolated: Self { .init(IFLA_BRPORT_ISOLATED, "IFLA_BRPORT_ISOLATED") }
    static var locked: Self { .init(IFLA_BRPORT_LOCKED, "IFLA_BRPORT_LOCKED") }
    static var learning: Self { .init(IFLA_BRPORT_LEARNING, "IFLA_BRPORT_LEARNING") }
    static var unicastFlood: Self { .init(IFLA_BRPORT_UNICAST_FLOOD, "IFLA_BRPORT_UNICAST_FLOOD") }
    static var multicastFlood: Self { .init(IFLA_BRPORT_MCAST_FLOOD, "IFLA_BRPORT_MCAST_FLOOD") }
    static var broadcastFlood: Self { .init(IFLA_BRPORT_BCAST_FLOOD, "IFLA_BRPORT_BCAST_FLOOD") }
    static var bpduGuard: Self { .init(IFLA_BRPORT_GUARD, "IFLA_BRPORT_GUARD") }
    static var hairpin: Self { .init(IFLA_BRPORT_MODE, "IFLA_BRPORT_MODE") }
}

// IFLA_AF_SPEC holds one attribute for each address family, with the family's number as its type.
extension Attribute where Scope == AddressFamilyScope, Value == Nested<INETScope> {
    static var inet: Self { .init(AF_INET, "AF_INET") }
}
extension Attribute where Scope == AddressFamilyScope, Value == Nested<INET6Scope> {
    static var inet6: Self { .init(AF_INET6, "AF_INET6") }
}
extension Attribute where Scope == INETScope, Value == Nested<IPv4Settings> {
    /// Written: attributes numbered `IPV4_DEVCONF_*` (inet_set_link_af). Read: an array of 32-bit numbers.
    static var settings: Self { .init(IFLA_INET_CONF, "IFLA_INET_CONF") }
}
extension Attribute where Scope == INET6Scope, Value == UInt8 {
    static var addressGeneration: Self { .init(IFLA_INET6_ADDR_GEN_MODE, "IFLA_INET6_ADDR_GEN_MODE") }
}
extension Attribute where Scope == INET6Scope, Value == Nested<IPv6Settings> {
    /// Read only: an array of 32-bit numbers, `DEVCONF_*`.
    static var settings: Self { .init(IFLA_INET6_CONF, "IFLA_INET6_CONF") }
}

// net.ipv4.conf.LINK.*, linux/ip.h.
extension Attribute where Scope == IPv4Settings, Value == UInt32 {
    static var forwarding: Self { .init(IPV4_DEVCONF_FORWARDING, "IPV4_DEVCONF_FORWARDING") }
    static var rpFilter: Self { .init(IPV4_DEVCONF_RP_FILTER, "IPV4_DEVCONF_RP_FILTER") }
    static var routeLocalnet: Self { .init(IPV4_DEVCONF_ROUTE_LOCALNET, "IPV4_DEVCONF_ROUTE_LOCALNET") }
    static var acceptRedirects: Self { .init(IPV4_DEVCONF_ACCEPT_REDIRECTS, "IPV4_DEVCONF_ACCEPT_REDIRECTS") }
    static var sendRedirects: Self { .init(IPV4_DEVCONF_SEND_REDIRECTS, "IPV4_DEVCONF_SEND_REDIRECTS") }
    static var acceptSourceRoute: Self {
        .init(IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE, "IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE")
    }
    static var proxyARP: Self { .init(IPV4_DEVCONF_PROXY_ARP, "IPV4_DEVCONF_PROXY_ARP") }
    static var arpIgnore: Self { .init(IPV4_DEVCONF_ARP_IGNORE, "IPV4_DEVCONF_ARP_IGNORE") }
}

extension IPv4Settings {
    func put(in writer: AttributeWriter<IPv4Settings>) {
        writer.put(.forwarding, forwarding)
        writer.put(.rpFilter, rpFilter)
        writer.put(.routeLocalnet, routeLocalnet)
        writer.put(.acceptRedirects, acceptRedirects)
        writer.put(.sendRedirects, sendRedirects)
        writer.put(.acceptSourceRoute, acceptSourceRoute)
        writer.put(.proxyARP, proxyARP)
        writer.put(.arpIgnore, arpIgnore)
    }

    /// - Returns: nil if the link has no IPv4.
    init?(_ attributes: Attributes<INETScope>) {
        guard let numbers = attributes.payload(Attribute<INETScope, Nested<IPv4Settings>>.settings.type)
        else {
            return nil
        }
        // Numbered from 1, unlike the array.
        func read(_ key: Attribute<IPv4Settings, UInt32>) -> UInt32 { numbers.word(Int(key.type) - 1) }
        self.init(
            forwarding: read(.forwarding), rpFilter: read(.rpFilter), routeLocalnet: read(.routeLocalnet),
            acceptRedirects: read(.acceptRedirects), sendRedirects: read(.sendRedirects),
            acceptSourceRoute: read(.acceptSourceRoute), proxyARP: read(.proxyARP),
            arpIgnore: read(.arpIgnore))
    }
}

extension IPv6Settings {
    /// - Returns: nil if the link has no IPv6.
    init?(_ attributes: Attributes<INET6Scope>) {
        guard let numbers = attributes.payload(Attribute<INET6Scope, Nested<IPv6Settings>>.settings.type)
        else {
            return nil
        }
        self.init(
            disabled: numbers.word(Int(DEVCONF_DISABLE_IPV6)) != 0,
            acceptRA: numbers.word(Int(DEVCONF_ACCEPT_RA)),
            acceptRedirects: numbers.word(Int(DEVCONF_ACCEPT_REDIRECTS)),
            proxyNDP: numbers.word(Int(DEVCONF_PROXY_NDP)),
            generatesLinkLocal: attributes[.addressGeneration] != UInt8(IN6_ADDR_GEN_MODE_NONE.rawValue))
    }
}

extension UnsafeRawBufferPointer {
    /// The 32-bit number at an index, or 0 behind the end (an older kernel's shorter array).
    fileprivate func word(_ index: Int) -> UInt32 {
        (index + 1) * 4 <= count ? loadUnaligned(fromByteOffset: index * 4, as: UInt32.self) : 0
    }
}
