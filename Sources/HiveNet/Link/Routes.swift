internal import CNetlink
internal import Glibc

enum RouteScope {}
extension Attribute where Scope == RouteScope, Value == UInt32 {
    static var metric: Self { .init(RTA_PRIORITY.rawValue, "RTA_PRIORITY") }
    static var outputLink: Self { .init(RTA_OIF.rawValue, "RTA_OIF") }
    /// All 32 bits of the table's number, of which the header has eight.
    static var table: Self { .init(RTA_TABLE.rawValue, "RTA_TABLE") }
}
extension Attribute where Scope == RouteScope, Value: IPAddress {
    static var gateway: Self { .init(RTA_GATEWAY.rawValue, "RTA_GATEWAY") }
    static var destination: Self { .init(RTA_DST.rawValue, "RTA_DST") }
    static var preferredSource: Self { .init(RTA_PREFSRC.rawValue, "RTA_PREFSRC") }
}

/// A route of a main table. (Without a link: one that leads nowhere, such as `unreachable`.)
struct RouteRecord {
    let link: Int32?
    let destination4: Prefix4?
    let destination6: Prefix6?
    let gateway4: IPv4Address?
    let gateway6: IPv6Address?
}

extension Batch {
    /// A default route through a gateway that is on the link although no prefix says so (`RTNH_F_ONLINK`).
    func addDefaultRoute(
        _ gateway: some IPAddress & AttributeValue, link: Int32,
        _ operation: @escaping @autoclosure () -> String
    ) {
        changeDefaultRoute(
            RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, gateway, link, madeBy: Mark.routeProtocol, operation)
    }

    /// The route to the network of a link's own address, as the kernel makes it when the address is added
    /// (fib_add_ifaddr, addrconf_prefix_route).
    func addConnectedRoute<Address: IPAddress & AttributeValue>(
        _ network: Prefix<Address>, from source: Address, link: Int32,
        _ operation: @escaping @autoclosure () -> String
    ) {
        let isIPv4 = Address.family == UInt8(AF_INET)
        var header = rtmsg()
        header.rtm_family = Address.family
        header.rtm_dst_len = UInt8(network.length)
        header.rtm_table = UInt8(RT_TABLE_MAIN.rawValue)
        header.rtm_protocol = UInt8(RTPROT_KERNEL)
        header.rtm_scope = UInt8(isIPv4 ? RT_SCOPE_LINK.rawValue : RT_SCOPE_UNIVERSE.rawValue)
        header.rtm_type = UInt8(RTN_UNICAST)
        append(
            RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_REPLACE, header: header, operation(),
            of: RouteScope.self
        ) {
            $0.put(.destination, network.first)
            $0.put(.outputLink, UInt32(link))
            if isIPv4 { $0.put(.preferredSource, source) } else { $0.put(.metric, 256) }
        }
    }

    /// Whoever made it.
    func removeDefaultRoute(
        _ gateway: some IPAddress & AttributeValue, link: Int32,
        _ operation: @escaping @autoclosure () -> String
    ) {
        changeDefaultRoute(RTM_DELROUTE, 0, gateway, link, madeBy: UInt8(RTPROT_UNSPEC), operation)
    }

    private func changeDefaultRoute<Address: IPAddress & AttributeValue>(
        _ type: Int, _ flags: Int32, _ gateway: Address, _ link: Int32, madeBy: UInt8,
        _ operation: @escaping () -> String
    ) {
        var header = rtmsg()
        header.rtm_family = Address.family
        header.rtm_table = UInt8(RT_TABLE_MAIN.rawValue)
        header.rtm_protocol = madeBy
        header.rtm_scope = UInt8(RT_SCOPE_UNIVERSE.rawValue)
        header.rtm_type = UInt8(RTN_UNICAST)
        header.rtm_flags = UInt32(RTNH_F_ONLINK)
        append(type, flags: flags, header: header, operation(), of: RouteScope.self) {
            $0.put(.gateway, gateway)
            $0.put(.outputLink, UInt32(link))
        }
    }
}

extension NetlinkSocket {
    /// The unicast routes of the main tables, IPv4 and IPv6.
    mutating func routes() throws(KernelError) -> [RouteRecord] {
        var records: [RouteRecord] = []
        for family in [AF_INET, AF_INET6] {
            let request = Batch(capacity: 1 << 12)
            var header = rtmsg()
            header.rtm_family = UInt8(family)
            header.rtm_table = UInt8(RT_TABLE_MAIN.rawValue)
            request.append(
                RTM_GETROUTE, flags: NLM_F_DUMP, header: header, "read the routes", of: RouteScope.self
            ) { $0.put(.table, UInt32(RT_TABLE_MAIN.rawValue)) }
            do {
                records += try query(request) { RouteRecord($0) }
            } catch  where error.isNotFound || error.code == EOPNOTSUPP {
                continue  // The namespace has no such table yet, or the kernel no IPv6.
            }
        }
        return records
    }
}

extension RouteRecord {
    init?(_ message: NetlinkSocket.Message) {
        guard let (header, attributes) = message.parse(rtmsg.self, of: RouteScope.self),
            [RTN_UNICAST, RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT, RTN_THROW].map({ Int32($0) })
                .contains(
                    Int32(header.rtm_type)), header.rtm_flags & UInt32(RTM_F_CLONED) == 0,
            attributes[.table] == UInt32(RT_TABLE_MAIN.rawValue)
        else { return nil }
        let length = Int(header.rtm_dst_len)
        let isIPv4 = Int32(header.rtm_family) == AF_INET
        self.init(
            link: attributes[.outputLink].map { Int32(bitPattern: $0) },
            destination4: isIPv4
                ? Prefix(attributes[.destination] ?? IPv4Address(bits: 0), length: length) : nil,
            destination6: isIPv4
                ? nil : Prefix(attributes[.destination] ?? IPv6Address(bits: 0), length: length),
            gateway4: isIPv4 ? attributes[.gateway] : nil,
            gateway6: isIPv4 ? nil : attributes[.gateway])
    }
}
