internal import CNetlink
internal import Glibc

// Requests about the links that `verify` makes for itself: they have nothing of what a hive's links have, and end with the
// process.
extension Batch {
    /// A bridge as anybody makes one: no rule and no flag keeps its ports apart.
    func createPlainBridge(_ name: String, mac: MACAddress, mtu: UInt32, index: Int32) {
        append(
            RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, header: linkHeader(index), "create bridge \(name)",
            of: LinkScope.self
        ) { link in
            link.put(.name, name)
            link.put(.address, mac)
            link.put(.mtu, mtu)
            link.put(.linkInfo) { info in
                info.put(.kind, "bridge")
                info.put(.bridge) {
                    $0.put(.stpState, 0)
                    $0.put(.multicastSnooping, 0)
                }
            }
        }
    }

    /// A pair whose far end is called `eth0` in another namespace.
    /// - Parameters:
    ///   - bridge: whose port the near end becomes. It learns nothing and floods everything: a frame with a false sender must not
    ///     turn the next one aside.
    ///   - peerMAC: nil for any.
    func createPair(
        _ name: String, index: Int32, bridge: Int32?, peerMAC: MACAddress?, namespace: borrowing Descriptor
    ) {
        let descriptor = UInt32(namespace.number)
        append(
            RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, header: linkHeader(index), "create veth \(name)",
            of: LinkScope.self
        ) { link in
            link.put(.name, name)
            if let bridge { link.put(.master, UInt32(bridge)) }
            link.put(.transmitQueues, 1)
            link.put(.receiveQueues, 1)
            link.put(.linkInfo) { info in
                info.put(.kind, "veth")
                info.put(.veth) { veth in
                    veth.put(.peer, header: ifinfomsg()) { peer in
                        peer.put(.name, insideName)
                        if let peerMAC { peer.put(.address, peerMAC) }
                        peer.put(.transmitQueues, 1)
                        peer.put(.receiveQueues, 1)
                        peer.put(.namespaceDescriptor, descriptor)
                    }
                }
            }
        }
        guard bridge != nil else { return }
        append(
            RTM_NEWLINK, flags: 0, header: linkHeader(index), "configure link \(name)", of: LinkScope.self
        ) { link in
            link.put(.linkInfo) { info in
                info.put(.portKind, "bridge")
                info.put(.bridgePort) { $0.put(.learning, 0) }
            }
        }
    }

    /// Raises a link that asks nobody for Ethernet addresses: whatever is routed over it leaves at once, to the link's own
    /// address (arp_constructor, ndisc_constructor).
    func raiseWithoutARP(_ name: String, index: Int32) {
        var header = linkHeader(index)
        header.ifi_flags = UInt32(IFF_UP.rawValue | IFF_NOARP.rawValue)
        header.ifi_change = header.ifi_flags
        append(RTM_SETLINK, flags: 0, header: header, "raise link \(name)", of: LinkScope.self) { _ in }
    }

    /// A link that packets come back over to agents.
    func configureUplink(_ name: String, index: Int32, hasIPv6: Bool) {
        append(
            RTM_SETLINK, flags: 0, header: linkHeader(index), "configure link \(name)", of: LinkScope.self
        ) { link in
            link.put(.addressFamilies) { families in
                families.put(.inet) { inet in
                    inet.put(.settings) {
                        $0.put(.forwarding, 1)
                        $0.put(.rpFilter, 0)
                    }
                }
                guard hasIPv6 else { return }
                families.put(.inet6) {
                    $0.put(.addressGeneration, UInt8(IN6_ADDR_GEN_MODE_NONE.rawValue))
                }
            }
        }
    }

    private func linkHeader(_ index: Int32) -> ifinfomsg {
        var header = ifinfomsg()
        header.ifi_index = index
        return header
    }

    /// A route over a link, without a gateway. It goes with the link.
    /// - Parameters:
    ///   - trafficClass: of IPv4: only for packets with this type of service.
    ///   - source: of IPv6: only for packets from there (CONFIG_IPV6_SUBTREES).
    func addRoute<Address: IPAddress & AttributeValue>(
        to destination: Prefix<Address>, from source: Prefix<Address>? = nil, trafficClass: UInt8 = 0,
        link: Int32, _ operation: @escaping @autoclosure () -> String
    ) {
        changeRoute(
            RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, destination, source, trafficClass, link, operation)
    }

    func removeRoute<Address: IPAddress & AttributeValue>(
        to destination: Prefix<Address>, from source: Prefix<Address>? = nil, trafficClass: UInt8 = 0,
        link: Int32, _ operation: @escaping @autoclosure () -> String
    ) {
        changeRoute(RTM_DELROUTE, 0, destination, source, trafficClass, link, operation)
    }

    private func changeRoute<Address: IPAddress & AttributeValue>(
        _ type: Int, _ flags: Int32, _ destination: Prefix<Address>, _ source: Prefix<Address>?,
        _ trafficClass: UInt8, _ link: Int32, _ operation: @escaping () -> String
    ) {
        let isIPv4 = Address.family == UInt8(AF_INET)
        var header = rtmsg()
        header.rtm_family = Address.family
        header.rtm_dst_len = UInt8(destination.length)
        header.rtm_src_len = UInt8(source?.length ?? 0)
        header.rtm_tos = trafficClass
        header.rtm_table = UInt8(RT_TABLE_MAIN.rawValue)
        header.rtm_protocol = Mark.routeProtocol
        header.rtm_scope = UInt8(isIPv4 ? RT_SCOPE_LINK.rawValue : RT_SCOPE_UNIVERSE.rawValue)
        header.rtm_type = UInt8(RTN_UNICAST)
        append(type, flags: flags, header: header, operation(), of: RouteScope.self) {
            $0.put(.destination, destination.first)
            if let source { $0.put(.source, source.first) }
            $0.put(.outputLink, UInt32(link))
        }
    }
}

extension Attribute where Scope == RouteScope, Value: IPAddress {
    fileprivate static var source: Self { .init(RTA_SRC.rawValue, "RTA_SRC") }
}
