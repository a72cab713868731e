import Foundation
import Glibc
import Testing

/// Whatever is said on hived's sockets, and by whom: each has its own requests, and what comes of them is what they say.
@Suite(.timeLimit(.minutes(5)))
struct CoreFuzzTests {
    /// What is asked for before, and what a model of it says it comes to.
    private struct Hive {
        let core: CoreLab
        /// Ids, by agent.
        var questions: [String: [Int]] = [:]
        var approvals: [String: [Int]] = [:]

        init(each: Int) throws {
            core = try CoreLab()
            for agent in ["alpha", "beta"] {
                let line = try core.agent(agent)
                for _ in 0..<each {
                    for cmd in ["ask", "request_approval"] {
                        let id = try #require(
                            try line.ask(["cmd": cmd, "text": "\(agent)'s \(cmd)"])["id"] as? Int)
                        if cmd == "ask" {
                            questions[agent, default: []].append(id)
                        } else {
                            approvals[agent, default: []].append(id)
                        }
                    }
                }
            }
        }

        var ids: [Int] { (Array(questions.values) + Array(approvals.values)).flatMap(\.self).sorted() }

        /// Those that are open still.
        func open() throws -> Set<Int> {
            let all = try [("questions", "questions"), ("pending", "approvals")].flatMap { cmd, key in
                try core.operate(["cmd": cmd])[key] as? [[String: Any]] ?? []
            }
            return Set(all.compactMap { $0["id"] as? Int })
        }

