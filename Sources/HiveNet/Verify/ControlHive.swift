internal import CNetlink
internal import Glibc

/// A hive without a boundary, in namespaces that no file stands for: every probe has to arrive there before it counts as
/// blocked anywhere else.
///
/// A "host" with a bridge of the same addresses that routes, two "agents" that have the addresses of two real ones, and an
/// "outside". It is gone when its sockets are closed, also when the process is killed.
final class ControlHive {
    let senders: [Prober.Sender]
    let host: Prober.Host
    let outside: PacketSocket

    /// A namespace that is held by its descriptor alone.
    final class Namespace {
        let descriptor: Descriptor

        /// Made by a thread that ends here.
        init() throws(KernelError) {
            descriptor = try onThreadOfItsOwn { (switcher) throws(KernelError) in
                try switcher.makeAnonymous()
                return Held(try Descriptor.currentNamespace())
            }.take()
        }
    }

    /// - Parameters:
    ///   - agents: two.
    ///   - addresses: what the host has of addresses, besides the bridge's.
    init(
        _ spec: NetworkSpec, magic: UInt32, hasIPv6: Bool, agents: [Station], addresses4: [IPv4Address],
        addresses6: [IPv6Address]
    ) throws(KernelError) {
        let namespaces = try (agents.map(\.name) + ["outside"]).map { (_) throws(KernelError) in
            try Namespace()
        }
        let made = try onThreadOfItsOwn { (switcher) throws(KernelError) in
            try switcher.makeAnonymous()
            var builder = try Builder(spec, hasIPv6: hasIPv6)
            try builder.build(agents, namespaces, addresses4, addresses6)
            return try Prober.Host(magic: magic, bridge: builder.bridge, hasIPv6: hasIPv6)
        }
        host = made
        var sockets: [PacketSocket] = []
        for namespace in namespaces {
            sockets.append(
                try onThreadOfItsOwn { (switcher) throws(KernelError) in
                    try switcher.enter(namespace.descriptor, "join a network namespace of the control")
                    return try PacketSocket.onFarEnd(.frames(magic))
                })
        }
        outside = sockets.removeLast()
        senders = zip(agents, sockets).enumerated().map { position, pair in
            Prober.Sender(pair.0, pair.1, port: Builder.firstPort + Int32(position))
        }
    }
}

/// Takes what cannot be copied through a generic type.
private final class Held {
    private var descriptor: Descriptor?
    init(_ descriptor: consuming Descriptor) { self.descriptor = consume descriptor }
    func take() throws(KernelError) -> Descriptor {
        guard let taken = descriptor.take() else { throw KernelError("hold a namespace", code: EBADF) }
        return taken
    }
}

extension PacketSocket {
    /// On `eth0` of the calling thread's namespace, which is raised.
    static func onFarEnd(_ filter: PacketFilter) throws(KernelError) -> PacketSocket {
        var route = try NetlinkSocket(family: NETLINK_ROUTE)
        guard let link = try route.link(named: insideName) else {
            throw KernelError("look for the link \(insideName)", code: ENODEV)
        }
        let batch = Batch()
        batch.raise(insideName, index: link.index)
        try route.execute(batch)
        return try PacketSocket(link: link.index, filter)
    }
}

/// Makes the control's host in the calling thread's namespace, which is empty.
private struct Builder: ~Copyable {
    private let spec: NetworkSpec
    private let hasIPv6: Bool
    private var route: NetlinkSocket
    /// Indexes that are free in a namespace in which there is only loopback.
    let bridge: Int32 = 10
    private let uplink: Int32 = 11
    static let firstPort: Int32 = 12

    init(_ spec: NetworkSpec, hasIPv6: Bool) throws(KernelError) {
        self.spec = spec
        self.hasIPv6 = hasIPv6
        route = try NetlinkSocket(family: NETLINK_ROUTE, sendBuffer: 1 << 18)
    }

