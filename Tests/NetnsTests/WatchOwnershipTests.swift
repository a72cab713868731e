import CNetlink
import Foundation
import Glibc
import Testing

/// Whose the tables are while the network is watched, and after.
@Suite(.timeLimit(.minutes(10))) struct WatchOwnershipTests {
    private static func rules(_ lab: Lab) throws -> String { try lab.must("nft -s list ruleset").stdout }

    @Test func nobodyElseChangesTheTables() throws {
        let hive = try TwoAgents()
        let watch = try Watched(hive.lab)
        let before = try Self.rules(hive.lab)
        #expect(before.contains("table inet hive") && before.contains("table bridge hive"))
        let count = try watch.number
        for command in [
            "delete table inet hive", "delete table bridge hive", "flush chain inet hive input",
            "flush table bridge hive", "add rule inet hive input accept", "add chain inet hive other",
        ] {
            let result = try hive.lab.run(["nft", command])
            #expect(result.status != 0, "\(command): \(result)")
        }
        // This one passes over what is another's, and takes the rest.
        try hive.lab.nft("add table inet others")
        try hive.lab.nft("flush ruleset")
        #expect(try Self.rules(hive.lab) == before)
        try watch.converge()
        #expect(watch.events.filter { $0.number > count && $0.kind == "repaired" }.isEmpty, "\(watch.events)")
    }

    /// The control: without ownership the flush takes them, and they are put back.
    @Test func sharedTablesAreFlushedAndRepaired() throws {
        let hive = try TwoAgents()
        let reference = try hive.lab.snapshot()
        let watch = try Watched(hive.lab, "--share-tables")
        let count = try watch.number
        let nft = try hive.lab.background(["nft", "flush", "ruleset"])
        let result = try nft.wait(seconds: 20)
        #expect(result.status == 0, "\(result)")
        let event = try watch.event(after: count, "flush") { $0.kind == "repaired" }
        #expect(event.words.contains { $0.contains("table") }, "\(event)")
        #expect(event.actors?.contains { $0.name == "nft" && $0.process == Int(nft.pid) } == true, "\(event)")
        try watch.converge()
        try hive.lab.expect(reference, "after the flush")
    }

    /// kill -9: the tables stay, connections go on, and the next watcher takes the tables over as they are.
    @Test func connectionsOutliveTheWatcher() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        var watch: Watched? = try Watched(lab)
        let server = try lab.agent("alpha") {
            try Socket.tcpListener(Endpoint(address: "10.77.0.2", port: TwoAgents.web))
        }
        let client = try lab.host { try Socket(AF_INET, Int32(SOCK_STREAM.rawValue)) }
        let code = hive.alpha.endpoint4(TwoAgents.web).withSockaddr { connect(client.descriptor, $0, $1) }
        try #require(code == 0)
        let accepted = accept(server.descriptor, nil, nil)
        try #require(accepted >= 0)
        defer { close(accepted) }
        func talks(_ word: String) -> Bool {
            let bytes = Array(word.utf8)
            var got = [UInt8](repeating: 0, count: 64)
            for (from, to) in [(client.descriptor, accepted), (accepted, client.descriptor)] {
                guard send(from, bytes, bytes.count, 0) == bytes.count else { return false }
                var poll = pollfd(fd: to, events: Int16(POLLIN), revents: 0)
                guard Glibc.poll(&poll, 1, 5000) > 0, recv(to, &got, 64, 0) == bytes.count else {
                    return false
                }
            }
            return true
        }
        #expect(talks("before"))
        // Something is counted.
        let forbidden = try hive.udpToHost()
        #expect(try !hive.arrives(forbidden))
        let counted = try lab.blocked("alpha")
        #expect(counted.values.reduce(0, +) > 0)
        watch = nil
        #expect(watch == nil)
        #expect(try Self.rules(lab).contains("table inet hive"))
        #expect(talks("while nobody watches"))
        #expect(try !hive.arrives(forbidden))
        // Orphaned: now they are anybody's.
        try lab.nft("add chain inet hive other")
        try lab.nft("delete chain inet hive other")
        let next = try Watched(lab)
        #expect(talks("afterwards"))
        #expect(try lab.run(["nft", "delete table inet hive"]).status != 0)
        let after = try lab.blocked("alpha")
        for (reason, count) in counted { #expect(after[reason] ?? 0 >= count, "\(reason)") }
        #expect(next.process.isRunning)
    }
}
