import Foundation
import Glibc
import HiveWire
import StoreCrasher

@testable import HiveDaemon

/// A directory that goes with the value.
final class StoreScratch {
    let path: String
    /// The store's, in it.
    var store: String { "\(path)/core" }

    init() throws {
        var template = Array("/tmp/hive-store.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw ServiceError.last("make a directory") }
        path = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func read(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(store)/\(name)")))
    }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: "\(store)/\(name)"))
        chmod("\(store)/\(name)", 0o600)
    }

    func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: store).sorted() }

    /// Without the directory itself: the path is replaced by `DIR`.
    func without(_ text: String) -> String { text.replacingOccurrences(of: store, with: "DIR") }
}

extension FileCalls {
    /// Without waiting for the disk: for tests of what is read, not of what outlives a loss of power.
    static var quick: FileCalls {
        var calls = FileCalls.system
        calls.sync = { _ in 0 }
        calls.syncDirectory = { _ in 0 }
        return calls
    }
}

/// All that can be seen of a store.
struct StoreView: Equatable {
    var questions: [String: [Question]] = [:]
    var approvals: [String: [Approval]] = [:]
    var statuses: [String: String] = [:]
    var openQuestions: [Question] = []
    var openApprovals: [Approval] = []
    var closedQuestions: [Question] = []
    var closedApprovals: [Approval] = []
    var audit: [AuditEntry] = []

    init() {}

    init(_ store: Store) {
        for agent in StoreOperation.agents {
            (questions[agent], approvals[agent]) = store.looseEnds(agent: agent)
            statuses[agent] = store.status(agent: agent).map { "\($0.text) \($0.setAt)" }
        }
        openQuestions = store.openQuestions
        openApprovals = store.openApprovals
        closedQuestions = store.closedQuestions
        closedApprovals = store.closedApprovals
        audit = store.auditTail(store.limits.audit)
    }
}

/// What a store should know: everything that was ever asked, in lists, without a file.
struct StoreModel {
    private(set) var questions: [Int: Question] = [:]
    private(set) var approvals: [Int: Approval] = [:]
    private(set) var audit: [AuditEntry] = []
    private var loose: [String: Set<Int>] = [:]
    private var decided: [String: [Int]] = [:]
    private var statuses: [String: String] = [:]
    private var closedQuestions: [Int] = []
    private var closedApprovals: [Int] = []
    let limits = Store.Limits.small

    /// - Returns: what is wrong with the outcome; nil: nothing.
    mutating func apply(_ line: StoreOperation.Line) -> String? {
        let (operation, outcome) = (line.operation, line.outcome)
        let shouldFail = !isPossible(operation)
        guard (outcome.error != nil) == shouldFail else { return "\(operation) came to \(outcome)" }
        if shouldFail { return nil }
        let (id, agent) = (operation.id, operation.agent)
        switch operation.verb {
        case .ask:
            if let known = known(operation) {
                return outcome.id == known ? nil : "\(operation) made \(outcome), not \(known)"
            }
            guard let new = outcome.id, isNew(new) else {
                return "\(operation) made \(outcome), which was there"
            }
            questions[new] = Question(
                id: new, agent: agent, text: operation.text, options: operation.approve ? ["yes", "no"] : [],
                key: operation.key, asked: operation.now)
            loose[agent, default: []].insert(new)
        case .approval:
            if let known = known(operation) {
                return outcome.id == known ? nil : "\(operation) made \(outcome), not \(known)"
            }
            guard let new = outcome.id, isNew(new) else {
                return "\(operation) made \(outcome), which was there"
            }
            approvals[new] = Approval(
                id: new, agent: agent, text: operation.text, key: operation.key, asked: operation.now)
            loose[agent, default: []].insert(new)
        case .withdraw: withdraw(id, agent, operation.now)
        case .status: statuses[agent] = operation.text.isEmpty ? nil : "\(operation.text) \(operation.now)"
        case .answer:
            guard let owner = questions[id]?.agent else { return "unknown" }
            questions[id]?.state = .answered
            questions[id]?.answer = operation.text
            questions[id]?.closed = operation.now
            closedQuestions.append(id)
            note("uid 0 (root)", "answer \(id) (\(owner))", operation.now)
            decide(id, owner)
        case .decide:
            guard let owner = approvals[id]?.agent else { return "unknown" }
            approvals[id]?.state = operation.approve ? .approved : .denied
            approvals[id]?.closed = operation.now
            closedApprovals.append(id)
            note("web (alice)", "\(operation.approve ? "approve" : "deny") \(id) (\(owner))", operation.now)
            decide(id, owner)
        case .audit:
            note("uid 0 (root)", StoreTexts.cut(operation.text, octets: 1000), operation.now)
            return outcome.id == audit.count ? nil : "\(operation) made \(outcome), not \(audit.count)"
        case .forget:
            for id in (loose[agent] ?? []).sorted() { withdraw(id, agent, operation.now) }
            statuses[agent] = nil
        }
        return nil
    }

