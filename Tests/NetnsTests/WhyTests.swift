import Foundation
import Glibc
import HiveNet
import Testing

/// `hivectl net why`: what it says stopped a packet is what stopped it. Each case is its own control: the layer that it names is
/// taken away, by nft, and the answer is another one.
@Suite struct WhyTests {
    private static func why(_ lab: Lab, _ from: String, _ to: String) throws -> Way {
        let result = try lab.hivectl("net", "why", from, to, "--json")
        guard let data = result.stdout.data(using: .utf8), !data.isEmpty else {
            throw LabError("net why: \(result)")
        }
        return try JSONDecoder().decode(Way.self, from: data)
    }

    // MARK: The host

    /// Three layers stand before the host, each named when those before it are gone; then it arrives.
    @Test(arguments: ["host:7000", "[fd77:6869:7665::1]:7000/tcp"]) func toTheHost(_ target: String) throws {
        let hive = try TwoAgents()
        let listener = try hive.lab.host { try Socket.tcpListener(Endpoint(address: "::", port: 7000)) }
        let early = try Self.why(hive.lab, "alpha", target)
        #expect(early.outcome == .blocked && early.basis == .trace, "\(early)")
        #expect(early.layer?.words == "layer 3 (early)" && early.counter == "host", "\(early)")
        #expect(early.rule?.comment == "agents start no connection", "\(early)")
        #expect(early.sentence.hasSuffix("rule 'agents start no connection', counter host"), "\(early)")
        try hive.disable(.early)
        let tracked = try Self.why(hive.lab, "alpha", target)
        #expect(tracked.layer?.words == "layer 4 (tracked)" && tracked.rule?.chain == "answers", "\(tracked)")
        #expect(tracked.sentence.contains("'agents may answer, never start'"), "\(tracked)")
        try hive.disable(.tracked)
        let input = try Self.why(hive.lab, "alpha", target)
        #expect(input.layer?.words == "layer 4 (input)" && input.counter == "host", "\(input)")
        try hive.disable(.input)
        let open = try Self.why(hive.lab, "alpha", target)
        #expect(open.outcome == .passes && open.sentence.contains("arrived at the host"), "\(open)")
        withExtendedLifetime(listener) {}
    }

    // MARK: Another agent

    @Test(arguments: ["beta", "beta:8080/tcp", "beta:9/udp", "[fd77:6869:7665::3]:8080"])
    func toAnotherAgent(_ target: String) throws {
        let hive = try TwoAgents()
        try hive.lab.sysctl("ipv4/ip_forward", "1")
        try hive.lab.sysctl("ipv6/conf/all/forwarding", "1")
        let early = try Self.why(hive.lab, "alpha", target)
        #expect(early.layer?.words == "layer 3 (early)" && early.counter == "peer", "\(early)")
        #expect(early.rule?.comment == "another agent's", "\(early)")
        try hive.disable(.early)
        let forward = try Self.why(hive.lab, "alpha", target)
        #expect(forward.layer?.words == "layer 5 (forward)", "\(forward)")
        #expect(forward.rule?.comment == "never from agent to agent", "\(forward)")
        try hive.disable(.forward, .output)
        let open = try Self.why(hive.lab, "alpha", target)
        #expect(open.outcome == .passes && open.sentence.contains("arrived at beta"), "\(open)")
    }

    // MARK: Outside

    /// Beta has no egress, alpha has the internet, and neither a private network.
    @Test func outwards() throws {
        let hive = try TwoAgents(outside: true)
        for (everybodys, special) in [
            ("\(Lab.publicAddress4):443/tcp", "10.1.2.3:443/tcp"),
            ("[\(Lab.publicAddress6)]:443/tcp", "[2001:db8::1]:443/tcp"),
        ] {
            let none = try Self.why(hive.lab, "beta", everybodys)
            #expect(none.counter == "egress" && none.rule?.comment == "no policy: nothing", "\(none)")
            let denied = try Self.why(hive.lab, "alpha", special)
            #expect(denied.outcome == .blocked && denied.rule?.chain == "egress_internet", "\(denied)")
            #expect(denied.layer?.words == "layer 3 (early)", "\(denied)")
            let allowed = try Self.why(hive.lab, "alpha", everybodys)
            #expect(allowed.outcome == .passes && allowed.sentence.contains("answered"), "\(allowed)")
        }
        try hive.disable(.early)
        let forward = try Self.why(hive.lab, "beta", "\(Lab.publicAddress4):443")
        #expect(forward.layer?.words == "layer 5 (forward)" && forward.counter == "egress", "\(forward)")
    }

