internal import HiveCore
internal import HiveWire

/// What the web process may do. It is believed nothing: each request is looked at as if it came from somebody who has taken it over.
extension Core {
    func handle(_ request: CoreRequest, _ client: Client) throws {
        let who = Self.who(request.user)
        var reply = CoreAnswer(ok: true)
        switch request.request {
        case .agents:
            client.isBusy = true
            withStates { [self] in
                var reply = CoreAnswer(ok: true)
                reply.agents = rows()
                answer(client, reply)
            }
            return
        case .questions:
            reply.questions =
                Fitting.open.fit(store.openQuestions) + Fitting.closed.fit(store.closedQuestions)
        case .approvals:
            reply.approvals =
                Fitting.open.fit(store.openApprovals) + Fitting.closed.fit(store.closedApprovals)
        case .answerQuestion: try answerQuestion(request.id, request.text, who: who)
        case .approve: try decide(request.id, true, who: who)
        case .deny: try decide(request.id, false, who: who)
        case .lifecycle:
            guard let verb = request.verb else {
                let known = LifecycleVerb.allCases.map(\.rawValue).joined(separator: ", ")
                throw ServiceError(ServiceError.usage, "Lifecycle needs a verb: \(known)")
            }
            let name = try entry(request.name).name
            do {
                // It is told that this was begun; what comes of it is in the agent's row.
                try perform(verb, name, who: who) { _ in }
            } catch {
                try refused("\(verb.rawValue) \(name)", who: who, error)
                throw error
            }
        case .readAgentStateFile:
            let (name, path) = (try entry(request.agent).name, request.relPath ?? "")
            return work(client) { [hands] in
                try hands.readFile(name, path)
            } reply: {
                $0.file = $1
            }
        case .journal: return try journal(client, request.name, request.lines)
        case .agentConfig:
            let name = try entry(request.name).name
            return work(client) { [hands] in
                try hands.config(name)
            } reply: {
                $0.config = $1
            }
        case .networkState: return networkState(client)
        case .events:
            answer(client, reply)
            afterwards { [self] in
                client.isLast = true
                client.stream = .events
                // (Only now: what others did in this turn was told to whoever followed then.)
                for event in request.after.map({ feed.since($0) }) ?? [] {
                    if let line = try? JSONLine.encode(event) { client.tell(line) }
                }
                server.settle(client)
            }
            followNetwork()
            return
        case .refused:
            guard let text = request.text, !text.isEmpty, text.utf8.count <= 500 else {
                throw ServiceError(ServiceError.usage, "Refused needs a text of 1 to 500 octets")
            }
            // (A web process that is taken over can say what it likes here, but not push out what others have done.)
            guard refusals.take(.now) == nil else {
                throw ServiceError(ServiceError.unavailable, "so many refusals are not kept")
            }
            try store.audit(
                who: who, what: "a request to the dashboard", result: "refused: \(quoted(text))",
                now: Clock.now)
        }
        answer(client, reply)
    }

    /// Begins what the audit calls the web process. (An operator is `uid N`.)
    static let web = "web"

    /// As the web process says: it may be wrong, and what it says it can be is bounded.
    private static func who(_ user: String?) -> String {
        guard let user, !user.isEmpty else { return web }
        return "\(web) (\(quoted(String(user.prefix(64)))))"
    }

    private func work<Value: Sendable>(
        _ client: Client, _ body: @escaping @Sendable () throws -> Value,
        reply fill: @escaping (inout CoreAnswer, Value) -> Void
    ) {
        client.isBusy = true
        work.start(body) { [self] outcome in
            switch outcome {
            case .success(let value):
                var reply = CoreAnswer(ok: true)
                fill(&reply, value)
                answer(client, reply)
            case .failure(let error): refuse(client, error)
            }
        }
    }
}