        /// All three vocabularies, with these ids.
        func requests() -> [[String: Any]] {
            var all: [[String: Any]] = [
                ["request": "Agents"], ["request": "Questions"], ["request": "Approvals"],
                ["request": "NetworkState"],
                ["request": "Journal", "name": "alpha", "lines": 10],
                ["request": "AgentConfig", "name": "beta"],
                ["request": "Refused", "text": "GET /"],
                ["request": "Lifecycle", "name": "alpha", "verb": "start"],
                ["cmd": "list"], ["cmd": "agent_status"], ["cmd": "urls"], ["cmd": "questions"],
                ["cmd": "pending"],
                ["cmd": "start", "scope": ["agent_names": ["alpha"]]], ["cmd": "restart", "name": "alpha"],
                ["cmd": "journal", "name": "beta"], ["cmd": "loose_ends"],
                ["cmd": "set_status", "text": "x"],
                ["cmd": "ask", "text": "again?", "key": "k"],
                ["cmd": "request_approval", "text": "again", "key": "k"],
            ]
            for id in ids {
                all += [
                    ["request": "AnswerQuestion", "id": id, "text": "by fuzz"],
                    ["request": "Approve", "id": id],
                    ["request": "Deny", "id": id], ["cmd": "answer", "id": id, "text": "by fuzz"],
                    ["cmd": "approve", "id": id], ["cmd": "deny", "id": id], ["cmd": "withdraw", "id": id],
                ]
            }
            for path in [
                "plain", "sub/deep", "link", "linked/harness", "fifo", "null", "socket", "../harness",
                "../../beta/harness",
                "../../../core/journal", "/etc/shadow", "sub/../../harness", "./plain", "", ".", "sub",
                "/proc/self/environ",
                "proc/root/etc/shadow", "plain/", "plain\u{0}", "sub//deep",
            ] {
                for agent in ["alpha", "beta", "../alpha", "", "gamma"] {
                    all.append(["request": "ReadAgentStateFile", "agent": agent, "rel_path": path])
                }
            }
            return all
        }
    }

    /// What must not be read, and what may: by words that are nowhere else.
    private static let (secret, plain) = ("CANARY-7f3a", "MARKER-91bc")

    private func plant(_ core: CoreLab) throws {
        let state = "\(Lab.state)/agents/alpha/state"
        try core.lab.run([
            "bash", "-ec",
            """
            mkdir -p \(state)/sub \(Lab.state)/agents/beta
            echo \(Self.plain) | tee \(state)/plain >\(state)/sub/deep
            echo \(Self.secret) | tee \(Lab.state)/agents/alpha/harness \(Lab.state)/agents/beta/harness >\(Lab.state)/core/canary
            ln -s ../harness \(state)/link; ln -s .. \(state)/linked; ln -s /proc/self \(state)/proc
            mkfifo \(state)/fifo; mknod \(state)/null c 1 3
            python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("\(state)/socket")'
            """,
        ])
        // The control: there they are.
        for path in ["\(state)/link", "\(state)/linked/harness", "\(Lab.state)/agents/beta/harness"] {
            #expect(try core.lab.must("cat \(path)").stdout.contains(Self.secret))
        }
    }

    /// All that came back, files as they are.
    private func contents(_ exchanges: [Babbler.Exchange]) -> String {
        exchanges.map { exchange in
            let files = exchange.answers.compactMap { ($0["file"] as? [String: Any])?["content"] as? String }
            return exchange.heard
                + files.map { String(decoding: Data(base64Encoded: $0) ?? Data(), as: UTF8.self) }.joined()
        }.joined()
    }

    @Test(
        .enabled(if: CoreLab.usersObstacle == nil, "\(CoreLab.usersObstacle ?? "")"), arguments: [1, 2])
    func theWebProcessHasItsRequestsAlone(seed: Int) throws {
        let hive = try Hive(each: 10)
        let core = hive.core
        try plant(core)
        // (Some is made when it is first needed.)
        #expect(
            try core.say(["{\"request\":\"NetworkState\"}"], at: CoreLab.core, as: CoreLab.web).count == 1)
        let before = (descriptors: try core.descriptors(), memory: try core.memory())
        let shadow =
            try String(contentsOfFile: "/etc/shadow", encoding: .utf8).split(separator: "\n").first ?? ""

        // (A stream does not end by itself, and so it is not among what is said a thousand times.)
        let after = "{\"request\":\"Events\",\"after\":18446744073709551615}"
        #expect(
            try core.say([after], at: CoreLab.core, as: CoreLab.web, seconds: 1).first?.contains(
                "\"ok\":true") == true)
        let exchanges = try Babbler.say(
            core.lab, at: CoreLab.core, as: CoreLab.web, seed: seed, requests: hive.requests(), count: 1500,
            again: true)
        let granted = exchanges.filter(\.isGranted)
        // (Whatever is done to a request, many of them are what they were.)
        #expect(granted.count > 100 && exchanges.count > granted.count + 500)
        let narrow: Set = [
            "Agents", "Questions", "Approvals", "AnswerQuestion", "Approve", "Deny", "Lifecycle",
            "ReadAgentStateFile", "Journal",
            "AgentConfig", "NetworkState", "Refused", "Events",
        ]
        let verbs = Set(granted.map { $0.request?.request ?? "?" })
        #expect(verbs.isSubset(of: narrow), "\(verbs)")
        // Every answer is a line of ours.
        for exchange in exchanges {
            #expect(exchange.answers.count == exchange.heard.split(separator: "\n").count)
            #expect(exchange.answers.allSatisfy { $0["version"] as? Int == 1 && $0["ok"] is Bool })
        }
        // What was decided was open, is not any more, and was decided once: also where eight say it at once.
        var decided: [Int: String] = [:]
        for exchange in granted {
            guard let request = exchange.request, let verb = request.request,
                ["AnswerQuestion", "Approve", "Deny"].contains(verb), let id = request.id
            else { continue }
            #expect(decided[id] == nil, "twice: \(id)")
            decided[id] = verb
        }
        #expect(decided.count > 10)
        #expect(try hive.open() == Set(hive.ids).subtracting(decided.keys))
        for (id, verb) in decided {
            let isQuestion = hive.questions.values.contains { $0.contains(id) }
            #expect(isQuestion == (verb == "AnswerQuestion"))
        }
        // And each is on record, once.
        let record = try core.lab.must("cat \(Lab.state)/core/journal").stdout
        for (id, verb) in decided {
            let what = ["AnswerQuestion": "answer", "Approve": "approve", "Deny": "deny"][verb] ?? ""
            let done = record.components(separatedBy: "\n").count {
                $0.contains("\"what\":\"\(what) \(id) (") && $0.contains("\"result\":\"done\"")
            }
            #expect(done == 1, "\(what) \(id): \(done)")
        }
        // Files: what an agent shows, and nothing else.
        let all = contents(exchanges)
        #expect(all.contains(Self.plain), "the control")
        #expect(!all.contains(Self.secret) && !all.contains(String(shadow)) && !all.contains("HIVE_CONFIG"))
        let files = granted.compactMap(\.request).filter { $0.request == "ReadAgentStateFile" }
        let read = Set(files.compactMap(\.relPath))
        #expect(
            read.isSubset(of: ["plain", "sub/deep", "./plain", "sub//deep", "plain/"])
                && read.contains("plain"), "\(read)")

        #expect(core.daemon.isRunning)
        // (Before, who had just hung up may have been among them.)
        wait(seconds: 20) { (try? core.descriptors()).map { $0 > before.descriptors } ?? true }
        let held = try core.lab.must("ls -l /proc/\(core.daemon.pid)/fd").stdout
        #expect(try core.descriptors() <= before.descriptors, "\(held)")
        #expect(try core.memory() - before.memory < 48 << 20)
        #expect(try core.operate(["cmd": "list"])["agents"] as? [String] == ["alpha", "beta"])
    }

    /// An agent, with all the words of others.
    @Test func anAgentSpeaksForItselfAlone() throws {
        let hive = try Hive(each: 3)
        let core = hive.core
        let exchanges = try Babbler.say(
            core.lab, at: CoreLab.socket("alpha"), as: nil, seed: 3, requests: hive.requests(), count: 300)
        let granted = exchanges.filter(\.isGranted)
        let own: Set = ["ask", "loose_ends", "set_status", "request_approval", "withdraw"]
        let verbs = Set(granted.map { $0.request?.cmd ?? "?" })
        #expect(verbs.isSubset(of: own) && verbs.contains("withdraw"), "\(verbs)")
        // What is beta's is as it was; what is alpha's was withdrawn, where it was, and nothing else was done to it.
        let withdrawn = Set(
            granted.filter { $0.request?.cmd == "withdraw" }.compactMap {
                $0.request?.id
            })
        let betas = Set((hive.questions["beta"] ?? []) + (hive.approvals["beta"] ?? []))
        #expect(withdrawn.isDisjoint(with: betas) && !withdrawn.isEmpty)
        #expect(try hive.open().isSuperset(of: Set(hive.ids).subtracting(withdrawn)))
        #expect(try hive.open().isDisjoint(with: withdrawn))
        #expect(!contents(exchanges).contains("beta's"))
        let record = try core.lab.must("cat \(Lab.state)/core/journal").stdout
        #expect(!record.contains("\"audit\":{"), "an agent does nothing that is an operator's")
        let rows = try core.operate(["cmd": "agent_status"])["agent_statuses"] as? [[String: Any]] ?? []
        #expect(rows.count == 2 && rows[1]["status_text"] == nil)
    }

    /// On the operator's socket too, what cannot be understood is told, in a line.
    @Test func whatOperatorsSayIsAnswered() throws {
        let hive = try Hive(each: 3)
        let core = hive.core
        let exchanges = try Babbler.say(
            core.lab, at: CoreLab.host, as: nil, seed: 4, requests: hive.requests(), count: 500)
        for exchange in exchanges where !exchange.said.allSatisfy({ $0 == UInt8(ascii: "\n") }) {
            let isWhole = exchange.said.last == UInt8(ascii: "\n")
            let said = String(decoding: exchange.said.prefix(200), as: UTF8.self)
            // (Of a request that never ends only what is too long is told.)
            #expect(
                exchange.answers.count == 1 || !isWhole && exchange.heard.isEmpty,
                "\(said): \(exchange.heard)")
            for answer in exchange.answers {
                #expect(answer["version"] as? Int == 1 && answer["ok"] is Bool)
                #expect(
                    answer["ok"] as? Bool == true || (answer["error"] as? String ?? "").count > 5, "\(answer)"
                )
            }
        }
        let verbs = Set(exchanges.filter(\.isGranted).map { $0.request?.cmd ?? "?" })
        #expect(
            verbs.contains("approve") && !verbs.contains("ask") && !verbs.contains("loose_ends"), "\(verbs)")
        #expect(core.daemon.isRunning)
    }
}
