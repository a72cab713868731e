internal import HiveWire

/// What a store knows: what its records come to.
struct StoreState: Codable, Equatable {
    /// What an agent has.
    struct Agent: Codable, Equatable {
        /// Open ones, and those that are answered and not withdrawn.
        var questions: [Int: Question] = [:]
        var approvals: [Int: Approval] = [:]
        /// Of what is decided and not withdrawn, those first that were decided first.
        var decided: [Int] = []
        var status: Record.Status?

        var isEmpty: Bool { questions.isEmpty && approvals.isEmpty && status == nil }
    }

    var agents: [String: Agent] = [:]
    /// Whose loose end it is.
    var owners: [Int: String] = [:]
    /// The newest that were answered or withdrawn, the newest last.
    var closedQuestions: [Question] = []
    var closedApprovals: [Approval] = []
    var audit: [AuditEntry] = []
    var lastID = 0
    var lastAudit = 0

    /// The owners come of the rest.
    enum CodingKeys: String, CodingKey {
        case agents, closedQuestions, closedApprovals, audit, lastID, lastAudit
    }

    /// - Parameter kept: so many closed questions and approvals each.
    mutating func apply(_ record: Record, kept: Int) {
        if let state = record.state {
            self = state
            for (name, agent) in agents { for id in ids(of: agent) { owners[id] = name } }
        }
        if let question = record.question {
            lastID = max(lastID, question.id)
            if question.state != .open { Self.add(question, to: &closedQuestions, kept) }
            switch question.state {
            case .withdrawn: remove(question.id, of: question.agent)
            case .open, .answered:
                agents[question.agent, default: Agent()].questions[question.id] = question
                owned(question.id, by: question.agent, isOpen: question.state == .open)
            }
        }
        if let approval = record.approval {
            lastID = max(lastID, approval.id)
            if approval.state != .open { Self.add(approval, to: &closedApprovals, kept) }
            switch approval.state {
            case .withdrawn: remove(approval.id, of: approval.agent)
            case .open, .approved, .denied:
                agents[approval.agent, default: Agent()].approvals[approval.id] = approval
                owned(approval.id, by: approval.agent, isOpen: approval.state == .open)
            }
        }
        if let done = record.done { remove(done.id, of: done.agent) }
        if let status = record.status {
            agents[status.agent, default: Agent()].status = status.text == nil ? nil : status
            clear(status.agent)
        }
        if let entry = record.audit {
            audit.append(entry)
            lastAudit = max(lastAudit, entry.number)
        }
    }

    private mutating func owned(_ id: Int, by agent: String, isOpen: Bool) {
        owners[id] = agent
        agents[agent]?.decided.removeAll { $0 == id }
        if !isOpen { agents[agent]?.decided.append(id) }
    }

    private mutating func remove(_ id: Int, of agent: String) {
        owners[id] = nil
        agents[agent]?.questions[id] = nil
        agents[agent]?.approvals[id] = nil
        agents[agent]?.decided.removeAll { $0 == id }
        clear(agent)
    }

    private mutating func clear(_ agent: String) {
        if agents[agent]?.isEmpty == true { agents[agent] = nil }
    }

    private static func add<Item>(_ item: Item, to list: inout [Item], _ kept: Int) {
        list.append(item)
        if list.count > kept { list.removeFirst(list.count - kept) }
    }

    /// What has to be put back when a commit fails.
    struct Before {
        fileprivate var agents: [String: Agent?] = [:]
        fileprivate let closedQuestions: [Question]
        fileprivate let closedApprovals: [Approval]
        fileprivate let auditCount: Int
        fileprivate let lastAudit: Int

        init(_ state: StoreState) {
            closedQuestions = state.closedQuestions
            closedApprovals = state.closedApprovals
            auditCount = state.audit.count
            lastAudit = state.lastAudit
        }

        /// Before a record is applied.
        mutating func note(_ record: Record, _ state: StoreState) {
            for agent in [
                record.question?.agent, record.approval?.agent, record.done?.agent, record.status?.agent,
            ] {
                if let agent, agents[agent] == nil { agents[agent] = .some(state.agents[agent]) }
            }
        }
    }

    /// `lastID` stays: a number that somebody may have heard of is not given to something else.
    mutating func goBack(to before: Before) {
        for (name, agent) in before.agents {
            for id in ids(of: agents[name]) { owners[id] = nil }
            for id in ids(of: agent) { owners[id] = name }
            agents[name] = agent
        }
        closedQuestions = before.closedQuestions
        closedApprovals = before.closedApprovals
        audit.removeLast(audit.count - before.auditCount)
        lastAudit = before.lastAudit
    }

    private func ids(of agent: Agent?) -> [Int] {
        agent.map { Array($0.questions.keys) + Array($0.approvals.keys) } ?? []
    }
}
