package import HiveDaemon
import HiveWire

/// Something that is asked of a store.
package struct StoreOperation: Codable, Equatable {
    package enum Verb: String, Codable, CaseIterable {
        case ask, approval, withdraw, status, answer, decide, audit, forget
    }

    package var verb: Verb
    package var agent: String
    package var id = 0
    package var text = ""
    package var key: String?
    package var approve = false
    package var now: Double

    /// What came of it: the number that it has to do with, or a sentence.
    package struct Outcome: Codable, Equatable {
        package var id: Int?
        package var error: String?
    }

    /// An operation, and what came of it: a line of the crasher's.
    package struct Line: Codable, Equatable {
        package init(operation: StoreOperation, outcome: Outcome) {
            self.operation = operation
            self.outcome = outcome
        }

        package let operation: StoreOperation
        package let outcome: Outcome
    }

    package func perform(on store: Store) -> Outcome {
        do throws(ServiceError) {
            switch verb {
            case .ask:
                return Outcome(
                    id: try store.ask(
                        agent: agent, text: text, options: approve ? ["yes", "no"] : [], key: key, now: now
                    ).id)
            case .approval:
                return Outcome(id: try store.requestApproval(agent: agent, text: text, key: key, now: now).id)
            case .withdraw: try store.withdraw(agent: agent, id: id, now: now)
            case .status: try store.setStatus(agent: agent, text: text, now: now)
            case .answer:
                return Outcome(id: try store.answer(id: id, text: text, who: "uid 0 (root)", now: now).id)
            case .decide:
                return Outcome(
                    id: try store.decide(id: id, approve: approve, who: "web (alice)", now: now).id)
            case .audit:
                return Outcome(
                    id: try store.audit(who: "uid 0 (root)", what: text, result: "done", now: now).number)
            case .forget: try store.forget(agent: agent, now: now)
            }
            return Outcome()
        } catch {
            return Outcome(error: error.description)
        }
    }

    package static let agents = ["alpha", "beta", "gamma"]

    /// Mostly something that can be done.
    package static func random(_ store: Store, _ numbers: inout some RandomNumberGenerator) -> StoreOperation
    {
        let agent = Self.agents[Int.random(in: 0..<3, using: &numbers)]
        var operation = StoreOperation(
            verb: .ask, agent: agent, now: Double(Int.random(in: 0...1_000_000, using: &numbers)))
        operation.approve = Bool.random(using: &numbers)
        let length =
            Int.random(in: 0..<20, using: &numbers) == 0 ? 3000 : Int.random(in: 1...60, using: &numbers)
        operation.text = String(repeating: "e\u{301}\n\"", count: length / 4) + "x\(length)"
        if Bool.random(using: &numbers) { operation.key = "k\(Int.random(in: 0..<6, using: &numbers))" }
        let own = store.looseEnds(agent: agent)
        func pick(_ ids: [Int], _ numbers: inout some RandomNumberGenerator) -> Int {
            let isWild = Int.random(in: 0..<8, using: &numbers) == 0
            return (isWild ? nil : ids.randomElement(using: &numbers))
                ?? Int.random(in: -1...40, using: &numbers)
        }
        switch Int.random(in: 0..<40, using: &numbers) {
        case 0..<10: operation.verb = .ask
        case 10..<17: operation.verb = .approval
        case 17..<23:
            operation.verb = .withdraw
            operation.id = pick(own.questions.map(\.id) + own.approvals.map(\.id), &numbers)
        case 23..<26:
            operation.verb = .status
            operation.text = Bool.random(using: &numbers) ? "" : "at \(length)"
        case 26..<32:
            operation.verb = .answer
            operation.id = pick(store.openQuestions.map(\.id), &numbers)
        case 32..<36:
            operation.verb = .decide
            operation.id = pick(store.openApprovals.map(\.id), &numbers)
        case 36..<39: operation.verb = .audit
        default: operation.verb = .forget
        }
        return operation
    }
}

extension Store.Limits {
    /// So little that all of them are met often.
    package static var small: Store.Limits {
        var limits = Store.Limits()
        limits.compactedFrom = 6 << 10
        limits.compactedAt = 2
        limits.audit = 12
        limits.closed = 8
        limits.archive = 64 << 10
        limits.open = 6
        limits.decided = 5
        return limits
    }
}

/// Every run draws the same numbers (splitmix64).
package struct Numbers: RandomNumberGenerator {
    private var state: UInt64

    package init(_ seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
