import Foundation
import Glibc
import Testing

/// Everybody at once: two hundred agents that ask, fifty browsers that follow, an operator who answers, and a core that is killed
/// in between.
@Suite(
    .timeLimit(.minutes(20)), .enabled(if: WebLab.obstacle == nil, "\(WebLab.obstacle ?? "")"))
struct WebLoadTests {
    /// As a browser hears of it.
    private struct Event {
        var id: UInt64?
        var kind = ""
        var agent: String?
    }

    private func events(_ stream: Crowd.Member) throws -> [Event] {
        let text = String(decoding: stream.received, as: UTF8.self)
        // (After the head of the answer, and without what is still on its way.)
        return try text.components(separatedBy: "\n\n").dropFirst().dropLast().compactMap { part in
            var event = Event()
            for line in part.split(separator: "\n") {
                let field = line.split(separator: ":", maxSplits: 1).map(String.init)
                guard field.count == 2 else { continue }
                let value = field[1].trimmingCharacters(in: .whitespaces)
                switch field[0] {
                case "id": event.id = UInt64(value)
                case "event": event.kind = value
                case "data":
                    let data = try JSONSerialization.jsonObject(with: Data(value.utf8)) as? [String: Any]
                    event.agent = data?["agent"] as? String
                default: break
                }
            }
            return event.kind.isEmpty ? nil : event
        }
    }

    /// Which agents have asked, as a stream tells.
    private func asked(_ stream: Crowd.Member) throws -> [String] {
        try events(stream).filter { $0.kind == "question" }.compactMap(\.agent)
    }

    private func ids(_ member: Crowd.Member) -> [Int] { answers(member).compactMap { $0["id"] as? Int } }

