import HiveWire

/// The section `gateway`: how nginx serves the dashboard and agents' pages to the operator.
public struct GatewaySettings: Equatable, Sendable {
    /// How the pages of different agents are told apart.
    public enum Mode: String, Sendable, CaseIterable {
        /// One origin: `/agent/NAME/…`.
        case path
        /// An origin each: `NAME.DOMAIN`.
        case subdomain
    }

    public enum Authentication: Equatable, Sendable {
        /// A file of names and password hashes (nginx, `auth_basic_user_file`).
        case basic(file: String)
        /// A file with the certificates of authorities that sign operators' certificates (nginx, `ssl_client_certificate`).
        case clientCertificates(file: String)
    }

    /// Paths of files in PEM.
    public struct Certificate: Equatable, Sendable {
        public var certificate, key: String
    }

    /// Something is served.
    public var isEnabled = false
    public var listeners: [GatewayListener] = [.standard]
    /// What the operator's browser may call this host, besides `localhost` and addresses.
    public var serverNames: [String] = []
    public var certificate: Certificate?
    public var authentication: Authentication?
    /// The name of the user as whom nginx connects to agents: the only one, besides root, whom the boundary lets through.
    public var user = "www-data"
    /// Somebody wrote the user's name down. If not, and the host has no such user, then only root may connect.
    public var isExplicit = false
    public var mode = Mode.path
    /// In mode `subdomain`: what follows agents' names.
    public var domain: String?
    /// The unix socket on which the dashboard speaks SCGI.
    public var dashboard = "/run/hive/web.sock"
    /// In seconds, how long a token is the one that pages get. It stays good for as long again.
    public var rotation = 3600
    public var limits = GatewayLimits()

    public init() {}

    static let keys = [
        "enable", "listen", "serverNames", "tls", "auth", "user", "mode", "domain", "dashboard", "rotation",
        "limits",
    ]
    /// In seconds: a minute, below which a page would outlive its token while it is read, to a week.
    static let rotations = 60...604_800
    static let maximumNames = 64

    /// - Parameter object: nil when the section is not written.
    init(_ object: JSONObject?) throws(HiveError) {
        guard let object else { return }
        isEnabled = try object.boolean("enable") ?? false
        if let listeners = try Self.listeners(object) { self.listeners = listeners }
        if let names = try Self.serverNames(object) { serverNames = names }
        if let tls = try object.object("tls", knowing: ["certificate", "key"]) {
            guard let certificate = try tls.path("certificate"), let key = try tls.path("key") else {
                throw object.error("tls", "is incomplete: write { certificate: PATH, key: PATH }")
            }
            self.certificate = Certificate(certificate: certificate, key: key)
        }
        authentication = try Self.authentication(object)
        if let user = try object.string("user", "the name of a user") { try take(user: user, object) }
        try readMode(object)
        if let path = try object.socket("dashboard") { dashboard = path }
        if let seconds = try object.integer("rotation", Self.rotations) { rotation = seconds }
        if let limits = try object.object("limits", knowing: GatewayLimits.keys) {
            self.limits = try GatewayLimits(limits)
        }
        try check(object)
    }

    /// What keys have to agree on.
    private func check(_ object: JSONObject) throws(HiveError) {
        if case .clientCertificates = authentication, certificate == nil {
            throw object.error("auth", "asks for certificates of clients, which needs gateway.tls")
        }
        guard certificate == nil, authentication != nil else { return }
        // A password in the clear is none.
        if let open = listeners.first(where: { !$0.isLocal }) {
            throw object.error(
                "auth",
                "would send passwords in the clear over \(open): write gateway.tls, too, or listen on this host only"
            )
        }
    }
}

extension GatewaySettings {
    private static func listeners(_ object: JSONObject) throws(HiveError) -> [GatewayListener]? {
        guard let texts = try object.strings("listen") else { return nil }
        guard (1...maximumNames).contains(texts.count) else {
            throw object.error(
                "listen", "must have 1 to \(maximumNames) entries; to have no gateway write enable: false")
        }
        var listeners: [GatewayListener] = []
        for (index, text) in texts.enumerated() {
            guard let listener = GatewayListener(text) else {
                throw object.error(
                    entry: index, of: "listen", "is \(quoted(text)), but must be \(GatewayListener.rule)")
            }
            guard !listeners.contains(listener) else {
                throw object.error(
                    entry: index, of: "listen", "is \(quoted(text)), which is in the list already")
            }
            listeners.append(listener)
        }
        return listeners
    }

