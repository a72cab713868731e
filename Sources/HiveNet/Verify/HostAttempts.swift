/// What is known of the host before probes are made: its addresses and who listens.
struct HostTargets {
    /// Every address of the host, with the names of their links; without those of loopback.
    var addresses4: [(address: IPv4Address, link: String)] = []
    var addresses6: [(address: IPv6Address, link: String)] = []
    /// The same, all of them and quick to ask: the lists are cut short where there are very many.
    var local4: Set<IPv4Address> = []
    var local6: Set<IPv6Address> = []
    var listeners: [Listener] = []
    /// The kernel has IPv6.
    var hasIPv6 = false
    /// A port that nobody listens on and that no policy opens.
    var freePort: UInt16 = 0
}

extension Attempt {
    /// Everything that an agent tries at the host.
    ///
    /// ::1 is not among it: the kernel drops it from whichever link but loopback before any rule (ip6_rcv_core), so
    /// there is no control in which it arrives.
    static func host(_ spec: NetworkSpec, _ targets: HostTargets) -> [Attempt] {
        let port = targets.freePort
        var attempts: [Attempt] = []
        let loopback = (address: IPv4Address(bits: 127 << 24 | 1), link: "loopback")
        for (address, link) in targets.addresses4 + [loopback] {
            for (kind, content) in contents(port) {
                attempts.append(packet(.host, "\(address) (\(link)) by \(kind)", spec, to: address, content))
            }
        }
        for number in [IPProtocol.gre, IPProtocol.esp, IPProtocol.sctp] {
            attempts.append(
                packet(
                    .host, "\(spec.gateway4) by IP protocol \(number)", spec, to: spec.gateway4,
                    .other(number)))
        }
        let groups4 = [
            IPv4Address(bits: .max), spec.subnet4.last, Multicast.allSystems, Multicast.mdns4,
        ]
        for group in groups4 {
            let mac = group.bits >> 28 == 0xe ? MACAddress(group: group) : .broadcast
            attempts.append(packet(.host, "\(group) by UDP", spec, to: group, .udp(port), mac: mac))
        }
        // In a hive without IPv6 as well: somebody may have switched it on.
        guard targets.hasIPv6 else { return attempts }
        for (address, link) in targets.addresses6 {
            for (kind, content) in contents(port) {
                attempts.append(packet(.host, "\(address) (\(link)) by \(kind)", spec, to: address, content))
            }
        }
        for number in [IPProtocol.gre, IPProtocol.esp, IPProtocol.sctp] {
            guard let gateway6 = spec.gateway6 else { break }
            attempts.append(
                packet(.host, "\(gateway6) by IP protocol \(number)", spec, to: gateway6, .other(number)))
        }
        for group in [Multicast.allNodes, Multicast.mdns6] {
            attempts.append(
                packet(
                    .host, "\(group) by UDP", spec, to: group, .udp(port), mac: MACAddress(group: group)))
        }
        return attempts
    }

    private static func contents(_ port: UInt16) -> [(String, Frame.Content)] {
        [("TCP", .syn(port)), ("UDP", .udp(port)), ("ICMP echo", .echo)]
    }

    /// A packet to one of the host's addresses, or by the host as router.
    static func packet<Address: IPAddress>(
        _ target: Target, _ words: String, _ spec: NetworkSpec, to address: Address, _ content: Frame.Content,
        mac: MACAddress? = nil, trafficClass: UInt8 = 0
    ) -> Attempt {
        let mac = mac ?? spec.bridgeMAC
        return Attempt(target, words) { sender, _, cookie in
            var frame: Frame
            if let address = address as? IPv4Address {
                frame = Frame(to: mac, from: sender.mac, type: Frame.ipv4Type)
                frame.probe(from: sender.address4, to: address, content, cookie, trafficClass: trafficClass)
            } else {
                frame = Frame(to: mac, from: sender.mac, type: Frame.ipv6Type)
                if let address = address as? IPv6Address, let source = sender.source6 {
                    frame.probe(from: source, to: address, content, cookie, trafficClass: trafficClass)
                }
            }
            return frame
        }
    }

    /// What really listens on the host, at the address that it listens on; at the bridge's where it is any.
    static func listeners(_ spec: NetworkSpec, _ listeners: [Listener]) -> [Attempt] {
        // One that is bound to "::" takes IPv4 as well, unless it was told not to, and another one may be bound to 0.0.0.0.
        var seen: Set<String> = []
        return listeners.flatMap { listener in
            let content: Frame.Content =
                listener.transport == .tcp ? .syn(listener.port) : .udp(listener.port)
            func attempt(_ address: some IPAddress, isGateway: Bool) -> Attempt {
                var attempt = packet(
                    .listeners,
                    "\(address) port \(listener.port)/\(listener.transport.rawValue) (\(listener.owner ?? "unknown"))",
                    spec, to: address, content)
                if isGateway { attempt.service = Service(listener.port, listener.transport) }
                return attempt
            }
            var attempts: [Attempt] = []
            for address in listener.addresses4 {
                let address = address.bits == 0 ? spec.gateway4 : address
                attempts.append(attempt(address, isGateway: address == spec.gateway4))
            }
            for address in listener.addresses6 {
                guard let gateway6 = spec.gateway6, address.bits != 1 else { continue }
                let address = address.bits == 0 ? gateway6 : address
                attempts.append(attempt(address, isGateway: address == gateway6))
            }
            return attempts.filter { seen.insert($0.words).inserted }
        }
    }
}

/// Groups that hosts take part in.
enum Multicast {
    static let allSystems = IPv4Address(bits: 0xe000_0001)
    static let mdns4 = IPv4Address(bits: 0xe000_00fb)
    static let allNodes = IPv6Address(bits: 0xff02 << 112 | 1)
    static let mdns6 = IPv6Address(bits: 0xff02 << 112 | 0xfb)
}