    private func isPossible(_ operation: StoreOperation) -> Bool {
        let (id, agent) = (operation.id, operation.agent)
        switch operation.verb {
        case .ask:
            return open(agent).questions.count < limits.open || known(operation) != nil
        case .approval:
            return open(agent).approvals.count < limits.open || known(operation) != nil
        case .withdraw: return loose[agent]?.contains(id) == true
        case .answer: return questions[id]?.state == .open
        case .decide: return approvals[id]?.state == .open
        case .status, .audit, .forget: return true
        }
    }

    /// What a key finds: what is open with it, or the last that says the same and is decided.
    private func known(_ operation: StoreOperation) -> Int? {
        guard let key = operation.key else { return nil }
        let ids = (loose[operation.agent] ?? []).sorted()
        let all: [(id: Int, key: String?, text: String, isOpen: Bool)] =
            operation.verb == .ask
            ? ids.compactMap { questions[$0] }.map { ($0.id, $0.key, $0.text, $0.state == .open) }
            : ids.compactMap { approvals[$0] }.map { ($0.id, $0.key, $0.text, $0.state == .open) }
        let same = all.filter { $0.key == key }
        return same.first(where: \.isOpen)?.id ?? same.last { $0.text == operation.text }?.id
    }

    private func open(_ agent: String) -> (questions: [Question], approvals: [Approval]) {
        let ids = loose[agent] ?? []
        return (
            ids.compactMap { questions[$0] }.filter { $0.state == .open },
            ids.compactMap { approvals[$0] }.filter { $0.state == .open }
        )
    }

    private func isNew(_ id: Int) -> Bool { id > 0 && questions[id] == nil && approvals[id] == nil }

    private mutating func withdraw(_ id: Int, _ agent: String, _ now: Double) {
        loose[agent]?.remove(id)
        decided[agent]?.removeAll { $0 == id }
        if questions[id]?.state == .open {
            questions[id]?.state = .withdrawn
            questions[id]?.closed = now
            closedQuestions.append(id)
        }
        if approvals[id]?.state == .open {
            approvals[id]?.state = .withdrawn
            approvals[id]?.closed = now
            closedApprovals.append(id)
        }
    }

    private mutating func decide(_ id: Int, _ agent: String) {
        decided[agent, default: []].append(id)
        if let count = decided[agent]?.count, count > limits.decided,
            let oldest = decided[agent]?.removeFirst()
        {
            loose[agent]?.remove(oldest)
        }
    }

    private mutating func note(_ who: String, _ what: String, _ now: Double) {
        audit.append(AuditEntry(number: audit.count + 1, time: now, who: who, what: what, result: "done"))
    }

    var view: StoreView {
        var view = StoreView()
        for agent in StoreOperation.agents {
            let ids = (loose[agent] ?? []).sorted()
            view.questions[agent] = ids.compactMap { questions[$0] }
            view.approvals[agent] = ids.compactMap { approvals[$0] }
        }
        view.statuses = statuses
        view.openQuestions = StoreOperation.agents.flatMap { open($0).questions }.sorted { $0.id < $1.id }
        view.openApprovals = StoreOperation.agents.flatMap { open($0).approvals }.sorted { $0.id < $1.id }
        view.closedQuestions = closedQuestions.suffix(limits.closed).compactMap { questions[$0] }
        view.closedApprovals = closedApprovals.suffix(limits.closed).compactMap { approvals[$0] }
        view.audit = audit.suffix(limits.audit)
        return view
    }

    /// What is wrong with the audit in a directory's files, the archives and the journal together; nil: nothing is.
    func auditProblem(_ scratch: StoreScratch, _ store: Store) throws -> String? {
        var entries: [AuditEntry] = []
        for name in ["audit.3.jsonl", "audit.2.jsonl", "audit.1.jsonl", "audit.jsonl"]
        where try scratch.names().contains(name) {
            for line in try scratch.read(name).split(separator: UInt8(ascii: "\n")) {
                guard let entry = try? JSONLine.decode(AuditEntry.self, Array(line)) else {
                    return "half a line in \(name)"
                }
                entries.append(entry)
            }
        }
        let archived = entries.last?.number ?? 0
        entries += store.auditTail(.max).filter { $0.number > archived }
        return entries == audit.suffix(entries.count) && entries.count >= min(audit.count, limits.audit)
            ? nil : "the audit's numbers are \(entries.map(\.number)), of \(audit.count)"
    }
}
