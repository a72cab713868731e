import Foundation
import HiveNet
import Testing

/// Threat 26: an apply that is killed, anywhere.
@Suite struct KillTests {
    /// What a command starts from, and what has to be there in the end.
    struct Scenario: CustomTestStringConvertible, Sendable {
        let name: String
        var before: String?
        let after: String
        var command = ["net", "apply"]

        var testDescription: String { name }
        static let all = [firstApply, update, moved, otherBridge, down]

        static let firstApply = Scenario(name: "first apply", after: two)
        /// One agent stays and is given another policy, one gets another address, one is renamed, one goes, one comes.
        static let update = Scenario(
            name: "update",
            before: """
                { agents: { alpha: { address4: "10.77.0.2", egress: "internet" }, beta: { address4: "10.77.0.3" },
                            gamma: { address4: "10.77.0.4" }, delta: { address4: "10.77.0.5" } } }
                """,
            after: """
                { agents: { alpha: { address4: "10.77.0.2", web: { port: 80 },
                                     egress: { allow: ["9.9.9.9:443/tcp"], deny: ["8.8.8.8"], host: ["53/udp"] } },
                            beta: { address4: "10.77.0.13" },
                            omega: { address4: "10.77.0.4" }, epsilon: { address4: "10.77.0.6" } } }
                """)
        /// Everything changes.
        static let moved = Scenario(
            name: "another bridge, prefix and subnet", before: two,
            after: """
                { network: { bridge: "hive1", interfacePrefix: "hx-", subnet4: "10.78.0.0/24", subnet6: null, mtu: 1400 },
                  agents: { alpha: { address4: "10.78.0.2" }, beta: { address4: "10.78.0.3" } } }
                """)
        /// The agents' links stay and become ports of another bridge.
        static let otherBridge = Scenario(
            name: "another bridge", before: two,
            after: "{ network: { bridge: 'hive1' }, agents: { alpha: { address4: '10.77.0.2' }, beta: {} } }")
        /// What is left by a killed `down` is taken away by another one.
        static let down = Scenario(name: "down", before: two, after: two, command: ["net", "down"])

        private static let two =
            "{ agents: { alpha: { address4: '10.77.0.2', egress: 'internet' }, beta: { address4: '10.77.0.3' } } }"

        /// A host on which the command is about to run.
        func makeLab() throws -> Lab {
            let lab = try Lab()
            if let before { try lab.apply(before) }
            try lab.write(configuration: after)
            return lab
        }

        /// What an undisturbed command leaves.
        func reference() throws -> Snapshot {
            let lab = try makeLab()
            guard command == ["net", "apply"] else {
                try lab.host { _ = try Command.run(Lab.commandLine(command)) }
                return try lab.snapshot()
            }
            return try lab.snapshotOfFreshApply()
        }
    }

    /// Killed before every step; then no agent gets anywhere, and the same command again does it all.
    @Test(arguments: Scenario.all) func killedBeforeEachStep(scenario: Scenario) throws {
        let reference = try scenario.reference()
        // Each step on a host of its own, several hosts at once: most of the time goes into waiting.
        let kills = try concurrently(width: 4) { try Self.killed(scenario, before: $0 + 1, reference) }
        for (index, kill) in kills.enumerated() {
            for fault in kill.faults {
                Issue.record("\(scenario.name), killed before step \(index + 1), \(kill.call): \(fault)")
            }
        }
        // Every scenario has this many steps at least: files, rules, links.
        #expect(kills.count >= 5, "\(kills)")
    }

    /// - Returns: nil when the command does not have so many steps.
    private static func killed(
        _ scenario: Scenario, before step: Int, _ reference: Snapshot
    ) throws -> (call: String, faults: [String])? {
        let lab = try scenario.makeLab()
        let command = Lab.commandLine(scenario.command)
        let end = try lab.host { try Killer.run(command, killBefore: step) }
        guard case .killed(let call) = end else {
            guard end == .exited(0), step < 200 else {
                throw LabError("\(scenario.name) ended by itself: \(end)")
            }
            return nil
        }
        var faults = try escapes(lab).map { "escaped: \($0)" }
        let again = try lab.run(command)
        if again.status != 0 { faults.append("\(again)") }
        let difference = try lab.difference(from: reference)
        if !difference.isEmpty { faults.append(difference) }
        return (call, faults)
    }

    /// Killed again and again, at random steps, on the way from one configuration to another and back.
    @Test(arguments: 1...4) func killedManyTimes(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let update = Scenario.update
        let lab = try update.makeLab()
        for _ in 0..<12 {
            let command = Int.random(in: 0..<4, using: &random) == 0 ? ["net", "down"] : ["net", "apply"]
            let configuration = Bool.random(using: &random) ? update.after : Scenario.moved.after
            try lab.write(configuration: configuration)
            let step = Int.random(in: 1...30, using: &random)
            _ = try lab.host { try Killer.run(Lab.commandLine(command), killBefore: step) }
            #expect(try Self.escapes(lab) == [], "seed \(seed)")
        }
        let again = try lab.hivectl("net", "apply")
        #expect(again.status == 0, "seed \(seed): \(again)")
        try lab.expect(lab.snapshotOfFreshApply(), "seed \(seed)")
    }

