internal import CNetlink
internal import CNftables
internal import Glibc

/// Keeps a hive's network as it should be: hears of every change that the kernel tells of, looks, and puts right what differs.
///
/// It belongs to the network namespace of the thread that makes it, and to one thread at a time. It never waits: whoever has it polls
/// `descriptors`, and calls `reconcile` when one is readable, or when `deadline` has come.
public final class Keeper {
    var network: HostNetwork
    let hostEvents, rulesetEvents: EventSocket
    /// Of agents' namespaces. Nil: the kernel does not let us (CAP_NET_BROADCAST).
    let agentEvents: EventSocket?
    let settings: SettingsWatch
    let namespaces: FileWatch
    let mounts: Descriptor

    /// What is wanted. Nil: nothing yet.
    public var spec: NetworkSpec? { wanted?.spec }
    var wanted: Wanted?
    var quarrels = Quarrels()
    var evidence = Evidence()
    var map = KernelMap()
    /// Looking is due.
    var isDue = false
    var isAfterLoss = false
    var pace = Pace()
    /// What was told already, and need not be told again.
    private var told = Told()
    var knownDropNames: DropNames?
    var firewall = Firewall()
    private var retry = Retry(first: .milliseconds(250), longest: Quarrels.longest)
    /// While the kernel keeps us out of an agent's namespace. That it no longer does, nobody tells.
    private var knock = Retry(longest: Quarrels.longest)

    private struct Told {
        var failures: [String: String] = [:]
        var obstacles: [Obstacle] = []
        var alarms: [Finding] = []
        var trouble: String?
    }

    /// How much the kernel may keep for us, in octets: some thousand notices.
    public static let room: Int32 = 4 << 20

    /// Looks at nothing yet, and changes nothing.
    /// - Parameters:
    ///   - keeping: whether the tables are to be this process's own.
    ///   - room: how many octets of notices may wait for us.
    public convenience init(keeping: TableKeeping = .owned, room: Int32 = Keeper.room) throws(KernelError) {
        try self.init(keeping: keeping, room: room, faults: nil)
    }

    /// - Parameters:
    ///   - faults: of the sockets that look and repair.
    ///   - eventFaults: of those that hear.
    init(
        keeping: TableKeeping, room: Int32, faults: (any TransportFaults)?,
        eventFaults: (any TransportFaults)? = nil
    ) throws(KernelError) {
        // Before anything is looked at: what changes afterwards is heard of.
        let buffer = NetlinkSocket.ReceiveBuffer(faults: eventFaults)
        hostEvents = try EventSocket(
            family: NETLINK_ROUTE, groups: RouteNotice.groups, room: room, buffer: buffer)
        rulesetEvents = try EventSocket(
            family: NETLINK_NETFILTER, groups: [NFNLGRP_NFTABLES.rawValue], room: room, buffer: buffer)
        do throws(KernelError) {
            agentEvents = try EventSocket(
                family: NETLINK_ROUTE, groups: RouteNotice.groups, otherNamespaces: true, room: room,
                buffer: buffer)
        } catch {
            guard error.isPermission else { throw error }
            agentEvents = nil
        }
        settings = try SettingsWatch()
        namespaces = try FileWatch()
        // A namespace's file is a mount; proc_pid_mountinfo(5) says how to hear of those.
        mounts = try Descriptor(path: "/proc/thread-self/mountinfo", flags: O_RDONLY, "watch the mounts")
        network = try HostNetwork(keeping: keeping, faults: faults)
        network.memory = Memory()
    }

    /// What to wait for, and whether it is `POLLPRI` instead of `POLLIN`.
    public var descriptors: [(number: Int32, isUrgent: Bool)] {
        let readable = [
            hostEvents.descriptor, rulesetEvents.descriptor, settings.descriptor, namespaces.descriptor,
        ]
        return (readable + [agentEvents?.descriptor].compactMap(\.self)).map { ($0, false) }
            + [(mounts.number, true)]
    }

