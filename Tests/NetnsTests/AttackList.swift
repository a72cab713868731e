import CNetlink
import Glibc
import HiveNet

/// What an agent tries, and what keeps each away: a row for each packet, for `Volley`.
///
/// Each carries its name, so that all can be fired together.
final class AttackList {
    let hive: TwoAgents
    private(set) var attacks: [Attack] = []

    init(_ hive: TwoAgents) { self.hive = hive }

    /// - Parameter mark: where it is not in the packet as its name.
    func add(
        _ name: String, _ layers: [TwoAgents.Layer], _ reason: String?, at receiver: Socket,
        mark: [UInt8]? = nil,
        clear: @escaping () throws -> Void = {}, _ frame: ([UInt8]) -> [UInt8]
    ) {
        let own = TwoAgents.mark(name + ".")
        attacks.append(
            Attack(
                name: name, agent: hive.alpha, frame: frame(own), mark: mark ?? own, receiver: receiver,
                layers: layers, reason: reason, clear: clear))
    }

    // MARK: Frames from alpha, to the bridge as router

    func ip4(
        _ number: UInt8, to target: IPv4Address = TwoAgents.gateway4, mac: MACAddress = TwoAgents.bridgeMAC,
        _ payload: [UInt8]
    ) -> [UInt8] {
        Packet.ethernet(
            to: mac, from: hive.alpha.mac, type: Packet.ipv4Type,
            Packet.ipv4(from: hive.alpha.address4, to: target, protocol: number, payload))
    }

    func ip6(
        _ number: UInt8, to target: IPv6Address = TwoAgents.gateway6, mac: MACAddress = TwoAgents.bridgeMAC,
        source: IPv6Address? = nil, hopLimit: UInt8 = 64, _ payload: [UInt8]
    ) -> [UInt8] {
        Packet.ethernet(
            to: mac, from: hive.alpha.mac, type: Packet.ipv6Type,
            Packet.ipv6(
                from: source ?? hive.alpha.address6, to: target, next: number, hopLimit: hopLimit, payload))
    }

    func tcp4(
        _ from: UInt16, _ to: UInt16, _ flags: UInt8, at target: IPv4Address = TwoAgents.gateway4,
        _ mark: [UInt8]
    )
        -> [UInt8]
    {
        ip4(
            6, to: target,
            Packet.tcp(hive.alpha.address4, from, target, to, flags: flags, acknowledgement: 1, mark))
    }

    func tcp6(
        _ from: UInt16, _ to: UInt16, _ flags: UInt8, at target: IPv6Address = TwoAgents.gateway6,
        _ mark: [UInt8]
    )
        -> [UInt8]
    {
        ip6(
            6, to: target,
            Packet.tcp(hive.alpha.address6, from, target, to, flags: flags, acknowledgement: 1, mark))
    }

    /// - Parameter source: also the sender of the packet.
    func icmp6(
        _ type: UInt8, code: UInt8 = 0, to target: IPv6Address = TwoAgents.gateway6,
        source: IPv6Address? = nil,
        mac: MACAddress = TwoAgents.bridgeMAC, hopLimit: UInt8 = 64, _ rest: [UInt8]
    ) -> [UInt8] {
        ip6(
            58, to: target, mac: mac, source: source, hopLimit: hopLimit,
            Packet.icmpv6(from: source ?? hive.alpha.address6, to: target, type: type, code: code, rest))
    }
}

extension TwoAgents {
    /// What a volley's host is like, besides the setting: made again after every apply.
    func establish(_ setting: HostSetting) throws {
        try lab.sysctl("ipv4/ip_forward", setting.forwarding ? "1" : "0")
        try lab.sysctl("ipv6/conf/all/forwarding", setting.forwarding ? "1" : "0")
        // Threat 2: addresses that came after apply.
        var lines = ["addr replace 9.9.9.9/32 dev lo", "addr replace 2a09::9/128 dev lo nodad"]
        // Threat 4: given to the bridge by somebody.
        if !setting.ipv6 { try lab.sysctl("ipv6/conf/hive0/disable_ipv6", "0") }
        lines.append("addr replace fe80::1/64 dev hive0 nodad")
        if !setting.ipv6 {
            lines.append("addr replace \(Self.gateway6)/64 dev hive0 nodad")
            for agent in [alpha, beta] {
                lines.append("neigh replace \(agent.address6) lladdr \(agent.mac) dev hive0 nud permanent")
            }
        }
        try lab.ipBatch(lines)
    }

    /// What else stops some of the packets, out of the way of the controls.
    func clearTheWay() throws {
        for family in ["ipv4", "ipv6"] { try lab.sysctl("\(family)/conf/all/forwarding", "1") }
        try lab.sysctl("ipv4/conf/hive0/forwarding", "1")
        try lab.sysctl("ipv6/conf/hive0/forwarding", "1")
        for link in ["all", "hive0"] { try lab.sysctl("ipv4/conf/\(link)/route_localnet", "1") }
        // A strict reverse path filter on the port stops what goes past the bridge.
        for link in ["all", "hv-alpha"] { try lab.sysctl("ipv4/conf/\(link)/rp_filter", "0") }
    }
}
