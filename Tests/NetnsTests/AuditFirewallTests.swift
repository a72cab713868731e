import CNetlink
import Glibc
import HiveNet
import Testing

/// Threat 29 and others: what the audit says of other programs' rules.
@Suite struct AuditFirewallTests {
    struct Case: CustomTestStringConvertible, Sendable {
        /// What another program does, in a table called `foreign`.
        let commands: String
        /// In which family the table is.
        var family = "inet"
        let severity: Finding.Severity
        /// Words of the one finding; none for what is nobody's business.
        let words: [String]

        var testDescription: String { commands }
    }

    private static func chain(_ name: String, _ definition: String, _ rules: String...) -> String {
        (["add chain FOREIGN \(name) { \(definition) }"] + rules.map { "add rule FOREIGN \(name) \($0)" })
            .joined(separator: "; ")
    }

    private static let dnat = "ip daddr 10.77.0.1 tcp dport 80 dnat ip to 192.0.2.1:80"

    static let cases = [
        // What cuts.
        Case(
            commands: chain("through", "type filter hook forward priority 10; policy drop;"),
            severity: .warning,
            words: [
                "inet foreign through (hook forward, priority 10, policy drop) drops by policy", "may cut",
            ]),
        Case(
            commands: chain("through", "type filter hook input priority 0; policy drop;"), family: "ip",
            severity: .warning, words: ["ip foreign through (hook input, priority 0, policy drop)"]),
        Case(
            commands: chain("through", "type filter hook forward priority -5; policy drop;"),
            family: "bridge",
            severity: .warning, words: ["bridge foreign through (hook forward, priority -5, policy drop)"]),
        Case(
            commands: chain(
                "out", "type filter hook output priority 0; policy accept;", "ip daddr 10.0.0.0/8 drop"),
            severity: .warning, words: ["inet foreign out (hook output", "rules that may drop"]),
        Case(
            commands: chain("out", "type filter hook output priority 0; policy accept;", "reject"),
            severity: .warning, words: ["rules that may drop"]),
        Case(
            commands: "add chain FOREIGN deeper; add rule FOREIGN deeper drop; add chain FOREIGN deep; "
                + "add rule FOREIGN deep jump deeper; "
                + chain("through", "type filter hook forward priority 0; policy accept;", "goto deep"),
            severity: .warning, words: ["inet foreign through", "rules that may drop"]),
        Case(
            commands: chain(
                "through", "type filter hook forward priority 0; policy accept;",
                "tcp dport vmap { 80 : drop, 81 : accept }"),
            severity: .warning, words: ["rules that may drop"]),
        Case(
            commands: chain("raw", "type filter hook prerouting priority -300; policy accept;", "notrack"),
            severity: .warning, words: ["exempts packets from connection tracking"]),
        Case(
            commands: "add ct helper FOREIGN files { type \"ftp\" protocol tcp; }; "
                + chain(
                    "helped", "type filter hook prerouting priority -140; policy accept;",
                    "tcp dport 21 ct helper set \"files\""),
            family: "ip", severity: .warning, words: ["ip foreign helped", "assigns helpers"]),
        // What does not.
        Case(
            commands: chain(
                "through", "type filter hook forward priority 0; policy accept;", "counter accept"),
            severity: .fine, words: []),
        Case(
            commands: "add chain FOREIGN unused; add rule FOREIGN unused drop; "
                + chain("through", "type filter hook forward priority 0; policy accept;"),
            severity: .fine, words: []),
        Case(
            commands: chain("nat", "type nat hook postrouting priority 100; policy accept;", "masquerade"),
            severity: .fine, words: []),
        Case(
            commands: chain(
                "copies", "type filter hook prerouting priority -310; policy accept;", "dup to 192.0.2.1"),
            family: "ip", severity: .alarm, words: ["ip foreign copies", "(dup)"]),
        // What comes before us. NAT does not, whatever its priority.
        Case(
            commands: chain("nat", "type nat hook prerouting priority -160; policy accept;", dnat),
            severity: .fine, words: []),
        Case(
            commands: chain(
                "raw", "type filter hook prerouting priority -300; policy accept;", "ip dscp set 4"),
            severity: .fine, words: []),
        Case(
            commands: chain(
                "late", "type filter hook prerouting priority -149; policy accept;", "ip daddr set 192.0.2.1"),
            severity: .fine, words: []),
        Case(
            commands: chain(
                "frames", "type filter hook prerouting priority 0; policy accept;", "ip daddr set 192.0.2.1"),
            family: "bridge", severity: .alarm, words: ["bridge foreign frames", "writes over addresses"]),
        Case(
            commands: chain(
                "raw6", "type filter hook prerouting priority -300; policy accept;", "ip6 daddr set 2a11::1"),
            family: "ip6", severity: .alarm, words: ["ip6 foreign raw6", "writes over addresses"]),
        Case(
            commands: chain(
                "in", "type filter hook ingress device hv-alpha priority 0; policy accept;",
                "ip daddr set 192.0.2.1"),
            family: "netdev", severity: .alarm, words: ["of hv-alpha before", "writes over their addresses"]),
        Case(
            commands: chain(
                "in", "type filter hook ingress device hv-alpha priority 0; policy accept;", "fwd to hv-beta"),
            family: "netdev", severity: .alarm, words: ["of hv-alpha before", "fwd, dup"]),
        Case(
            commands: chain(
                "raw", "type filter hook prerouting priority -300; policy accept;", "ip daddr set 192.0.2.1"),
            severity: .alarm,
            words: ["inet foreign raw (hook prerouting, priority -300", "writes over addresses"]),
        Case(
            commands: chain("in", "type filter hook ingress device hv-alpha priority 0; policy accept;"),
            family: "netdev", severity: .warning,
            words: ["netdev foreign in (hook ingress", "sees the packets of hv-alpha before"]),
        Case(
            commands: chain(
                "in", "type filter hook ingress devices = { hv-alpha, hv-beta } priority 0; policy accept;"),
            family: "netdev", severity: .warning, words: ["sees the packets of hv-alpha, hv-beta before"]),
        Case(
            commands: chain("in", "type filter hook ingress device lo priority 0; policy drop;"),
            family: "netdev", severity: .fine, words: []),
    ]

