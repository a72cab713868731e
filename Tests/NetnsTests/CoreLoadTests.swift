import Foundation
import Glibc
import Testing

/// Threat 39: what an agent can do to the core, and to the others, by what it does on its own socket.
@Suite(.timeLimit(.minutes(5)))
struct CoreLoadTests {
    /// How long somebody else's request may take meanwhile. Without anybody in the way it is a millisecond; what would be wrong is
    /// waiting for whoever is in the way, and the machine may be busy.
    private static let bound = Duration.seconds(2)

    /// Another agent's request, which is on disk when it is answered, and the operator's.
    private func othersAreServed(_ core: CoreLab, at place: SourceLocation = #_sourceLocation) throws {
        let start = ContinuousClock.now
        let answer = try core.ask("beta", ["cmd": "set_status", "text": "here"])
        let names = try core.operate(["cmd": "list"])["agents"] as? [String]
        let time = ContinuousClock.now - start
        #expect(answer["ok"] as? Bool == true && names == ["alpha", "beta"], sourceLocation: place)
        #expect(time < Self.bound, sourceLocation: place)
    }

    /// Ten thousand connections: sixteen are heard, and each of the others is told why it is not.
    @Test func tenThousandConnections() throws {
        let core = try CoreLab()
        let path = CoreLab.socket("alpha")
        try othersAreServed(core)
        let before = (descriptors: try core.descriptors(), memory: try core.memory())
        let heard = Crowd(core.lab)
        for member in try heard.join(Array(repeating: path, count: 16)) {
            member.send("{\"cmd\":\"loose_ends\"}\n")
        }
        #expect(heard.listen { heard.members.allSatisfy { $0.lines.count == 1 } })
        let wave = 500
        var refused = 0
        for _ in 0..<(10_000 / wave) {
            let surplus = Crowd(core.lab)
            try surplus.join(Array(repeating: path, count: wave))
            try othersAreServed(core)
            #expect(surplus.listen { surplus.members.allSatisfy(\.isOver) })
            refused += surplus.members.count {
                $0.lines.count == 1 && $0.lines[0].contains("16 connections already")
            }
        }
        #expect(refused == 10_000)
        // Those that were heard still are, and nothing is left of the others.
        for member in heard.members { member.send("{\"cmd\":\"loose_ends\"}\n") }
        #expect(heard.listen { heard.members.allSatisfy { $0.lines.count == 2 } })
        #expect(heard.members.allSatisfy { $0.lines.allSatisfy { $0.contains("\"ok\":true") } })
        heard.leave()
        // (Before, who had just hung up may have been among them.)
        wait(seconds: 20) { (try? core.descriptors()).map { $0 > before.descriptors } ?? true }
        #expect(try core.descriptors() <= before.descriptors)
        #expect(try core.memory() - before.memory < 16 << 20)
        #expect(try core.ask("alpha", ["cmd": "loose_ends"])["ok"] as? Bool == true)
    }

    /// Many requests whose answers are long and never read, half lines, an octet now and then, and lines without end: all of it costs
    /// whoever does it, and for a while.
    @Test func whoDoesNotReadOrSend() throws {
        let core = try CoreLab()
        for number in 0..<15 {
            let asked = try core.ask(
                "alpha", ["cmd": "ask", "text": "\(number) " + String(repeating: "x", count: 16_000)])
            #expect(asked["ok"] as? Bool == true)
        }
        try othersAreServed(core)
        let memory = try core.memory()

        let crowd = Crowd(core.lab)
        try crowd.join(Array(repeating: CoreLab.socket("alpha"), count: 16))
        let (deaf, slow) = (crowd.members[..<8], crowd.members[8..<15])
        // A quarter of a megabyte is answered to each.
        let requests = Array(String(repeating: "{\"cmd\":\"loose_ends\"}\n", count: 2000).utf8)
        for member in deaf { #expect(member.send(requests) > 1000) }
        for member in slow { member.send("{\"cmd\":\"set_status\",\"text\":\"") }
        let endless = crowd.members[15]
        let much = [UInt8](repeating: UInt8(ascii: "["), count: 1 << 20)
        let start = ContinuousClock.now
        var most = 0
        var dripped = 0
        while slow.contains(where: { !Self.isEnded($0) }) || deaf.contains(where: { !Self.isEnded($0) }) {
            guard ContinuousClock.now - start < .seconds(60) else { break }
            // (A resource of whoever sends; after the limit nothing is read.)
            endless.send(much)
            for member in slow { member.send("y") }
            dripped += 1
            try othersAreServed(core)
            most = max(most, try core.memory())
            usleep(400_000)
        }
        #expect(slow.allSatisfy(Self.isEnded) && deaf.allSatisfy(Self.isEnded), "they are cut off")
        // An octet now and then is no request: it is cut off like silence (Client.patience), and not at once.
        #expect(dripped > 10)
        #expect(most - memory < 32 << 20, "\(most) after \(memory) octets")
        #expect(crowd.listen { endless.isOver })
        #expect(
            endless.lines.count == 1 && endless.lines[0].contains("at most 65536 octets"), "\(endless.lines)")
        // Then it has its connections again.
        crowd.leave()
        wait(seconds: 20) { (try? core.ask("alpha", ["cmd": "loose_ends"]))?["ok"] as? Bool != true }
        let ends = try core.ask("alpha", ["cmd": "loose_ends"])["questions"] as? [Any]
        #expect(ends?.count == 15)
    }

