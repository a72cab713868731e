import Foundation
import HiveNet
import Testing

/// What the audit says of the host's settings and tables.
@Suite struct AuditHostTests {
    private static func makeLab() throws -> Lab {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {}, beta: {} } }")
        return lab
    }

    /// Every check says what it looked at, and a fresh hive has no fault.
    @Test func aFreshHive() throws {
        let lab = try Self.makeLab()
        let findings = try lab.audit()
        let checks = ["namespace", "capabilities", "links", "sysctl", "firewall", "programs", "headroom"]
        #expect(Set(findings.map(\.check)) == Set(checks))
        // In a user namespace the kernel does not say which programs there are, and that is said.
        let unseen = ThreatOutsideTests.hasUsers ? [] : ["programs"]
        #expect(unseen.allSatisfy { findings.faults($0).map(\.severity) == [.warning] })
        for check in checks where check != "capabilities" && !unseen.contains(check) {
            #expect(findings.faults(check) == [], "\(check)")
        }
        #expect(findings.faults("capabilities").allSatisfy { $0.agent == nil && $0.severity == .warning })
    }

    @Test func agentsWithoutNamespace() throws {
        let lab = try Self.makeLab()
        try lab.must("umount /run/netns/hive-alpha")
        let faults = try lab.audit().faults("namespace")
        #expect(faults.map(\.agent) == ["alpha"] && faults.map(\.severity) == [.warning], "\(faults)")
        // Another agent's in its place.
        try lab.must("mount --bind /run/netns/hive-beta /run/netns/hive-alpha")
        let shared = try lab.audit().faults("namespace")
        #expect(shared.map(\.agent) == ["beta"], "\(shared)")
        #expect(shared.first?.sentence.contains("that of agent alpha too") == true, "\(shared)")
    }

    // MARK: Settings

    struct Setting: CustomTestStringConvertible, Sendable {
        let name: String
        let value: String
        let severity: Finding.Severity
        let words: String

        var testDescription: String { "\(name) = \(value)" }
    }

    static let settings = [
        Setting(
            name: "ipv4/conf/all/route_localnet", value: "1", severity: .warning,
            words:
                "net.ipv4.conf.all.route_localnet is 1, which outdoes the 0 of our own hive0, hv-alpha, hv-beta"
        ),
        Setting(
            name: "ipv4/conf/all/rp_filter", value: "2", severity: .warning,
            words: "net.ipv4.conf.all.rp_filter is 2, which outdoes the 1"),
        Setting(
            name: "ipv4/conf/all/proxy_arp", value: "1", severity: .warning,
            words: "net.ipv4.conf.all.proxy_arp is 1"),
        Setting(
            name: "ipv4/conf/hive0/route_localnet", value: "1", severity: .warning,
            words: "net.ipv4.conf.LINK.route_localnet is not 0 for hive0"),
        Setting(
            name: "ipv4/conf/hv-alpha/rp_filter", value: "0", severity: .warning,
            words: "net.ipv4.conf.LINK.rp_filter is not 1 for hv-alpha"),
        Setting(
            name: "ipv4/conf/hv-beta/proxy_arp", value: "1", severity: .warning,
            words: "net.ipv4.conf.LINK.proxy_arp is not 0 for hv-beta"),
        Setting(
            name: "ipv4/conf/hive0/send_redirects", value: "1", severity: .warning,
            words: "net.ipv4.conf.LINK.send_redirects is not 0 for hive0"),
        Setting(
            name: "ipv6/conf/hive0/accept_ra", value: "2", severity: .warning,
            words: "net.ipv6.conf.LINK.accept_ra is not 0 for hive0"),
        Setting(
            name: "ipv6/conf/hive0/accept_redirects", value: "1", severity: .warning,
            words: "net.ipv6.conf.LINK.accept_redirects is not 0 for hive0"),
        Setting(
            name: "ipv6/conf/all/proxy_ndp", value: "1", severity: .warning,
            words: "net.ipv6.conf.all.proxy_ndp is 1"),
        // The kernel's own default: a fact.
        Setting(
            name: "ipv4/conf/all/send_redirects", value: "1", severity: .fine,
            words: "net.ipv4.conf.all.send_redirects is 1"),
    ]

    /// Each is told of while it is wrong, and not before or after.
    @Test(arguments: settings)
    func aSettingThatIsWrong(_ setting: Setting) throws {
        let lab = try Self.makeLab()
        func isTold() throws -> Bool {
            try lab.audit().contains {
                $0.check == "sysctl" && $0.severity == setting.severity && $0.sentence.contains(setting.words)
            }
        }
        let right = setting.severity == .fine ? "0" : try lab.sysctl(setting.name)
        try lab.sysctl(setting.name, right)
        #expect(try !isTold())
        #expect(right != setting.value)
        try lab.sysctl(setting.name, setting.value)
        #expect(try isTold(), "not told")
        try lab.sysctl(setting.name, right)
        #expect(try !isTold())
        #expect(try lab.audit().faults("sysctl") == [])
    }

    /// Accepting is a matter of both where a link forwards, and of either where it does not (IN_DEV_RX_REDIRECTS).
    @Test func redirectsAreAcceptedByEither() throws {
        let lab = try Self.makeLab()
        let words = "net.ipv4.conf.all.accept_redirects is 1"
        func isTold() throws -> Bool { try Self.sentences(lab, "sysctl").contains { $0.contains(words) } }
        try lab.sysctl("ipv4/conf/all/accept_redirects", "1")
        for link in ["hive0", "hv-alpha", "hv-beta"] { try lab.sysctl("ipv4/conf/\(link)/forwarding", "0") }
        #expect(try isTold())
        for link in ["hive0", "hv-alpha", "hv-beta"] { try lab.sysctl("ipv4/conf/\(link)/forwarding", "1") }
        #expect(try !isTold())
    }

    @Test func bridgeNetfilterIsAFact() throws {
        let lab = try Self.makeLab()
        let isOn = try lab.setBridgeNetfilter(true)
        let on = try Self.sentences(lab, "sysctl").filter { $0.contains("br_netfilter") }
        #expect(on.count == 1 && on[0].contains(isOn ? "is on" : "not loaded"), "\(on)")
        guard isOn else { return }
        try lab.setBridgeNetfilter(false)
        let off = try Self.sentences(lab, "sysctl").filter { $0.contains("br_netfilter") }
        #expect(off.count == 1 && off[0].contains("and off"), "\(off)")
        #expect(try lab.audit().faults("sysctl") == [])
    }

    // MARK: Headroom

    /// The figures are the kernel's. (What is said when there is no room: `AuditTests` in HiveNetTests, since these tables are
    /// the whole machine's.)
    @Test func figuresOfTheKernel() throws {
        let lab = try Self.makeLab()
        let sentence = try #require(try Self.sentences(lab, "headroom").first)
        let most = try lab.sysctl("netfilter/nf_conntrack_max")
        #expect(
            sentence.contains("connection tracking table has ") && sentence.contains(" of \(most) entries"))
        #expect(sentence.contains("the bridge hive0 has 2 of 1023 ports"), "\(sentence)")
        let tables = try lab.must("ip -j ntable show name arp_cache").stdout
        let limit = try #require(tables.firstMatch(of: #/"thresh3":(\d+)/#)?.1)
        #expect(sentence.contains(#/the neighbour table arp_cache has \d+ of (\d+) entries/#), "\(sentence)")
        #expect(sentence.contains(" of \(limit) entries"), "\(sentence)")
        #expect(sentence.contains("the neighbour table ndisc_cache has "), "\(sentence)")
    }

    private static func sentences(_ lab: Lab, _ check: String) throws -> [String] {
        try lab.audit().filter { $0.check == check }.map(\.sentence)
    }
}
