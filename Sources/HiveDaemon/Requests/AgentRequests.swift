internal import HiveWire

/// What an agent may do: speak for itself. The name is its socket's, and no request has one.
extension Core {
    func handle(_ request: AgentRequest, of agent: String, _ client: Client) throws {
        var reply = AgentAnswer(ok: true)
        switch request.cmd {
        case .ask:
            let next = store.nextID
            let question = try store.ask(
                agent: agent, text: request.text ?? "", options: request.options ?? [], key: request.key,
                now: Clock.now)
            reply.id = question.id
            if request.wait == true { wait(client, for: question.id) }
            if let said = question.answer {
                afterwards { [self] in
                    notify(agent, AgentNotice(event: "answer", id: question.id, text: said))
                }
            }
            if question.id >= next { asked(.question, agent, "asks: \(quoted(question.text))") }
        case .requestApproval:
            let next = store.nextID
            let approval = try store.requestApproval(
                agent: agent, text: request.text ?? "", key: request.key, now: Clock.now)
            reply.id = approval.id
            if request.wait == true { wait(client, for: approval.id) }
            if approval.state == .approved || approval.state == .denied {
                afterwards { [self] in
                    notify(agent, AgentNotice(event: approval.state.rawValue, id: approval.id))
                }
            }
            if approval.id >= next { asked(.approval, agent, "wants approval: \(quoted(approval.text))") }
        case .looseEnds:
            (reply.questions, reply.approvals) = store.looseEnds(agent: agent)
            if request.wait == true { client.stream = .looseEnds(nil) }
        case .setStatus:
            try store.setStatus(agent: agent, text: request.text ?? "", now: Clock.now)
            rowChanged(agent)
        case .withdraw:
            guard let id = request.id else {
                throw ServiceError(
                    ServiceError.usage, "withdraw needs the id of a question or a request for approval")
            }
            try store.withdraw(agent: agent, id: id, now: Clock.now)
            rowChanged(agent)
            afterwards { [self] in
                // (Nobody waits for it any more. Or who asks and withdraws for days waits for more and more.)
                for client in server.clients.values where client.role == .agent(agent) {
                    _ = hears(client, id)
                }
                server.watch()
                emit(.question, agent: agent, "has withdrawn \(id), or has done with it")
            }
        }
        answer(client, reply)
    }

    /// Whether a connection is told of something, which it then is not any more if that was all.
    func hears(_ client: Client, _ id: Int) -> Bool {
        guard case .looseEnds(let ids) = client.stream, ids?.contains(id) ?? true else { return false }
        if var ids {
            ids.remove(id)
            client.stream = ids.isEmpty ? nil : .looseEnds(ids)
            client.wait()
        }
        return true
    }

    /// What is said to this is told on this connection.
    private func wait(_ client: Client, for id: Int) {
        switch client.stream {
        case .looseEnds(nil): break
        case .looseEnds(let ids?): client.stream = .looseEnds(ids.union([id]))
        default: client.stream = .looseEnds([id])
        }
    }

    private func asked(_ kind: CoreEvent.Kind, _ agent: String, _ sentence: String) {
        rowChanged(agent)
        afterwards { [self] in emit(kind, agent: agent, sentence) }
    }
}