    /// The other side has closed it: without reading what is there before that.
    private static func isEnded(_ member: Crowd.Member) -> Bool {
        var polled = pollfd(fd: member.descriptor, events: 0, revents: 0)
        return poll(&polled, 1, 0) > 0 && polled.revents & Int16(POLLHUP) != 0
    }

    /// More requests than are granted wait their turn, and nobody else does.
    @Test func aFloodWaits() throws {
        let core = try CoreLab()
        let crowd = Crowd(core.lab)
        try crowd.join(Array(repeating: CoreLab.socket("alpha"), count: 4))
        let start = ContinuousClock.now
        // A hundred at once, and then fifty a second: five seconds for these.
        let text = String(repeating: "{\"cmd\":\"set_status\",\"text\":\"flood\"}\n", count: 90)
        for member in crowd.members { member.send(text) }
        var others = 0
        while !crowd.listen(seconds: 0.2, until: { crowd.members.allSatisfy { $0.lines.count == 90 } }) {
            guard ContinuousClock.now - start < .seconds(60) else { break }
            try othersAreServed(core)
            others += 1
        }
        let time = ContinuousClock.now - start
        #expect(
            crowd.members.allSatisfy {
                $0.lines.count == 90 && $0.lines.allSatisfy { $0.contains("\"ok\":true") }
            })
        #expect(time > .seconds(5) && others > 5, "\(time)")
        // By the socket and not by the connection; and the control: the other agent had no more than it was granted.
        #expect(others < 100)
    }

    /// Who is who at the doors: as the kernel and the owner of each say.
    @Test(.enabled(if: CoreLab.usersObstacle == nil, "\(CoreLab.usersObstacle ?? "")"))
    func whoMayCome() throws {
        let core = try CoreLab()
        let list = "{\"cmd\":\"list\"}"
        func says(_ line: String, _ path: String, _ user: uid_t, _ groups: [gid_t] = []) throws -> String {
            try core.say([line], at: path, as: user, groups: groups).joined()
        }
        let (alice, mallory) = (CoreLab.operatorUser, CoreLab.stranger)
        #expect(try says(list, CoreLab.host, alice, [CoreLab.admin]).contains("\"alpha\""))
        #expect(try says(list, CoreLab.host, mallory) == "PermissionError")
        #expect(try says(list, CoreLab.host, CoreLab.web) == "PermissionError")
        for (user, groups) in [(alice, [CoreLab.admin]), (mallory, []), (CoreLab.web, [])] {
            #expect(try says(list, CoreLab.socket("alpha"), user, groups) == "PermissionError")
        }
        let agents = "{\"request\":\"Agents\"}"
        #expect(try says(agents, CoreLab.core, CoreLab.web).contains("\"ok\":true"))
        #expect(try says(agents, CoreLab.core, alice, [CoreLab.admin]) == "PermissionError")
        #expect(try says(agents, CoreLab.core, mallory) == "PermissionError")
        // Whom no file's mode stops is told.
        let root = try ControlLine(core.lab, path: CoreLab.core)
        #expect(
            try String(decoding: root.line(seconds: 10) ?? [], as: UTF8.self).contains(
                "for the web process only"))
        // Who did what is on record by the user's name.
        let id = try #require(try core.ask("alpha", ["cmd": "request_approval", "text": "x"])["id"] as? Int)
        #expect(
            try says("{\"cmd\":\"approve\",\"id\":\(id)}", CoreLab.host, alice, [CoreLab.admin]).contains(
                "\"ok\":true"))
        let record = try core.lab.must("cat \(Lab.state)/core/journal").stdout
        #expect(record.contains("alice") && !record.contains("mallory"))
        // One user does not take all places: root, and others, still find one.
        let crowd = try core.lab.background([
            "/usr/bin/python3", "-c",
            """
            import os, socket, sys, time
            os.setgroups([\(CoreLab.admin)]); os.setgid(\(alice)); os.setuid(\(alice))
            held = []
            for _ in range(200):
                s = socket.socket(socket.AF_UNIX); s.connect("\(CoreLab.host)"); held.append(s)
            # (At once: who says nothing for half a minute loses its place.)
            held[-1].settimeout(60)
            print(held[-1].recv(4096).decode(), "held", file=sys.stderr, flush=True)
            time.sleep(600)
            """,
        ])
        defer { crowd.end() }
        wait(seconds: 120) { !crowd.words.contains("held") }
        #expect(try core.operate(["cmd": "list"])["ok"] as? Bool == true)
        #expect(crowd.words.contains("16 connections already"), "\(crowd.words)")
    }
}

extension CoreLab {
    /// How many hived has open.
    func descriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(daemon.pid)/fd").count
    }

    /// Of hived's memory, what is in use: in octets.
    func memory() throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(daemon.pid)/status", encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
        guard let size = line.split(separator: " ").compactMap({ Int($0) }).first else {
            throw LabError("the memory of hived: \(text)")
        }
        return size << 10
    }
}
