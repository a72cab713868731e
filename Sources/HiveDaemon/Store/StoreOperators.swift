package import HiveWire

/// What operators do. What they change and the entry of the audit are in one commit.
extension Store {
    /// - Parameter who: as the audit has it.
    package func answer(id: Int, text: String, who: String, now: Double) throws(ServiceError) -> Question {
        try StoreTexts.check(text, "the answer", longest: OperatorRequest.longestAnswer)
        guard let agent = state.owners[id], var question = state.agents[agent]?.questions[id] else {
            throw closed(id, isQuestion: true)
        }
        guard question.state == .open else { throw StoreTexts.refused("question \(id) is answered already") }
        question.state = .answered
        question.answer = text
        question.closed = now
        let entry = entry(who, "answer \(id) (\(agent))", "done", now)
        try stage([Record(question: question), Record(audit: entry)] + leaving(agent))
        return question
    }

    package func decide(id: Int, approve: Bool, who: String, now: Double) throws(ServiceError) -> Approval {
        guard let agent = state.owners[id], var approval = state.agents[agent]?.approvals[id] else {
            throw closed(id, isQuestion: false)
        }
        guard approval.state == .open else {
            throw StoreTexts.refused("request for approval \(id) is \(approval.state.rawValue) already")
        }
        approval.state = approve ? .approved : .denied
        approval.closed = now
        let entry = entry(who, "\(approve ? "approve" : "deny") \(id) (\(agent))", "done", now)
        try stage([Record(approval: approval), Record(audit: entry)] + leaving(agent))
        return approval
    }

    /// When one more is decided than there may be, the oldest leaves.
    private func leaving(_ agent: String) -> [Record] {
        guard let decided = state.agents[agent]?.decided, decided.count >= limits.decided else { return [] }
        return decided.prefix(decided.count - limits.decided + 1).map { Record(done: $0, of: agent) }
    }

    /// Why something is not open.
    private func closed(_ id: Int, isQuestion: Bool) -> ServiceError {
        let what = isQuestion ? "question" : "request for approval"
        if state.owners[id] != nil || closedAs(id, isQuestion: !isQuestion) != nil {
            return StoreTexts.refused(
                isQuestion
                    ? "\(id) is a request for approval, not a question: approve or deny it"
                    : "\(id) is a question, not a request for approval: answer it")
        }
        if let how = closedAs(id, isQuestion: isQuestion) {
            return StoreTexts.refused("\(what) \(id) is \(how) already")
        }
        guard (1...max(1, state.lastID)).contains(id), state.lastID > 0 else {
            return StoreTexts.refused("there is no \(what) \(id)")
        }
        return StoreTexts.refused("there is no open \(what) \(id): it was closed some time ago")
    }

    private func closedAs(_ id: Int, isQuestion: Bool) -> String? {
        isQuestion
            ? state.closedQuestions.last { $0.id == id }?.state.rawValue
            : state.closedApprovals.last { $0.id == id }?.state.rawValue
    }

    /// In octets. What is longer is cut.
    package static let longestAudit = 1000

    /// Writes down what an operator did: what `answer` and `decide` do not write themselves.
    ///
    /// - Parameter result: `done`, `begun`, or a sentence that says why not.
    @discardableResult
    package func audit(who: String, what: String, result: String, now: Double) throws(ServiceError)
        -> AuditEntry
    {
        let entry = entry(who, what, result, now)
        try stage([Record(audit: entry)])
        return entry
    }

    private func entry(_ who: String, _ what: String, _ result: String, _ now: Double) -> AuditEntry {
        func cut(_ text: String) -> String { StoreTexts.cut(text, octets: Self.longestAudit) }
        return AuditEntry(
            number: state.lastAudit + 1, time: now, who: cut(who), what: cut(what), result: cut(result))
    }

    /// The last entries, the newest last: at most as many as the journal has.
    package func auditTail(_ count: Int) -> [AuditEntry] { Array(state.audit.suffix(max(0, count))) }

    /// Of all agents, by their numbers.
    package var openQuestions: [Question] {
        state.agents.values.flatMap { $0.questions.values.filter { $0.state == .open } }.sorted {
            $0.id < $1.id
        }
    }

    package var openApprovals: [Approval] {
        state.agents.values.flatMap { $0.approvals.values.filter { $0.state == .open } }.sorted {
            $0.id < $1.id
        }
    }

    /// How many an agent has.
    package func openCounts(agent: String) -> (questions: Int, approvals: Int) {
        guard let own = state.agents[agent] else { return (0, 0) }
        return (
            own.questions.values.count { $0.state == .open }, own.approvals.values.count { $0.state == .open }
        )
    }

    /// The newest that were answered or withdrawn, the newest last.
    package var closedQuestions: [Question] { state.closedQuestions }

    /// The newest that were decided or withdrawn, the newest last.
    package var closedApprovals: [Approval] { state.closedApprovals }
}