    /// What no rule decides is concluded: the host that does not route. The same where bridged frames pass the IP hooks too.
    @Test(arguments: [false, true]) func aHostThatDoesNotRoute(_ hasBridgeNetfilter: Bool) throws {
        let hive = try TwoAgents(outside: true)
        try hive.lab.setBridgeNetfilter(hasBridgeNetfilter)
        try hive.lab.sysctl("ipv4/ip_forward", "0")
        let way = try Self.why(hive.lab, "alpha", "\(Lab.publicAddress4):443")
        #expect(way.outcome == .blocked && way.basis == .conclusion && way.rule == nil, "\(way)")
        #expect(way.sentence.contains("does not route IPv4"), "\(way)")
        try hive.lab.sysctl("ipv4/ip_forward", "1")
        #expect(try Self.why(hive.lab, "alpha", "\(Lab.publicAddress4):443").outcome == .passes)
        try hive.lab.ip("route del default")
        let lost = try Self.why(hive.lab, "alpha", "\(Lab.publicAddress4):443")
        #expect(lost.basis == .conclusion && lost.sentence.contains("no route"), "\(lost)")
    }

    @Test(arguments: ["alpha:8080", "[fd77:6869:7665::2]:8080/tcp"]) func fromOutside(_ target: String) throws
    {
        let hive = try TwoAgents()
        try hive.lab.sysctl("ipv4/ip_forward", "1")
        try hive.lab.sysctl("ipv6/conf/all/forwarding", "1")
        let early = try Self.why(hive.lab, "outside", target)
        #expect(early.layer?.words == "layer 3 (early)" && early.counter == "outside", "\(early)")
        #expect(early.rule?.comment == "from elsewhere to an agent", "\(early)")
        try hive.disable(.early)
        let forward = try Self.why(hive.lab, "outside", target)
        #expect(forward.layer?.words == "layer 5 (forward)", "\(forward)")
        #expect(forward.rule?.comment == "nothing starts from outside", "\(forward)")
        try hive.disable(.forward)
        let open = try Self.why(hive.lab, "outside", target)
        #expect(open.outcome == .passes && open.sentence.contains("arrived at alpha"), "\(open)")
    }

    // MARK: The bridge, and others

    /// The lease is not there: layer 2; the forwarding entry is not: layer 1, which no rule tells.
    @Test func frameAndPort() throws {
        let hive = try TwoAgents()
        try hive.lab.nft("flush set bridge hive lease4")
        let frame = try Self.why(hive.lab, "alpha", "host")
        #expect(frame.layer?.words == "layer 2 (frame)" && frame.counter == "spoof", "\(frame)")
        #expect(frame.rule?.comment == "link, MAC and IP belong together", "\(frame)")
        try hive.disable(.bridgeTable)
        #expect(try Self.why(hive.lab, "alpha", "host").layer?.number == 3)
        try hive.lab.must("bridge fdb del \(hive.alpha.mac) dev hv-alpha master static")
        let port = try Self.why(hive.lab, "alpha", "host")
        #expect(port.outcome == .blocked && port.basis == .conclusion, "\(port)")
        #expect(port.layer?.words == "layer 1 (port)" && port.rule == nil, "\(port)")
    }

