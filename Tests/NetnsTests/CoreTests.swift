import Foundation
import Glibc
import Testing

/// What agents and operators say to each other through hived.
@Suite(.timeLimit(.minutes(10)))
struct CoreTests {
    private func ok(_ answer: [String: Any]) -> Bool { answer["ok"] as? Bool == true }
    private func error(_ answer: [String: Any]) -> String { answer["error"] as? String ?? "" }

    @Test func aQuestionAndItsAnswer() throws {
        let core = try CoreLab()
        let line = try core.agent("alpha")
        let asked = try line.ask([
            "cmd": "ask", "text": "May I?", "options": ["yes", "no"], "wait": true, "version": 1,
        ])
        let id = try #require(asked["id"] as? Int)
        let open = try core.operate(["cmd": "questions"])["questions"] as? [[String: Any]] ?? []
        #expect(
            open.count == 1 && open[0]["agent"] as? String == "alpha"
                && open[0]["text"] as? String == "May I?")
        // On the connection that is held.
        let answered = try core.hivectl("question", "answer", "\(id)", "Yes, you may.")
        #expect(answered.status == 0, "\(answered)")
        let notice = try #require(try line.line(seconds: 10))
        let told = try JSONSerialization.jsonObject(with: Data(notice)) as? [String: Any]
        #expect(told?["event"] as? String == "answer" && told?["text"] as? String == "Yes, you may.")
        // And for who did not wait, until it has done with it.
        var ends = try core.ask("alpha", ["cmd": "loose_ends"])["questions"] as? [[String: Any]] ?? []
        #expect(ends.map { $0["answer"] as? String } == ["Yes, you may."])
        #expect(ok(try core.ask("alpha", ["cmd": "withdraw", "id": id])))
        ends = try core.ask("alpha", ["cmd": "loose_ends"])["questions"] as? [[String: Any]] ?? []
        #expect(ends.isEmpty)
        // Twice is once.
        let again = try core.operate(["cmd": "answer", "id": id, "text": "No."])
        #expect(!ok(again) && !error(again).isEmpty, "\(again)")
    }

    @Test func approvals() throws {
        let core = try CoreLab()
        let line = try core.agent("alpha")
        var ids: [Int] = []
        for text in ["Buy a boat", "Sink it"] {
            ids.append(
                try #require(
                    try line.ask(["cmd": "request_approval", "text": text, "wait": true])["id"] as? Int))
        }
        let listed = try core.hivectl("approval", "list", "--json")
        let texts = (try listed.json() as? [[String: Any]] ?? []).compactMap { $0["text"] as? String }
        #expect(texts == ["Buy a boat", "Sink it"])
        #expect(try core.hivectl("approval", "approve", "\(ids[0])").status == 0)
        #expect(try core.hivectl("approval", "deny", "\(ids[1])").status == 0)
        for (id, event) in zip(ids, ["approved", "denied"]) {
            let notice = try #require(try line.line(seconds: 10))
            let told = try JSONSerialization.jsonObject(with: Data(notice)) as? [String: Any]
            #expect(told?["event"] as? String == event && told?["id"] as? Int == id)
        }
        let again = try core.hivectl("approval", "approve", "\(ids[1])")
        #expect(again.status == 70 && again.stderr.contains("denied"), "\(again)")
    }

    /// An agent has nothing of another's, whatever it says.
    @Test func othersThingsAreNotThere() throws {
        let core = try CoreLab()
        let id = try #require(try core.ask("alpha", ["cmd": "ask", "text": "alpha's SECRET"])["id"] as? Int)
        let (stolen, unknown) = (
            try core.ask("beta", ["cmd": "withdraw", "id": id]),
            try core.ask("beta", ["cmd": "withdraw", "id": id + 7])
        )
        #expect(
            !ok(stolen)
                && error(stolen).replacing("\(id)", with: "N")
                    == error(unknown).replacing("\(id + 7)", with: "N")
        )
        let ends = try core.ask("beta", ["cmd": "loose_ends", "name": "alpha", "agent": "alpha"])
        #expect((ends["questions"] as? [Any])?.isEmpty == true)
        #expect(try core.ask("alpha", ["cmd": "loose_ends"])["questions"] as? [Any] != nil, "control")
        // No verb of an operator's, in whatever words.
        for verb in [
            "answer", "approve", "deny", "start", "stop", "restart", "destroy", "set_paused", "list",
            "agent_status",
            "AnswerQuestion", "Approve", "Lifecycle", "ReadAgentStateFile",
        ] {
            for key in ["cmd", "request"] {
                let answer = try core.ask("beta", [key: verb, "id": id, "text": "x", "name": "alpha"])
                #expect(!ok(answer), "\(verb): \(answer)")
            }
        }
        let open = try core.operate(["cmd": "questions"])["questions"] as? [[String: Any]] ?? []
        #expect(open.map { $0["id"] as? Int } == [id])
        // The control: the same words where they are meant to be said.
        #expect(ok(try core.operate(["cmd": "answer", "id": id, "text": "x"])))
    }

    /// What existing clients of the operator's protocol send and look for.
    @Test func theOperatorsProtocol() throws {
        let core = try CoreLab(
            configuration: "{ agents: { alpha: { web: { port: 80 } }, beta: {} } }")
        #expect(ok(try core.ask("alpha", ["cmd": "set_status", "text": "thinking"])))
        #expect(try core.operate(["cmd": "list"])["agents"] as? [String] == ["alpha", "beta"])
        let rows =
            try core.operate(["cmd": "agent_status", "colour": "red"])["agent_statuses"] as? [[String: Any]]
            ?? []
        #expect(rows.map { $0["name"] as? String } == ["alpha", "beta"])
        for key in ["running", "failed", "needs_update", "needs_login", "paused"] {
            #expect(rows.allSatisfy { $0[key] as? Bool == false }, "\(key)")
        }
        #expect(rows.allSatisfy { $0["pending_reminders"] as? Int == 0 })
        #expect(rows[0]["status_text"] as? String == "thinking" && rows[0]["status_set_at"] is Double)
        #expect(rows[0]["url"] as? String == "/agent/alpha/" && rows[1]["url"] == nil)
        let urls = try core.operate(["cmd": "urls"])["urls"] as? [[String: String]]
        #expect(urls == [["name": "alpha", "url": "/agent/alpha/"]])
        #expect((try core.operate(["cmd": "pending"])["approvals"] as? [Any])?.isEmpty == true)
        // Nobody is everybody.
        for scope in [[:], ["agent_names": []], ["agent_names": NSNull()]] as [[String: Any]] {
            for verb in ["start", "stop"] {
                let answer = try core.operate(["cmd": verb, "scope": scope])
                #expect(error(answer).contains("an empty one is nobody"), "\(answer)")
            }
        }
        let unknown = try core.operate(["cmd": "start", "scope": ["agent_names": ["alpha", "betta"]]])
        #expect(error(unknown) == "there is no agent \"betta\"; did you mean \"beta\"?")
        // Whoever follows is told.
        let stream = try ControlLine(core.lab, path: CoreLab.host)
        let first = try stream.ask(["cmd": "subscribe_agent_status"])
        #expect((first["agent_statuses"] as? [Any])?.count == 2)
        #expect(ok(try core.ask("beta", ["cmd": "set_status", "text": "waiting"])))
        let next = try #require(try stream.line(seconds: 10))
        let told = try JSONSerialization.jsonObject(with: Data(next)) as? [String: Any]
        #expect(((told?["agent_statuses"] as? [[String: Any]])?[1]["status_text"]) as? String == "waiting")
        // A connection has one request.
        let line = try ControlLine(core.lab, path: CoreLab.host)
        #expect(ok(try line.ask(["cmd": "list"])))
        #expect(throws: LabError.self) { try line.ask(["cmd": "list"]) }
    }

    /// Agents come and go with the configuration, and with them their sockets; what they have asked stays.
    @Test func socketsComeAndGo() throws {
        let core = try CoreLab()
        let held = try core.agent("beta")
        #expect(ok(try held.ask(["cmd": "ask", "text": "still there?", "wait": true])))
        try core.lab.write(configuration: "{ agents: { alpha: {}, gamma: {} } }")
        wait(seconds: 20) { (try? core.agent("gamma")) == nil }
        #expect(ok(try core.ask("gamma", ["cmd": "set_status", "text": "new"])))
        #expect(throws: LabError.self) { try core.agent("beta") }
        #expect(throws: LabError.self) { while try held.line(seconds: 10) != nil {} }
        // A configuration that is wrong changes nothing.
        try core.lab.write(configuration: "{ agents: { alpha: {}, gamma: { wep: 1 } } }")
        wait(seconds: 20) { !core.daemon.words.contains("wep") }
        #expect(core.daemon.words.contains("what was before is kept"))
        #expect(ok(try core.ask("gamma", ["cmd": "set_status", "text": "kept"])))
        try core.lab.write(configuration: CoreLab.configuration)
        wait(seconds: 20) { (try? core.agent("beta")) == nil }
        let ends = try core.ask("beta", ["cmd": "loose_ends"])["questions"] as? [[String: Any]] ?? []
        #expect(ends.map { $0["text"] as? String } == ["still there?"])
        // Agents made at run time, too.
        #expect(try core.hivectl("net", "add", "delta", "--no-apply").status == 0)
        wait(seconds: 20) { (try? core.agent("delta")) == nil }
        #expect(ok(try core.ask("delta", ["cmd": "loose_ends"])))
    }

    /// Killed at any point, it has all that it has said that it has; and ended, it leaves no socket.
    @Test func killedAndStartedAgain() throws {
        let core = try CoreLab()
        let id = try #require(
            try core.ask("alpha", ["cmd": "ask", "text": "who?", "key": "k"])["id"] as? Int)
        #expect(ok(try core.ask("alpha", ["cmd": "set_status", "text": "busy"])))
        try core.kill()
        // The same question is the same question.
        #expect(try core.ask("alpha", ["cmd": "ask", "text": "who?", "key": "k"])["id"] as? Int == id)
        #expect(ok(try core.operate(["cmd": "answer", "id": id, "text": "you"])))
        try core.kill()
        let ends = try core.ask("alpha", ["cmd": "loose_ends"])["questions"] as? [[String: Any]] ?? []
        #expect(ends.map { $0["answer"] as? String } == ["you"] && ends.map { $0["id"] as? Int } == [id])
        // Who had waited, and says it again, hears at once what it has missed.
        let again = try core.agent("alpha")
        #expect(try again.ask(["cmd": "ask", "text": "who?", "key": "k", "wait": true])["id"] as? Int == id)
        let missed = try #require(try again.line(seconds: 10))
        #expect(String(decoding: missed, as: UTF8.self).contains("\"text\":\"you\""))
        let rows = try core.operate(["cmd": "agent_status"])["agent_statuses"] as? [[String: Any]] ?? []
        #expect(rows[0]["status_text"] as? String == "busy")
        // A second one does not take the first one's place.
        let second = try CoreLab.start(core.lab).wait(seconds: 20)
        #expect(second.status == 69 && second.stderr.contains("another hived"), "\(second)")
        #expect(ok(try core.ask("alpha", ["cmd": "loose_ends"])))
        #expect(try core.stop().status == 0)
        #expect(try core.lab.must("find \(CoreLab.run) -type s").stdout.isEmpty)
    }

    /// Whoever stops in the middle of a line is waited for asleep, and does not keep anybody else waiting.
    @Test func aHalfLineCostsNothing() throws {
        let core = try CoreLab()
        let half = try core.agent("alpha")
        try half.send(Array("{\"cmd\":".utf8))
        #expect(ok(try core.ask("alpha", ["cmd": "loose_ends"])))
        let before = try core.processorTime()
        sleep(1)
        let idle = try core.processorTime() - before
        #expect(idle < 0.2, "\(idle) s of one second")
        // The control: what it does is seen there.
        let busy = try core.agent("beta")
        for _ in 0..<90 { #expect(ok(try busy.ask(["cmd": "set_status", "text": "busy"]))) }
        #expect(try core.processorTime() - before > idle)
        // The rest of it may come.
        try half.send(Array("\"set_status\",\"text\":\"whole\"}\n".utf8))
        let answer = try #require(try half.line(seconds: 10))
        #expect(String(decoding: answer, as: UTF8.self).contains("\"ok\":true"))
    }

    /// A journal that is damaged where it was acknowledged is not passed over: it is said, and what to do.
    @Test func aDamagedJournalIsSalvagedOnDemand() throws {
        let core = try CoreLab()
        for number in 0..<5 {
            #expect(ok(try core.ask("alpha", ["cmd": "ask", "text": "number \(number)"])))
        }
        #expect(try core.stop().status == 0)
        // One octet of the third.
        let path = "\(Lab.state)/core/journal"
        let mended = try core.lab.run(["sed", "-i", "s/number 2/number X/", path])
        #expect(mended.status == 0)
        for _ in 1...2 {
            let refused = try CoreLab.start(core.lab).wait(seconds: 20)
            #expect(refused.status == 65 && refused.stderr.contains("hived --salvage"), "\(refused)")
        }
        let salvaged = try core.lab.run([
            CoreLab.program("hived"), "--config", Lab.configuration, "--state", Lab.state, "--salvage",
        ])
        #expect(salvaged.status == 0 && salvaged.stdout.contains("journal.damaged-1"), "\(salvaged)")
        try core.kill()
        let open = try core.operate(["cmd": "questions"])["questions"] as? [[String: Any]] ?? []
        #expect(open.compactMap { $0["text"] as? String } == [0, 1, 3, 4].map { "number \($0)" })
        // While it runs nobody salvages.
        let busy = try core.lab.run([
            CoreLab.program("hived"), "--config", Lab.configuration, "--state", Lab.state, "--salvage",
        ])
        #expect(busy.status != 0 && busy.stderr.contains("in use"), "\(busy)")
    }

    /// An agent that was made at run time goes with its network and its socket, whether a watcher runs or not.
    @Test(arguments: [true, false]) func destroyed(isWatched: Bool) throws {
        let core = try CoreLab()
        let lab = core.lab
        try lab.apply()
        let watcher = isWatched ? try LabKeeper(lab) : nil
        #expect(try core.hivectl("net", "add", "delta").status == 0)
        wait(seconds: 20) { (try? core.agent("delta")) == nil }
        #expect(ok(try core.ask("delta", ["cmd": "ask", "text": "why?"])))
        #expect(try lab.connected() == ["alpha", "beta", "delta"])
        for (name, words) in [
            ("alpha", "cannot be changed here"), ("nobody", "there is no agent"),
            ("../core", "there is no agent"),
            ("", "there is no agent"),
        ] {
            let answer = try core.operate(["cmd": "destroy", "name": name])
            #expect(!ok(answer) && error(answer).contains(words), "\(name): \(answer)")
        }
        #expect(!ok(try core.operate(["cmd": "destroy"])))
        #expect(try lab.connected() == ["alpha", "beta", "delta"])

        let destroyed = try core.operate(["cmd": "destroy", "name": "delta"])
        #expect(ok(destroyed), "\(destroyed)")
        #expect("\(destroyed["notes"] ?? "")".contains("The files of delta are kept"), "\(destroyed)")
        #expect(try lab.connected() == ["alpha", "beta"])
        #expect(try lab.host { access("/run/netns/hive-delta", F_OK) } != 0)
        #expect(try lab.host { access("\(Lab.state)/agents.d/delta.json", F_OK) } != 0)
        wait(seconds: 20) { (try? core.agent("delta")) != nil }
        #expect(throws: LabError.self) { try core.agent("delta") }
        #expect(try core.operate(["cmd": "list"])["agents"] as? [String] == ["alpha", "beta"])
        #expect(!ok(try core.operate(["cmd": "destroy", "name": "delta"])))
        if let watcher { #expect(try watcher.end().status == 0) }
    }
}
