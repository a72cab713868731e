import Foundation
import Testing

/// hive-cni when a runtime calls it many times at once.
struct CNICrowdTests {
    private static let count = 8

    /// A runtime's lab, with a watcher or without, and the network that says so.
    private func begin(_ isWatched: Bool) throws -> (RuntimeLab, Watched?, [String: Any]) {
        let runtime = try RuntimeLab()
        let watched = try isWatched ? Watched(runtime.lab) : nil
        let socket: [String: Any] = isWatched ? ["socket": "/run/hive/net.sock"] : [:]
        return (runtime, watched, RuntimeLab.network(with: socket))
    }

    private func containers(_ runtime: RuntimeLab, _ prefix: String) throws -> [(name: String, path: String)]
    {
        try (0..<Self.count).map { ("c\($0)", try runtime.container("\(prefix)\($0)")) }
    }

    /// Eight, and away again.
    @Test(arguments: [false, true])
    func manyAtOnce(isWatched: Bool) throws {
        let (runtime, watched, network) = try begin(isWatched)
        defer { withExtendedLifetime(watched) {} }
        let containers = try containers(runtime, "c")
        for call in try runtime.atOnce("ADD", containers, network) { #expect(call.status == 0, "\(call)") }
        let agents = try runtime.agents()
        for container in containers {
            #expect(agents.contains { $0.hasPrefix("\(container.name)-") }, "\(agents)")
        }
        for call in try runtime.atOnce("DEL", containers, network) { #expect(call.status == 0, "\(call)") }
        #expect(try runtime.agents() == [])
    }

    /// One of eight adds the container, and the others are told that it is there.
    @Test(arguments: [false, true])
    func oneContainerManyTimes(isWatched: Bool) throws {
        let (runtime, watched, network) = try begin(isWatched)
        defer { withExtendedLifetime(watched) {} }
        let path = try runtime.container("one")
        let same = (0..<Self.count).map { _ in (name: "one", path: path) }
        let calls = try runtime.atOnce("ADD", same, network)
        #expect(calls.filter { $0.status == 0 && $0.addresses.count == 2 }.count == 1, "\(calls)")
        #expect(calls.filter { $0.status == 1 && $0.code == 104 }.count == Self.count - 1, "\(calls)")
        #expect(try runtime.agents().count == 1)
        for call in try runtime.atOnce("DEL", same, network) { #expect(call.status == 0, "\(call)") }
        #expect(try runtime.agents() == [])
        #expect(try runtime.lab.links(in: "one")["eth0"] == nil)
    }

    /// Beside a `hive.json` that has become wrong: all go, by DEL and by GC, and who stays stays.
    @Test func manyGoBesideAWrongConfiguration() throws {
        let (runtime, watched, network) = try begin(true)
        defer { withExtendedLifetime(watched) {} }
        let lab = runtime.lab
        let all = try containers(runtime, "c")
        for call in try runtime.atOnce("ADD", all, network) { #expect(call.status == 0, "\(call)") }
        try lab.write(configuration: "{ network: { bridge: 7 } }")
        for call in try runtime.atOnce("DEL", Array(all[..<4]), network) {
            #expect(call.status == 0, "\(call)")
        }
        for call in try runtime.atOnce("DEL", [all[4], all[5], all[4], all[5], all[4]], network) {
            #expect(call.status == 0, "\(call)")
        }
        let keep = network.merging([
            "cni.dev/valid-attachments": [["containerID": "c7", "ifname": "eth0"]]
        ]) { $1 }
        for call in try runtime.atOnce("GC", Array(all[..<4]), keep) { #expect(call.status == 0, "\(call)") }
        for index in 0..<Self.count {
            #expect((try lab.links(in: "c\(index)")["eth0"] != nil) == (index == 7), "\(index)")
        }
    }

    /// The host was restarted: nothing is left but files, and all containers come back at once, in namespaces of other names. Each has the
    /// address that it had.
    @Test(arguments: [false, true])
    func allComeBackAtOnce(isWatched: Bool) throws {
        var (runtime, watched, network) = try begin(isWatched)
        defer { withExtendedLifetime(watched) {} }
        let lab = runtime.lab
        func addresses(_ calls: [RuntimeLab.Call]) -> [[String]] { calls.map(\.addresses) }
        let first = try runtime.atOnce("ADD", try containers(runtime, "c"), network)
        #expect(first.allSatisfy { $0.status == 0 && $0.addresses.count == 2 }, "\(first)")

        watched?.process.end()
        for index in 0..<Self.count { try lab.ip("netns del c\(index)") }
        try lab.ip("link del hive0")
        for family in ["inet", "bridge"] { try lab.nft("delete table \(family) hive") }
        if isWatched { watched = try Watched(lab) }

        let again = try containers(runtime, "again")
        let second = try runtime.atOnce("ADD", again, network)
        #expect(second.allSatisfy { $0.status == 0 }, "\(second)")
        #expect(addresses(first) == addresses(second))
        #expect(try runtime.agents().count == Self.count)
        for (container, call) in zip(again, second) {
            let check = try runtime.cni(
                "CHECK", container.name, network.merging(["prevResult": call.json]) { $1 },
                namespace: container.path)
            #expect(check.status == 0, "\(check)")
        }
        let verified = try lab.hivectl("net", "verify")
        #expect(verified.status == 0, "\(verified)")
    }
}
