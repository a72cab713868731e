internal import CNetlink
internal import Glibc

enum RouteScope {}
extension Attribute where Scope == RouteScope, Value == UInt32 {
    static var outputLink: Self { .init(RTA_OIF.rawValue, "RTA_OIF") }
    /// All 32 bits of the table's number, of which the header has eight.
    static var table: Self { .init(RTA_TABLE.rawValue, "RTA_TABLE") }
}
extension Attribute where Scope == RouteScope, Value == IPv4Address {
    static var gateway4: Self { .init(RTA_GATEWAY.rawValue, "RTA_GATEWAY") }
    static var destination4: Self { .init(RTA_DST.rawValue, "RTA_DST") }
}
extension Attribute where Scope == RouteScope, Value == IPv6Address {
    static var gateway6: Self { .init(RTA_GATEWAY.rawValue, "RTA_GATEWAY") }
    static var destination6: Self { .init(RTA_DST.rawValue, "RTA_DST") }
}

/// A unicast route of a main table, or of any table where so asked.
struct RouteRecord {
    let link: Int32?
    let destination4: Prefix4?
    let destination6: Prefix6?
    let gateway4: IPv4Address?
    let gateway6: IPv6Address?
    /// Who made it: `RTPROT_KERNEL`, `RTPROT_BOOT`, our own number …
    let madeBy: UInt8
}

extension Batch {
    /// A default route through a gateway that is on the link although no prefix says so (`RTNH_F_ONLINK`).
    func addDefaultRoute(
        _ gateway: IPv4Address, link: Int32, _ operation: @escaping @autoclosure () -> String
    ) {
        append(
            RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_REPLACE, header: Self.route(AF_INET), operation(),
            of: RouteScope.self
        ) {
            $0.put(.gateway4, gateway)
            $0.put(.outputLink, UInt32(link))
        }
    }

    func addDefaultRoute(
        _ gateway: IPv6Address, link: Int32, _ operation: @escaping @autoclosure () -> String
    ) {
        append(
            RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_REPLACE, header: Self.route(AF_INET6), operation(),
            of: RouteScope.self
        ) {
            $0.put(.gateway6, gateway)
            $0.put(.outputLink, UInt32(link))
        }
    }

    func removeDefaultRoute(
        _ gateway: IPv4Address, link: Int32, _ operation: @escaping @autoclosure () -> String
    ) {
        var header = Self.route(AF_INET)
        header.rtm_protocol = UInt8(RTPROT_UNSPEC)
        append(RTM_DELROUTE, flags: 0, header: header, operation(), of: RouteScope.self) {
            $0.put(.gateway4, gateway)
            $0.put(.outputLink, UInt32(link))
        }
    }

    func removeDefaultRoute(
        _ gateway: IPv6Address, link: Int32, _ operation: @escaping @autoclosure () -> String
    ) {
        var header = Self.route(AF_INET6)
        header.rtm_protocol = UInt8(RTPROT_UNSPEC)
        append(RTM_DELROUTE, flags: 0, header: header, operation(), of: RouteScope.self) {
            $0.put(.gateway6, gateway)
            $0.put(.outputLink, UInt32(link))
        }
    }

    private static func route(_ family: Int32) -> rtmsg {
        var header = rtmsg()
        header.rtm_family = UInt8(family)
        header.rtm_table = UInt8(RT_TABLE_MAIN.rawValue)
        header.rtm_protocol = Mark.routeProtocol
        header.rtm_scope = UInt8(RT_SCOPE_UNIVERSE.rawValue)
        header.rtm_type = UInt8(RTN_UNICAST)
        header.rtm_flags = UInt32(RTNH_F_ONLINK)
        return header
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
    fileprivate init?(_ message: NetlinkSocket.Message) {
        guard let (header, attributes) = message.parse(rtmsg.self, of: RouteScope.self),
            Int32(header.rtm_type) == Int32(RTN_UNICAST), header.rtm_flags & UInt32(RTM_F_CLONED) == 0,
            attributes[.table] == UInt32(RT_TABLE_MAIN.rawValue)
        else { return nil }
        let length = Int(header.rtm_dst_len)
        let isIPv4 = Int32(header.rtm_family) == AF_INET
        self.init(
            link: attributes[.outputLink].map { Int32(bitPattern: $0) },
            destination4: isIPv4
                ? Prefix(attributes[.destination4] ?? IPv4Address(bits: 0), length: length) : nil,
            destination6: isIPv4
                ? nil : Prefix(attributes[.destination6] ?? IPv6Address(bits: 0), length: length),
            gateway4: isIPv4 ? attributes[.gateway4] : nil,
            gateway6: isIPv4 ? nil : attributes[.gateway6],
            madeBy: header.rtm_protocol)
    }
}
