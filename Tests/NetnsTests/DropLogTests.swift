import CNetlink
import Foundation
import Glibc
import HiveNet
import Testing

/// The drop log: what the boundary drops, one line for each, with the right names, and not too many of them.
@Suite struct DropLogTests {
    private static let group: UInt16 = 104

    /// alpha may have one connection outwards, beta nothing.
    private static let configuration = """
        { gateway: { user: "root" },
          agents: { alpha: { address4: "10.77.0.2", egress: { allow: ["internet"], connections: 1 } },
                    beta: { address4: "10.77.0.3" } } }
        """

    /// Who reads the log of a lab, in this process.
    private final class Reader {
        let log: DropLog
        private var names: DropNames
        private(set) var lost: UInt64 = 0

        init(_ lab: Lab, receiveBuffer: Int32 = 1 << 22) throws {
            (log, names) = try lab.host {
                var network = try HostNetwork()
                return (
                    try DropLog(group: DropLogTests.group, receiveBuffer: receiveBuffer),
                    try network.dropNames()
                )
            }
        }

        /// What is there once `isEnough`, or after some seconds. The kernel keeps a packet for 10 ms, to send several at once.
        func drops(until isEnough: ([Drop]) -> Bool) throws -> [Drop] {
            var drops: [Drop] = []
            try wait {
                let reading = try log.read()
                lost += reading.lost
                drops += reading.packets.map { names.name($0, asksForServices: false) }
                return !isEnough(drops)
            }
            return drops
        }
    }

    // MARK: Reasons

    private struct Case {
        let reason: DropReason
        let agent: String
        let what: String
        let send: (TwoAgents) throws -> Void
        let isRight: (Drop) -> Bool

        /// A packet by UDP to port 7019.
        init(
            _ reason: DropReason, _ agent: String, _ source: String, _ destination: String,
            port: UInt16 = 7019,
            _ what: String = "", _ isRight: @escaping (Drop) -> Bool = { _ in true },
            _ send: @escaping (TwoAgents) throws -> Void
        ) {
            self.reason = reason
            self.agent = agent
            self.what = "\(reason) \(source) -> \(destination) \(what)"
            self.send = send
            self.isRight = {
                $0.protocol == "udp" && $0.source == source && $0.destination == destination
                    && $0.destinationPort == port && isRight($0)
            }
        }
    }