    /// The control: the same probes find every way when the boundary is not there.
    @Test func probesFindTheirWayWithoutBoundary() throws {
        let hive = try TwoAgents()
        #expect(try Self.escapes(hive.lab) == [])
        for layer in TwoAgents.Layer.allCases { try hive.disable(layer) }
        try hive.lab.sysctl("ipv4/ip_forward", "1")
        try hive.lab.sysctl("ipv4/conf/hive0/forwarding", "1")
        let escapes = try Self.escapes(hive.lab)
        for way in [
            "alpha to the host", "beta to the host", "alpha to beta", "beta to alpha",
            "alpha through the host to beta",
        ] {
            #expect(escapes.contains(way), "\(way): \(escapes)")
        }
    }

    // MARK: Probes

    private static let port: UInt16 = 7777

    /// Sends what is forbidden from every agent that is there, as its root would, and tells what arrived.
    private static func escapes(_ lab: Lab) throws -> [String] {
        let names = try lab.host { try FileManager.default.contentsOfDirectory(atPath: "/run/netns") }
            .filter { $0.hasPrefix("hive-") }.map { String($0.dropFirst(5)) }.sorted()
        let agents = try names.compactMap { name in try Place(lab, name).map { (name, $0) } }
        let host = try lab.host { try Socket.udp(Endpoint(address: "0.0.0.0", port: port)) }
        for (name, place) in agents {
            var frames: [[UInt8]] = []
            for source in place.addresses {
                let gateway = IPv4Address("10.\(source.octets[1]).0.1") ?? source
                let bridge = MACAddress(bits: 0x6276 << 32 | UInt64(gateway.bits))
                frames.append(place.frame(from: source, to: gateway, by: bridge, "\(name) to the host"))
                // To the port itself: that is where it goes while the port belongs to no bridge.
                let port = MACAddress(bits: 0x6e76 << 32 | UInt64(source.bits))
                frames.append(place.frame(from: source, to: gateway, by: port, "\(name) to its port"))
                for (other, otherPlace) in agents where other != name {
                    for target in otherPlace.addresses {
                        frames.append(
                            place.frame(from: source, to: target, by: otherPlace.mac, "\(name) to \(other)"))
                        frames.append(
                            place.frame(
                                from: source, to: target, by: bridge, "\(name) through the host to \(other)"))
                    }
                }
            }
            let sent = frames
            try lab.thread.run(in: place.path) {
                let socket = try Socket.packet("eth0")
                // A link that is down takes none.
                for frame in sent { try? socket.send(frame: frame) }
            }
        }
        // Frames pass a veth pair and a bridge without ever waiting.
        usleep(10_000)
        let sockets = [host] + agents.map(\.1.socket)
        let arrived = sockets.flatMap { socket -> [String] in
            var found: [String] = []
            while let bytes = socket.receive(milliseconds: 0) {
                found.append(String(decoding: bytes, as: UTF8.self))
            }
            return found
        }
        return Set(arrived).sorted()
    }

    /// An agent's namespace.
    private struct Place {
        let socket: Socket
        let mac: MACAddress
        /// Those that it has.
        let addresses: [IPv4Address]
        let path: String

        /// - Returns: nil if there is no link in it (yet), or no namespace behind the file.
        init?(_ lab: Lab, _ name: String) throws {
            let links = try lab.run(["ip", "-n", "hive-\(name)", "-j", "addr", "show", "dev", "eth0"])
            guard links.status == 0 else { return nil }
            guard let link = (try links.json() as? [[String: Any]])?.first,
                let address = link["address"] as? String, let mac = MACAddress(address)
            else { throw LabError("the link of \(name): \(links)") }
            self.mac = mac
            addresses = (link["addr_info"] as? [[String: Any]] ?? [])
                .compactMap { ($0["local"] as? String).flatMap { IPv4Address($0) } }
            path = "/run/netns/hive-\(name)"
            socket = try lab.thread.run(in: path) { try Socket.udp(Endpoint(address: "0.0.0.0", port: port)) }
        }

        func frame(
            from source: IPv4Address, to target: IPv4Address, by router: MACAddress, _ mark: String
        ) -> [UInt8] {
            Packet.ethernet(
                to: router, from: mac, type: Packet.ipv4Type,
                Packet.ipv4(
                    from: source, to: target, protocol: 17,
                    Packet.udp(source, 4000, target, KillTests.port, Array(mark.utf8))))
        }
    }
}
