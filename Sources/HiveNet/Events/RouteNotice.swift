internal import CNetlink
internal import Glibc

enum NetconfScope {}
extension Attribute where Scope == NetconfScope, Value == Int32 {
    /// Or `NETCONFA_IFINDEX_ALL`, `NETCONFA_IFINDEX_DEFAULT`.
    static var link: Self { .init(NETCONFA_IFINDEX, "NETCONFA_IFINDEX") }
}

/// What a notification of rtnetlink's is about.
struct RouteNotice: Equatable {
    enum Subject: Equatable {
        /// A link, or what a bridge knows of its port. `elsewhere`: the number of the namespace that it leads to.
        case link(index: Int32, name: String?, group: UInt32?, master: UInt32?, elsewhere: Int32?)
        /// An entry of a forwarding database.
        case forwarding(port: Int32)
        case neighbour(link: Int32)
        case address(link: Int32)
        /// Nil: a route that leads nowhere. What has no destination leads everywhere.
        case route(link: Int32?, to4: Prefix4?, to6: Prefix6?)
        /// `net.ipv4.conf`, `net.ipv6.conf`, as far as the kernel tells of it (inet_netconf_notify_devconf).
        case setting(link: Int32)
        /// The socket's namespace has got, or lost, its number for another one.
        case namespaceNumber
    }

    let subject: Subject
    /// The number of the namespace that it is from; nil: the socket's own.
    let namespace: Int32?
    /// It is gone (`RTM_DEL…`).
    let isRemoval: Bool
    /// The netlink port that asked for it, where the kernel says (`nlmsg_pid`): mostly the id of a process. 0: it does not.
    let requester: UInt32

    /// - Returns: nil for what is about none of these, and for a message that is too short.
    init?(_ message: NetlinkSocket.Message, namespace: Int32?) {
        self.namespace = namespace
        requester = message.header.pointee.nlmsg_pid
        let type = Int(message.type)
        // They come in fours: new, delete, get, set.
        isRemoval = type & 3 == RTM_DELLINK & 3
        switch type {
        case RTM_NEWLINK, RTM_DELLINK:
            guard let (header, attributes) = message.parse(ifinfomsg.self, of: LinkScope.self) else {
                return nil
            }
            subject = .link(
                index: header.ifi_index, name: attributes[.name], group: attributes[.group],
                master: attributes[.master], elsewhere: attributes[.peerNamespace])
        case RTM_NEWNEIGH, RTM_DELNEIGH:
            guard let (header, _) = message.parse(ndmsg.self, of: NeighbourScope.self) else { return nil }
            subject =
                header.ndm_family == UInt8(PF_BRIDGE)
                ? .forwarding(port: header.ndm_ifindex) : .neighbour(link: header.ndm_ifindex)
        case RTM_NEWADDR, RTM_DELADDR:
            guard let (header, _) = message.parse(ifaddrmsg.self, of: AddressScope.self) else { return nil }
            subject = .address(link: Int32(bitPattern: header.ifa_index))
        case RTM_NEWROUTE, RTM_DELROUTE:
            guard let (header, attributes) = message.parse(rtmsg.self, of: RouteScope.self) else {
                return nil
            }
            let length = Int(header.rtm_dst_len)
            let isIPv4 = header.rtm_family == UInt8(AF_INET)
            subject = .route(
                link: attributes[.outputLink].map { Int32(bitPattern: $0) },
                to4: isIPv4
                    ? Prefix(attributes[.destination] ?? IPv4Address(bits: 0), length: length) : nil,
                to6: isIPv4
                    ? nil : Prefix(attributes[.destination] ?? IPv6Address(bits: 0), length: length))
        case RTM_NEWNETCONF, RTM_DELNETCONF:
            guard let (_, attributes) = message.parse(netconfmsg.self, of: NetconfScope.self),
                let link = attributes[.link]
            else { return nil }
            subject = .setting(link: link)
        case RTM_NEWNSID, RTM_DELNSID: subject = .namespaceNumber
        default: return nil
        }
    }

    /// The groups in which all that is said.
    static let groups: [UInt32] = [
        RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
        RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF, RTNLGRP_NSID,
    ].map(\.rawValue)
}

extension PacketFilter {
    /// Of rtnetlink's notifications all but those about neighbours on other links: a host's neighbours go stale and come back all
    /// day long, and nobody is to be woken up by it.
    ///
    /// - Parameter link: the bridge's index.
    static func notices(link: Int32) -> PacketFilter {
        // Numbers are in host byte order, and the filter takes them for network byte order. struct nlmsghdr has its type at 4; behind
        // it, at 16, struct ndmsg begins with the family, and has the link at 20.
        PacketFilter(instructions: [
            sock_filter(code: UInt16(BPF_LD | BPF_H | BPF_ABS), jt: 0, jf: 0, k: 4),
            sock_filter(
                code: UInt16(BPF_JMP | BPF_JEQ | BPF_K), jt: 0, jf: 5,
                k: UInt32(UInt16(RTM_NEWNEIGH).bigEndian)),
            sock_filter(code: UInt16(BPF_LD | BPF_B | BPF_ABS), jt: 0, jf: 0, k: 16),
            sock_filter(code: UInt16(BPF_JMP | BPF_JEQ | BPF_K), jt: 3, jf: 0, k: UInt32(PF_BRIDGE)),
            sock_filter(code: UInt16(BPF_LD | BPF_W | BPF_ABS), jt: 0, jf: 0, k: 20),
            sock_filter(
                code: UInt16(BPF_JMP | BPF_JEQ | BPF_K), jt: 1, jf: 0, k: UInt32(bitPattern: link).bigEndian),
            sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: 0),
            sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: .max),
        ])
    }
}