    private static func serverNames(_ object: JSONObject) throws(HiveError) -> [String]? {
        guard let names = try object.strings("serverNames") else { return nil }
        guard names.count <= maximumNames else {
            throw object.error("serverNames", "has more than \(maximumNames) entries")
        }
        for (index, name) in names.enumerated() {
            guard isHostName(name) else {
                throw object.error(
                    entry: index, of: "serverNames", "is \(quoted(name)), which is not the name of a host")
            }
        }
        return names
    }

    /// RFC 1123, section 2.1; in small letters, as nginx compares them.
    static func isHostName(_ name: String) -> Bool {
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...253).contains(name.utf8.count) else { return false }
        let areLabels = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy {
                    (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
                }
        }
        // (The last label of a name is never a number: it would be an address.)
        return areLabels && labels.last?.utf8.allSatisfy({ (0x30...0x39).contains($0) }) == false
    }

    private static func authentication(_ object: JSONObject) throws(HiveError) -> Authentication? {
        guard let auth = try object.object("auth", knowing: ["basicFile", "clientCertificates"]) else {
            return nil
        }
        switch (try auth.path("basicFile"), try auth.path("clientCertificates")) {
        case (let file?, nil): return .basic(file: file)
        case (nil, let file?): return .clientCertificates(file: file)
        default:
            throw object.error("auth", "must be either { basicFile: PATH } or { clientCertificates: PATH }")
        }
    }

    private mutating func take(user: String, _ object: JSONObject) throws(HiveError) {
        // A colon or a line feed would be another field or line of /etc/passwd, a NUL the end of a C string.
        let forbidden = user.unicodeScalars.contains { $0 == ":" || $0.value < 0x21 || $0.value == 0x7f }
        guard !user.isEmpty, !forbidden, user.utf8.count <= 256 else {
            throw object.error("user", "is \(quoted(user)), which is not the name of a user")
        }
        self.user = user
        isExplicit = true
    }

    private mutating func readMode(_ object: JSONObject) throws(HiveError) {
        if let text = try object.string("mode", "\"path\" or \"subdomain\"") {
            guard let mode = Mode(rawValue: text) else {
                throw object.error("mode", "is \(quoted(text)), but must be \"path\" or \"subdomain\"")
            }
            self.mode = mode
        }
        domain = try object.string("domain", "the name that agents' names stand in front of")
        switch (mode, domain) {
        case (.subdomain, nil):
            throw object.error(
                "mode", "is \"subdomain\", which needs a domain: write domain: \"hive.example\"")
        case (.path, .some):
            throw object.error("domain", "is for the mode \"subdomain\", and the mode is \"path\"")
        case (.subdomain, let domain?):
            guard Self.isHostName(domain), domain.utf8.count <= 253 - 64 else {
                throw object.error("domain", "is \(quoted(domain)), which is not the name of a domain")
            }
        case (.path, nil): break
        }
    }
}

/// What one agent's pages may take of the gateway, so that they do not hurt the others'.
public struct GatewayLimits: Equatable, Sendable {
    /// Connections at a time to an agent's pages. An event stream and a WebSocket each hold one.
    public var connections = 64
    /// Requests a second, and twice as many at once.
    public var rate = 100
    /// Of a request, in bytes; 0: no limit.
    public var body = 1 << 30
    /// In seconds, how long an agent may be silent before its answer begins, and within it.
    public var time = 300

    public init() {}

    static let keys = ["connections", "rate", "body", "time"]

    init(_ object: JSONObject) throws(HiveError) {
        if let connections = try object.integer("connections", 1...65536) { self.connections = connections }
        if let rate = try object.integer("rate", 1...1_000_000) { self.rate = rate }
        if let body = try object.integer("body", 0...(1 << 50)) { self.body = body }
        if let time = try object.integer("time", 1...604_800) { self.time = time }
    }
}
