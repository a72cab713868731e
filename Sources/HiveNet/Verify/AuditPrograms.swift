internal import CNetlink
internal import Glibc

extension HostNetwork {
    /// Looks for BPF programs on links: XDP (dev_xdp_attach) and tcx (tcx_run). They see packets before any hook of netfilter, and can
    /// send them to another link past all of them. What they do cannot be read from outside.
    func auditPrograms(_ spec: NetworkSpec, _ links: [LinkRecord]) -> [Finding] {
        let ours = OurLinks(spec, links)
        var found: [(link: LinkRecord, kind: String)] = []
        var fault: Int32 = 0
        for link in links {
            if link.hasXDP { found.append((link, "XDP")) }
            for place in [HIVE_BPF_TCX_INGRESS, HIVE_BPF_TCX_EGRESS] where fault == 0 {
                let count = hive_bpf_programs(link.index, Int32(place))
                if count > 0 { found.append((link, "tcx")) }
                // A link may have gone; a kernel before 6.6 has no such programs.
                if count < 0, errno != ENODEV, errno != ENOENT { fault = errno }
            }
        }
        var findings: [Finding] = []
        for isOurs in [true, false] {
            let names = found.filter { (ours.names[$0.link.index] != nil) == isOurs }.map {
                "\($0.link.name) (\($0.kind))"
            }
            guard !names.isEmpty else { continue }
            findings.append(
                Finding(
                    isOurs ? .unproven : .warning, "programs",
                    "there are BPF programs on \(listed(names)): they see packets before Hive's rules do, can send them past "
                        + "these, and cannot be looked into"))
        }
        if fault != 0, fault != EINVAL, fault != ENOSYS {
            findings.append(
                .warning(
                    "programs",
                    "BPF programs on links were not looked for: \(KernelError("ask for them", code: fault))"))
        }
        guard findings.isEmpty else { return findings }
        return [
            .fine("programs", "there is no BPF program on any of \(counted(links.count, "link")) of the host")
        ]
    }
}
