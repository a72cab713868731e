internal import CNetlink
internal import Glibc

extension HostNetwork {
    /// Looks at the settings below /proc/sys/net that bear on agents' packets: those of our links, as the kernel combines them
    /// with the host's `all`, and those of the host as a whole. They are the outermost layer: what a wrong one lets through
    /// meets the rules.
    func auditSettings(_ spec: NetworkSpec, _ links: [LinkRecord]) -> [Finding] {
        let ours = links.filter {
            $0.name == spec.bridge || $0.group == Mark.group
                || ($0.alias.flatMap(Mark.parse(portAlias:)) != nil && $0.kind == "veth")
        }
        var findings = IPv4Rule.all.flatMap { $0.findings(ours) { Sysctl.read("ipv4/conf/all/\($0)") } }
        findings += ipv6Findings(ours, bridge: spec.bridge)
        if Sysctl.read("netfilter/nf_conntrack_helper") == "1" {
            findings.append(
                .warning(
                    "sysctl",
                    "net.netfilter.nf_conntrack_helper is 1: the kernel assigns helpers (FTP, SIP, IRC) by port, to agents' "
                        + "connections too; the rules let no related connection in"))
        }
        if findings.allSatisfy({ $0.severity == .fine }) {
            findings.append(
                .fine(
                    "sysctl",
                    "the settings of \(counted(ours.count, "link")) are as they should be, and no value of net.ipv4.conf.all "
                        + "takes that away"
                ))
        }
        return findings + [bridgeNetfilter()]
    }

    private func ipv6Findings(_ links: [LinkRecord], bridge: String) -> [Finding] {
        // IPv6 reads the link's own values; of these only proxy_ndp is combined with that of all (ip6_forward, ndisc_recv_ns).
        let found: [(String, String, [LinkRecord])] = [
            (
                "accept_ra", "the frame rules still drop router advertisements",
                links.filter { $0.name == bridge && $0.ipv6?.acceptRA ?? 0 != 0 }
            ),
            (
                "accept_redirects", "the frame rules still drop redirects",
                links.filter { $0.name == bridge && $0.ipv6?.acceptRedirects ?? 0 != 0 }
            ),
            (
                "proxy_ndp", "the frame rules still drop questions for others' addresses",
                links.filter { $0.ipv6?.proxyNDP ?? 0 != 0 }
            ),
        ]
        var findings: [Finding] = found.filter { !$0.2.isEmpty }.map { name, rest, links in
            .warning(
                "sysctl", "net.ipv6.conf.LINK.\(name) is not 0 for \(listed(links.map(\.name))); \(rest)")
        }
        if let value = Sysctl.read("ipv6/conf/all/proxy_ndp"), value != "0" {
            findings.append(
                .warning(
                    "sysctl",
                    "net.ipv6.conf.all.proxy_ndp is \(value), whatever our links say; the frame rules still drop questions "
                        + "for others' addresses"))
        }
        return findings
    }

    /// Not a fault either way: no rule depends on it.
    private func bridgeNetfilter() -> Finding {
        let names = ["iptables", "ip6tables", "arptables"]
        let values = names.map { Sysctl.read("bridge/bridge-nf-call-\($0)") }
        guard values.contains(where: { $0 != nil }) else {
            return .fine("sysctl", "br_netfilter is not loaded: frames between ports pass no IP hook")
        }
        let on = zip(names, values).filter { $1 != nil && $1 != "0" }.map { "bridge-nf-call-\($0.0)" }
        return .fine(
            "sysctl",
            on.isEmpty
                ? "br_netfilter is loaded and off: frames between ports pass no IP hook"
                : "br_netfilter is on (\(on.joined(separator: ", "))): frames between ports pass the IP hooks too"
        )
    }
}

/// How the kernel arrives at the value of an IPv4 setting that counts for a link, include/linux/inetdevice.h.
struct IPv4Rule {
    let name: String
    let value: @Sendable (IPv4Settings) -> UInt32
    let combination: Combination
    /// What it should come to.
    let wanted: UInt32
    /// What holds all the same.
    let rest: String
    /// The host's own default outdoes ours, and the rules leave the setting nothing to do: a fact, and no fault.
    var hostMayDiffer = false

    enum Combination {
        /// `IN_DEV_MAXCONF`
        case larger
        /// `IN_DEV_ORCONF`
        case either
        /// `IN_DEV_ANDCONF`
        case both
        /// Both where the link forwards, either where it does not (`IN_DEV_RX_REDIRECTS`).
        case redirects
    }

    static let all: [IPv4Rule] = [
        IPv4Rule(
            name: "route_localnet", value: { $0.routeLocalnet }, combination: .either, wanted: 0,
            rest: "the early rules still drop 127.0.0.0/8"),
        IPv4Rule(
            name: "rp_filter", value: { $0.rpFilter }, combination: .larger, wanted: 1,
            rest: "the frame rules still compare every sender with its lease"),
        IPv4Rule(
            name: "accept_redirects", value: { $0.acceptRedirects }, combination: .redirects, wanted: 0,
            rest: "the rules drop agents' redirects before anybody could accept one", hostMayDiffer: true),
        IPv4Rule(
            name: "send_redirects", value: { $0.sendRedirects }, combination: .either, wanted: 0,
            rest: "the rules drop the packets that one would be sent for, those to another agent",
            hostMayDiffer: true),
        IPv4Rule(
            name: "accept_source_route", value: { $0.acceptSourceRoute }, combination: .both, wanted: 0,
            rest: "the rules still judge every hop's address"),
        IPv4Rule(
            name: "proxy_arp", value: { $0.proxyARP }, combination: .either, wanted: 0,
            rest: "the frame rules still drop questions for others' addresses"),
    ]

    func effective(_ settings: IPv4Settings, all: UInt32) -> UInt32 {
        let own = value(settings)
        switch combination {
        case .larger: return max(own, all)
        case .either: return own != 0 || all != 0 ? 1 : 0
        case .both: return own != 0 && all != 0 ? 1 : 0
        case .redirects:
            return settings.forwarding != 0
                ? (own != 0 && all != 0 ? 1 : 0) : (own != 0 || all != 0 ? 1 : 0)
        }
    }

    /// One for the host's value, one for the links' own.
    func findings(_ links: [LinkRecord], _ read: (String) -> String?) -> [Finding] {
        let all = read(name).flatMap { UInt32($0) } ?? 0
        var byHost: [String] = []
        var byLink: [String] = []
        for link in links {
            guard let settings = link.ipv4 else { continue }
            guard effective(settings, all: all) != wanted else { continue }
            if value(settings) == wanted { byHost.append(link.name) } else { byLink.append(link.name) }
        }
        var findings: [Finding] = []
        if !byHost.isEmpty {
            let words =
                "net.ipv4.conf.all.\(name) is \(all), which outdoes the \(wanted) of our own \(listed(byHost)); \(rest)"
            findings.append(hostMayDiffer ? .fine("sysctl", words) : .warning("sysctl", words))
        }
        if !byLink.isEmpty {
            findings.append(
                .warning(
                    "sysctl", "net.ipv4.conf.LINK.\(name) is not \(wanted) for \(listed(byLink)); \(rest)"))
        }
        return findings
    }
}
