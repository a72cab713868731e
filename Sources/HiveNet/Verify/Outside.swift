internal import CNetlink
internal import Glibc

/// A world outside in which verify answers for itself: a link of the host's whose far end is in a namespace that no file
/// stands for. It goes with the process, and with it its routes.
final class Outside {
    /// Must not look like an agent's.
    private static func linkName(_ spec: NetworkSpec) -> String {
        "hive-verify".hasPrefix(spec.interfacePrefix) ? "verify-hive" : "hive-verify"
    }
    /// The far end: sees what leaves the host over the link, and sends the answers.
    let socket: PacketSocket
    /// The near end, by index.
    let link: Int32
    let linkName: String
    /// Of the near end: what comes from outside is for it.
    let mac: MACAddress

    /// Addresses of the link for as long as it is there, so that masquerading has one to use that is not the bridge's: what
    /// comes from elsewhere for the agents' network is dropped before anything else. Both are dummies by their registries
    /// (RFC 7600; RFC 9780).
    private static let address4 = IPv4Address(bits: 0xc000_0008)
    private static let address6 = IPv6Address(bits: 0x0100 << 112 | 1 << 64 | 1)

    /// - Parameter route: of the calling thread's namespace, which is the host's.
    init(
        _ spec: NetworkSpec, magic: UInt32, hasIPv6: Bool, _ route: inout NetlinkSocket
    ) throws(KernelError) {
        let far = try ControlHive.Namespace()
        linkName = Self.linkName(spec)
        try Self.create(linkName, far, &route)
        guard let near = try route.link(named: linkName) else {
            throw KernelError("look for the link \(linkName)", code: ENODEV)
        }
        let link = near.index
        self.link = link
        mac = near.mac ?? MACAddress(bits: 0)
        // The far end first: the near one then has a carrier when it comes up, and takes packets at once.
        socket = try onThreadOfItsOwn { (switcher) throws(KernelError) in
            try switcher.enter(far.descriptor, "join the network namespace outside")
            return try PacketSocket.onFarEnd(.frames(magic))
        }
        let words = "add an address to \(linkName)"
        let batch = Batch()
        batch.configureUplink(linkName, index: link, hasIPv6: hasIPv6)
        batch.raiseWithoutARP(linkName, index: link)
        batch.addAddress(Prefix4(host: Self.address4), link: link, words)
        if hasIPv6 {
            batch.addAddress(Prefix6(host: Self.address6), link: link, words)
        }
        try route.execute(batch)
        try waitForCarrier(magic)
    }

    /// Another verify may have its own there, or one that was killed, which the kernel is about to clean up (`cleanup_net`).
    private static func create(_ linkName: String, _ far: ControlHive.Namespace, _ route: inout NetlinkSocket)
        throws(KernelError)
    {
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            let batch = Batch()
            batch.createPair(linkName, index: 0, bridge: nil, peerMAC: nil, namespace: far.descriptor)
            do throws(KernelError) {
                return try route.execute(batch)
            } catch  where error.alreadyExists && ContinuousClock.now < deadline {
                usleep(20_000)
            }
        }
    }

    /// The far end drops what is sent until the kernel has noticed its carrier (linkwatch, in a work queue).
    private func waitForCarrier(_ magic: UInt32) throws(KernelError) {
        let tap = try PacketSocket(link: link, .barriers(Prober.barrierMagic(magic)))
        defer { tap.close() }
        for _ in 0..<500 {
            var frame = Frame(to: .broadcast, from: MACAddress(bits: 0x0200 << 32), type: Frame.arpType)
            frame.append([UInt8](repeating: 0, count: 28))
            frame.append(Prober.barrierMagic(magic))
            frame.append(UInt32(0))
            try socket.send(frame)
            if tap.wait(milliseconds: 2) { return }
        }
        throw KernelError("wait for the link \(linkName)", code: ETIMEDOUT)
    }

    /// At once, and not only when the far end's namespace is cleaned up.
    func remove(_ route: inout NetlinkSocket) throws(KernelError) {
        let batch = Batch()
        batch.delete(link: linkName, index: link)
        try route.execute(batch)
    }

    // MARK: Routes

    /// Leads probes to these addresses over the link, and disturbs nobody: IPv4's by their type of service, IPv6's by their
    /// source.
    func lead(
        to destinations: Set<Outward.Address>, from source: Prefix6?, _ route: inout NetlinkSocket
    ) throws(KernelError) {
        try change(destinations, source, &route, isAddition: true)
    }

    func stopLeading(
        to destinations: Set<Outward.Address>, from source: Prefix6?, _ route: inout NetlinkSocket
    ) throws(KernelError) {
        try change(destinations, source, &route, isAddition: false)
    }

    private func change(
        _ destinations: Set<Outward.Address>, _ source: Prefix6?, _ route: inout NetlinkSocket,
        isAddition: Bool
    ) throws(KernelError) {
        let batch = Batch()
        for destination in destinations {
            switch destination {
            case .v4(let address):
                let prefix = Prefix4(host: address)
                let words = "route a probe to \(address)"
                if isAddition {
                    batch.addRoute(to: prefix, trafficClass: Attempt.trafficClass, link: link, words)
                } else {
                    batch.removeRoute(to: prefix, trafficClass: Attempt.trafficClass, link: link, words)
                }
            case .v6(let address):
                guard let source else { continue }
                let prefix = Prefix6(host: address)
                let words = "route a probe to \(address)"
                if isAddition {
                    batch.addRoute(to: prefix, from: source, link: link, words)
                } else {
                    batch.removeRoute(to: prefix, from: source, link: link, words)
                }
            }
        }
        guard !batch.requests.isEmpty else { return }
        try route.execute(batch)
    }
}