    /// What the kernel would stop by itself, though there is no rule: packets for loopback from a link, and those whose sender
    /// lives elsewhere by the routes.
    private func settings() throws(KernelError) {
        for scope in ["all", "default"] {
            try Sysctl.write("ipv4/conf/\(scope)/rp_filter", "0")
            try Sysctl.write("ipv4/conf/\(scope)/route_localnet", "1")
            try Sysctl.write("ipv4/conf/\(scope)/accept_local", "1")
        }
        try Sysctl.write("ipv4/ip_forward", "1")
        guard hasIPv6 else { return }
        for scope in ["all", "default"] {
            try Sysctl.write("ipv6/conf/\(scope)/disable_ipv6", "0")
            try Sysctl.write("ipv6/conf/\(scope)/forwarding", "1")
            try Sysctl.write("ipv6/conf/\(scope)/accept_dad", "0")
        }
    }

    mutating func build(
        _ agents: [Station], _ namespaces: [ControlHive.Namespace], _ addresses4: [IPv4Address],
        _ addresses6: [IPv6Address]
    ) throws(KernelError) {
        try settings()
        let batch = Batch()
        batch.raise("lo", index: 1)
        batch.createPlainBridge(spec.bridge, mac: spec.bridgeMAC, mtu: spec.mtu, index: bridge)
        for (position, (agent, namespace)) in zip(agents, namespaces).enumerated() {
            let index = Self.firstPort + Int32(position)
            batch.createPair(
                "control\(position)", index: index, bridge: bridge, peerMAC: agent.mac,
                namespace: namespace.descriptor)
            batch.raise("control\(position)", index: index)
        }
        if let outside = namespaces.last {
            batch.createPair(
                "outside", index: uplink, bridge: nil, peerMAC: nil, namespace: outside.descriptor)
            batch.raiseWithoutARP("outside", index: uplink)
        }
        batch.raise(spec.bridge, index: bridge)
        try route.execute(batch)
        try address(agents, addresses4, addresses6)
    }

    private mutating func address(
        _ agents: [Station], _ addresses4: [IPv4Address], _ addresses6: [IPv6Address]
    ) throws(KernelError) {
        let batch = Batch()
        if let own = Prefix4(spec.gateway4, length: spec.subnet4.length) {
            batch.addAddress(own, link: bridge, "add \(own) to the control")
        }
        for address in addresses4 where address != spec.gateway4 {
            batch.addAddress(Prefix4(host: address), link: 1, "add \(address) to the control")
        }
        for agent in agents {
            batch.addNeighbour(
                Neighbour(address: agent.address4.description, mac: agent.mac), link: bridge,
                "add a neighbour to the control")
        }
        batch.addRoute(to: Prefix4(network: IPv4Address(bits: 0), length: 0), link: uplink, "route outwards")
        if hasIPv6 { address6(agents, addresses6, batch) }
        try route.execute(batch)
    }

    private func address6(_ agents: [Station], _ addresses: [IPv6Address], _ batch: Batch) {
        if let gateway6 = spec.gateway6, let own = Prefix6(gateway6, length: spec.subnet6?.length ?? 64) {
            batch.addAddress(own, link: bridge, "add \(own) to the control")
        }
        for address in addresses where address != spec.gateway6 {
            // One that is good on its link only has to be on the link that is knocked at.
            let isLinkLocal = address.bits >> 118 == 0x3fa
            batch.addAddress(
                isLinkLocal ? Prefix6(network: address, length: 64) : Prefix6(host: address),
                link: isLinkLocal ? bridge : 1, "add \(address) to the control")
        }
        for agent in agents {
            guard let address = agent.address6 else { continue }
            batch.addNeighbour(
                Neighbour(address: address.description, mac: agent.mac), link: bridge,
                "add a neighbour to the control")
        }
        batch.addRoute(
            to: Prefix6(network: IPv6Address(bits: 0), length: 0), link: uplink, "route outwards")
    }
}