    /// Each is told of while it is there, and not before or after.
    @Test(arguments: cases)
    func foreignChains(_ foreign: Case) throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {}, beta: {} } }")
        #expect(try lab.audit().faults("firewall") == [])
        let table = "\(foreign.family) foreign"
        try lab.nft(
            "add table \(table); " + foreign.commands.replacing("FOREIGN", with: table))
        let faults = try lab.audit().faults("firewall")
        #expect(faults.count == (foreign.words.isEmpty ? 0 : 1), "\(faults)")
        for fault in faults {
            #expect(fault.severity == foreign.severity, "\(fault)")
            for word in foreign.words { #expect(fault.sentence.contains(word), "\(fault)") }
        }
        // A dormant table does nothing.
        if foreign.family != "netdev" {
            try lab.nft("add table \(table) { flags dormant; }")
            #expect(try lab.audit().faults("firewall") == [])
        }
        try lab.nft("delete table \(table)")
        #expect(try lab.audit().faults("firewall") == [])
    }

    /// Without IPv6 on agents' links, rules for IPv6 cut nothing.
    @Test func rulesForIPv6() throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {} } }")
        try lab.nft(
            "add table ip6 foreign; add chain ip6 foreign through { type filter hook forward priority 0; policy drop; }"
        )
        #expect(try lab.audit().faults("firewall").count == 1)
        try lab.apply("{ network: { subnet6: null }, agents: { alpha: {} } }")
        #expect(try lab.audit().faults("firewall") == [])
    }

    /// That it matters when somebody writes over addresses before our rules is no opinion: an agent reaches what is published by
    /// the host's own address. Behind our rules it does not; nor by NAT, which is always behind them.
    @Test(arguments: [
        ("filter", -310, "ip daddr set", true), ("filter", -160, "ip daddr set", true),
        ("filter", -140, "ip daddr set", false), ("nat", -160, "dnat to", false),
        ("nat", -100, "dnat to", false),
    ])
    func anotherAddressBeforeOurRules(type: String, priority: Int, statement: String, reaches: Bool) throws {
        let hive = try TwoAgents(outside: true)
        let lab = hive.lab
        let listener = try lab.outside {
            try Socket.udp(Endpoint(address: Lab.publicAddress4, port: 7100))
        }
        try lab.nft(
            "add table ip foreign; add chain ip foreign first { type \(type) hook prerouting priority \(priority); policy accept; }; "
                + "add rule ip foreign first ip daddr \(TwoAgents.gateway4) udp dport 7100 \(statement) \(Lab.publicAddress4)"
        )
        let alarms = try lab.audit().faults("firewall").filter { $0.severity == .alarm }
        #expect(alarms.count == (reaches ? 1 : 0), "\(alarms)")
        let mark = TwoAgents.mark("by a published port")
        try hive.send(hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: 7100, mark), as: hive.alpha)
        try hive.settle(hive.alpha)
        #expect(listener.receives(mark, milliseconds: 0) == reaches)
    }

    /// Tables of legacy iptables show in no dump of nf_tables. Asking for one makes it, as `iptables-legacy -L` does.
    @Test(.enabled(if: access("/proc/net/ip_tables_names", F_OK) == 0, "this kernel has no legacy iptables"))
    func legacyTables() throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {} } }")
        #expect(try lab.audit().faults("firewall") == [])
        let code = try lab.host {
            let socket = try Socket(AF_INET, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_RAW))
            // IPT_SO_GET_INFO of linux/netfilter_ipv4/ip_tables.h, and its struct ipt_getinfo, which begins with a name.
            var info = Array("filter".utf8) + [UInt8](repeating: 0, count: 84 - 6)
            var length = socklen_t(info.count)
            return getsockopt(socket.descriptor, Int32(IPPROTO_IP), 64, &info, &length) == 0 ? 0 : errno
        }
        try #require(code == 0)
        let faults = try lab.audit().faults("firewall")
        #expect(faults.map(\.severity) == [.warning], "\(faults)")
        #expect(faults.first?.sentence.contains("ip_tables: filter") == true, "\(faults)")
    }

    /// Connections that a flowtable takes go past the forward hook.
    @Test(
        .enabled(if: AuditFirewallTests.hasFlowtables, "this kernel has no flowtables (CONFIG_NF_FLOW_TABLE)")
    )
    func flowtables() throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {} } }")
        for (device, severity) in [("lo", Finding.Severity.warning), ("hive0", .alarm)] {
            try lab.nft(
                "add table inet foreign; "
                    + "add flowtable inet foreign fast { hook ingress priority 0; devices = { \(device) }; }")
            let faults = try lab.audit().faults("firewall")
            #expect(faults.map(\.severity) == [severity], "\(faults)")
            #expect(faults.first?.sentence.contains("over \(device) past") == true, "\(faults)")
            try lab.nft("delete table inet foreign")
            #expect(try lab.audit().faults("firewall") == [])
        }
    }

    private static let hasFlowtables: Bool = {
        guard let lab = try? Lab() else { return true }
        let command =
            "add table inet x; add flowtable inet x y { hook ingress priority 0; devices = { lo }; }"
        return (try? lab.nft(command)) != nil
    }()

    /// Filters of tc see frames before any rule does.
    @Test func trafficControl() throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {} } }")
        try lab.must("tc qdisc add dev lo clsact")
        #expect(try lab.audit().faults("firewall") == [])
        try lab.must("tc qdisc add dev hv-alpha clsact")
        let faults = try lab.audit().faults("firewall")
        #expect(faults.count == 1 && faults[0].sentence.contains("a qdisc clsact on hv-alpha"), "\(faults)")
        try lab.must("tc qdisc del dev hv-alpha clsact")
        #expect(try lab.audit().faults("firewall") == [])
    }
}
