import Glibc
import HiveWire
import StoreCrasher
import Testing

@testable import HiveDaemon

/// The sentence that something throws; nil: it throws none.
func sentence(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return "\(error)"
    }
}

/// What a store does for agents and operators.
@Suite(.timeLimit(.minutes(10))) struct StoreTests {
    @Test func questionsAreAskedAnsweredAndDoneWith() throws {
        let scratch = try StoreScratch()
        let store = try Store(scratch.store)
        let asked = try store.ask(agent: "alpha", text: "May I?", options: ["yes", "no"], key: "k", now: 10)
        #expect(
            asked
                == Question(
                    id: 1, agent: "alpha", text: "May I?", options: ["yes", "no"], key: "k", asked: 10))
        // Said again: the same, and nothing is written.
        try store.commit()
        #expect(try store.ask(agent: "alpha", text: "May I?", key: "k", now: 11) == asked)
        #expect(!store.hasStaged)
        #expect(try store.ask(agent: "beta", text: "May I?", key: "k", now: 11).id == 2)
        #expect(try store.requestApproval(agent: "alpha", text: "rm -r /", key: "k", now: 12).id == 3)
        #expect(store.openCounts(agent: "alpha") == (1, 1))
        let answered = try store.answer(id: 1, text: "yes", who: "uid 0 (root)", now: 13)
        #expect(answered.state == .answered && answered.answer == "yes" && answered.closed == 13)
        let decided = try store.decide(id: 3, approve: false, who: "web (alice)", now: 14)
        #expect(decided.state == .denied && decided.closed == 14)
        try store.setStatus(agent: "alpha", text: "at work", now: 15)
        try store.commit()
        for store in [store] {
            let ends = store.looseEnds(agent: "alpha")
            #expect(ends.questions == [answered] && ends.approvals == [decided])
        }
        #expect(store.auditTail(5).map(\.what) == ["answer 1 (alpha)", "deny 3 (alpha)"])
        #expect(store.auditTail(1).map(\.number) == [2])
        // Who says the same again finds what was said to it; for something else the key is free again.
        #expect(try store.ask(agent: "alpha", text: "May I?", key: "k", now: 16) == answered)
        #expect(try store.requestApproval(agent: "alpha", text: "rm -r /", key: "k", now: 16) == decided)
        #expect(try store.ask(agent: "alpha", text: "And now?", key: "k", now: 16).id == 4)
        try store.withdraw(agent: "alpha", id: 1, now: 17)
        try store.withdraw(agent: "alpha", id: 4, now: 18)
        // And so it is when the agent has done with it.
        #expect(try store.ask(agent: "alpha", text: "May I?", key: "k", now: 18).id == 5)
        try store.withdraw(agent: "alpha", id: 5, now: 18)
        #expect(store.looseEnds(agent: "alpha").questions.isEmpty)
        #expect(store.closedQuestions.map(\.id) == [1, 4, 5])
        #expect(store.closedQuestions.map(\.state) == [.answered, .withdrawn, .withdrawn])
        #expect(store.openQuestions.map(\.id) == [2])
        #expect(store.status(agent: "alpha")?.text == "at work")
        try store.setStatus(agent: "alpha", text: " \n", now: 19)
        #expect(store.status(agent: "alpha") == nil)
    }

    @Test func forgottenAgentsLeaveNothingToAnotherOfTheirName() throws {
        let scratch = try StoreScratch()
        let store = try Store(scratch.store, calls: .quick)
        for agent in ["alpha", "beta"] {
            _ = try store.ask(agent: agent, text: "open", now: 1)
            let decided = try store.requestApproval(agent: agent, text: "decided", now: 1)
            _ = try store.decide(id: decided.id, approve: true, who: "root", now: 2)
            try store.setStatus(agent: agent, text: "here", now: 3)
        }
        try store.forget(agent: "alpha", now: 4)
        try store.commit()
        #expect(
            store.looseEnds(agent: "alpha").questions.isEmpty
                && store.looseEnds(agent: "alpha").approvals.isEmpty)
        #expect(store.status(agent: "alpha") == nil)
        #expect(store.closedQuestions.map(\.id) == [1] && store.closedQuestions.first?.state == .withdrawn)
        #expect(store.closedApprovals.map(\.state) == [.approved, .approved])
        // The control.
        #expect(store.looseEnds(agent: "beta").questions.count == 1 && store.status(agent: "beta") != nil)
    }

    @Test func refusalsAreSentences() throws {
        let scratch = try StoreScratch()
        let store = try Store(scratch.store, calls: .quick)
        let mine = try store.ask(agent: "alpha", text: "mine", now: 1).id
        let wish = try store.requestApproval(agent: "alpha", text: "wish", now: 1).id
        let own = { id in sentence { try store.withdraw(agent: "beta", id: id, now: 2) } }
        // One of another agent's is as one that does not exist.
        #expect(own(mine) == "there is no question and no request for approval 1 of this agent's")
        #expect(own(77) == "there is no question and no request for approval 77 of this agent's")
        func ask(_ text: String, _ options: [String] = [], _ key: String? = nil) -> String? {
            sentence { _ = try store.ask(agent: "alpha", text: text, options: options, key: key, now: 2) }
        }
        #expect(ask("") == "the text is empty, or only blanks")
        #expect(ask(" \t\u{200b}\n") == "the text is empty, or only blanks")
        #expect(ask("a\0b") == "the text has a NUL character in it")
        #expect(
            ask(String(repeating: "é", count: 8193))
                == "the text has 16386 octets, and may have 16384 at most")
        #expect(ask(String(repeating: "é", count: 8192)) == nil)
        #expect(
            ask("x", [String](repeating: "y", count: 17)) == "there are 17 options, and may be 16 at most")
        #expect(ask("x", ["y", ""]) == "option 2 is empty, or only blanks")
        #expect(
            ask("x", [String(repeating: "y", count: 201)])
                == "option 1 has 201 octets, and may have 200 at most")
        #expect(ask("x", [], "") == "the key is empty, or only blanks")
        #expect(
            ask("x", [], String(repeating: "y", count: 65))
                == "the key has 65 octets, and may have 64 at most")
        #expect(
            sentence { try store.setStatus(agent: "alpha", text: String(repeating: "y", count: 501), now: 2) }
                == "the status has 501 octets, and may have 500 at most")
        func answer(_ id: Int, _ text: String = "yes") -> String? {
            sentence { _ = try store.answer(id: id, text: text, who: "root", now: 3) }
        }
        func decide(_ id: Int) -> String? {
            sentence { _ = try store.decide(id: id, approve: true, who: "root", now: 3) }
        }
        #expect(answer(mine, " ") == "the answer is empty, or only blanks")
        #expect(answer(wish) == "2 is a request for approval, not a question: approve or deny it")
        #expect(decide(mine) == "1 is a question, not a request for approval: answer it")
        #expect(answer(99) == "there is no question 99")
        #expect(answer(-1) == "there is no question -1")
        #expect(answer(mine) == nil)
        #expect(answer(mine) == "question 1 is answered already")
        #expect(decide(wish) == nil)
        #expect(decide(wish) == "request for approval 2 is approved already")
        try store.withdraw(agent: "alpha", id: mine, now: 4)
        #expect(answer(mine) == "question 1 is answered already")
        try store.withdraw(agent: "alpha", id: 3, now: 4)
        #expect(answer(3) == "question 3 is withdrawn already")
        #expect(
            sentence { try store.withdraw(agent: "alpha", id: 3, now: 4) }
                == "there is no question and no request for approval 3 of this agent's")
    }

    @Test func numbersOfThingsAreBounded() throws {
        let scratch = try StoreScratch()
        let store = try Store(scratch.store, calls: .quick)
        for number in 1...64 { _ = try store.ask(agent: "alpha", text: "\(number)", now: 1) }
        #expect(
            sentence { _ = try store.ask(agent: "alpha", text: "65", now: 1) }
                == "64 questions of this agent are open, and there cannot be more: withdraw some, or wait for answers"
        )
        // Others are not concerned.
        #expect(try store.ask(agent: "beta", text: "1", now: 1).id == 65)
        for number in 1...64 { _ = try store.requestApproval(agent: "alpha", text: "\(number)", now: 1) }
        #expect(sentence { _ = try store.requestApproval(agent: "alpha", text: "65", now: 1) } != nil)
        let long = String(repeating: "x", count: AgentRequest.longestText)
        for _ in 0..<16 { _ = try store.ask(agent: "gamma", text: long, now: 1) }
        #expect(
            sentence { _ = try store.requestApproval(agent: "gamma", text: "x", now: 1) }
                == "what is open of this agent's has 262144 octets of text, and may have 262144 with this: withdraw some, or wait for answers"
        )
        // The oldest of what is decided leaves.
        for number in 0..<300 {
            let id = try store.ask(agent: "delta", text: "\(number)", now: 1).id
            _ = try store.answer(id: id, text: "yes", who: "root", now: 2)
        }
        let ends = store.looseEnds(agent: "delta").questions
        #expect(ends.map(\.text) == (44..<300).map { "\($0)" })
        #expect(store.closedQuestions.map(\.text) == (100..<300).map { "\($0)" })
        try store.commit()
    }

    @Test(arguments: 1...6) func randomOperationsAgainstAModel(seed: UInt64) throws {
        let scratch = try StoreScratch()
        var (model, numbers) = (StoreModel(), Numbers(seed))
        var (highest, compactions) = (0, 0)
        for round in 0..<30 {
            let store = try Store(scratch.store, limits: .small, calls: .quick)
            #expect(store.takeWarnings() == [])
            try #require(StoreView(store) == model.view, "seed \(seed), round \(round)")
            for _ in 0..<Int.random(in: 0...40, using: &numbers) {
                for _ in 0..<Int.random(in: 1...4, using: &numbers) {
                    let operation = StoreOperation.random(store, &numbers)
                    let before = StoreView(store)
                    let outcome = operation.perform(on: store)
                    if outcome.error != nil { #expect(StoreView(store) == before) }
                    let problem = model.apply(StoreOperation.Line(operation: operation, outcome: outcome))
                    try #require(problem == nil)
                }
                let size = try scratch.read("journal").count
                try store.commit()
                if try scratch.read("journal").count < size { compactions += 1 }
                #expect(StoreView(store).openQuestions == model.view.openQuestions)
            }
            highest = max(highest, store.state.lastID)
            #expect(try model.auditProblem(scratch, store) == nil)
        }
        #expect(compactions > 5 && highest > 100)
    }

    /// Whatever went, numbers are not used twice: also when a snapshot has nothing of it any more.
    @Test func numbersAreNotUsedTwiceAfterCompaction() throws {
        let scratch = try StoreScratch()
        var limits = Store.Limits.small
        limits.closed = 0
        limits.compactedFrom = 0
        limits.compactedAt = 0
        do {
            let store = try Store(scratch.store, limits: limits, calls: .quick)
            for id in 1...3 {
                #expect(try store.ask(agent: "alpha", text: "x", now: 1).id == id)
                try store.withdraw(agent: "alpha", id: id, now: 1)
                try store.commit()
            }
        }
        let store = try Store(scratch.store, limits: limits, calls: .quick)
        #expect(FrameScan(try scratch.read("journal")).frames.count == 1)
        #expect(try store.ask(agent: "alpha", text: "x", now: 1).id == 4)
        #expect(
            sentence { _ = try store.answer(id: 2, text: "x", who: "root", now: 1) }
                == "there is no open question 2: it was closed some time ago")
    }
}