    /// One of `descriptors` was found ready. To be told before `reconcile`: that the mounts have changed is said only once.
    public func isReady(_ descriptor: Int32) {
        if descriptor == mounts.number, haveNamespacesMoved { look(.now) }
    }

    /// When `reconcile` has something to do even if nothing is heard of; nil: never.
    public var deadline: ContinuousClock.Instant? {
        let looks = isDue ? pace.next : nil
        // (The boundary comes first.)
        let firewall = wanted == nil || isDue ? nil : firewall.due
        return [looks, pace.insides, quarrels.deadline, retry.due, knock.due, firewall]
            .compactMap(\.self).min()
    }

    /// The tables belong to this process, so that nobody else can change them.
    public var ownsTables: Bool { network.owner != nil }

    /// Agents that are cut off for the time being.
    public var quarantined: Set<String> { restraint.quarantined }
    private var restraint: Restraint { quarrels.restraint(agents: (spec?.agents ?? []).map(\.name)) }

    /// The boundary holds, as of the last look: nothing was left to be done.
    public private(set) var holds = false

    // MARK: What is wanted

    /// Takes a specification as what is wanted from now on, without conditions: what stands in an agent's way keeps that agent
    /// from having a network, and nobody else. `reconcile` makes it so.
    public func want(_ spec: NetworkSpec) {
        wanted = Wanted(spec)
        // What was just as wanted is so no longer.
        network.memory?.rules = nil
        isDue = true
        pace.hurry()
    }

