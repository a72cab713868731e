internal import CNetlink
internal import Glibc
public import HiveCore
internal import HiveNet
internal import HiveWire

/// The long-running keeper of a hive's network: `hivectl net watch`.
///
/// One thread waits for everything at once: the kernel's notices, the configuration's files, the control socket, signals. What takes
/// long (names of the DNS, the roster) is done on threads of their own.
public final class Watcher {
    public struct Options: Sendable {
        public var configPath: String
        /// Somebody named the configuration: it has to exist.
        public var isExplicit: Bool
        public var state: StateDirectory
        public var socket: String
        /// The tables are left to everybody, as with a kernel before 6.9.
        public var sharesTables = false

        public init(configPath: String, isExplicit: Bool, state: StateDirectory, socket: String) {
            self.configPath = configPath
            self.isExplicit = isExplicit
            self.state = state
            self.socket = socket
        }
    }

    /// Whose members may use the control socket, besides root.
    public static let group = "hive-admin"

    let options: Options
    let keeper: Keeper
    let server: ControlServer
    private let lock: FileLock
    private let claim: FileLock
    private let notify = ServiceNotify()
    private let signals: Signals
    private let files: ConfigurationWatch
    let lookups: Worker<(number: Int, names: Names)>
    let rosterWorker: Worker<RosterNews>
    private let say: (WatchEvent) -> Void

    var log = EventLog()
    let started = Clock.now
    /// What is in force.
    var hive: Hive?
    /// Why what the files say now is not in force.
    var refusal: String?
    var names = Names()
    /// Who waits for names that are being looked up.
    var waiting: [Int: (Names) -> Void] = [:]
    var lookupCount = 0
    /// When names are to be looked up again.
    var namesDue: ContinuousClock.Instant?
    /// When the files are to be read again.
    var reloadDue: ContinuousClock.Instant?
    var reloadRetry = Retry()
    var repairs = 0
    var drops = DropKeeper()
    var roster: RosterKeeper?
    private var watchdogDue: ContinuousClock.Instant?
    private var isReady = false
    private var status = ""
    /// What cannot be heard of, as far as it was told.
    private var told: Set<String> = []
    /// Memory may be given back.
    var hasWorked = true

    /// Everything that can fail for good is tried here: the configuration, the lock, the sockets.
    /// - Parameter say: gets every event, in order.
    /// - Throws: `ServiceError`, `HiveError`, `KernelError`.
    public init(_ options: Options, say: @escaping (WatchEvent) -> Void) throws {
        self.options = options
        self.say = say
        Self.keepMemoryTidy()
        signals = try Signals([SIGTERM, SIGINT, SIGHUP])
        try options.state.make()
        // Before anything of the kernel's is touched.
        lock = try Self.lock(options.socket)
        claim = try Self.claimNamespace()
        (names, _) = Names.load(options.state)
        server = try ControlServer(path: options.socket, group: GroupID.named(Self.group))
        files = try ConfigurationWatch(
            files: [options.configPath].map(Self.absolute),
            directories: [Self.absolute(options.state.agents.path)])
        lookups = try Worker()
        rosterWorker = try Worker()
        keeper = try Keeper(keeping: options.sharesTables ? .shared : .owned)
    }

    /// One watcher for a network namespace, whatever files and sockets it has. (An abstract socket address would be the namespace's own,
    /// too, but anybody could take it.)
    private static func claimNamespace() throws -> FileLock {
        var status = stat()
        guard stat("/proc/thread-self/ns/net", &status) == 0 else {
            throw ServiceError.last("look at the network namespace")
        }
        let path = "/run/hive/net-\(status.st_ino).lock"
        try ControlServer.makeDirectory(of: path)
        guard case .taken(let lock) = try FileLock.attempt(path: path) else {
            throw ServiceError(
                ServiceError.unavailable,
                "another watcher keeps this network, with another control socket: one is enough, and two would undo each other's work"
            )
        }
        return lock
    }

    /// One watcher for a control socket.
    private static func lock(_ socket: String) throws -> FileLock {
        let path = "\(socket).lock"
        try ControlServer.makeDirectory(of: socket)
        switch try FileLock.attempt(path: path) {
        case .taken(let lock): return lock
        case .held(let holder):
            let who = holder.map { " (process \($0))" } ?? ""
            throw ServiceError(
                ServiceError.unavailable, "another watcher\(who) is running: \(path) is locked")
        }
    }

