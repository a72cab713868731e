internal import CLinux
internal import Glibc
public import HiveCore
internal import HiveWatch
internal import HiveWire

/// The privileged core: agents' sockets, the operator's, and the web process's. It has no port, and no entry for operators on an
/// agent's socket.
///
/// One thread waits for everything at once. What takes long (systemd, files of agents', the watcher) is done on threads of its own.
public final class Daemon {
    public struct Options: Sendable {
        public var configPath: String
        /// Somebody named the configuration: it has to exist.
        public var isExplicit: Bool
        public var state: StateDirectory
        /// Of the sockets.
        public var runDirectory = "/run/hive"
        /// Where the watcher listens.
        public var watcherSocket = "/run/hive/net.sock"
        /// The web process's user, who alone is heard on its socket, and whose group owns it.
        public var webUser = "hive-web"

        public init(configPath: String, isExplicit: Bool, state: StateDirectory) {
            self.configPath = configPath
            self.isExplicit = isExplicit
            self.state = state
        }
    }

    /// Whose members may use the operator's socket, besides root.
    public static let group = "hive-admin"

    private let options: Options
    private let say: (String) -> Void
    private let notify = ServiceNotify()
    private let signals: Signals
    private let files: ConfigurationWatch
    private let run: RunDirectory
    private let lock: FileLock
    private let poller: Poller
    private let server: Server
    private let core: Core
    private let world: World
    private var reloadDue: ContinuousClock.Instant?
    private var watchdogDue: ContinuousClock.Instant?
    private var followed: Int32?

    /// Everything that can fail for good is tried here: the configuration, the store, the sockets.
    /// - Parameter say: gets sentences.
    /// - Throws: `ServiceError`, `HiveError`, `KernelError`.
    public init(_ options: Options, say: @escaping (String) -> Void) throws {
        self.options = options
        self.say = say
        Self.raiseLimits()
        signals = try Signals([SIGTERM, SIGINT, SIGHUP])
        try options.state.make()
        run = RunDirectory(path: options.runDirectory)
        try run.make()
        lock = try Self.lock("\(options.runDirectory)/core.lock")
        let store = try Store("\(options.state.path)/core")
        for warning in store.takeWarnings() { say(warning) }
        poller = try Poller()
        server = Server(poller)
        world = World(options)
        let work = try Work()
        core = Core(
            store: store, server: server, hands: world.hands, work: work,
            watcherSocket: options.watcherSocket,
            say: say)
        files = try ConfigurationWatch(
            files: [
                Watcher.absolute(options.configPath), Watcher.absolute("\(options.state.path)/roster.json"),
            ],
            directories: [Watcher.absolute(options.state.agents.path)])
        for descriptor in [signals.descriptor, files.descriptor, work.descriptor] {
            try poller.set(descriptor, .read)
        }
        core.reload = { [weak self] in self?.reloadDue = .now }
        core.startFollowing = { [weak self] follower throws(ServiceError) in
            guard let self else { return }
            try poller.set(follower.worker.descriptor, .read)
            followed = follower.worker.descriptor
            try follower.start()
        }
        try core.settleAudit()
        take(try world.load())
        for name in run.remaining where !core.agents.contains(where: { $0.name == name }) {
            run.remove(agent: name)
        }
        try openDoors()
    }

    /// One core for a directory of sockets.
    private static func lock(_ path: String) throws -> FileLock {
        switch try FileLock.attempt(path: path) {
        case .taken(let lock): return lock
        case .held(let holder):
            let who = holder.map { " (process \($0))" } ?? ""
            throw ServiceError(ServiceError.unavailable, "another hived\(who) is running: \(path) is locked")
        }
    }

    /// As many connections as the kernel lets us have.
    private static func raiseLimits() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    private func openDoors() throws {
        guard let group = GroupID.named(Self.group) else {
            say("there is no group \(Self.group): only root can use \(run.operators)")
            try server.open(Door(.operators, at: run.operators, mode: 0o600))
            return try openWeb()
        }
        try server.open(Door(.operators, at: run.operators, mode: 0o660, group: group))
        try openWeb()
    }

