internal import HiveWire

/// Something that is done by a POST, and by nothing else.
enum Action: Hashable, Sendable {
    case answer(Int)
    case approve(Int)
    case deny(Int)
    case lifecycle(String, LifecycleVerb)

    var path: String {
        switch self {
        case .answer(let id): "/answer-question/\(id)"
        case .approve(let id): "/approve/\(id)"
        case .deny(let id): "/deny/\(id)"
        case .lifecycle(let name, let verb): "/agents/\(name)/\(verb.rawValue)"
        }
    }
}

/// What a request is after.
enum Route: Equatable, Sendable {
    case dashboard
    case agent(String)
    case asset(Asset)
    case act(Action)
    case state, stateFile
    case journal(String)
    case agentConfig(String)
    case stream
    case unknown
    /// The methods that there are for this path.
    case otherMethod(allowed: String)

    /// - Parameter path: as it was sent. Everything that there is has a path without escapes.
    init(method: String, path: String) {
        let found = Self.find(path)
        let allowed: String
        switch found {
        case .act: allowed = "POST"
        case .unknown, .otherMethod:
            self = .unknown
            return
        default: allowed = "GET, HEAD"
        }
        self =
            allowed.split(separator: ", ").contains { $0 == method } ? found : .otherMethod(allowed: allowed)
    }

    private static func find(_ path: String) -> Route {
        switch path {
        case "/": return .dashboard
        case "/api/state": return .state
        case "/api/state-file": return .stateFile
        case "/api/stream": return .stream
        default: break
        }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        guard path.hasPrefix("/") else { return .unknown }
        switch (parts.count, parts.first) {
        case (2, "static"): return Asset(rawValue: parts[1]).map { .asset($0) } ?? .unknown
        case (2, "agents") where AgentName.isValid(parts[1]): return .agent(parts[1])
        case (3, "agents") where AgentName.isValid(parts[1]):
            return LifecycleVerb(rawValue: parts[2]).map { .act(.lifecycle(parts[1], $0)) } ?? .unknown
        case (3, "api") where parts[1] == "journal" && AgentName.isValid(parts[2]): return .journal(parts[2])
        case (3, "api") where parts[1] == "agent-config" && AgentName.isValid(parts[2]):
            return .agentConfig(parts[2])
        case (2, "answer-question"): return number(parts[1]).map { .act(.answer($0)) } ?? .unknown
        case (2, "approve"): return number(parts[1]).map { .act(.approve($0)) } ?? .unknown
        case (2, "deny"): return number(parts[1]).map { .act(.deny($0)) } ?? .unknown
        default: return .unknown
        }
    }

    /// From 1, written in one way only.
    private static func number(_ text: String) -> Int? {
        guard (1...15).contains(text.utf8.count), let number = Int(text), number > 0, "\(number)" == text
        else {
            return nil
        }
        return number
    }
}

/// Where a link leads: a path of this origin, which nobody's text can make anything else of.
struct Link: Equatable, Sendable {
    let path: String
    private init(_ path: String) { self.path = path }

    static let dashboard = Link("/")
    static func dashboard(did: Deed) -> Link { Link("/?did=\(did.rawValue)") }
    static func part(_ id: String) -> Link { Link("#\(Form.encode(id))") }
    static func asset(_ asset: Asset) -> Link { Link("/static/\(asset.rawValue)") }
    static func act(_ action: Action) -> Link { Link(action.path) }
    static func agent(_ name: String) -> Link { Link("/agents/\(Form.encode(name))") }
    static func agent(_ name: String, did: Deed) -> Link { Link("\(agent(name).path)?did=\(did.rawValue)") }
    /// The agent's own page, at the gateway.
    static func page(of name: String) -> Link { Link("/agent/\(Form.encode(name))/") }
    static func file(of name: String, path: String) -> Link {
        Link("/api/state-file?agent=\(Form.encode(name))&path=\(Form.encode(path))")
    }

    /// Where a form says that it is: the dashboard, or an agent's page.
    init?(from field: String) {
        if field == "/" {
            self = .dashboard
        } else {
            let name = field.dropFirst("/agents/".count)
            guard field.hasPrefix("/agents/"), AgentName.isValid(String(name)) else { return nil }
            self = .agent(String(name))
        }
    }

    func did(_ deed: Deed) -> Link { Link("\(path)?did=\(deed.rawValue)") }
}

/// What was done, as the page that follows says it: words that nobody can choose.
enum Deed: String, CaseIterable, Sendable {
    case answered, approved, denied, start, stop, restart, pause, resume, destroy

    init(_ action: Action) {
        switch action {
        case .answer: self = .answered
        case .approve: self = .approved
        case .deny: self = .denied
        case .lifecycle(_, let verb):
            switch verb {
            case .start: self = .start
            case .stop: self = .stop
            case .restart: self = .restart
            case .pause: self = .pause
            case .resume: self = .resume
            case .destroy: self = .destroy
            }
        }
    }

    var sentence: String {
        switch self {
        case .answered: "Answered. The agent has your words."
        case .approved: "Approved."
        case .denied: "Denied."
        case .start: "The start has begun."
        case .stop: "The stop has begun."
        case .restart: "The restart has begun."
        case .pause: "Paused, or about to be."
        case .resume: "Resumed, or about to be."
        case .destroy: "The destruction has begun."
        }
    }
}
