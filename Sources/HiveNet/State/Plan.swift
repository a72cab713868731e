/// What has to be done so that what is becomes what is wanted. Pure: looks at nothing but its arguments.
///
/// - Parameters:
///   - unwanted: the reason of whatever goes because it is not in `desired`.
///   - owner: the netlink port that our tables are to belong to; nil: it does not matter whom they belong to.
/// - Returns: in the order in which `HostNetwork.apply` carries them out: what goes; rules; the bridge; what comes, agent by
///   agent. Empty if there is nothing to do.
public func plan(
    desired: NetworkState, observed: NetworkObservation, unwanted: String = "not in the configuration",
    owner: UInt32? = nil
) -> [Change] {
    // What goes comes first: an agent whose link, prefix or bridge is another from now on is no agent of the new rules.
    var planner = Planner(observed: observed, unwanted: unwanted)
    planner.removals(desired)
    planner.boundary(desired.boundary, owner: owner)
    planner.bridge(desired.bridge, desired.agents)
    for (name, agent) in desired.agents.sorted(by: { $0.key < $1.key }) { planner.agent(name, agent) }
    planner.leavings(desired)
    return planner.changes
}

private struct Planner {
    let observed: NetworkObservation
    /// Why something goes.
    let unwanted: String
    var changes: [Change] = []

    var actual: NetworkState { observed.state }

    mutating func add(
        _ kind: Change.Kind, _ object: String, _ detail: String, _ reason: String, agent: String? = nil,
        _ step: Step
    ) {
        changes.append(
            Change(kind: kind, object: object, detail: detail, reason: reason, agent: agent, step: step))
    }

    // MARK: Rules

    mutating func boundary(_ wanted: Boundary?, owner: UInt32?) {
        guard let wanted else { return }
        guard let actual = actual.boundary else {
            add(.add, "tables", "bridge hive, inet hive \(size(wanted))", "missing", .tables(.replace))
            return
        }
        if let owner {
            let others = observed.ownership.values.filter { $0 != .owner(port: owner) }
            if others.contains(.anybody) {
                // The kernel makes nobody the owner of such a one.
                add(
                    .change, "tables", "bridge hive, inet hive \(size(wanted))", "anybody's -> owned",
                    .tables(.replace))
                return
            }
            if !others.isEmpty {
                add(.change, "tables", "bridge hive, inet hive", "nobody's -> owned", .tables(.adopt))
            }
        }
        let (made, gone) = policySets(wanted.rules, actual.rules)
        if wanted.rules != actual.rules {
            let reason = difference(wanted.rules, actual.rules)
            let standing = { (line: String) in
                TableText.isContainer(line) && AgentSet(policyLine: line) == nil
            }
            if wanted.rules.filter(standing) == actual.rules.filter(standing) {
                add(
                    .change, "rules", "of the tables bridge hive, inet hive", reason,
                    .tables(.refresh(made: made, gone: gone)))
            } else {
                add(.change, "tables", "bridge hive, inet hive \(size(wanted))", reason, .tables(.replace))
                return
            }
        }
        // Nearly always, and then it is the very same list where the reader was told so: see Memory.
        if wanted.rules == actual.rules, wanted.elements.isSame(as: actual.elements) { return }
        // A set that comes or goes does so with its elements, and those are not told one by one.
        let kept = Set(actual.elements.filter { !gone.contains($0.set) })
        let needed = Set(wanted.elements.filter { !made.contains($0.set) })
        // An element whose comment or target changed goes and comes again: with one key there can be but one.
        for element in kept.subtracting(needed).sorted() {
            add(
                .remove, "element", element.description, unwanted, agent: element.agent,
                .removeElement(element))
        }
        for element in wanted.elements where needed.contains(element) {
            guard let index = kept.firstIndex(of: element) else {
                add(
                    .add, "element", element.description, "missing", agent: element.agent,
                    .addElement(element))
                continue
            }
            // Seconds: clocks are read at different times, and the kernel's goes on.
            if let expires = element.expires, let present = kept[index].expires, abs(expires - present) > 60 {
                add(
                    .change, "element", element.description, "good for \(expires - present) s longer",
                    .renewElement(element))
            }
        }
    }

