internal import FoundationEssentials
internal import Glibc
public import HiveCore

/// Renders, checks, installs and confirms nginx's configuration for a hive.
public struct Gateway: Sendable {
    public struct Options: Sendable {
        /// The gateway's own directory.
        public var directory = Gateway.standardDirectory
        /// nginx does nothing else, and its whole configuration is ours.
        public var isStandalone = false
        /// A path, or a name.
        public var nginx = "nginx"
        /// Where the running nginx has its number.
        public var pidFile: String?
        /// Whether a running nginx is told.
        public var reloads = true

        public init() {}
    }

    public static let standardDirectory = "/run/hive/nginx"
    /// Where Debian's nginx has its number.
    static let standardPidFile = "/run/nginx.pid"

    public let options: Options
    let state: StateDirectory
    let installation: Installation

    public init(_ options: Options, state: StateDirectory) {
        self.options = options
        self.state = state
        installation = Installation(directory: options.directory)
    }

    var pidFile: String {
        options.pidFile
            ?? (options.isStandalone ? "\(options.directory)/nginx.pid" : Self.standardPidFile)
    }

    /// What came of it.
    public struct Applied: Sendable {
        public var generation: String
        /// Another configuration is in force than before.
        public var isNew = false
        /// A running nginx answers with it. If not, none runs, or it was not to be told.
        public var isServed = false
        /// Sentences: what was left out, or is to be done.
        public var cautions: [String] = []
    }

    /// What would be installed, with the tokens as they are; an agent that has none yet gets one that is not kept.
    public func render(_ hive: Hive) throws(HiveError) -> Rendering {
        var (tokens, _) = Tokens.load(state)
        renew(&tokens, hive)
        return rendering(hive, hive.pages, tokens, loading: (try? Nginx(options.nginx))?.loading ?? "")
    }

    private func renew(_ tokens: inout Tokens, _ hive: Hive) {
        var random = SystemRandomNumberGenerator()
        tokens.renew(
            for: hive.pages.map(\.name), rotation: hive.configuration.gateway.rotation, now: Self.now,
            using: &random)
    }

    static var now: Int64 { Int64(Date().timeIntervalSince1970) }

    private func rendering(
        _ hive: Hive, _ pages: [Page], _ tokens: Tokens, loading: String
    ) -> Rendering {
        Rendering(
            settings: hive.configuration.gateway, pages: pages, tokens: tokens,
            directory: options.directory, loading: loading)
    }

    // MARK: Applying

    /// Installs what the hive wants, and has nginx read it. What was in force before stays so when nginx has something against the new
    /// one, or does not come to serve it.
    /// - Throws: with nginx's own words.
    public func apply(_ hive: Hive) throws(HiveError) -> Applied {
        let nginx = try Nginx(options.nginx)
        try installation.prepare()
        try state.make()
        let lock = try StateDirectory(options.directory).lock { _ in }
        defer { withExtendedLifetime(lock) {} }
        var (tokens, caution) = Tokens.load(state)
        let before = tokens
        renew(&tokens, hive)
        if tokens != before { try tokens.save(state) }
        var cautions = [caution].compactMap(\.self)
        if case .basic(let file) = hive.configuration.gateway.authentication, access(file, R_OK) != 0 {
            cautions.append("gateway.auth.basicFile: there is no \(file): nobody gets in.")
        }
        let pages = pin(hive.pages, &cautions)
        let rendering = rendering(hive, pages, tokens, loading: nginx.loading)
        if !hive.configuration.gateway.isEnabled {
            cautions.append("gateway.enable is not true in \(hive.configuration.file): nothing is served.")
        }
        var applied = Applied(generation: rendering.generation, cautions: cautions)
        let present = installation.generation
        let served = served
        if present == rendering.generation, served == rendering.generation {
            applied.isServed = true
            return applied
        }
        applied.isNew = present != rendering.generation
        try installation.write(rendering)
        do throws(HiveError) {
            try check(nginx, rendering)
            try installation.enter(rendering.generation)
            try serve(nginx, hive, &applied)
        } catch {
            // What nginx goes on with; also where an apply before this one was killed between the two.
            let last = served ?? (applied.isNew ? present : rendering.generation)
            try? installation.enter(last)
            installation.tidy(keeping: Set([last, rendering.generation].compactMap(\.self)))
            throw error
        }
        installation.tidy(keeping: Set([rendering.generation, present].compactMap(\.self)))
        return applied
    }

