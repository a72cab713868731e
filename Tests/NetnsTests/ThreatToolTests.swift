import Foundation
import Glibc
import HiveNet
import Testing

/// What an attacker has at hand: arping, nmap, hping3 and scapy, run by an agent. Each attempt stands next to the same one
/// without the boundary, and next to something that the tool can do with it.
@Suite struct ThreatToolTests {
    static func has(_ tool: String) -> Bool {
        ["/usr/sbin", "/usr/bin"].contains { access("\($0)/\(tool)", X_OK) == 0 }
    }
    static let hasScapy = access("/usr/lib/python3/dist-packages/scapy/__init__.py", R_OK) == 0

    private func run(_ hive: TwoAgents, _ line: String) throws -> String {
        let words = ["ip", "netns", "exec", "hive-alpha"] + line.split(separator: " ").map(String.init)
        return try hive.lab.run(words, seconds: 60).stdout
    }

    /// Two listeners of the host and one of beta, by both families.
    private func listen(_ hive: TwoAgents) throws -> [Socket] {
        let open = {
            try ["0.0.0.0", "::"].map { try Socket.tcpListener(Endpoint(address: $0, port: 7000)) }
        }
        return try hive.lab.host { try open() } + hive.lab.agent("beta") { try open() }
    }

    /// A control: a tool that has to find something may be asked again on a busy machine.
    private func finds(_ body: () throws -> Bool) rethrows -> Bool {
        for _ in 0..<10 where try body() { return true }
        return false
    }

    private func disableAll(_ hive: TwoAgents) throws {
        for layer in TwoAgents.Layer.allCases { try hive.disable(layer) }
    }

    @Test(.enabled(if: has("arping"), "arping is not installed")) func arping() throws {
        let hive = try TwoAgents()
        func answers(_ target: IPv4Address) throws -> Bool {
            try run(hive, "arping -c 2 -w 1 -i eth0 \(target)").contains(" bytes from ")
        }
        #expect(try finds { try answers(TwoAgents.gateway4) }, "who the gateway is, every agent may ask")
        var isAnswered = true
        let isCounted = try hive.expectBlocked(hive.alpha, "peer") {
            isAnswered = try answers(hive.beta.address4)
        }
        #expect(!isAnswered)
        #expect(isCounted)
        try hive.disable(.port)
        #expect(try !answers(hive.beta.address4), "the frame table alone")
        try hive.lab.apply()
        try hive.disable(.bridgeTable)
        #expect(try !answers(hive.beta.address4), "the port alone")
        try hive.disable(.port)
        #expect(try finds { try answers(hive.beta.address4) }, "control")
    }

    /// The agents of the subnet, by whatever nmap knows.
    @Test(.enabled(if: has("nmap"), "nmap is not installed")) func nmapFindsNobody() throws {
        let hive = try TwoAgents()
        func found() throws -> Set<String> {
            let text = try run(hive, "nmap -n -sn -T5 --max-retries 1 -oG - 10.77.0.0/29")
            let lines = text.split(separator: "\n").filter { $0.contains("Status: Up") }
            return Set(lines.compactMap { $0.split(separator: " ").dropFirst().first.map(String.init) })
        }
        var everybody: Set<String> = []
        let isFound = try finds {
            everybody.formUnion(try found())
            return everybody.isSuperset(of: ["10.77.0.1", "10.77.0.2"])
        }
        #expect(isFound && everybody == ["10.77.0.1", "10.77.0.2"], "the gateway and itself")
        try disableAll(hive)
        #expect(try finds { try found().contains("10.77.0.3") }, "control")
    }

    /// Port scans of the host and of beta, each in a way that gets past some firewall.
    @Test(
        .enabled(if: has("nmap"), "nmap is not installed"),
        arguments: [
            // The scan, what it says of a port that it cannot reach, and of one that is open.
            ("-sS", "filtered", "open"), ("-sT", "filtered", "open"), ("-sA", "filtered", "unfiltered"),
            ("-sS -g 53", "filtered", "open"), ("-sS -f", "filtered", "open"),
            ("-sS -6", "filtered", "open"), ("-sA -6 -g 8080", "filtered", "unfiltered"),
        ])
    func nmapScans(_ scan: (how: String, blocked: String, control: String)) throws {
        let hive = try TwoAgents(outside: true)
        let listeners = try listen(hive)
        let targets =
            scan.how.contains("-6")
            ? ["\(TwoAgents.gateway6)", "\(hive.beta.address6)", "2a11::1"]
            : ["\(TwoAgents.gateway4)", "\(hive.beta.address4)", "11.0.0.1"]
        func states() throws -> [String] {
            let text = try run(
                hive,
                "nmap -Pn -n --disable-arp-ping --max-retries 1 --max-rtt-timeout 200ms \(scan.how) -p 7000 -oG - "
                    + targets.joined(separator: " "))
            return text.split(separator: "\n").compactMap { line in
                // "Host: 10.77.0.1 ()	Ports: 7000/filtered/tcp//afs3-fileserver///"
                line.split(separator: "Ports: 7000/").dropFirst().first?.split(separator: "/").first.map(
                    String.init)
            }
        }
        #expect(try states() == targets.map { _ in scan.blocked })
        try disableAll(hive)
        try hive.clearTheWay()
        #expect(try finds { try states() == targets.map { _ in scan.control } }, "control")
        withExtendedLifetime(listeners) {}
    }

