internal import CNetlink
internal import Glibc

extension HostNetwork {
    /// Looks at every process whose network namespace is an agent's: what it can do with capabilities in the host's user
    /// namespace.
    ///
    /// With CAP_NET_ADMIN there, a request about a link by the number of a peer's namespace (`IFLA_TARGET_NETNSID`, or
    /// `IFLA_LINK_NETNSID` when one is made) is carried out on the host: rtnl_get_net_ns_capable asks whether the sender has the
    /// capability in the user namespace that owns the *target*. A process in a user namespace of its own has no power over the
    /// host's, whatever sets it holds in its own. So what counts is the pair of user namespace and sets.
    ///
    /// Every thread counts: each has sets and a network namespace of its own, and the first may have ended. So does who shares a PID
    /// namespace with a process in an agent's namespace, wherever else its network is: its sockets may be of another one.
    mutating func auditCapabilities(_ observed: NetworkObservation) throws(KernelError) -> [Finding] {
        var agents: [UInt64: String] = [:]
        for (agent, namespace) in observed.host.namespaces { agents[namespace.inode] = agent }
        guard !agents.isEmpty else { return [.fine("capabilities", "there are no agents' namespaces")] }
        let processes = try ProcessDirectory()
        let own = (processes.ownNamespace("user"), processes.ownNamespace("pid"))
        guard case .inode = own.0, case .inode = own.1 else {
            return [
                .warning(
                    "capabilities", "/proc does not show the namespaces of processes: nothing was looked at")
            ]
        }
        var survey = Survey()
        let host = processes.ownNamespace("net")
        /// By PID namespace: whose container that is.
        var containers: [ProcessDirectory.Link: String] = [:]
        var elsewhere: [(id: Int32, thread: Int32, container: ProcessDirectory.Link)] = []
        func add(_ id: Int32, _ thread: Int32, of agent: String) -> Bool {
            guard let record = processes.record(of: id, thread: thread), record.hasMemory else {
                return false
            }
            survey.add(
                record, id, of: agent,
                userNamespaceIsOwn: processes.namespace("user", of: id, thread: thread) != own.0,
                isTheHosts: processes.namespace("pid", of: id, thread: thread) == own.1)
            return true
        }
        try processes.forEach { id throws(KernelError) in
            let first = processes.namespace("net", of: id)
            // Whose first thread is in the host's network is the host's own, whatever namespaces its other threads look into: Hive
            // itself does.
            if first == host { return }
            if first == .denied {
                // Kernel threads may not be looked at either without privileges.
                if let record = processes.record(of: id), record.hasMemory {
                    survey.unseen.append("\(id) (\(record.command))")
                }
                return
            }
            for thread in processes.threads(of: id) {
                guard case .inode(let inode) = processes.namespace("net", of: id, thread: thread) else {
                    continue
                }
                let container = processes.namespace("pid", of: id, thread: thread)
                if let agent = agents[inode] {
                    if add(id, thread, of: agent), container != own.1 { containers[container] = agent }
                } else if container != own.1 {
                    elsewhere.append((id, thread, container))
                }
            }
        }
        // Who has left for a network namespace of its own may have kept a socket of the agent's.
        for (id, thread, container) in elsewhere {
            if let agent = containers[container] { _ = add(id, thread, of: agent) }
        }
        // There always is a first process: who cannot see it sees none but its own (the mount option hidepid of /proc).
        if processes.namespace("net", of: 1) == .gone { survey.hidesProcesses = true }
        return survey.findings
    }
}

/// What was found in all of /proc.
private struct Survey {
    /// Processes in agents' namespaces.
    private var all: Set<Int32> = []
    /// Those of them with a user namespace of their own.
    private var separate: Set<Int32> = []
    var unseen: [String] = []
    var hidesProcesses = false
    /// Processes in words, by what there is to say of them.
    private var found: [Remark: [String]] = [:]

    /// Ordered by what it means.
    private enum Power: Int {
        case netAdmin, sysAdminOfHost, sysAdmin, netRaw
    }

    private struct Remark: Hashable {
        let agent: String
        let power: Power
        let isTheHosts: Bool
    }

    mutating func add(
        _ record: ProcessRecord, _ id: Int32, of agent: String, userNamespaceIsOwn: Bool, isTheHosts: Bool
    ) {
        all.insert(id)
        if userNamespaceIsOwn {
            separate.insert(id)
            return
        }
        func add(_ power: Power, _ capability: Capability) {
            guard capability.isIn(record.attainable) else { return }
            let way = capability.isIn(record.permitted) ? "" : ", by executing a privileged program"
            let remark = Remark(agent: agent, power: power, isTheHosts: isTheHosts)
            let words = "process \(id) (\(record.command)\(way))"
            // Once for all its threads.
            if found[remark]?.contains(words) != true { found[remark, default: []].append(words) }
        }
        add(.netAdmin, .netAdmin)
        // Less than that is worth no word besides it.
        guard !Capability.netAdmin.isIn(record.attainable) else { return }
        add(isTheHosts ? .sysAdminOfHost : .sysAdmin, .sysAdmin)
        add(.netRaw, .netRaw)
    }

    var findings: [Finding] {
        var findings: [Finding] = found.sorted {
            ($0.key.agent, $0.key.power.rawValue, $0.key.isTheHosts ? 1 : 0)
                < ($1.key.agent, $1.key.power.rawValue, $1.key.isTheHosts ? 1 : 0)
        }.map { remark, processes in
            let words = listed(processes)
            let whose =
                remark.isTheHosts
                ? "; it lives in the host's own PID namespace, as a process of 'ip netns exec' does" : ""
            switch remark.power {
            case .netAdmin:
                return .alarm(
                    "capabilities", agent: remark.agent,
                    "\(words) can have CAP_NET_ADMIN in the host's user namespace, and with it list, delete and create "
                        + "links of the host\(whose)")
            case .sysAdminOfHost:
                return .alarm(
                    "capabilities", agent: remark.agent,
                    "\(words) can have CAP_SYS_ADMIN in the host's user namespace, and join the host's network by "
                        + "/proc/PID/ns/net\(whose)")
            case .sysAdmin:
                return .warning(
                    "capabilities", agent: remark.agent,
                    "\(words) can have CAP_SYS_ADMIN in the host's user namespace: it joins the host's network as soon as "
                        + "it gets hold of a file that stands for it")
            case .netRaw:
                return .warning(
                    "capabilities", agent: remark.agent,
                    "\(words) can have CAP_NET_RAW: it can send any frame, and the boundary has to stop those that it "
                        + "should not\(whose)")
            }
        }
        if hidesProcesses {
            findings.append(
                .warning("capabilities", "/proc hides processes of others (hidepid): they were not looked at")
            )
        }
        if !unseen.isEmpty {
            findings.append(
                .warning(
                    "capabilities",
                    "\(counted(unseen.count, "process", "processes")) could not be looked at for want of CAP_SYS_PTRACE "
                        + "over them: \(listed(unseen))"))
        }
        guard findings.isEmpty else { return findings }
        return [
            .fine(
                "capabilities",
                "of \(counted(all.count, "process", "processes")) in agents' namespaces, \(separate.count) in user namespaces of their "
                    + "own, none can have power over the host's links")
        ]
    }
}
