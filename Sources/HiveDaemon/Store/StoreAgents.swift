package import HiveWire

/// What agents do. Each acts on its own things alone.
extension Store {
    /// - Parameters:
    ///   - key: a question of the agent's with this key that is open is found instead; and so is one that is answered, if it has the same
    ///     text and the agent has not done with it: whoever was interrupted while it waited says again what it said.
    ///   - now: seconds since 1970-01-01 UTC.
    package func ask(
        agent: String, text: String, options: [String] = [], key: String? = nil, now: Double
    ) throws(ServiceError) -> Question {
        try check(text, key)
        guard options.count <= AgentRequest.mostOptions else {
            throw StoreTexts.refused(
                "there are \(options.count) options, and may be \(AgentRequest.mostOptions) at most")
        }
        for (index, option) in options.enumerated() {
            try StoreTexts.check(option, "option \(index + 1)", longest: AgentRequest.longestOption)
        }
        let own = state.agents[agent]?.questions.values.sorted { $0.id < $1.id } ?? []
        let open = own.filter { $0.state == .open }
        if let key {
            if let known = open.first(where: { $0.key == key }) { return known }
            if let known = own.last(where: { $0.key == key && $0.text == text }) { return known }
        }
        guard open.count < limits.open else { throw tooMany("questions") }
        try checkRoom(agent, for: Self.octets(text, options))
        let question = Question(id: nextID, agent: agent, text: text, options: options, key: key, asked: now)
        try stage([Record(question: question)])
        return question
    }

    /// As `ask`, for something that the operator approves or denies.
    package func requestApproval(
        agent: String, text: String, key: String? = nil, now: Double
    ) throws(ServiceError) -> Approval {
        try check(text, key)
        let own = state.agents[agent]?.approvals.values.sorted { $0.id < $1.id } ?? []
        let open = own.filter { $0.state == .open }
        if let key {
            if let known = open.first(where: { $0.key == key }) { return known }
            if let known = own.last(where: { $0.key == key && $0.text == text }) { return known }
        }
        guard open.count < limits.open else { throw tooMany("requests for approval") }
        try checkRoom(agent, for: Self.octets(text, []))
        let approval = Approval(id: nextID, agent: agent, text: text, key: key, asked: now)
        try stage([Record(approval: approval)])
        return approval
    }

    private func check(_ text: String, _ key: String?) throws(ServiceError) {
        try StoreTexts.check(text, "the text", longest: AgentRequest.longestText)
        if let key { try StoreTexts.check(key, "the key", longest: AgentRequest.longestKey) }
    }

    private static func octets(_ text: String, _ options: [String]) -> Int {
        options.reduce(text.utf8.count) { $0 + $1.utf8.count }
    }

    /// So that an agent cannot fill the memory of a process that all others need.
    private func checkRoom(_ agent: String, for octets: Int) throws(ServiceError) {
        let own = state.agents[agent]
        let questions =
            own?.questions.values.filter { $0.state == .open }.map { Self.octets($0.text, $0.options) } ?? []
        let approvals =
            own?.approvals.values.filter { $0.state == .open }.map { Self.octets($0.text, []) } ?? []
        let open = (questions + approvals).reduce(0, +)
        guard open + octets <= limits.openOctets else {
            throw StoreTexts.refused(
                "what is open of this agent's has \(open) octets of text, and may have \(limits.openOctets) with this: withdraw some, or "
                    + "wait for answers")
        }
    }

    private func tooMany(_ what: String) -> ServiceError {
        StoreTexts.refused(
            "\(limits.open) \(what) of this agent are open, and there cannot be more: withdraw some, or wait for answers"
        )
    }

    /// Takes back what is open; has done with what is decided, which leaves the loose ends.
    package func withdraw(agent: String, id: Int, now: Double) throws(ServiceError) {
        guard state.owners[id] == agent, let own = state.agents[agent] else {
            throw StoreTexts.refused("there is no question and no request for approval \(id) of this agent's")
        }
        try stage([withdrawal(of: id, own, agent, now)])
    }

    private func withdrawal(of id: Int, _ own: StoreState.Agent, _ agent: String, _ now: Double) -> Record {
        if var question = own.questions[id], question.state == .open {
            question.state = .withdrawn
            question.closed = now
            return Record(question: question)
        }
        if var approval = own.approvals[id], approval.state == .open {
            approval.state = .withdrawn
            approval.closed = now
            return Record(approval: approval)
        }
        return Record(done: id, of: agent)
    }

    /// - Parameter text: blank: none any more.
    package func setStatus(agent: String, text: String, now: Double) throws(ServiceError) {
        try StoreTexts.check(text, "the status", longest: AgentRequest.longestStatus, mayBeBlank: true)
        let isNone = StoreTexts.isBlank(text)
        if isNone, state.agents[agent]?.status == nil { return }
        try stage([Record(status: Record.Status(agent: agent, text: isNone ? nil : text, at: now))])
    }

    /// Open ones, and those that are decided and not withdrawn, by their numbers.
    package func looseEnds(agent: String) -> (questions: [Question], approvals: [Approval]) {
        let own = state.agents[agent] ?? StoreState.Agent()
        return (own.questions.values.sorted { $0.id < $1.id }, own.approvals.values.sorted { $0.id < $1.id })
    }

    /// What the agent says that it is at, and since when it says so.
    package func status(agent: String) -> (text: String, setAt: Double)? {
        guard let status = state.agents[agent]?.status, let text = status.text else { return nil }
        return (text, status.at)
    }

    /// The agent was destroyed: what is open is withdrawn, and it has no loose ends and no status any more. One that is made with its
    /// name later begins with nothing.
    package func forget(agent: String, now: Double) throws(ServiceError) {
        guard let own = state.agents[agent] else { return }
        let ids = (Array(own.questions.keys) + Array(own.approvals.keys)).sorted()
        var records = ids.map { withdrawal(of: $0, own, agent, now) }
        if own.status != nil {
            records.append(Record(status: Record.Status(agent: agent, text: nil, at: now)))
        }
        try stage(records)
    }
}
