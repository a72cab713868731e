internal import CNetlink

/// A link as the kernel describes it, as far as it concerns us.
struct LinkRecord {
    let index: Int32
    let name: String
    let kind: String?
    let alias: String?
    let group: UInt32
    let mac: MACAddress?
    let mtu: UInt32
    let isUp: Bool
    /// By its nature, not by its name, which whoever is root there can change.
    let isLoopback: Bool
    /// The bridge's index, or nil.
    let master: UInt32?
    /// A program sees what comes in before the kernel does.
    let hasXDP: Bool
    /// Of a veth: the other end's index in its namespace.
    let peerIndex: UInt32?
    /// The number, in the socket's namespace, of the other one that the link leads to: where the other end of a veth is, or the
    /// link that a macvlan sits on.
    let peerNamespace: Int32?
    let ipv4: IPv4Settings?
    let ipv6: IPv6Settings?
    let bridge: BridgeData?
    let bridgePort: BridgePortData?

    struct BridgeData {
        let stp, multicastSnooping: Bool
    }

    struct BridgePortData {
        /// The bridge does not take part of the link, though the link is up. (Before the kernel has noticed that it is, every port
        /// is disabled: br_port_carrier_check.)
        let isClosed: Bool
        let isolated, learning, unicastFlood, multicastFlood, broadcastFlood, bpduGuard, hairpin: Bool
        /// Nil: the kernel has no such flag.
        let locked: Bool?
        /// The index of the port that gets what this one cannot take.
        let backup: UInt32?
    }

    /// - Parameter wanted: tells by the name and the group whether the link matters; for others nil is returned, and the
    ///   larger part of the work is saved.
    init?(_ message: NetlinkSocket.Message, where wanted: (String, LinkRecord.Brief) -> Bool) {
        guard let (header, attributes) = message.parse(ifinfomsg.self, of: LinkScope.self),
            let name = attributes[.name]
        else { return nil }
        let group = attributes[.group] ?? 0
        let master = attributes[.master]
        guard wanted(name, Brief(index: header.ifi_index, group: group, master: master)) else { return nil }
        index = header.ifi_index
        self.name = name
        self.group = group
        self.master = master
        isUp = header.ifi_flags & UInt32(IFF_UP.rawValue) != 0
        isLoopback = header.ifi_flags & UInt32(IFF_LOOPBACK.rawValue) != 0
        alias = attributes[.alias]
        mac = attributes[.address]
        mtu = attributes[.mtu] ?? 0
        peerIndex = attributes[.peerIndex]
        hasXDP = attributes[.xdp][.attached] ?? 0 != 0
        peerNamespace = attributes[.peerNamespace]
        let families = attributes[.addressFamilies]
        ipv4 = IPv4Settings(families[.inet])
        ipv6 = IPv6Settings(families[.inet6])
        let info = attributes[.linkInfo]
        kind = info[.kind]
        if kind == "bridge" {
            let data = info[.bridge]
            bridge = BridgeData(
                stp: data[.stpState] ?? 0 != 0, multicastSnooping: data[.multicastSnooping] ?? 0 != 0)
        } else {
            bridge = nil
        }
        if info[.portKind] == "bridge" {
            let data = info[.bridgePort]
            func flag(_ key: Attribute<BridgePortScope, UInt8>) -> Bool { data[key] ?? 0 != 0 }
            bridgePort = BridgePortData(
                isClosed: data[.state] == UInt8(BR_STATE_DISABLED)
                    && attributes[.operationalState] == UInt8(IF_OPER_UP),
                isolated: flag(.isolated), learning: flag(.learning), unicastFlood: flag(.unicastFlood),
                multicastFlood: flag(.multicastFlood), broadcastFlood: flag(.broadcastFlood),
                bpduGuard: flag(.bpduGuard), hairpin: flag(.hairpin), locked: data[.locked].map { $0 != 0 },
                backup: data[.backupPort])
        } else {
            bridgePort = nil
        }
    }

    /// What tells whether a link matters.
    struct Brief {
        let index: Int32
        let group: UInt32
        let master: UInt32?
    }
}

extension NetlinkSocket {
    /// Reads the links that matter of the socket's namespace.
    mutating func links(
        where wanted: (String, LinkRecord.Brief) -> Bool
    ) throws(KernelError) -> [LinkRecord] {
        let request = Batch(capacity: 1 << 12)
        request.append(
            RTM_GETLINK, flags: NLM_F_DUMP, header: ifinfomsg(), "read the links", of: LinkScope.self
        ) { $0.put(.extendedMask, UInt32(RTEXT_FILTER_SKIP_STATS)) }
        return try query(request) { LinkRecord($0, where: wanted) }
    }

    /// Reads one link, or nil if there is none of that name.
    mutating func link(named name: String) throws(KernelError) -> LinkRecord? {
        let request = Batch(capacity: 1 << 12)
        request.append(
            RTM_GETLINK, flags: 0, header: ifinfomsg(), "read the link \(name)", of: LinkScope.self
        ) {
            $0.put(.name, name)
            $0.put(.extendedMask, UInt32(RTEXT_FILTER_SKIP_STATS))
        }
        do {
            return try query(request) { LinkRecord($0, where: { _, _ in true }) }.first
        } catch  where error.isNotFound {
            return nil
        }
    }
}
