public import HiveCore

/// What `gateway show` tells. Its schema is stable (docs/json.md).
public struct ShownGateway: Codable, Equatable, Sendable {
    public struct Listener: Codable, Equatable, Sendable {
        /// As the configuration has it.
        public var address: String
        /// It answers with the configuration in force. Where it speaks TLS: somebody takes connections.
        public var answers: Bool
    }

    public struct Page: Codable, Equatable, Sendable {
        public var agent: String
        /// The bookmark: relative to the origin, or `//HOST/` where each agent has one of its own.
        public var path: String
        /// `10.77.0.2:8080`, or `unix:` and a path.
        public var upstream: String
        /// Somebody takes connections at the upstream, as root sees it.
        public var answers: Bool
        /// What it answered to `GET /`; nil: nothing, or nothing that is HTTP.
        public var status: Int?
    }

    public var enabled: Bool
    public var mode: String
    /// Of the configuration in force; nil: none.
    public var generation: String?
    /// nginx serves it.
    public var served: Bool
    /// The configuration in force is what the hive wants now.
    public var current: Bool
    public var listeners: [Listener]
    public var pages: [Page]
}

extension Gateway {
    /// Looks, and changes nothing. Every page is asked once.
    /// - Parameter seconds: how long each listener may take, and all pages (256 at a time) together.
    public func show(_ hive: Hive, seconds: Double = 2) throws(HiveError) -> ShownGateway {
        try Installation.demandRoot()
        let settings = hive.configuration.gateway
        let present = installation.generation
        let served = present.map(isServed) ?? false
        let listeners = settings.isEnabled ? settings.listeners : []
        let places = hive.pages.map { page -> Probe.Place in
            switch page.upstream {
            case .address(let address, let port): .listener(.ipv4(address, port: port))
            case .socket: .unix("\(installation.sockets)/\(page.name).sock")
            }
        }
        let survey = Survey.ask(places, seconds: seconds)
        return ShownGateway(
            enabled: settings.isEnabled, mode: settings.mode.rawValue, generation: present, served: served,
            current: try present == render(hive).generation,
            listeners: listeners.map { listener in
                var isPlain = settings.certificate == nil
                if case .unix = listener { isPlain = true }
                let answers =
                    isPlain
                    ? present != nil
                        && Probe.ask(.listener(listener), "/.hive/generation", seconds: seconds)?.body
                            == present
                    : Probe.isOpen(.listener(listener), seconds: seconds)
                return .init(address: listener.description, answers: answers)
            },
            pages: zip(hive.pages, survey).map { page, found in
                .init(
                    agent: page.name,
                    path: settings.mode == .path
                        ? "/agent/\(page.name)/" : "//\(page.name).\(settings.domain ?? "")/",
                    upstream: page.place, answers: found.isOpen, status: found.status)
            })
    }
}