    private static let outside4 = "11.0.0.2", outside6 = "2a11::2"
    private static var cases: [Case] {
        let (alpha4, alpha6) = ("10.77.0.2", "fd77:6869:7665::2")
        let (beta4, beta6) = ("10.77.0.3", "fd77:6869:7665::3")
        let (host4, host6) = ("10.77.0.1", "fd77:6869:7665::1")
        func four(_ text: String) -> IPv4Address { IPv4Address(literal: text) }
        func six(_ text: String) -> IPv6Address { IPv6Address(literal: text) }
        let isAlphas: (Drop) -> Bool = {
            $0.sourcePort == 4000 && "\($0.mac, default: "")" == "6a:76:0a:4d:00:02"
        }
        return [
            Case(.host, "alpha", alpha4, host4, "", { isAlphas($0) && $0.link == "hive0" }) {
                try $0.send($0.udp4($0.alpha, to: four(host4), port: 7019, []), as: $0.alpha)
            },
            Case(.host, "alpha", alpha6, host6, "", isAlphas) {
                try $0.send($0.udp6($0.alpha, to: six(host6), port: 7019, []), as: $0.alpha)
            },
            Case(
                .peer, "alpha", alpha4, beta4, "by the host",
                { isAlphas($0) && $0.destinationAgent == "beta" }
            ) {
                try $0.send($0.udp4($0.alpha, to: four(beta4), port: 7019, []), as: $0.alpha)
            },
            Case(.peer, "alpha", alpha6, beta6, "by the host", { $0.destinationAgent == "beta" }) {
                try $0.send($0.udp6($0.alpha, to: six(beta6), port: 7019, []), as: $0.alpha)
            },
            Case(.peer, "beta", beta4, alpha4, "as a frame", { $0.link == "hv-beta" }) {
                try $0.send(
                    $0.udp4($0.beta, to: four(alpha4), port: 7019, mac: $0.alpha.mac, []), as: $0.beta)
            },
            Case(.peer, "beta", beta6, alpha6, "as a frame", { $0.link == "hv-beta" }) {
                try $0.send(
                    $0.udp6($0.beta, to: six(alpha6), port: 7019, mac: $0.alpha.mac, []), as: $0.beta)
            },
            // Whatever it calls itself.
            Case(.spoof, "alpha", beta4, host4, "", { $0.link == "hv-alpha" }) {
                try $0.send(
                    $0.udp4(
                        $0.alpha, to: four(host4), port: 7019, source: $0.beta.address4,
                        sourceMAC: $0.beta.mac, []),
                    as: $0.alpha)
            },
            Case(.spoof, "alpha", beta6, host6, "", { $0.link == "hv-alpha" }) {
                try $0.send(
                    $0.udp6($0.alpha, to: six(host6), port: 7019, source: $0.beta.address6, []), as: $0.alpha)
            },
            Case(.egress, "beta", beta4, Lab.publicAddress4) {
                try $0.send($0.udp4($0.beta, to: four(Lab.publicAddress4), port: 7019, []), as: $0.beta)
            },
            Case(.egress, "beta", beta6, Lab.publicAddress6) {
                try $0.send($0.udp6($0.beta, to: six(Lab.publicAddress6), port: 7019, []), as: $0.beta)
            },
            // The connection that it may have is the control's.
            Case(.excess, "alpha", alpha4, Lab.publicAddress4) {
                try $0.send($0.udp4($0.alpha, to: four(Lab.publicAddress4), port: 7019, []), as: $0.alpha)
            },
            Case(.excess, "alpha", alpha6, Lab.publicAddress6) {
                try $0.send($0.udp6($0.alpha, to: six(Lab.publicAddress6), port: 7019, []), as: $0.alpha)
            },
            Case(.outside, "alpha", outside4, alpha4, "", { $0.link == "uplink" }) { hive in
                try hive.lab.outside { try udp(to: Endpoint(address: alpha4, port: 7019)) }
            },
            Case(.outside, "beta", outside6, beta6, "", { $0.link == "uplink" }) { hive in
                try hive.lab.outside { try udp(to: Endpoint(address: beta6, port: 7019)) }
            },
            // Root may send to agents, but by way of the bridge alone.
            Case(.local, "beta", host4, beta4, "", { $0.user == getuid() && $0.link == "hv-beta" }) { hive in
                try hive.lab.host {
                    try udp(to: Endpoint(address: beta4, port: 7019), by: "hv-beta", from: host4)
                }
            },
            Case(.local, "beta", host6, beta6, "", { $0.user == getuid() && $0.link == "hv-beta" }) { hive in
                try hive.lab.ip("-6 route add \(beta6)/128 dev hv-beta")
                try hive.lab.host {
                    try udp(to: Endpoint(address: beta6, port: 7019), by: "hv-beta", from: host6)
                }
                try hive.lab.ip("-6 route del \(beta6)/128 dev hv-beta")
            },
        ]
    }

    private static func udp(to endpoint: Endpoint, by link: String? = nil, from source: String? = nil) throws
    {
        let socket = try Socket(endpoint.family, Int32(SOCK_DGRAM.rawValue))
        if let source { try socket.bind(Endpoint(address: source, port: 0)) }
        if let link {
            let code = setsockopt(
                socket.descriptor, SOL_SOCKET, SO_BINDTODEVICE, link, socklen_t(link.utf8.count))
            guard code == 0 else { throw LabError.last("bind to \(link)") }
        }
        // (The kernel says EPERM to the sender whose packet the output hook drops.)
        socket.send([1], to: endpoint)
    }