    /// The sets of policies that have to be made, and those that have to go; one that is not what it should be does both.
    private func policySets(_ wanted: [String], _ actual: [String]) -> (made: [AgentSet], gone: [AgentSet]) {
        let (wantedSet, actualSet) = (Set(wanted), Set(actual))
        return (
            wanted.filter { !actualSet.contains($0) }.compactMap(AgentSet.init(policyLine:)),
            actual.filter { !wantedSet.contains($0) }.compactMap(AgentSet.init(policyLine:))
        )
    }

    /// Tables that are made anew bring all their elements with them, and those are not told one by one.
    private func size(_ boundary: Boundary) -> String {
        "with \(boundary.rules.count { $0.hasPrefix("rule ") }) rules and \(boundary.elements.count) elements"
    }

    /// The first rule that is missing or too much, in words.
    private func difference(_ wanted: [String], _ actual: [String]) -> String {
        let (wantedSet, actualSet) = (Set(wanted), Set(actual))
        let missing = wanted.filter { !actualSet.contains($0) }
        let excess = actual.filter { !wantedSet.contains($0) }
        var words: [String] = []
        if let first = missing.first { words.append("missing: \(first)\(more(missing.count))") }
        if let first = excess.first { words.append("not ours: \(first)\(more(excess.count))") }
        return words.isEmpty ? "in another order, or repeated" : words.joined(separator: "; ")
    }

    private func more(_ count: Int) -> String { count > 1 ? " and \(count - 1) more" : "" }

    // MARK: What goes, before anything comes

    mutating func removals(_ desired: NetworkState) {
        for link in actual.strayLinks where !desired.strayLinks.contains(link) {
            add(.remove, "link", link, "has our mark and belongs to no agent", .removeLink(name: link))
        }
        for (name, agent) in actual.agents.sorted(by: { $0.key < $1.key }) {
            let wanted = desired.agents[name]
            if let port = agent.port {
                if let reason = reasonToRemove(port, of: agent, wanted) {
                    add(.remove, "link", port.name, reason, agent: name, .removeLink(name: port.name))
                }
            }
            if wanted?.namespace?.own != true, let namespace = agent.namespace, namespace.own {
                add(
                    .remove, "namespace", namespace.path, unwanted, agent: name,
                    .removeNamespace(path: namespace.path))
            }
        }
        for path in actual.strayNamespaces where !desired.strayNamespaces.contains(path) {
            add(.remove, "namespace", path, "no agent lives in it", .removeNamespace(path: path))
        }
        for link in actual.bridge?.foreignPorts ?? []
        where desired.bridge?.foreignPorts.contains(link) == false {
            add(.remove, "port", link, "no agent's", .evict(link: link))
        }
    }

    /// Why a pair has to go: for good, or to be made anew.
    private func reasonToRemove(_ port: Port, of agent: Agent, _ wanted: Agent?) -> String? {
        guard let wanted else { return unwanted }
        guard let wantedPort = wanted.port else { return "the agent is cut off" }
        if port.name != wantedPort.name { return "is to be called \(wantedPort.name)" }
        if agent.inside == nil, wanted.inside != nil {
            return "its other end is not in \(wanted.namespace?.path ?? "its namespace")"
        }
        return nil
    }

    // MARK: The bridge

    mutating func bridge(_ wanted: Bridge?, _ agents: [String: Agent]) {
        guard var wanted else { return }
        if !observed.host.hasIPv6 { wanted.ipv6 = nil }
        var actual = actual.bridge
        if actual == nil {
            add(.add, "bridge", wanted.name, "missing", .createBridge)
        }
        let addresses = wanted.addresses4.map(\.description) + wanted.addresses6.map(\.description)
        let present =
            (actual?.addresses4.map(\.description) ?? []) + (actual?.addresses6.map(\.description) ?? [])
        for address in present where !addresses.contains(address) {
            add(
                .remove, "address", "\(address) of \(wanted.name)", unwanted,
                .removeAddress(address))
        }
        for address in addresses where !present.contains(address) {
            add(.add, "address", "\(address) of \(wanted.name)", "missing", .addAddress(address))
        }
        for route in actual?.missingRoutes ?? [] {
            add(.add, "route", "\(route) over \(wanted.name)", "missing", .addRoute(route))
        }
        neighbours(wanted, actual, agents)
        guard actual != nil else { return }
        // These were dealt with one by one.
        actual?.addresses4 = wanted.addresses4
        actual?.addresses6 = wanted.addresses6
        actual?.neighbours = wanted.neighbours
        actual?.foreignPorts = wanted.foreignPorts
        actual?.missingRoutes = wanted.missingRoutes
        if let actual, actual != wanted {
            add(
                .change, "bridge", wanted.name, differences(wanted: wanted, actual: actual).reason,
                .configureBridge)
        }
    }