    @Test(.enabled(if: has("hping3"), "hping3 is not installed")) func hping3() throws {
        let hive = try TwoAgents(outside: true)
        let listeners = try listen(hive)
        // The option, the reply that it waits for.
        let attempts = [
            ("-S -p 7000 10.77.0.1", "flags=SA"), ("-S -p 7000 10.77.0.3", "flags=SA"),
            ("-S -s 80 -p 7000 11.0.0.1", "flags=SA"), ("-A -p 7000 10.77.0.1", "flags=R"),
            ("-1 10.77.0.1", "icmp_seq"), ("-1 10.77.0.3", "icmp_seq"),
            ("-2 -p 9 10.77.0.3", "Port Unreachable"),
        ]
        func reply(_ line: String) throws -> String { try run(hive, "hping3 -c 2 -i u50000 -I eth0 \(line)") }
        for (line, answer) in attempts {
            #expect(try !reply(line).contains(answer), "\(line)")
        }
        try disableAll(hive)
        try hive.clearTheWay()
        for (line, answer) in attempts {
            #expect(try finds { try reply(line).contains(answer) }, "control: \(line)")
        }
        withExtendedLifetime(listeners) {}
    }

    /// Packets of another maker than ours: what `Packet` gets wrong, scapy does not.
    @Test(.enabled(if: hasScapy, "python3-scapy is not installed")) func scapy() throws {
        let hive = try TwoAgents(outside: true)
        let names = [
            "vlan", "qinq", "snap", "gre", "sctp", "fragment", "options", "routing", "na", "ra", "redirect",
            "spoof",
            "dhcp", "ipip",
        ]
        try hive.lab.write(Self.script, to: "/run/lab/frames.py")
        let tap = try hive.lab.host { try Socket.packet("hv-alpha") }
        let wires = [try hive.hostBridge(), try hive.wire(hive.beta)]
        let raw = try [4, 47, 132].map { try hive.hostRaw($0) }
        func arrived() throws -> Set<String> {
            for socket in wires + raw + [tap] { _ = socket.drain() }
            let result = try hive.lab.run([
                "ip", "netns", "exec", "hive-alpha", "/usr/bin/python3", "/run/lab/frames.py",
                "\(hive.alpha.mac)",
                "\(TwoAgents.bridgeMAC)", "\(hive.beta.mac)",
            ])
            try hive.settle(hive.alpha)
            let sent = tap.drain()
            for name in names where !sent.contains(where: { $0.contains(sequence: Array("<\(name)>".utf8)) })
            {
                throw LabError("scapy did not send \(name): \(result)")
            }
            // Of IP to the host, only what the IP layer takes counts; of all else, what the bridge hands on.
            let frames = wires.flatMap { $0.drain() }, packets = raw.flatMap { $0.drain() }
            return Set(
                names.filter { name in
                    (["gre", "sctp", "ipip"].contains(name) ? packets : frames)
                        .contains { $0.contains(sequence: Array("<\(name)>".utf8)) }
                })
        }
        #expect(try arrived() == [])
        try disableAll(hive)
        let control = try arrived()
        #expect(control == Set(names), "control: \(Set(names).subtracting(control))")
    }

    private static let script = """
        import sys
        from scapy.all import *
        mac, host, other = sys.argv[1:]
        def mark(name): return Raw(b"<" + name.encode() + b">")
        def to(dst, **more): return Ether(src=mac, dst=dst, **more)
        ip = IP(src="10.77.0.2", dst="10.77.0.1")
        ip6 = IPv6(src="fd77:6869:7665::2", dst="fd77:6869:7665::1")
        nodes = IPv6(src="fd77:6869:7665::2", dst="ff02::1", hlim=255)
        udp = UDP(sport=4000, dport=7000)
        all_nodes = "33:33:00:00:00:01"
        sendp([
            to(host) / Dot1Q(vlan=0) / ip / udp / mark("vlan"),
            to(host, type=0x88a8) / Dot1Q(vlan=0) / Dot1Q(vlan=0) / ip / udp / mark("qinq"),
            Dot3(src=mac, dst=host) / LLC(dsap=0xaa, ssap=0xaa, ctrl=3) / SNAP(code=0x800) / ip / udp / mark("snap"),
            to(host) / ip / GRE() / IP(src="127.0.0.1", dst="127.0.0.1") / udp / mark("gre"),
            to(host) / ip / SCTP(dport=7000) / SCTPChunkInit() / mark("sctp"),
            to(host) / IP(src="10.77.0.2", dst="10.77.0.1", flags="MF") / udp / mark("fragment"),
            to(host) / ip6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / udp / mark("options"),
            to(host) / ip6 / IPv6ExtHdrRouting(addresses=["fd77:6869:7665::3"]) / udp / mark("routing"),
            to(all_nodes) / nodes / ICMPv6ND_NA(tgt="fd77:6869:7665::1", R=1, O=1)
                / ICMPv6NDOptDstLLAddr(lladdr=mac) / mark("na"),
            to(all_nodes) / nodes / IPv6ExtHdrDestOpt() / ICMPv6ND_RA() / ICMPv6NDOptSrcLLAddr(lladdr=mac) / mark("ra"),
            to(other) / IP(src="10.77.0.1", dst="10.77.0.3") / ICMP(type=5, code=1, gw="10.77.0.2") / ip / mark("redirect"),
            to(other) / IP(src="10.77.0.1", dst="10.77.0.3") / udp / mark("spoof"),
            to("ff:ff:ff:ff:ff:ff") / IP(src="10.77.0.1", dst="255.255.255.255") / UDP(sport=67, dport=68)
                / BOOTP(op=2) / DHCP(options=[("message-type", "offer"), "end"]) / mark("dhcp"),
            to(host) / ip / IP(src="127.0.0.1", dst="127.0.0.1") / udp / mark("ipip"),
        ], iface="eth0", verbose=False)
        """
}