    @Test func everyReasonIsLogged() throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        let reader = try Reader(hive.lab)
        // Allowed, and so in no log: outwards, and from the host's root to an agent.
        let server = try hive.lab.outside {
            try Socket.udp(Endpoint(address: Lab.publicAddress4, port: 7018))
        }
        let page = try hive.lab.agent("alpha") { try Socket.udp(Endpoint(address: "10.77.0.2", port: 7018)) }
        try hive.send(
            hive.udp4(hive.alpha, to: IPv4Address(literal: Lab.publicAddress4), port: 7018, [1]),
            as: hive.alpha)
        try hive.lab.host { try Self.udp(to: Endpoint(address: "10.77.0.2", port: 7018)) }
        #expect(server.receive() != nil && page.receive() != nil)
        var all: [Drop] = []
        for test in Self.cases {
            try test.send(hive)
            let drops = try reader.drops { !$0.isEmpty }
            #expect(
                drops.count == 1 && drops.first.map(test.isRight) == true,
                "\(test.what): \(drops.map(\.line))")
            #expect(drops.first?.reason == test.reason && drops.first?.agent == test.agent, "\(test.what)")
            let now = Double(time(nil))
            #expect(drops.first.map { abs($0.time - now) < 60 } == true)
            all += drops
            // So that no agent comes to its limit.
            usleep(250_000)
        }
        #expect(Set(all.map(\.reason)) == Set(DropReason.allCases))
        #expect(!all.contains { $0.destinationPort == 7018 }, "what is allowed")
        #expect(reader.lost == 0)
        // Nothing the boundary knows nothing of: ARP, in another's name.
        try hive.send(
            Packet.ethernet(
                to: Packet.broadcast, from: hive.alpha.mac, type: Packet.arpType,
                Packet.arp(
                    operation: 1, senderMAC: hive.alpha.mac, sender: hive.alpha.address4,
                    target: hive.beta.address4)), as: hive.alpha)
        let arp = try reader.drops { !$0.isEmpty }
        #expect(
            arp.first?.line.contains("alpha         peer     arp request 10.77.0.2 -> 10.77.0.3 (beta)")
                == true)
    }

    // MARK: Floods

    /// Of a flood only so much is logged, and all of it counted; a single packet of another agent in the middle of it is logged.
    @Test(arguments: [DropReason.host, .spoof]) func aFloodIsNotLogged(_ reason: DropReason) throws {
        let hive = try TwoAgents()
        let reader = try Reader(hive.lab)
        let count = 5000
        func frame(_ agent: TwoAgents.Known, _ number: Int) -> [UInt8] {
            hive.udp4(
                agent, to: TwoAgents.gateway4, port: UInt16(10_000 + number),
                source: reason == .spoof ? IPv4Address(literal: "10.77.0.99") : nil, [])
        }
        let start = ContinuousClock.now
        func flood(_ range: Range<Int>) throws {
            let frames = range.map { frame(hive.alpha, $0) }
            try hive.lab.agent("alpha") {
                let socket = try Socket.packet("eth0")
                for frame in frames { try socket.send(frame: frame) }
            }
        }
        try flood(0..<count / 2)
        try hive.send(frame(hive.beta, 1), as: hive.beta)
        try flood(count / 2..<count)
        try hive.settle(hive.alpha)
        try hive.settle(hive.beta)
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let drops =
            try reader.drops { drops in drops.contains { $0.agent == "beta" } }
            + reader.drops { _ in true }
        let ofAlpha = drops.count { $0.agent == "alpha" }
        // A burst, and what its rate lets through meanwhile.
        #expect(ofAlpha >= 10 && Double(ofAlpha) <= 10 + 5 * (seconds + 1), "\(ofAlpha) in \(seconds) s")
        #expect(drops.count { $0.agent == "beta" } == 1)
        #expect(reader.lost == 0)
        #expect(try hive.lab.blocked("alpha")[reason.rawValue] == count)
        #expect(try hive.lab.blocked("beta")[reason.rawValue] == 1)
    }

    /// The control of the one above, and what cannot be read in time: without a limit all are logged, and those that find no
    /// room in the socket are told by their number.
    @Test func whatIsLostIsCounted() throws {
        let hive = try TwoAgents()
        try hive.lab.nft(
            """
            add table bridge witness;
            add chain bridge witness pre { type filter hook prerouting priority -400; };
            add rule bridge witness pre iifname "hv-alpha" udp dport 7019 log prefix "hive: host" group 104
            """)
        let count = 4000
        func flood(_ reader: Reader) throws -> [Drop] {
            let frame = hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: 7019, [])
            try hive.lab.agent("alpha") {
                let socket = try Socket.packet("eth0")
                for _ in 0..<count { try socket.send(frame: frame) }
            }
            try hive.settle(hive.alpha)
            usleep(100_000)
            // One more, when there is room again: its number tells.
            var drops = try reader.drops { $0.count > 0 }
            try hive.send(frame, as: hive.alpha)
            usleep(100_000)
            drops += try reader.drops { $0.count > 0 }
            return drops.filter { $0.link == "hv-alpha" }
        }
        do {
            let reader = try Reader(hive.lab, receiveBuffer: 1 << 12)
            let drops = try flood(reader)
            #expect(reader.lost > UInt64(count) / 2)
            // With the packets that the boundary's own rules log, by the bridge: those of the burst.
            let all = UInt64(drops.count) + reader.lost
            #expect(all >= UInt64(count) && all <= UInt64(count) + 60, "\(drops.count) and \(reader.lost)")
        }
        let reader = try Reader(hive.lab)
        #expect(try flood(reader).count == count + 1, "control: with room for all")
        #expect(reader.lost == 0)
    }

    // MARK: The command

    private func follow(_ hive: TwoAgents, _ arguments: String...) throws -> Command.Process {
        let process = try hive.lab.background(
            Lab.commandLine(["net", "drops", "--follow"] + arguments))
        wait { process.isRunning && !isRead(hive.lab) }
        return process
    }

    private func isRead(_ lab: Lab) -> Bool {
        let text = try? lab.host {
            try String(contentsOfFile: "/proc/thread-self/net/netfilter/nfnetlink_log", encoding: .utf8)
        }
        return text?.split(separator: "\n").contains { $0.split(separator: " ").first == "104" } ?? false
    }

    private func provoke(_ hive: TwoAgents, _ agent: TwoAgents.Known, port: UInt16) throws {
        try hive.send(hive.udp4(agent, to: TwoAgents.gateway4, port: port, []), as: agent)
    }

    @Test func followsOneAgent() throws {
        let hive = try TwoAgents()
        let service = try hive.lab.host { try Socket.udp(Endpoint(address: "10.77.0.1", port: 7000)) }
        let json = try follow(hive, "alpha", "--json", "--count", "2")
        for (agent, port) in [
            (hive.beta, UInt16(7001)), (hive.alpha, 7000), (hive.beta, 7001), (hive.alpha, 7002),
        ] {
            try provoke(hive, agent, port: port)
        }
        let result = try json.wait(seconds: 20)
        #expect(result.status == 0 && result.stderr.isEmpty, "\(result)")
        let lines = try result.stdout.split(separator: "\n").map {
            try JSONDecoder().decode(Drop.self, from: Data($0.utf8))
        }
        #expect(lines.map(\.agent) == ["alpha", "alpha"])
        #expect(lines.map(\.destinationPort) == [7000, 7002])
        // The one that listens is this process.
        let own = try String(contentsOfFile: "/proc/self/comm", encoding: .utf8).split(separator: "\n").first
        #expect(lines.map(\.service) == [own.map(String.init), nil])
        withExtendedLifetime(service) {}
    }

    /// Each line at once, not when a buffer is full; and whoever joins meanwhile has a name.
    @Test func printsLinesAsTheyCome() throws {
        let hive = try TwoAgents()
        let process = try follow(hive)
        try provoke(hive, hive.alpha, port: 7001)
        wait { !process.printed.contains("alpha         host     udp 10.77.0.2:4000 -> 10.77.0.1:7001\n") }
        #expect(process.printed.split(separator: "\n").count == 1, "\(process.printed)")
        #expect(try hive.lab.hivectl("net", "add", "gamma").status == 0)
        usleep(1_100_000)
        let gamma = TwoAgents.Known(
            name: "gamma", address4: IPv4Address(literal: "10.77.0.4"),
            address6: IPv6Address(literal: "fd77:6869:7665::4"))
        try hive.lab.waitForLink("eth0", in: "hive-gamma")
        try provoke(hive, gamma, port: 7002)
        wait { !process.printed.contains("gamma         host     udp 10.77.0.4:4000 -> 10.77.0.1:7002\n") }
        #expect(process.printed.contains(" gamma "), "\(process.printed)")
    }

    /// One at a time; the next says who it is. Killed, it leaves nothing.
    @Test func oneReaderAtATime() throws {
        let hive = try TwoAgents()
        let process = try follow(hive)
        #expect(isRead(hive.lab))
        let second = try hive.lab.hivectl("net", "drops", "--follow")
        #expect(second.status == 69)
        #expect(
            second.stderr
                == "hivectl: read the group 104 of nfnetlink_log: 'hivectl' reads it, and only one at a time can (EBUSY).\n"
        )
        process.end()
        #expect(!isRead(hive.lab))
        #expect(try hive.lab.hivectl("net", "plan").status == 0)
        let third = try follow(hive, "--count", "1")
        try provoke(hive, hive.alpha, port: 7001)
        #expect(try third.wait(seconds: 20).status == 0)
    }

    @Test func saysWhyItShowsNothing() throws {
        let hive = try TwoAgents()
        let past = try hive.lab.hivectl("net", "drops")
        #expect(past.status == 69 && past.stderr.contains("--follow"), "\(past)")
        let nobody = try hive.lab.hivectl("net", "drops", "alhpa", "--follow")
        #expect(nobody.status == 64 && nobody.stderr.contains("Did you mean 'alpha'?"), "\(nobody)")
        // Counts stay when the log goes and comes.
        try provoke(hive, hive.alpha, port: 7001)
        try hive.settle(hive.alpha)
        try hive.lab.apply("{ network: { logGroup: null }, \(TwoAgents.configuration.dropFirst(2))")
        #expect(try !hive.lab.nft("list ruleset").stdout.contains("log prefix"))
        let silent = try hive.lab.hivectl("net", "drops", "--follow")
        #expect(silent.status == 78 && silent.stderr.contains("network.logGroup is null"), "\(silent)")
        #expect(try hive.lab.hivectl("net", "plan").status == 0)
        try hive.lab.apply("{ network: { logGroup: 7 }, \(TwoAgents.configuration.dropFirst(2))")
        #expect(try hive.lab.nft("list ruleset").stdout.contains("group 7 snaplen 128"))
        #expect(try hive.lab.blocked("alpha")["host"] == 1)
        // Nor does it wait in vain without a word, where the rules are not as configured.
        try hive.lab.write(configuration: TwoAgents.configuration)
        let vain = try follow(hive)
        wait { !vain.words.contains("log nothing to group 104: 'hivectl net apply'") }
        #expect(vain.words.contains("log nothing to group 104"))
    }

    // MARK: Since

    /// From when the tables were made until they are made anew; the comment is no difference.
    @Test func showSaysSinceWhen() throws {
        func shown(_ lab: Lab) throws -> Int? {
            (try lab.hivectl("net", "show", "--json").json() as? [String: Any])?["since"] as? Int
        }
        let before = time(nil)
        let hive = try TwoAgents()
        let since = try #require(try shown(hive.lab))
        #expect(since >= before && since <= time(nil))
        let tables = try hive.lab.nft("list ruleset").stdout
        #expect(
            tables.components(separatedBy: "comment \"hive: counts since \(UTC.text(Int64(since)))\"").count
                == 3)
        try provoke(hive, hive.alpha, port: 7001)
        try hive.settle(hive.alpha)
        usleep(1_100_000)
        #expect(try hive.lab.apply().stdout.isEmpty)
        #expect(try shown(hive.lab) == since)
        let text = try hive.lab.hivectl("net", "show").stdout
        let words = UTC.text(Int64(since)).replacingOccurrences(of: "T", with: " ").dropLast()
        #expect(
            text.contains(
                "In all since \(words) UTC: host 1, peer 0, spoof 0, egress 0, excess 0, outside 0, local 0.\n"
            ),
            "\(text)")
        try hive.lab.nft("flush ruleset")
        try hive.lab.apply()
        #expect(try shown(hive.lab).map { $0 > since } == true)
    }
}
