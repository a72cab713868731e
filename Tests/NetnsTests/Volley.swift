import Glibc
import HiveNet
import Testing

/// What a host may be like besides Hive (threat 30).
struct HostSetting: CustomTestStringConvertible, Sendable {
    /// Bridged frames pass the hooks of IP too.
    var bridgeNetfilter = false
    /// Agents have IPv6 addresses, or `subnet6` is null.
    var ipv6 = true
    /// `ip_forward` is forced on, or as a new host has it: off.
    var forwarding = true

    /// Whether this kernel has br_netfilter.
    static let hasBridgeNetfilter = access("/proc/sys/net/bridge/bridge-nf-call-iptables", F_OK) == 0

    static let all = (hasBridgeNetfilter ? [false, true] : [false]).flatMap { bridgeNetfilter in
        [true, false].flatMap { ipv6 in
            [true, false].map {
                HostSetting(bridgeNetfilter: bridgeNetfilter, ipv6: ipv6, forwarding: $0)
            }
        }
    }

    var testDescription: String {
        "br_netfilter \(bridgeNetfilter ? "on" : "off"), subnet6 \(ipv6 ? "set" : "null"), "
            + "ip_forward \(forwarding ? "on" : "off")"
    }

    var configuration: String {
        """
        { gateway: { user: "root" }\(ipv6 ? "" : ", network: { subnet6: null }"),
          agents: { alpha: { address4: "10.77.0.2", web: { port: 8080 }, egress: "internet" },
                    beta: { address4: "10.77.0.3", web: { port: 8080 } } } }
        """
    }
}

/// Many attacks in one lab: fired together, and looked for together once the kernel is done with all of them.
///
/// `TwoAgents.fire(_:)` takes one attack and a handful of applies; here as many applies serve a whole list. The outcome is a
/// matrix: which attack arrives when which layer is the only one. So a row's `layers` are exact, both ways: each of them alone
/// stops the packet, and each of the others alone lets it through, which is the control.
struct Volley {
    let hive: TwoAgents
    let setting: HostSetting
    let attacks: [Attack]
    /// What else is true of this host whenever the attacks are fired: addresses, foreign tables. It has to bear being repeated.
    var establish: () throws -> Void = {}

    func fire(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let lab = hive.lab
        try prepare()
        let before = try lab.blocked("alpha")
        for name in try arrivals().sorted() {
            Issue.record(
                "\(name): arrived, with every layer in place; \(setting.testDescription)",
                sourceLocation: sourceLocation)
        }
        let after = try lab.blocked("alpha")
        for (reason, list) in Dictionary(grouping: attacks, by: { self.reason($0) ?? "" }) where reason != ""
        {
            let growth = (after[reason] ?? 0) - (before[reason] ?? 0)
            #expect(
                growth >= list.count, "\(growth) of \(list.count) were counted as \(reason)",
                sourceLocation: sourceLocation)
        }
        for layer in TwoAgents.Layer.allCases {
            try lab.apply()
            try prepare()
            try clear()
            for other in TwoAgents.Layer.allCases where other != layer { try hive.disable(other) }
            let arrived = try arrivals()
            for attack in attacks {
                let isStopped = attack.layers.contains(layer)
                if isStopped, arrived.contains(attack.name) {
                    Issue.record(
                        "\(attack.name): \(layer) alone did not stop it; \(setting.testDescription)",
                        sourceLocation: sourceLocation)
                }
                // With br_netfilter, and without addresses of IPv6, more layers stop a packet than its row says.
                if !isStopped, !setting.bridgeNetfilter, setting.ipv6, !arrived.contains(attack.name) {
                    Issue.record(
                        "\(attack.name): \(layer) alone stops it as well; \(setting.testDescription)",
                        sourceLocation: sourceLocation)
                }
            }
        }
        try lab.apply()
        try prepare()
        try clear()
        for layer in TwoAgents.Layer.allCases { try hive.disable(layer) }
        var arrived = try arrivals()
        if setting.bridgeNetfilter {
            // It brings connection tracking's defragmentation to bridged frames, and that keeps pieces back (nf_defrag).
            try lab.setBridgeNetfilter(false)
            arrived.formUnion(try arrivals())
        }
        for attack in attacks where !arrived.contains(attack.name) {
            Issue.record(
                "\(attack.name): the control did not arrive either; \(setting.testDescription)",
                sourceLocation: sourceLocation)
        }
        try lab.apply()
    }

    /// Where agents have no IPv6 addresses, each IPv6 packet has a false sender.
    private func reason(_ attack: Attack) -> String? {
        let isIPv6 = Array(attack.frame[12..<14]) == Packet.be16(Packet.ipv6Type)
        return setting.ipv6 || !isIPv6 ? attack.reason : attack.reason.map { _ in "spoof" }
    }

    private func prepare() throws {
        try hive.lab.setBridgeNetfilter(setting.bridgeNetfilter)
        try establish()
    }

    private func clear() throws {
        try hive.clearTheWay()
        for attack in attacks { try attack.clear() }
    }

    /// The names of those that arrived.
    private func arrivals() throws -> Set<String> {
        let port = hive.alpha.link
        let tap = try hive.lab.host { try Socket.packet(port) }
        var receivers: [ObjectIdentifier: Socket] = [:]
        for attack in attacks { receivers[ObjectIdentifier(attack.receiver)] = attack.receiver }
        for receiver in receivers.values { _ = receiver.drain() }
        let frames = attacks.map(\.frame)
        try hive.lab.agent(hive.alpha.name) {
            let socket = try Socket.packet("eth0")
            for frame in frames { try socket.send(frame: frame) }
        }
        try hive.settle(hive.alpha)
        let sent = tap.drain()
        let received = receivers.mapValues { $0.drain() }
        return Set(
            try attacks.filter { attack in
                guard sent.contains(where: { $0.contains(sequence: attack.mark) }) else {
                    throw LabError("\(attack.name): the packet did not even leave the agent")
                }
                return received[ObjectIdentifier(attack.receiver)]?
                    .contains { $0.contains(sequence: attack.mark) } ?? false
            }.map(\.name))
    }
}

extension Socket {
    /// All that is there now.
    func drain() -> [[UInt8]] {
        var all: [[UInt8]] = []
        while all.count < 100_000, let bytes = receive(milliseconds: 0) { all.append(bytes) }
        return all
    }
}