    private func answers(_ member: Crowd.Member) -> [[String: Any]] {
        member.lines.compactMap { try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
    }

    @Test func twoHundredAgentsAndFiftyBrowsers() throws {
        let names = (0..<200).map { "crowd\($0)" }
        let lab = try WebLab(agents: names)
        defer { lab.end() }
        let crowd = Crowd(lab.lab)
        let streams = try (0..<50).map { _ in
            let member = crowd.take(try HTTP.connect(lab.lab, "127.0.0.1:8420"))
            // (HTTP/1.0: what comes is not in chunks.)
            member.send("GET /api/stream HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return member
        }
        #expect(crowd.listen { streams.allSatisfy { $0.lines.contains("event: core") } })

        // All ask at once, and wait.
        var waiting = Array(try crowd.join(names.map(CoreLab.socket)))
        func ask(_ number: Int, _ index: Int) {
            waiting[index].send(
                "{\"cmd\":\"ask\",\"text\":\"\(names[index]) \(number)\",\"key\":\"\(number)\",\"wait\":true}\n"
            )
        }
        for index in names.indices { ask(1, index) }
        #expect(crowd.listen { waiting.allSatisfy { $0.lines.count == 1 } })
        var first: [String: Int] = [:]
        for (name, member) in zip(names, waiting) { first[name] = ids(member).first }
        #expect(first.count == 200 && Set(first.values).count == 200)
        // Every browser hears of each of them, once and in order.
        _ = crowd.listen { (try? streams.allSatisfy { try asked($0).count >= 200 }) == true }
        for stream in streams {
            let heard = try asked(stream)
            #expect(heard.sorted() == names.sorted(), "\(heard.count) of \(Set(heard).count)")
            let ids = try events(stream).compactMap(\.id)
            #expect(ids == ids.sorted() && Set(ids).count == ids.count)
        }

        // And once more: the core is killed when it has answered half of them.
        for index in names.indices { ask(2, index) }
        #expect(crowd.listen { waiting.count { $0.lines.count == 2 } >= 100 })
        try lab.core.kill()
        #expect(crowd.listen { waiting.allSatisfy(\.isOver) })
        var acknowledged: [String: Int] = [:]
        for (name, member) in zip(names, waiting) { acknowledged[name] = ids(member).dropFirst().first }
        #expect(acknowledged.count >= 100)
        // Who does not know whether it was heard asks again, by the same key.
        waiting = Array(try crowd.join(names.map(CoreLab.socket)))
        for index in names.indices { ask(2, index) }
        #expect(crowd.listen { waiting.allSatisfy { $0.lines.count == 1 } })
        let open = try lab.core.operate(["cmd": "questions"])["questions"] as? [[String: Any]] ?? []
        let texts = open.compactMap { $0["text"] as? String }
        #expect(texts.sorted() == names.flatMap { ["\($0) 1", "\($0) 2"] }.sorted())
        for (number, told) in [(1, first), (2, acknowledged)] {
            for (name, id) in told {
                #expect(
                    open.contains { $0["id"] as? Int == id && $0["text"] as? String == "\(name) \(number)" })
            }
        }
        // The browsers, whose connections are nginx's, are told to look again, and then hear what comes.
        #expect(
            crowd.listen {
                (try? streams.allSatisfy { try events($0).contains { $0.kind == "reset" } }) == true
            })
        #expect(try lab.core.ask("alpha", ["cmd": "ask", "text": "and I?"])["ok"] as? Bool == true)
        #expect(crowd.listen { (try? streams.allSatisfy { try asked($0).contains("alpha") }) == true })
        #expect(try streams.allSatisfy { try asked($0).count { $0 == "alpha" } == 1 })
        #expect(streams.allSatisfy { !$0.isOver })

        // The operator answers all, and each agent hears its own.
        for question in open {
            let answer = try lab.core.operate([
                "cmd": "answer", "id": question["id"] ?? 0, "text": "to \(question["text"] ?? "")",
            ])
            #expect(answer["ok"] as? Bool == true, "\(answer)")
        }
        _ = crowd.listen { waiting.allSatisfy { $0.lines.count >= 2 } }
        for (name, member) in zip(names, waiting) {
            #expect(
                answers(member).compactMap { $0["text"] as? String } == ["to \(name) 2"], "\(member.lines)")
        }
        crowd.leave()
        for name in names {
            let ends = try lab.core.ask(name, ["cmd": "loose_ends"])["questions"] as? [[String: Any]] ?? []
            #expect(
                ends.compactMap { $0["answer"] as? String }.sorted() == ["to \(name) 1", "to \(name) 2"])
        }
    }

    /// Agents that together say as much as they may, in what takes the most room on a page: it is shown, cut, and what others ask whole.
    @Test func textsThatWouldFillThePage() throws {
        let names = (0..<4).map { "crowd\($0)" }
        let lab = try WebLab(agents: names)
        defer { lab.end() }
        let crowd = Crowd(lab.lab)
        let members = Array(try crowd.join(names.map(CoreLab.socket)))
        let text = String(repeating: "\\u0001", count: 8_000) + "x"
        for number in 1...30 {
            for member in members { member.send("{\"cmd\":\"ask\",\"text\":\"\(text)\"}\n") }
            #expect(crowd.listen { members.allSatisfy { $0.lines.count == number } })
        }
        #expect(members.allSatisfy { $0.lines.allSatisfy { $0.contains("\"ok\":true") } })
        let (_, id) = try lab.ask("alpha", "Is this seen?")
        let (_, approval) = try lab.request(
            "beta", ["cmd": "request_approval", "text": "Say \(String(repeating: "no ", count: 100))"])
        func page(_ path: String, _ words: String...) throws {
            let address = "\(WebLab.address)\(path)"
            let got = try lab.lab.run([
                "curl", "-sS", "-m", "60", "-o", "/run/lab/page", "-w", "%{http_code}", address,
            ])
            #expect(got.stdout == "200", "\(path): \(got)")
            for word in words {
                #expect(
                    try lab.lab.run(["grep", "-qF", "--", word, "/run/lab/page"]).status == 0,
                    "\(path): \(word)")
            }
        }
        for _ in 1...2 {
            try page("/", "Is this seen?", "/approve/\(approval)", "hivectl question list", "</html>")
            try page("/agents/crowd3", "</html>")
            try page("/agents/alpha", "Is this seen?")
            try page("/api/state", "Is this seen?")
        }
        // (The unit's MemoryMax is 192 MiB.)
        let memory = try Self.memory(of: lab.process.pid)
        #expect(memory < 160 << 20, "\(memory >> 20) MiB")
        #expect(try lab.isOpen(id))
    }

    private static func memory(of process: pid_t) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
        guard let size = line.split(separator: " ").compactMap({ Int($0) }).first else {
            throw LabError("the memory of \(process): \(status)")
        }
        return size << 10
    }
}