    private func openWeb() throws {
        guard let user = try UserID.named(options.webUser) else {
            return say("there is no user \(options.webUser), so that there is no socket for a dashboard")
        }
        guard user != 0 else {
            throw ServiceError(ServiceError.configuration, "the user of the web process cannot be root")
        }
        server.webUser = user
        // (The user alone: a group may have others in it.)
        let door = try Door(.web, at: run.web, mode: 0o600)
        guard chown(run.web, user, gid_t.max) == 0 else {
            throw ServiceError.last("give \(run.web) to its user")
        }
        try server.open(door)
    }

    // MARK: Agents

    /// The agents are these from now on. One for which there can be no socket is none, and is tried again.
    private func take(_ hive: Hive) {
        let entries = world.entries(of: hive)
        let (old, new) = (Set(core.agents.map(\.name)), Set(entries.map(\.name)))
        for name in old.subtracting(new) {
            server.close(.agent(name))
            run.remove(agent: name)
        }
        var shut: Set<String> = []
        for name in new.subtracting(old).sorted() {
            do throws(ServiceError) {
                try run.make(agent: name)
                // Whoever is inside may speak for the agent, whatever user that is there.
                try server.open(Door(.agent(name), at: run.socket(of: name), mode: 0o666))
            } catch {
                core.tellOnce("the agent \(name) has no socket: \(error.description)")
                shut.insert(name)
            }
        }
        if !shut.isEmpty { reloadDue = .now + .seconds(10) }
        core.agents = entries.filter { !shut.contains($0.name) }
        for name in old.symmetricDifference(new) { core.rowChanged(name) }
    }

    private func reload() {
        do {
            take(try world.load())
        } catch {
            say("the configuration is not taken over, and what was before is kept: \(Core.sentence(error))")
        }
    }

    // MARK: Running

    /// Serves until SIGTERM or SIGINT.
    /// - Throws: when nothing can be kept any more: the next one finds out what is on disk.
    public func serve() throws {
        notify.send("READY=1")
        say("serves \(core.agents.count) agents")
        while step() {}
        notify.send("STOPPING=1")
        // What was asked for by now is on disk; whoever is connected will see the connection end.
        core.commit()
        for role in server.roles { server.close(role) }
        for path in [run.operators, run.web] + core.agents.map({ run.socket(of: $0.name) }) { unlink(path) }
        if let words = core.store.trouble { throw ServiceError(ServiceError.inputOutput, words) }
    }

    private func step() -> Bool {
        let deadlines = [server.deadline, core.deadline, reloadDue, watchdogDue].compactMap(\.self)
        let deadline = server.hasMore ? ContinuousClock.now : deadlines.min()
        var isToEnd = false
        poller.wait(until: deadline) { number, events in
            guard !isToEnd else { return }
            switch number {
            case signals.descriptor:
                while let signal = signals.next() {
                    if signal == SIGHUP { reloadDue = .now } else { isToEnd = true }
                }
            case files.descriptor:
                // Editors write more than once.
                if files.read() { reloadDue = reloadDue ?? .now + .milliseconds(200) }
            case core.work.descriptor: core.work.finish()
            case followed: core.takeNetworkNews()
            default: _ = server.serve(number, events)
            }
        }
        guard !isToEnd else { return false }
        for (client, line) in server.takeRequests() { core.handle(client, line) }
        core.commit()
        guard core.store.trouble == nil else { return false }
        let now = ContinuousClock.now
        server.runTimers(now)
        if let due = reloadDue, due <= now {
            reloadDue = nil
            reload()
        }
        core.runTimers(now)
        core.commit()
        if let watchdog = notify.watchdog, watchdogDue.map({ now >= $0 }) ?? true {
            notify.send("WATCHDOG=1")
            watchdogDue = now + watchdog
        }
        return true
    }
}