    /// Each is about the agent whose address it is: who fights about one of them does not fight about the others.
    private mutating func neighbours(_ wanted: Bridge, _ actual: Bridge?, _ agents: [String: Agent]) {
        let present = Set(actual?.neighbours ?? [])
        let excess = present.subtracting(wanted.neighbours).sorted()
        let missing = wanted.neighbours.filter { !present.contains($0) }
        guard !excess.isEmpty || !missing.isEmpty else { return }
        let owners = Dictionary(
            agents.flatMap { name, agent in (agent.port?.fdb ?? []).map { ($0, name) } },
            uniquingKeysWith: { first, _ in first })
        let places = Dictionary(
            wanted.neighbours.map { ($0.address, owners[$0.mac]) }, uniquingKeysWith: { first, _ in first })
        func owner(_ neighbour: Neighbour) -> String? { places[neighbour.address] ?? owners[neighbour.mac] }
        for neighbour in excess {
            add(
                .remove, "neighbour", "\(neighbour.address) at \(neighbour.mac)", unwanted,
                agent: owner(neighbour), .removeNeighbour(neighbour))
        }
        for neighbour in missing {
            add(
                .add, "neighbour", "\(neighbour.address) at \(neighbour.mac)", "missing",
                agent: owner(neighbour), .addNeighbour(neighbour))
        }
    }

    // MARK: Agents

    mutating func agent(_ name: String, _ wanted: Agent) {
        let actual = actual.agents[name]
        guard let wantedPort = wanted.port, let wantedInside = wanted.inside else { return }
        if actual?.namespace == nil, let namespace = wanted.namespace, namespace.own {
            add(.add, "namespace", namespace.path, "missing", agent: name, .makeNamespace(agent: name))
        }
        guard let actual, let port = actual.port, var inside = actual.inside,
            reasonToRemove(port, of: actual, wanted) == nil
        else {
            add(
                .add, "link", wantedPort.name, "to \(insideName) in \(wanted.namespace?.path ?? "")",
                agent: name,
                .makeLink(agent: name))
            return
        }
        var comparable = wantedPort
        // Older kernels lack the flag, and say so by not mentioning it.
        if port.locked == nil, port.bridge != nil { comparable.locked = nil }
        comparable.up = port.up
        comparable.fdb = port.fdb
        if port != comparable {
            add(
                .change, "link", port.name, differences(wanted: comparable, actual: port).reason, agent: name,
                .configurePort(agent: name))
        }
        for mac in port.fdb where !wantedPort.fdb.contains(mac) {
            add(
                .remove, "fdb", "\(mac) on \(port.name)", unwanted, agent: name,
                .removeForwarding(agent: name, mac))
        }
        for mac in wantedPort.fdb where !port.fdb.contains(mac) || port.bridge != wantedPort.bridge {
            add(
                .add, "fdb", "\(mac) on \(port.name)", "missing", agent: name,
                .addForwarding(agent: name, mac))
        }
        if wanted.namespace?.own != true { inside.loopbackUp = nil }
        if inside != wantedInside {
            add(
                .change, "link", "\(insideName) in \(wanted.namespace?.path ?? "")",
                differences(wanted: wantedInside, actual: inside).reason, agent: name,
                .configureInside(agent: name))
        }
        if port.up, !wantedPort.up {
            add(.change, "link", port.name, "up true -> false", agent: name, .lower(agent: name))
        }
        if !port.up, wantedPort.up {
            add(.change, "link", port.name, "up false -> true", agent: name, .raise(agent: name))
        }
    }

    // MARK: What goes last

    mutating func leavings(_ desired: NetworkState) {
        if desired.bridge == nil, let bridge = actual.bridge {
            add(.remove, "bridge", bridge.name, unwanted, .deleteBridge)
        }
        if desired.boundary == nil, actual.boundary != nil {
            add(.remove, "tables", "bridge hive, inet hive", unwanted, .tables(.delete))
        }
    }
}

extension [SetElement] {
    /// One list in memory, not only equal: elements that differ in when they expire are equal too.
    fileprivate func isSame(as other: [SetElement]) -> Bool {
        withUnsafeBufferPointer { own in
            other.withUnsafeBufferPointer { $0.baseAddress == own.baseAddress && $0.count == own.count }
        }
    }
}
