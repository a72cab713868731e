import CNetlink
import Foundation
import Glibc
import HiveNet
import Testing

/// What `hivectl net verify` leaves behind: nothing, wherever it is killed; and it gets in nobody's way meanwhile.
@Suite struct VerifyTraceTests {
    /// Killed before any of its steps, and when it is done: the kernel is as before.
    @Test func killedLeavesNoTrace() throws {
        // Several hosts at once, each with every so many-th step: most of the time goes into waiting for the kernel.
        let width = 4
        let kills = try concurrently(width: width) { first in
            first < width ? try Self.kills(before: first + 1, every: width) : nil
        }
        for fault in kills.flatMap(\.faults) { Issue.record("\(fault)") }
        // Namespaces, settings, links, addresses and routes of the control, and then of the world outside.
        #expect(kills.map(\.count).reduce(0, +) > 24)
    }

    private static func kills(before first: Int, every width: Int) throws -> (count: Int, faults: [String]) {
        let hive = try TwoAgents(configuration: VerifyTests.configuration)
        try hive.lab.sysctl("ipv4/ip_forward", "1")
        try hive.lab.sysctl("ipv6/conf/all/forwarding", "1")
        let before = try hive.lab.snapshot()
        let command = Lab.commandLine(["net", "verify", "--seed", "7"])
        var faults: [String] = []
        var count = 0
        while true {
            let step = first + count * width
            let end = try hive.lab.host { try Killer.run(command, killBefore: step) }
            // The kernel takes down a namespace that nobody holds any more in its own time (cleanup_net).
            try waitUntilGone(hive.lab)
            let difference = before.difference(to: try hive.lab.snapshot())
            if !difference.isEmpty { faults.append("killed before step \(step), \(end):\n\(difference)") }
            guard case .killed = end else {
                if end != .exited(VerifyTests.good) { faults.append("ended by itself: \(end)") }
                return (count, faults)
            }
            count += 1
        }
    }

    private static func waitUntilGone(_ lab: Lab) throws {
        try wait { try lab.links()["hive-verify"] != nil }
    }

    /// Where an agent can pass for another one, verify does, and the bridge believes it: static entries move too.
    @Test func whatItHadTheBridgeLearnIsPutBack() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration)
        try hive.disable(.port, .bridgeTable)
        func entries() throws -> [Substring] {
            try hive.lab.must("bridge fdb show br hive0").stdout.split(separator: "\n")
                .filter { $0.contains("6a:76:0a:4d") }.sorted()
        }
        let before = try entries()
        #expect(before.count == 2)
        #expect(try hive.lab.verify().reached.contains(.agents))
        #expect(try entries() == before)
        // The control: the same frame by hand moves the entry. (What beta's kernel says by itself may move it back at once.)
        let frame = hive.udp4(
            hive.alpha, to: TwoAgents.gateway4, port: 9, sourceMAC: hive.beta.mac, TwoAgents.mark("stolen"))
        var hasMoved = false
        for _ in 0..<40 where !hasMoved {
            try hive.send(frame, as: hive.alpha)
            try hive.settle(hive.alpha)
            hasMoved = try entries() != before
        }
        #expect(hasMoved, "control")
    }

    /// Connections through the boundary go on, and the connection table is about as full as before.
    @Test func agentsAreNotDisturbed() throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration, outside: true)
        let listener = try hive.lab.outside {
            try Socket.tcpListener(Endpoint(address: Lab.publicAddress4, port: 443))
        }
        let web = try hive.lab.agent("beta") {
            try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 8080))
        }
        let out = try hive.lab.agent("alpha") { try Conversation(Lab.publicAddress4, 443, listener) }
        let into = try hive.lab.host { try Conversation("10.77.0.3", 8080, web) }
        func entries() throws -> Int {
            Int(try hive.lab.sysctl("netfilter/nf_conntrack_count")) ?? 0
        }
        // The outside's own links have finished their duplicate address detection, which would show.
        try waitForAddresses(hive.lab)
        let snapshot = try hive.lab.snapshot()
        let neighbours = try hive.lab.neighbours(in: "hive-alpha").map(\.dst).sorted()
        let before = try entries()
        #expect(try hive.lab.verify().status == VerifyTests.good)
        #expect(out.goesOn() && into.goesOn())
        // What is allowed, four probes, and web pages, at most twelve connections.
        #expect(try entries() <= before + 16)
        #expect(try hive.lab.neighbours(in: "hive-alpha").map(\.dst).sorted() == neighbours)
        try Self.waitUntilGone(hive.lab)
        #expect(snapshot.difference(to: try hive.lab.snapshot()).isEmpty)
    }

    /// Duplicate address detection is over on the host and outside.
    private func waitForAddresses(_ lab: Lab) throws {
        for _ in 0..<600 {
            let found = try lab.must("ip -6 addr show tentative").stdout
            let outside = try lab.must("ip -n outside -6 addr show tentative").stdout
            if found.isEmpty, outside.isEmpty { return }
            usleep(5_000)
        }
    }

    /// A TCP connection that is under way.
    private struct Conversation {
        let client: Socket
        let server: Int32

        init(_ address: String, _ port: UInt16, _ listener: Socket) throws {
            let socket = try Socket(AF_INET, Int32(SOCK_STREAM.rawValue))
            let end = Endpoint(address: address, port: port)
            guard end.withSockaddr({ connect(socket.descriptor, $0, $1) }) == 0 else {
                throw LabError.last("connect to \(address)")
            }
            client = socket
            server = accept(listener.descriptor, nil, nil)
            guard server >= 0 else { throw LabError.last("accept") }
        }

        func goesOn() -> Bool {
            let words = Array("still there".utf8)
            guard send(server, words, words.count, 0) == words.count else { return false }
            return client.receives(words, milliseconds: 2000)
        }
    }
}