    /// Makes the kernel's network what is wanted, as `HostNetwork.apply` does, and keeps it so from then on. When something stands in
    /// the way, what was wanted before is kept.
    ///
    /// - Parameter isAsked: somebody waits for the answer. Otherwise what stands in the way of an agent that was wanted before, in
    ///   the same place, keeps nobody else from what is wanted now.
    /// - Throws: as `HostNetwork.apply`.
    public func apply(
        _ spec: NetworkSpec, isAsked: Bool = true, prepare: () throws -> Void = {},
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> AppliedChanges {
        let desired = try NetworkState(spec)
        let despite = isAsked ? [] : agentsThatStay(spec)
        listen()
        network.memory = Memory()
        var isPrepared = false
        defer {
            if isPrepared {
                wanted = Wanted(spec)
                isDue = true
                pace.hurry()
            }
        }
        let applied = try network.converge(
            to: .specification(spec, desired, despite: despite),
            {
                try prepare()
                isPrepared = true
                quarrels.forget()
            }, progress)
        learn(applied.observed)
        holds = true
        return applied
    }

    /// Those that are wanted already, in the same place.
    private func agentsThatStay(_ spec: NetworkSpec) -> Set<String> {
        let places = Dictionary(
            (self.spec?.agents ?? []).map { ($0.name, $0.namespace) }, uniquingKeysWith: { first, _ in first }
        )
        return Set(spec.agents.filter { places[$0.name] == $0.namespace }.map(\.name))
    }

    // MARK: Keeping it

    /// Reads what the kernel has told, and puts right what differs, if it is time to.
    /// - Returns: nil if nothing was looked at.
    public func reconcile() -> Repair? {
        listen()
        let now = ContinuousClock.now
        let (tried, over) = quarrels.advance(to: now)
        if !tried.isEmpty || !over.isEmpty { isDue = true }
        if retry.isDue(at: now) || knock.isDue(at: now) { isDue = true }
        if let agents = pace.takeInsides(at: now) {
            for agent in agents {
                if let agent { network.memory?.insides[agent] = nil } else { network.memory?.insides = [:] }
            }
            isDue = true
        }
        if !isDue { lookAtFirewall(now) }
        guard isDue, let wanted, !tried.isEmpty || now >= pace.next else { return nil }
        isDue = false
        var repair = Repair()
        repair.isAfterLoss = isAfterLoss
        isAfterLoss = false
        repair.tried = Set(tried.compactMap(\.agent)).sorted()
        let start = ContinuousClock.now
        do {
            try look(wanted, &repair)
            retry.succeeded()
            told.trouble = nil
        } catch {
            give(up: error, &repair)
        }
        let end = ContinuousClock.now
        if let since = evidence.since { repair.latency = (repair.done ?? end) - since }
        evidence = Evidence()
        pace.took(end - start, at: end, isQuiet: repair.items.isEmpty)
        return repair
    }

    private func look(_ wanted: Wanted, _ repair: inout Repair) throws {
        let spec = wanted.spec
        let result = try converge(wanted)
        repair.done = result.lastDone
        let indexes = map.indexes
        learn(result.observed)
        let now = ContinuousClock.now
        func actor(_ change: Change) -> Actor? {
            let link = change.link ?? spec.bridge
            return evidence.actor(for: change, link: indexes[link] ?? map.indexes[link])
        }
        // What is fought about was told, and goes on.
        repair.items = result.changes.filter { !quarrels.isGoingOn($0) }.map {
            Repair.Item(change: $0, actor: actor($0))
        }
        let before = restraint
        let fought = quarrels.note(result.changes, by: actor, at: now)
        for (agent, error) in result.failures {
            let words = error.description
            if told.failures[agent] != words { repair.failures[agent] = words }
            quarrels.refuse(.unreachable(agent), at: now)
        }
        told.failures = result.failures.mapValues(\.description)
        repair.quarrels = fought.compactMap { subject in
            quarrels.quarrels[subject].map { Repair.Quarrel(subject, $0) }
        }
        let found = obstacles(to: spec, observed: result.observed)
        repair.obstacles = found.filter { !told.obstacles.contains($0) }
        told.obstacles = found
        if result.observed.host.closedNamespaces.isEmpty {
            knock.succeeded()
        } else if knock.due == nil || knock.isDue(at: now) {
            knock.failed(at: now)
        }
        let alarms = map.alarms + firewall.alarms
        repair.alarms = alarms.filter { !told.alarms.contains($0) }
        told.alarms = alarms
        holds = result.remaining.isEmpty
        // Somebody is at it right now, or there is somebody to be cut off: that does not wait for another notice.
        if !result.remaining.isEmpty || restraint != before {
            isDue = true
            pace.hurry()
        }
    }

    /// Looks and repairs. What changes while it is read is read again: a bridge that goes takes its ports and entries with it one
    /// after the other.
    private func converge(_ wanted: Wanted) throws -> AppliedChanges {
        for _ in 0..<8 {
            do {
                return try network.converge(to: .kept(wanted, restraint))
            } catch let error as KernelError where error.isConflict {
                network.memory = Memory()
                listen()
            }
        }
        return try network.converge(to: .kept(wanted, restraint))
    }

    /// Tries again later. Agents do not stay connected behind rules that may not be there; rules of our own are.
    private func give(up error: any Error, _ repair: inout Repair) {
        holds = false
        let words = "\(error)"
        if told.trouble != words { repair.trouble = words }
        told.trouble = words
        retry.failed()
        network.memory = Memory()
        if let pause = retry.pause, pause > .seconds(1), !ownsTables { network.lower(map.ports.keys) }
    }
}

extension Quarrels.Subject {
    /// Something in an agent's namespace keeps it from being set up.
    static func unreachable(_ agent: String) -> Self {
        Self(
            Change(
                kind: .add, object: "agent", detail: agent, reason: "", agent: agent,
                step: .makeLink(agent: agent)))
    }
}

extension Repair.Quarrel {
    fileprivate init(_ subject: Quarrels.Subject, _ quarrel: Quarrels.Quarrel) {
        self.init(
            subject: [subject.object, subject.detail].filter { !$0.isEmpty }.joined(separator: " "),
            agent: subject.agent, isQuarantine: subject.agent != nil || subject.weakens,
            attempts: quarrel.attempts, pause: quarrel.delay, actors: quarrel.who)
    }
}

extension HostNetwork {
    /// Puts links down, as far as that can be done.
    fileprivate mutating func lower(_ links: some Sequence<Int32>) {
        for index in links {
            let batch = Batch(capacity: 1 << 10)
            batch.lower("\(index)", index: index)
            try? route.execute(batch)
        }
    }
}
