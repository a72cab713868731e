internal import HiveCore
internal import HiveWire

/// What an operator may do. Who it is the kernel says; that it may, the socket's owner and group.
extension Core {
    func handle(_ request: OperatorRequest, _ client: Client) throws {
        let who = UserName.words(of: client.user)
        var reply = OperatorAnswer(ok: true)
        switch request.cmd {
        case .list: reply.agents = agents.map(\.name)
        case .agentStatus, .subscribeAgentStatus:
            client.isBusy = true
            withStates { [self] in
                if request.cmd == .subscribeAgentStatus { client.stream = .statuses }
                answer(client, statusAnswer())
            }
            return
        case .urls:
            reply.urls = agents.filter(\.hasPage).map { AgentURL(name: $0.name, url: "/agent/\($0.name)/") }
        case .pending: reply.approvals = store.openApprovals
        case .questions: reply.questions = store.openQuestions
        case .approve, .deny:
            try decide(request.id, request.cmd == .approve, who: who)
        case .answer: try answerQuestion(request.id, request.text, who: who)
        case .journal: return try journal(client, request.name, request.lines)
        case .setPaused:
            guard let paused = request.paused else {
                throw ServiceError(ServiceError.usage, "set_paused needs \"paused\": true or false")
            }
            return try perform(paused ? .pause : .resume, [entry(request.name).name], client, who: who)
        case .restart: return try perform(.restart, [entry(request.name).name], client, who: who)
        case .destroy: return try perform(.destroy, [entry(request.name).name], client, who: who)
        case .start, .stop:
            // (Everybody is said by naming everybody: who forgets the scope stops nobody.)
            guard let names = request.scope?.agentNames, !names.isEmpty else {
                throw ServiceError(
                    ServiceError.usage,
                    "\(request.cmd.rawValue) needs a scope, as in {\"scope\":{\"agent_names\":[\"alpha\"]}}; an empty one is nobody"
                )
            }
            let verb: LifecycleVerb = request.cmd == .start ? .start : .stop
            return try perform(verb, names, client, graceful: request.graceful ?? true, who: who)
        }
        answer(client, reply)
    }

    /// The same to each; answered when all have ended.
    private func perform(
        _ verb: LifecycleVerb, _ names: [String], _ client: Client, graceful: Bool = true, who: String
    ) throws {
        // What is wrong with one is said before anything is done to the others.
        for name in names { _ = try entry(name) }
        client.isBusy = true
        var left = Set(names)
        var (errors, notes): ([String], [String]) = ([], [])
        for name in left.sorted() {
            let finish: (Result<[String], any Error>) -> Void = { [self] outcome in
                switch outcome {
                case .success(let words): notes += words
                case .failure(let error):
                    errors.append(
                        (left.count + errors.count > 1 || names.count > 1 ? "\(name): " : "")
                            + Self.sentence(error))
                }
                left.remove(name)
                guard left.isEmpty else { return }
                var reply = OperatorAnswer(ok: errors.isEmpty)
                if !errors.isEmpty { reply.error = errors.sorted().joined(separator: "; ") }
                if !notes.isEmpty { reply.notes = notes }
                answer(client, reply)
            }
            do {
                try perform(verb, name, graceful: graceful, who: who, then: finish)
            } catch {
                try? refused(verb.rawValue + " " + name, who: who, error)
                finish(.failure(error))
            }
        }
    }
}

/// What operators may do, on whichever socket.
extension Core {
    func answerQuestion(_ id: Int?, _ text: String?, who: String) throws {
        guard let id, let text else {
            throw ServiceError(ServiceError.usage, "answer needs the id of a question, and a text")
        }
        let question: Question
        do { question = try store.answer(id: id, text: text, who: who, now: Clock.now) } catch {
            try refused("answer \(id)", who: who, error)
            throw error
        }
        rowChanged(question.agent)
        afterwards { [self] in
            notify(question.agent, AgentNotice(event: "answer", id: id, text: question.answer))
            emit(.question, agent: question.agent, "question \(id) was answered by \(who)")
        }
    }

    func decide(_ id: Int?, _ approve: Bool, who: String) throws {
        let verb = approve ? "approve" : "deny"
        guard let id else {
            throw ServiceError(ServiceError.usage, "\(verb) needs the id of a request for approval")
        }
        let approval: Approval
        do { approval = try store.decide(id: id, approve: approve, who: who, now: Clock.now) } catch {
            try refused("\(verb) \(id)", who: who, error)
            throw error
        }
        let done = approve ? "approved" : "denied"
        rowChanged(approval.agent)
        afterwards { [self] in
            notify(approval.agent, AgentNotice(event: done, id: id))
            emit(.approval, agent: approval.agent, "request \(id) was \(done) by \(who)")
        }
    }

    /// (A web process that is taken over must not push out what others have done by what it is refused.)
    func refused(_ what: String, who: String, _ error: any Error) throws {
        guard !who.hasPrefix(Self.web) || refusals.take(.now) == nil else { return }
        try store.audit(who: who, what: what, result: Self.sentence(error), now: Clock.now)
    }

    func journal(_ client: Client, _ name: String?, _ lines: Int?) throws {
        let name = try entry(name).name
        let lines = min(max(lines ?? 200, 1), CoreRequest.mostJournalLines)
        client.isBusy = true
        let isWeb = client.role == .web
        work.start { [hands] in
            try hands.journal(name, lines)
        } then: { [self] outcome in
            switch outcome {
            case .success(let lines) where isWeb:
                var reply = CoreAnswer(ok: true)
                reply.lines = lines
                answer(client, reply)
            case .success(let lines):
                var reply = OperatorAnswer(ok: true)
                reply.lines = lines
                answer(client, reply)
            case .failure(let error): refuse(client, error)
            }
        }
    }
}
