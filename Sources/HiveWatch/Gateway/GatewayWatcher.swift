internal import Glibc
public import HiveCore
public import HiveGateway
internal import HiveWire

/// Keeps nginx's configuration as the hive's files say: when agents come, go or move, when a socket is made anew, and when tokens have
/// had their time. It sleeps in between.
///
/// A process of its own, and not the network's watcher: running `nginx -t` takes what that one does without (docs/decisions/0033).
public final class GatewayWatcher {
    public struct Options: Sendable {
        public var configPath: String
        /// Somebody named the configuration: it has to exist.
        public var isExplicit: Bool
        public var state: StateDirectory
        public var gateway: Gateway.Options

        public init(
            configPath: String, isExplicit: Bool, state: StateDirectory, gateway: Gateway.Options
        ) {
            self.configPath = configPath
            self.isExplicit = isExplicit
            self.state = state
            self.gateway = gateway
        }
    }

    private let options: Options
    private let gateway: Gateway
    private let tell: (String) -> Void
    private let signals: Signals
    private let notify = ServiceNotify()
    private var files: ConfigurationWatch
    private var sockets: Set<String> = []
    private var hive: Hive?

    /// When to look; nil: when something is heard.
    private var due: ContinuousClock.Instant? = .now
    /// What went wrong the last time, and how long to wait before the next attempt.
    private var trouble: (words: String, delay: Duration)?
    private var told: [String] = []
    private var watchdogDue: ContinuousClock.Instant?

    /// Editors write more than once, and agents come many at a time.
    private static let patience = Duration.milliseconds(200)
    private static let longest = Duration.seconds(60)

    /// - Parameter tell: gets sentences.
    public init(_ options: Options, tell: @escaping (String) -> Void) throws {
        self.options = options
        self.tell = tell
        gateway = Gateway(options.gateway, state: options.state)
        signals = try Signals([SIGTERM, SIGINT, SIGHUP])
        files = try Self.files(options, [])
    }

    private static func files(_ options: Options, _ sockets: Set<String>) throws -> ConfigurationWatch {
        let state = options.state.path
        return try ConfigurationWatch(
            files: ([options.configPath, "\(state)/leases.json", "\(state)/roster.json"] + sockets).map(
                Watcher.absolute),
            directories: [Watcher.absolute(options.state.agents.path)])
    }

    /// Goes on until SIGTERM or SIGINT. nginx goes on serving when it ends.
    public func run() throws {
        while try step() {}
        notify.send("STOPPING=1")
    }

    private func step() throws -> Bool {
        if let due, due <= .now { look() }
        var polled = [files.descriptor, signals.descriptor].map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        if let watchdog = notify.watchdog, watchdogDue.map({ $0 <= .now }) ?? true {
            notify.send("WATCHDOG=1")
            watchdogDue = .now + watchdog
        }
        let next = [due, watchdogDue].compactMap(\.self).min()
        let wait = next.map { max(0, min(($0 - .now) / .milliseconds(1), 1e9)).rounded(.up) }
        _ = poll(&polled, nfds_t(polled.count), wait.map { Int32($0) } ?? -1)
        while let signal = signals.next() {
            guard signal == SIGHUP else { return false }
            due = .now
        }
        if files.read() { due = min(due ?? .now + Self.patience, .now + Self.patience) }
        return true
    }

    private func look() {
        due = nil
        do {
            let hive = try Hive.load(
                configPath: options.configPath,
                explicit: options.isExplicit || self.hive?.configuration.isWritten == true,
                stateDirectory: options.state, canBeEmpty: true)
            self.hive = hive
            try follow(Set(hive.webSockets.values))
            let applied = try gateway.apply(hive)
            if trouble != nil { tell("it is right again") }
            trouble = nil
            if applied.isNew {
                let count = hive.pages.count
                tell("applied: \(count) page\(count == 1 ? "" : "s"), generation \(applied.generation)")
            }
            for caution in applied.cautions where !told.contains(caution) { tell(caution) }
            told = applied.cautions
            notify.send("READY=1", "STATUS=\(applied.isServed ? "nginx serves it" : "nginx does not run")")
            let rotation = hive.configuration.gateway.rotation
            if let seconds = gateway.secondsToNextToken(rotation: rotation) {
                due = .now + .seconds(max(1, seconds))
            }
        } catch {
            let words = Explanation(error, hive: hive).sentences.joined(separator: " ")
            let delay = trouble.map { min($0.delay * 2, Self.longest) } ?? .seconds(1)
            if trouble?.words != words { tell("what was applied before is kept: \(words)") }
            trouble = (words, delay)
            due = .now + delay
        }
    }

    /// A socket that an agent has made anew is another one.
    private func follow(_ sockets: Set<String>) throws {
        guard sockets != self.sockets else { return }
        files = try Self.files(options, sockets)
        self.sockets = sockets
    }
}
