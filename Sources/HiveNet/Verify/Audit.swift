internal import CNetlink
internal import Glibc

extension HostNetwork {
    /// Looks at what packets cannot show: whether agents' namespaces are namespaces of their own, what processes in them could
    /// do to the host's links, which links lead into them, and what else on the host works on the same packets.
    ///
    /// Nothing is changed, and no process is touched. A check that finds nothing amiss yields one finding that says what was
    /// looked at, so that silence cannot pass for safety.
    ///
    /// - Parameters:
    ///   - spec: what is wanted.
    ///   - observed: by `observe(spec)`, just now.
    public mutating func audit(
        _ spec: NetworkSpec, _ observed: NetworkObservation
    ) throws(KernelError) -> [Finding] {
        var findings = auditNamespaces(spec, observed)
        findings += try auditCapabilities(observed)
        findings += try auditLinks(observed)
        let links = try route.links { _, _ in true }
        findings += auditSettings(spec, links)
        findings += try auditFirewall(spec, links)
        findings += auditPrograms(spec, links)
        findings += try auditHeadroom(spec, observed, links)
        return findings
    }

    /// The part of `audit` that tells whether somebody has a way round the boundary: cheap enough for every `show`.
    ///
    /// - Parameters:
    ///   - spec: what is wanted; without it nobody can say which packets other programs' chains are not to touch.
    ///   - observed: with or without a specification.
    /// - Returns: alarms only.
    public mutating func auditWaysRound(
        _ spec: NetworkSpec?, _ observed: NetworkObservation
    ) throws(KernelError) -> [Finding] {
        var findings = try auditCapabilities(observed) + auditLinks(observed)
        if let spec { findings += try auditFirewall(spec, try route.links { _, _ in true }) }
        return findings.filter { $0.severity == .alarm }
    }

    // MARK: Namespaces

    /// A network namespace of one's own keeps more from an agent than links: abstract unix sockets and /proc/net go by it too
    /// (unix_find_socket_byname looks in the socket's own namespace).
    func auditNamespaces(_ spec: NetworkSpec, _ observed: NetworkObservation) -> [Finding] {
        var findings: [Finding] = []
        for agent in spec.agents.sorted(by: { $0.name < $1.name }) {
            let path = agent.namespace.path(agent: agent.name)
            let fault = observed.host.namespaceFaults[agent.name]
            switch fault {
            case nil where observed.host.namespaces[agent.name] != nil: break
            case nil, .doesNotExist, .isAnothers:
                // No way round anything: such an agent has no network at all.
                findings.append(
                    .warning("namespace", agent: agent.name, "there is no network namespace \(path)"))
            case .isTheHosts:
                findings.append(
                    .alarm(
                        "namespace", agent: agent.name,
                        "the network namespace \(path) is the host's own: nothing separates the two"))
            case .isAlso(let other):
                findings.append(
                    .alarm(
                        "namespace", agent: agent.name,
                        "the network namespace \(path) is that of agent \(other) too: nothing separates the two"
                    ))
            case .isSymbolicLink:
                findings.append(
                    .alarm(
                        "namespace", agent: agent.name,
                        "\(path) is a symbolic link, which may lead to another namespace tomorrow"))
            case .isClosed(let reason):
                findings.append(
                    Finding(
                        .unproven, "namespace", agent: agent.name,
                        "the kernel does not let Hive open the network namespace \(path): \(reason)"))
            }
        }
        guard findings.isEmpty else { return findings }
        return [
            .fine(
                "namespace",
                "\(counted(spec.agents.count, "agent")), each in a network namespace that is neither the host's nor "
                    + "another agent's; abstract unix sockets are separate with it")
        ]
    }
}

extension Finding {
    static func fine(_ check: String, _ sentence: String) -> Finding { Finding(.fine, check, sentence) }
    static func warning(_ check: String, agent: String? = nil, _ sentence: String) -> Finding {
        Finding(.warning, check, agent: agent, sentence)
    }
    static func alarm(_ check: String, agent: String? = nil, _ sentence: String) -> Finding {
        Finding(.alarm, check, agent: agent, sentence)
    }
}

/// `1 agent`, `2 agents`
func counted(_ number: Int, _ one: String, _ several: String? = nil) -> String {
    "\(number) \(number == 1 ? one : several ?? one + "s")"
}

/// The first few of many, in one line.
func listed(_ words: [String], most: Int = 3) -> String {
    let first = words.prefix(most).joined(separator: ", ")
    return words.count > most ? "\(first) and \(words.count - most) more" : first
}