    /// Somebody else's rule is named with its table and chain, and so is a policy.
    @Test func aForeignDrop() throws {
        let hive = try TwoAgents(outside: true)
        let target = "\(Lab.publicAddress4):443/tcp"
        #expect(try Self.why(hive.lab, "alpha", target).outcome == .passes)
        try hive.lab.nft(
            "add table ip firewall; add chain ip firewall gate { type filter hook forward priority 5; }; "
                + "add rule ip firewall gate tcp dport 443 drop comment \"no web\"")
        let rule = try Self.why(hive.lab, "alpha", target)
        #expect(rule.outcome == .blocked && rule.layer == nil, "\(rule)")
        #expect(rule.rule?.table == "ip firewall" && rule.rule?.comment == "no web", "\(rule)")
        #expect(
            rule.sentence.contains("not Hive, but table ip firewall, chain gate (hook forward"), "\(rule)")
        try hive.lab.nft("flush chain ip firewall gate; add chain ip firewall gate { policy drop; }")
        let policy = try Self.why(hive.lab, "alpha", target)
        #expect(policy.rule?.handle == nil && policy.sentence.hasSuffix("its policy"), "\(policy)")
        try hive.lab.nft("delete table ip firewall")
        #expect(try Self.why(hive.lab, "alpha", target).outcome == .passes)
    }

    /// Where nothing can be sent it says so, and has a code of its own.
    @Test func whatCannotBeSent() throws {
        let hive = try TwoAgents()
        try hive.lab.ip(in: "hive-alpha", "link set eth0 down")
        let result = try hive.lab.hivectl("net", "why", "alpha", "host")
        #expect(result.status == 4 && result.stdout.contains("no packet could be sent"), "\(result)")
        for (from, to, words) in [
            ("alpa", "host", "Did you mean 'alpha'?"), ("alpha", "bta", "Did you mean 'beta'?"),
            ("alpha", "10.0.0.5:0/tcp", "10.0.0.5:0/tcp"), ("alpha", "1.2.3:80", "1.2.3:80"),
            ("alpha", "127.0.0.1:80", "loopback"), ("alpha", "ff02::1", "multicast"),
            ("beta", "10.77.0.3", "own address"), ("alpha", "example.org:443/tcp", "example.org"),
        ] {
            let wrong = try hive.lab.hivectl("net", "why", from, to)
            #expect(wrong.status == 64 && wrong.stderr.contains(words), "\(wrong)")
        }
    }

    /// Where nothing can be sent, the rules alone say what the kernel says where something can: each step of it.
    @Test func rulesAloneSayTheSame() throws {
        let hive = try TwoAgents(
            configuration: """
                { gateway: { user: "root" },
                  agents: { alpha: { address4: "10.77.0.2",
                                     egress: { allow: ["internet", "198.51.100.0/24:80-90/tcp"], host: ["53/udp"] } },
                            beta: { address4: "10.77.0.3" } } }
                """, outside: true)
        let targets = [
            "host", "host:7000", "host:53/udp", "host:54/udp", "[fd77:6869:7665::1]:53/udp", "11.0.0.1:22",
            "[fd77:6869:7665::1]:22", "fd77:6869:7665::1", "10.1.2.3:443", "198.51.100.7:85",
            "198.51.100.7:91", "198.51.100.7", "[2001:db8::1]:80", "\(Lab.publicAddress4):443",
            "[\(Lab.publicAddress6)]:443",
        ]
        let aims =
            targets.map { ("alpha", $0) } + targets.map { ("beta", $0) }
            + [("alpha", "beta:80"), ("alpha", "fd77:6869:7665::3"), ("beta", "alpha")]
        let real = try aims.map { try Self.why(hive.lab, $0, $1) }
        #expect(Set(real.map(\.outcome)) == [.passes, .blocked])
        for name in ["alpha", "beta"] { try hive.lab.ip(in: "hive-\(name)", "link set eth0 down") }
        for (aim, real) in zip(aims, real) {
            let told = try Self.why(hive.lab, aim.0, aim.1)
            #expect(told.outcome == .unknown && told.basis == .rules, "\(told)")
            #expect(told.layer == real.layer && told.counter == real.counter, "\(aim): \(told) \(real)")
            #expect(
                told.rule?.comment == real.rule?.comment && told.rule?.chain == real.rule?.chain, "\(aim)")
            #expect(Self.path(real).count > 2 && Self.path(told) == Self.path(real), "\(aim)")
        }
    }

    /// Rules that were met; not the policies, and not masquerading, which decides nothing.
    private static func path(_ way: Way) -> [String] {
        way.steps.filter { $0.rule != nil && !["postrouting", "share_address"].contains($0.chain) }
            .map { "\($0.table ?? "") \($0.chain ?? "") \($0.rule ?? "") \($0.verdict ?? "")" }
    }

    // MARK: Traces of it

    /// Killed before any of its steps, or done: the kernel is as before, and so is the agent's namespace.
    @Test(arguments: [["alpha", "host:7000"], ["outside", "alpha:8080"]])
    func killedLeavesNoTrace(_ words: [String]) throws {
        let hive = try TwoAgents()
        let before = try hive.lab.snapshot()
        let command = Lab.commandLine(["net", "why"] + words)
        var step = 1
        while true {
            let end = try hive.lab.host { try Killer.run(command, killBefore: step) }
            try wait { try hive.lab.links()["hive-verify"] != nil }
            let difference = before.difference(to: try hive.lab.snapshot())
            #expect(difference.isEmpty, "killed before step \(step), \(end): \(difference)")
            #expect(try !hive.lab.nft("list tables").stdout.contains("hive_trace"))
            guard case .killed = end else {
                #expect(end == .exited(0))
                break
            }
            step += 1
        }
        // The tables are one step, and the link and its addresses and routes others.
        #expect(step > (words[0] == "outside" ? 5 : 1))
    }

    // MARK: Live traffic

    /// A line for each packet of the agent's, with what became of it, and not more of them than were asked for.
    @Test func follows() throws {
        let hive = try TwoAgents(outside: true)
        let process = try hive.lab.background(
            Lab.commandLine(["net", "why", "alpha", "--follow", "--json", "--count", "4", "--seconds", "20"]))
        try wait { try !hive.lab.nft("list tables").stdout.contains("hive_trace") }
        // Whose is whose is told by the port; beta's are not alpha's.
        let packets = [
            hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: 7001, TwoAgents.mark("a")),
            hive.udp4(hive.alpha, to: hive.beta.address4, port: 7002, TwoAgents.mark("b")),
            hive.udp4(
                hive.alpha, to: IPv4Address(literal: Lab.publicAddress4), port: 7003, TwoAgents.mark("c")),
            hive.udp6(hive.alpha, to: TwoAgents.gateway6, port: 7004, TwoAgents.mark("d")),
        ]
        try hive.send(
            hive.udp4(hive.beta, to: TwoAgents.gateway4, port: 7000, TwoAgents.mark("beta")), as: hive.beta)
        for packet in packets { try hive.send(packet, as: hive.alpha) }
        // More than it may print.
        for _ in 0..<8 { try hive.send(packets[0], as: hive.alpha) }
        let result = try process.wait(seconds: 30)
        #expect(result.status == 0, "\(result)")
        let lines = try result.stdout.split(separator: "\n").map {
            try JSONDecoder().decode(FollowedPacket.self, from: Data($0.utf8))
        }
        #expect(lines.count == 4, "\(result)")
        func packet(_ port: Int) -> FollowedPacket? {
            lines.first { $0.destination?.hasSuffix(":\(port)") ?? false }
        }
        #expect(packet(7000) == nil, "\(result)")
        #expect(packet(7001)?.counter == "host" && packet(7001)?.kind == "UDP", "\(result)")
        #expect(packet(7001)?.source == "10.77.0.2:4000", "\(result)")
        #expect(packet(7002)?.rule?.comment == "another agent's", "\(result)")
        #expect(packet(7003).map { $0.outcome == .passes } ?? true, "\(result)")
        #expect(try !hive.lab.nft("list tables").stdout.contains("hive_trace"))
    }

    /// Killed while it traces: its tables go with it, and those of the hive stay.
    @Test func killedWhileItFollows() throws {
        let hive = try TwoAgents()
        let before = try hive.lab.snapshot()
        let process = try hive.lab.background(Lab.commandLine(["net", "why", "alpha", "--follow"]))
        func isTracing() throws -> Bool { try hive.lab.nft("list tables").stdout.contains("hive_trace") }
        try wait { try !isTracing() }
        #expect(try isTracing(), "control")
        // Another one gets its answer meanwhile.
        #expect(try Self.why(hive.lab, "alpha", "host").layer?.number == 3)
        process.end()
        try wait { try isTracing() }
        #expect(before.difference(to: try hive.lab.snapshot()).isEmpty)
    }

    /// It ends in time though nothing comes, and no more than 20 packets a second are traced.
    @Test func followsWithinBounds() throws {
        let hive = try TwoAgents()
        let process = try hive.lab.background(
            Lab.commandLine(["net", "why", "alpha", "--follow", "--seconds", "2", "--count", "1000"]))
        try wait { try !hive.lab.nft("list tables").stdout.contains("hive_trace") }
        let packet = hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: 7001, TwoAgents.mark("many"))
        for _ in 0..<400 { try hive.send(packet, as: hive.alpha) }
        let lines = try process.wait(seconds: 30).stdout.split(separator: "\n")
        // 20 at once, and 20 for each second that it takes.
        #expect(lines.count >= 10 && lines.count <= 90, "\(lines.count)")
        #expect(try hive.lab.hivectl("net", "why", "alpha", "host", "--follow").status == 64)
        #expect(try hive.lab.hivectl("net", "why", "alpha").status == 64)
    }
}