    /// A path as another process has to be told it, however it was written: without `.` and doubled slashes. (What `..` leads to is a
    /// matter of symbolic links.)
    public static func absolute(_ path: String) -> String {
        var whole = path
        if !path.hasPrefix("/") {
            let here = getcwd(nil, 0)
            defer { free(here) }
            whole = (here.map { String(cString: $0) } ?? "") + "/" + path
        }
        return "/" + whole.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    // MARK: Running

    /// Keeps the network until SIGTERM or SIGINT. The boundary stays when it ends, however it ends.
    /// - Throws: what is wrong with the configuration at the start.
    public func run() throws {
        try begin()
        tell(WatchEvent(.started, startSentence))
        while step() {}
        notify.send("STOPPING=1")
        tell(WatchEvent(.stopped, "ends; the boundary stays"))
    }

    private var startSentence: String {
        let count = keeper.spec?.agents.count ?? 0
        let owned =
            keeper.ownsTables
            ? "nobody else can change the tables" : "the tables are anybody's, and repaired when they change"
        return "keeps \(count) agent\(count == 1 ? "" : "s"); \(owned)"
    }

    /// Waits for something to happen, and sees to it.
    /// - Returns: false when it is time to end.
    private func step() -> Bool {
        let keeperDescriptors = keeper.descriptors
        var polled = keeperDescriptors.map {
            pollfd(fd: $0.number, events: Int16($0.isUrgent ? POLLPRI : POLLIN), revents: 0)
        }
        for descriptor in [
            signals.descriptor, files.descriptor, lookups.descriptor, rosterWorker.descriptor,
        ] + [drops.descriptor].compactMap(\.self) {
            polled.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
        }
        for interest in server.interests {
            polled.append(pollfd(fd: interest.descriptor, events: interest.events, revents: 0))
        }
        giveBackMemory()
        let count = poll(&polled, nfds_t(polled.count), timeout)
        if count > 0 {
            for entry in polled.prefix(keeperDescriptors.count) where entry.revents != 0 {
                keeper.isReady(entry.fd)
            }
        }
        // The kernel first: what somebody has changed is put right before anything else.
        // (Somebody who never stops does not keep everybody else waiting.)
        for _ in 0..<8 {
            guard let repair = keeper.reconcile() else { break }
            hasWorked = true
            report(repair)
        }
        becomeReady()
        while let signal = signals.next() {
            guard signal == SIGHUP else { return false }
            reloadDue = .now
        }
        if files.read() {
            // Editors write more than once.
            reloadDue = reloadDue ?? .now + .milliseconds(200)
        }
        for (number, names) in lookups.take() { take(names, number) }
        for news in rosterWorker.take() { take(news) }
        readDrops()
        server.serve { connection, line in
            hasWorked = true
            handle(connection, line)
            // Nor do many who ask at once.
            if let repair = keeper.reconcile() { report(repair) }
        }
        runTimers()
        return true
    }

    private var deadlines: [ContinuousClock.Instant] {
        [keeper.deadline, reloadDue, namesDue, watchdogDue, roster?.due, server.deadline]
            .compactMap(\.self)
    }

    /// Of poll(2), in milliseconds; -1: for ever.
    private var timeout: Int32 {
        if server.connections.contains(where: \.hasMore) { return 0 }
        guard let next = deadlines.min() else { return -1 }
        let left = next - .now
        return left <= .zero ? 0 : Int32(clamping: Int(left.milliseconds.rounded(.up)))
    }

    private func runTimers() {
        let now = ContinuousClock.now
        if let due = reloadDue, now >= due {
            reloadDue = nil
            reload()
        }
        if let due = namesDue, now >= due {
            namesDue = nil
            refreshNames()
        }
        if let due = roster?.due, now >= due { rosterChanged() }
        if let watchdog = notify.watchdog, watchdogDue.map({ now >= $0 }) ?? true {
            notify.send("WATCHDOG=1")
            watchdogDue = now + watchdog
        }
    }

    /// What a look has needed, and the next one will need again, is not kept meanwhile.
    private func giveBackMemory() {
        guard hasWorked, timeout != 0 else { return }
        hasWorked = false
        malloc_trim(0)
        // Most of the program was for reading files and for setting up.
        hive_forget_text()
    }

    /// Large lists come straight from the kernel and go back to it, instead of leaving holes among what stays. (By itself malloc(3)
    /// takes the first one that is freed as a reason not to do so any more: M_MMAP_THRESHOLD in mallopt(3).)
    private static func keepMemoryTidy() {
        mallopt(M_MMAP_THRESHOLD, 64 << 10)
        mallopt(M_ARENA_MAX, 1)
    }

    // MARK: Telling

    func tell(_ event: WatchEvent) {
        let event = log.add(event)
        say(event)
        guard let line = try? event.line() else { return }
        for connection in server.connections {
            guard case .events = connection.stream else { continue }
            connection.send(streamed: line) { count in
                (try? WatchEvent(.lost, "\(count) events were lost, since they were not read in time").line())
                    ?? []
            }
        }
        tellStatus()
    }

    private func becomeReady() {
        guard !isReady, keeper.holds else { return }
        isReady = true
        notify.send("READY=1")
        tellStatus()
    }

    private func tellStatus() {
        let cutOff = keeper.quarantined.count
        let text =
            "STATUS=\(keeper.holds ? "The boundary holds" : "The boundary is being repaired") for "
            + "\(keeper.spec?.agents.count ?? 0) agents; \(repairs) repairs"
            + (cutOff > 0 ? "; \(cutOff) cut off" : "")
            + (refusal == nil ? "" : "; the configuration was refused")
        guard text != status else { return }
        status = text
        notify.send(text)
    }

    private func report(_ repair: Repair) {
        for words in keeper.limits where told.insert(words).inserted { tell(WatchEvent(.trouble, words)) }
        for event in WatchEvent.events(of: repair, hive: hive, isFirst: !isReady) { tell(event) }
        if isReady { repairs += repair.items.count }
        tellStatus()
    }
}
