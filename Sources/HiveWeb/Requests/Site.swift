internal import HiveWire
internal import Synchronization

/// What is answered to a request.
final class Site: Sendable {
    let client: CoreClient
    let overviews: Overviews
    let tokens: PageTokens
    /// For refusals that the core is told of.
    private let audited = Mutex(Allowance(burst: 20, perSecond: 1))

    init(core: String, tokens: PageTokens) {
        client = CoreClient(path: core)
        overviews = Overviews(client)
        self.tokens = tokens
    }

    enum Plan {
        case answer(Response)
        /// The core is to be asked, elsewhere: the answer takes until then at most.
        case ask(@Sendable (ContinuousClock.Instant) -> Response)
        /// This, and the core hears of it.
        case refuse(Response, CoreRequest?)
        /// Events, those after this one first.
        case stream(after: UInt64?)
    }

    /// Without waiting for anything.
    /// - Parameter event: the last that was heard of.
    func plan(for request: SCGIRequest, event: UInt64?) -> Plan {
        let raw = request["REQUEST_URI"].prefix { $0 != "?" }
        let path = request["DOCUMENT_URI"]
        // (What nginx understands has to be what was sent.)
        guard path.isEmpty || path == raw else { return .answer(ErrorPage.response(400, request)) }
        let route = Route(method: request["REQUEST_METHOD"], path: String(raw))
        let viewer = Viewer(user: request["REMOTE_USER"], tokens: tokens, event: event)
        switch route {
        case .unknown: return .answer(ErrorPage.response(404, request))
        case .otherMethod(let allowed):
            var response = ErrorPage.response(405, request)
            response.headers.append(("Allow", allowed))
            return .answer(response)
        case .asset(let asset): return .answer(Self.asset(asset, request))
        case .stream:
            let after = request.headers["HTTP_LAST_EVENT_ID"] ?? Self.query(request)?["after"]
            return .stream(after: after.flatMap { UInt64($0) })
        case .act(let action): return act(action, request, viewer)
        case .dashboard:
            guard let query = Self.query(request) else { return .answer(ErrorPage.response(400, request)) }
            return ask(request) { overview in
                let deed = query["did"].flatMap(Deed.init(rawValue:))
                return .page(200, DashboardPage(overview: overview, viewer: viewer, deed: deed).html)
            }
        case .agent(let name): return agent(name, request, viewer)
        case .state: return ask(request) { .json(200, StateAnswer($0, event: event)) }
        case .stateFile, .journal, .agentConfig: return read(route, request)
        }
    }

    static func query(_ request: SCGIRequest) -> Form? { Form(request["QUERY_STRING"].utf8) }

    /// Looks, and answers with what is seen.
    private func ask(_ request: SCGIRequest, _ body: @escaping @Sendable (Overview) -> Response) -> Plan {
        .ask { [overviews] deadline in
            do throws(CoreTrouble) {
                return body(try overviews.look(until: deadline))
            } catch {
                return ErrorPage.response(error, request)
            }
        }
    }

    private func agent(_ name: String, _ request: SCGIRequest, _ viewer: Viewer) -> Plan {
        guard let query = Self.query(request) else { return .answer(ErrorPage.response(400, request)) }
        return .ask { [overviews, client] deadline in
            do throws(CoreTrouble) {
                let overview = try overviews.look(until: deadline)
                guard let status = overview.agents.first(where: { $0.name == name }) else {
                    return ErrorPage.response(404, request, "There is no agent \(name).")
                }
                var page = AgentPage(status: status, overview: overview, viewer: viewer)
                page.deed = query["did"].flatMap(Deed.init(rawValue:))
                page.confirm = query["confirm"].flatMap(LifecycleVerb.init(rawValue:))
                // What one of them is refused for, the page says in its place.
                let connection = try client.connect(until: deadline)
                do throws(CoreTrouble) {
                    page.config = try connection.ask(CoreRequest(.agentConfig, name: name)).config
                } catch .refused(let sentence) {
                    page.configTrouble = sentence
                }
                do throws(CoreTrouble) {
                    var asked = CoreRequest(.journal, name: name)
                    asked.lines = AgentPage.journalLines
                    page.journal = try connection.ask(asked).lines ?? []
                } catch .refused(let sentence) {
                    page.journalTrouble = sentence
                }
                return .page(200, page.html)
            } catch {
                return ErrorPage.response(error, request)
            }
        }
    }

    private static func asset(_ asset: Asset, _ request: SCGIRequest) -> Response {
        let known = request["HTTP_IF_NONE_MATCH"].split(separator: ",").map {
            $0.drop { $0 == " " }.replacingPrefix("W/")
        }
        let isKnown = known.contains(asset.tag)
        var response = Response(
            isKnown ? 304 : 200, type: isKnown ? "" : asset.type, body: isKnown ? [] : asset.content)
        response.caching = "no-cache"
        response.headers = [("ETag", asset.tag)]
        return response
    }

    /// Says no, and tells the core if there were not many of late.
    func refuse(_ request: SCGIRequest, because why: String, _ response: Response) -> Plan {
        guard audited.withLock({ $0.take(.now) }) == nil else { return .refuse(response, nil) }
        var report = CoreRequest(.refused)
        report.text = "\(quoted("\(request["REQUEST_METHOD"]) \(request["REQUEST_URI"])")): \(why)"
        report.user = Viewer.name(request["REMOTE_USER"])
        return .refuse(response, report)
    }
}

extension Substring {
    fileprivate func replacingPrefix(_ prefix: String) -> String {
        var text = hasPrefix(prefix) ? String(dropFirst(prefix.count)) : String(self)
        while text.last == " " { text.removeLast() }
        return text
    }
}

extension CoreRequest {
    init(_ verb: CoreVerb, name: String) {
        self.init(verb)
        self.name = name
    }
}

/// Who looks at a page.
struct Viewer: Sendable {
    let user: String
    let tokens: PageTokens
    /// The last event that the page knows of.
    let event: UInt64?

    func token(for action: Action) -> String { tokens.token(for: action, user: user, at: PageTokens.now) }

    /// For the audit: of a length.
    static func name(_ user: String) -> String? {
        user.isEmpty ? nil : String(String.UnicodeScalarView(user.unicodeScalars.prefix(128)))
    }
}
