internal import CNetlink

// Requests about links. Where a link is named by its index, the index was read, or chosen, before.
extension Batch {
    private func header(_ index: Int32 = 0, up: Bool? = nil) -> ifinfomsg {
        var header = ifinfomsg()
        header.ifi_index = index
        if let up {
            header.ifi_change = UInt32(IFF_UP.rawValue)
            header.ifi_flags = up ? UInt32(IFF_UP.rawValue) : 0
        }
        return header
    }

    // MARK: The bridge

    /// Makes the bridge, down and without addresses. `configure(bridge:)` does the rest.
    func create(_ bridge: Bridge, index: Int32) {
        append(
            RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, header: header(index),
            "create bridge \(bridge.name)",
            of: LinkScope.self
        ) { link in
            link.put(.name, bridge.name)
            link.put(.address, bridge.mac)
            link.put(.mtu, bridge.mtu)
            link.put(.linkInfo) { info in
                info.put(.kind, "bridge")
                info.put(.bridge) { bridge.put(in: $0) }
            }
        }
    }

    /// Everything but addresses and up.
    /// - Parameter actual: what there is. Its MAC is not set again where it is right: that flushes the neighbours
    ///   (`neigh_changeaddr`).
    func configure(_ bridge: Bridge, actual: Bridge?, index: Int32, hasIPv6: Bool) {
        if let actual, actual.mtu != bridge.mtu {
            // By itself, and before the rest: below 1280 the kernel has taken IPv6 off the link, settings and all.
            append(
                RTM_SETLINK, flags: 0, header: header(index), "set the MTU of \(bridge.name)",
                of: LinkScope.self
            ) { $0.put(.mtu, bridge.mtu) }
        }
        append(
            RTM_NEWLINK, flags: 0, header: header(index), "configure bridge \(bridge.name)",
            of: LinkScope.self
        ) { link in
            if let actual, actual.mac != bridge.mac { link.put(.address, bridge.mac) }
            link.put(.mtu, bridge.mtu)
            link.put(.alias, bridge.alias ?? "")
            link.put(.linkInfo) { info in
                info.put(.kind, "bridge")
                info.put(.bridge) { bridge.put(in: $0) }
            }
            link.put(bridge.ipv4, generatesLinkLocal: false, hasIPv6: hasIPv6)
        }
    }

    /// Makes a link no port of any bridge.
    func evict(_ name: String, index: Int32) {
        append(
            RTM_SETLINK, flags: 0, header: header(index), "take \(name) off the bridge", of: LinkScope.self
        ) {
            $0.put(.master, 0)
        }
    }

    // MARK: Veth pairs

    /// Makes a pair, both ends down, the far end at once in its namespace: a move afterwards would cost twenty times as much.
    /// One queue for each end: with more, making a pair waits for an RCU grace period (`netif_set_real_num_tx_queues`).
    func createPair(
        _ port: Port, inside: Inside, index: Int32, bridge: Int32, namespace: borrowing Descriptor
    ) {
        let descriptor = UInt32(namespace.number)
        append(
            RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, header: header(index), "create veth \(port.name)",
            of: LinkScope.self
        ) { link in
            link.put(.name, port.name)
            link.put(.address, port.mac)
            link.put(.mtu, port.mtu)
            link.put(.group, port.group)
            link.put(.master, UInt32(bridge))
            link.put(.transmitQueues, 1)
            link.put(.receiveQueues, 1)
            link.put(.linkInfo) { info in
                info.put(.kind, "veth")
                info.put(.veth) { veth in
                    veth.put(.peer, header: ifinfomsg()) { peer in
                        peer.put(.name, inside.name)
                        peer.put(.address, inside.mac)
                        peer.put(.mtu, inside.mtu)
                        peer.put(.transmitQueues, 1)
                        peer.put(.receiveQueues, 1)
                        peer.put(.namespaceDescriptor, descriptor)
                    }
                }
            }
        }
    }

    /// Gives a port its marks and flags. It must be a port already: a link that becomes one gets the kernel's defaults.
    func configure(_ port: Port, index: Int32, hasIPv6: Bool) {
        append(
            RTM_NEWLINK, flags: 0, header: header(index), "configure link \(port.name)", of: LinkScope.self
        ) { link in
            link.put(.alias, port.alias ?? "")
            link.put(.linkInfo) { info in
                info.put(.portKind, "bridge")
                info.put(.bridgePort) { port.put(in: $0) }
            }
            link.put(port.ipv4, generatesLinkLocal: port.generatesLinkLocal, hasIPv6: hasIPv6)
        }
    }

