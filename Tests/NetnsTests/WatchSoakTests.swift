import Foundation
import Glibc
import Testing

/// Agents that come and go, again and again: nothing of them stays.
@Suite(.timeLimit(.minutes(120))) struct WatchSoakTests {
    private static let cycles = ProcessInfo.processInfo.environment["HIVE_SOAK"].flatMap { Int($0) } ?? 120

    private struct Held: CustomStringConvertible {
        let descriptors, links, namespaces, leases: Int
        let elements: String
        /// KiB.
        let memory: Int

        init(_ watch: Watched) throws {
            let (lab, pid) = (watch.lab, watch.process.pid)
            descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
            links = try lab.ip("-o link").stdout.split(separator: "\n").count
            (namespaces, leases) = try lab.host {
                let files =
                    FileManager.default.enumerator(atPath: Lab.state)?.compactMap { $0 as? String } ?? []
                let sizes = files.map {
                    FileManager.default.contents(atPath: "\(Lab.state)/\($0)")?.split(separator: 10).count
                        ?? 0
                }
                return (
                    try FileManager.default.contentsOfDirectory(atPath: "/run/netns").count,
                    files.count + sizes.reduce(0, +)
                )
            }
            elements = try lab.must("nft -s list ruleset").stdout
            let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
            memory =
                status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
                .flatMap { Int($0.filter(\.isNumber)) } ?? 0
        }

        var description: String {
            "\(descriptors) descriptors, \(links) links, \(namespaces) namespaces, \(leases) lines of state, "
                + "\(memory) KiB of RssAnon"
        }
    }

    @Test func agentsComeAndGo() throws {
        let hive = try TwoAgents()
        let watch = try Watched(hive.lab)
        let line = try ControlLine(hive.lab)
        func cycle(_ number: Int) throws {
            let name = "s\(number % 8)"
            for request in [
                ["cmd": "add", "name": name, "settings": "{ egress: \"internet\" }"],
                ["cmd": "rm", "name": name],
            ] {
                let answer = try line.ask(request)
                guard answer["ok"] as? Bool == true else {
                    throw LabError("cycle \(number), \(request): \(answer)")
                }
            }
            if number % 16 == 0 { try watch.read() }
        }
        // All names have been there once.
        for number in 0..<16 { try cycle(number) }
        let before = try Held(watch)
        for number in 0..<(Self.cycles / 2) { try cycle(number) }
        let half = try Held(watch)
        for number in (Self.cycles / 2)..<Self.cycles { try cycle(number) }
        try watch.converge()
        let after = try Held(watch)
        print("\(Self.cycles) cycles: before: \(before); at half: \(half); after: \(after)")
        // (Connections of this test's own that were ended may not have been seen yet.)
        #expect(abs(after.descriptors - before.descriptors) <= 2)
        #expect(after.links == before.links)
        #expect(after.namespaces == before.namespaces)
        #expect(after.leases == before.leases)
        #expect(after.elements == before.elements)
        #expect(after.memory - half.memory < 2048)
    }
}