    /// Leaves out the pages whose sockets are not what they should be.
    private func pin(_ pages: [Page], _ cautions: inout [String]) -> [Page] {
        var kept: [Page] = []
        var names: Set<String> = []
        for page in pages {
            if case .socket(let path) = page.upstream {
                names.insert("\(page.name).sock")
                do throws(Pin.Objection) {
                    try Pin.make(path, as: "\(page.name).sock", in: installation.sockets)
                } catch {
                    // Its bookmark says so: the page does not answer.
                    cautions.append("the page of agent \(page.name) is not served: \(error.words).")
                    unlink("\(installation.sockets)/\(page.name).sock")
                }
            }
            kept.append(page)
        }
        Pin.remove(allBut: names, in: installation.sockets)
        return kept
    }

    /// Has nginx look at the new files, before they take the place of the old ones.
    private func check(_ nginx: Nginx, _ rendering: Rendering) throws(HiveError) {
        let place = installation.files(rendering.generation)
        var file = "\(place)/\(Rendering.mainName)"
        if !options.isStandalone {
            // With a number and a log of its own: the running one's are not touched.
            file = "\(place)/\(Rendering.trialName)"
            let trial = rendering.main
                .replacing("pid \(options.directory)/nginx.pid;", with: "pid \(place)/trial.pid;")
                .replacing("error_log \(installation.log) warn;", with: "error_log stderr warn;")
            try installation.write(trial, file, 0o600)
        }
        if let words = try nginx.objection(to: file) {
            throw HiveError(
                .configuration,
                "nginx has something against the new configuration, and keeps the old one: \(words)")
        }
    }

    private func serve(_ nginx: Nginx, _ hive: Hive, _ applied: inout Applied) throws(HiveError) {
        if !options.isStandalone, let words = try nginx.objection(to: nil) {
            throw HiveError(
                .configuration,
                "nginx has something against its configuration as a whole, and keeps the old one: \(words)")
        }
        let file = "\(installation.current)/\(Rendering.mainName)"
        let master = Nginx.master(pidFile: pidFile)
        if master == nil {
            let unix = hive.configuration.gateway.listeners.compactMap { listener -> String? in
                if case .unix(let path) = listener { path } else { nil }
            }
            installation.removeStale(unix + [installation.control])
        }
        guard options.reloads else { return }
        guard let master else {
            applied.cautions.append(
                options.isStandalone
                    ? "nginx does not run: start it with \(nginx.path) -c \(file)"
                    : "no nginx runs (\(pidFile)); when it starts it reads this, if it has: include \(installation.current)/hive[.]conf; in http"
            )
            return
        }
        let written = SmallFile.size(installation.log)
        try Nginx.reload(master)
        let deadline = ContinuousClock.now + .seconds(10)
        // Old workers take some connections still: it has to be the only one for a while.
        var row = 0
        while row < 15 {
            if isServed(applied.generation) {
                row += 1
                usleep(20_000)
                continue
            }
            row = 0
            let words = refusals(since: written)
            guard words.isEmpty, ContinuousClock.now < deadline else {
                if options.isStandalone || !words.isEmpty {
                    throw HiveError(
                        .ioError,
                        "nginx does not serve the new configuration, and goes on with the old one: "
                            + (words.isEmpty ? "it does not say why in \(installation.log)" : words))
                }
                throw HiveError(
                    .ioError,
                    "nginx was told, but does not serve it: does its configuration have, in http, include \(installation.current)/hive[.]conf; ?"
                )
            }
            usleep(20_000)
        }
        applied.isServed = true
    }

    /// What nginx has written since that keeps it from taking over a configuration.
    private func refusals(since offset: Int64) -> String {
        SmallFile.end(of: installation.log, from: offset).split(separator: "\n")
            .filter {
                $0.contains("[emerg]") && !$0.contains("Address already in use")
                    || $0.contains("still could not bind")
            }
            .joined(separator: "; ")
    }

    /// The configuration that nginx serves, by its answer on a socket that nobody else reaches; nil: none, or its files are gone.
    private var served: String? {
        guard let body = Probe.ask(.unix(installation.control), "/generation")?.body,
            body.utf8.count == 16, body.allSatisfy(\.isHexDigit),
            access(installation.files(body), F_OK) == 0
        else { return nil }
        return body
    }

    func isServed(_ generation: String) -> Bool { served == generation }
}

extension Gateway {
    /// How long the tokens stay as they are; nil: there are none.
    public func secondsToNextToken(rotation: Int) -> Int64? {
        Tokens.load(state).tokens.nextChange(rotation: rotation).map { $0 - Self.now }
    }
}