    /// What `configure` does not set because it was set when the pair was made.
    func reset(_ port: Port, actual: Port, index: Int32) {
        append(
            RTM_SETLINK, flags: 0, header: header(index), "configure link \(port.name)", of: LinkScope.self
        ) {
            $0.put(.group, port.group)
            $0.put(.mtu, port.mtu)
            if port.mac != actual.mac { $0.put(.address, port.mac) }
        }
    }

    /// Has the bridge take part of a link again. Refused while the bridge speaks the spanning tree protocol (br_set_port_state).
    func open(_ name: String, index: Int32) {
        append(
            RTM_NEWLINK, flags: 0, header: header(index), "open port \(name)", of: LinkScope.self
        ) { link in
            link.put(.linkInfo) { info in
                info.put(.portKind, "bridge")
                info.put(.bridgePort) { $0.put(.state, UInt8(BR_STATE_FORWARDING)) }
            }
        }
    }

    /// Makes a link a port of the bridge, down: it comes up again when its flags are set.
    func join(_ name: String, index: Int32, bridge: Int32) {
        lower(name, index: index)
        append(
            RTM_SETLINK, flags: 0, header: header(index), "make link \(name) a port of the bridge",
            of: LinkScope.self
        ) { $0.put(.master, UInt32(bridge)) }
    }

    func lower(_ name: String, index: Int32) {
        append(
            RTM_SETLINK, flags: 0, header: header(index, up: false), "put link \(name) down",
            of: LinkScope.self
        ) { _ in }
    }

    func raise(_ name: String, index: Int32) {
        append(
            RTM_SETLINK, flags: 0, header: header(index, up: true), "raise link \(name)", of: LinkScope.self
        ) { _ in }
    }

    // MARK: Inside

    /// The agent's end, but for its addresses.
    func configure(_ inside: Inside, actual: LinkRecord, hasIPv6: Bool) {
        append(
            RTM_SETLINK, flags: 0, header: header(actual.index), "configure link \(inside.name)",
            of: LinkScope.self
        ) { link in
            if inside.mac != actual.mac { link.put(.address, inside.mac) }
            if inside.mtu != actual.mtu { link.put(.mtu, inside.mtu) }
            guard hasIPv6 else { return }
            link.put(.addressFamilies) {
                $0.put(.inet6) { $0.put(.addressGeneration, .none(inside.generatesLinkLocal)) }
            }
        }
    }

    // MARK: Many at once

    /// Deletes links all together: one by one each would wait for an RCU grace period.
    func delete(_ links: [(name: String, index: Int32)]) {
        for link in links {
            append(
                RTM_SETLINK, flags: 0, header: header(link.index), "mark link \(link.name) for deletion",
                of: LinkScope.self
            ) { $0.put(.group, Mark.condemnedGroup) }
        }
        append(
            RTM_DELLINK, flags: 0, header: header(), "delete \(links.count) links", of: LinkScope.self
        ) { $0.put(.group, Mark.condemnedGroup) }
    }

    func delete(link name: String, index: Int32) {
        append(RTM_DELLINK, flags: 0, header: header(index), "delete link \(name)", of: LinkScope.self) { _ in
        }
    }
}

extension AttributeWriter<LinkScope> {
    fileprivate func put(_ ipv4: IPv4Settings, generatesLinkLocal: Bool, hasIPv6: Bool) {
        put(.addressFamilies) { families in
            families.put(.inet) { $0.put(.settings) { ipv4.put(in: $0) } }
            if hasIPv6 { families.put(.inet6) { $0.put(.addressGeneration, .none(generatesLinkLocal)) } }
        }
    }
}

extension UInt8 {
    /// `IN6_ADDR_GEN_MODE_NONE`, or the kernel's default.
    fileprivate static func none(_ generates: Bool) -> UInt8 {
        UInt8(generates ? IN6_ADDR_GEN_MODE_EUI64.rawValue : IN6_ADDR_GEN_MODE_NONE.rawValue)
    }
}

extension Bridge {
    fileprivate func put(in writer: AttributeWriter<BridgeScope>) {
        writer.put(.stpState, stp ? 1 : 0)
        writer.put(.multicastSnooping, multicastSnooping ? 1 : 0)
    }
}

extension Port {
    fileprivate func put(in writer: AttributeWriter<BridgePortScope>) {
        func flag(_ value: Bool) -> UInt8 { value ? 1 : 0 }
        writer.put(.isolated, flag(isolated))
        if let locked { writer.put(.locked, flag(locked)) }
        writer.put(.learning, flag(learning))
        writer.put(.unicastFlood, flag(unicastFlood))
        writer.put(.multicastFlood, flag(multicastFlood))
        writer.put(.broadcastFlood, flag(broadcastFlood))
        writer.put(.bpduGuard, flag(bpduGuard))
        writer.put(.hairpin, flag(hairpin))
        // None (nbp_backup_change).
        if backup == nil { writer.put(.backupPort, 0) }
    }
}
