import Foundation
import Testing

/// Names of the DNS as a watcher lives on: what they stand for follows the name server, without a gap.
@Suite(.timeLimit(.minutes(10))) struct WatchNamesTests {
    private typealias Probe = EgressTests.Probe

    private static let policy = EgressTests.configuration(alpha: #"{ allow: ["api.example.org:443/tcp"] }"#)

    /// Applied without the name, and with it in the configuration.
    private static func hive() throws -> TwoAgents {
        let hive = try TwoAgents(configuration: EgressTests.configuration(alpha: "'none'"), outside: true)
        try hive.lab.write(configuration: policy)
        return hive
    }

    /// Which of the two addresses that the name stands for, one after the other, are reached.
    private func reached(_ hive: TwoAgents) throws -> [String] {
        let addresses = ["11.1.1.1", "11.1.1.2"]
        let arrived = try EgressTests.arrivals(
            hive, hive.alpha, addresses.map { try Probe($0, "443/tcp", true) })
        return zip(addresses, arrived).compactMap { $1 ? $0 : nil }
    }

    /// As an earlier watcher left it: of five minutes so many seconds are left.
    private func remember(_ hive: TwoAgents, secondsLeft: Int) throws {
        let now = Int(Date().timeIntervalSince1970)
        try hive.lab.write(
            """
            { "version": 1,
              "names": { "api.example.org": { "addresses": ["11.1.1.1"], "resolved": \(now + secondsLeft - 300),
                                              "expires": \(now + secondsLeft) } } }
            """, to: "\(Lab.state)/names.json")
    }

    @Test func aNameIsRenewedBeforeItExpires() throws {
        let hive = try Self.hive()
        let server = try NameServer(hive.lab) { name, type in
            .records(type == 1 ? [.a(name, "11.1.1.1", 300)] : [])
        }
        defer { server.end() }
        // A third is left in six seconds.
        try remember(hive, secondsLeft: 106)
        let watch = try Watched(hive.lab)
        #expect(server.takeQuestions().isEmpty)
        #expect(try reached(hive) == ["11.1.1.1"])
        let number = try watch.number
        try wait(seconds: 30) { try !hive.lab.nft("list table inet hive").stdout.contains("timeout 5m") }
        #expect(Set(server.takeQuestions()) == ["api.example.org 1", "api.example.org 28"])
        #expect(try hive.lab.nft("list table inet hive").stdout.contains("timeout 5m"))
        #expect(try reached(hive) == ["11.1.1.1"])
        // It is the same address still: nothing to tell of.
        #expect(try watch.read().filter { $0.number > number && $0.kind != "dropped" }.isEmpty)
        #expect(try hive.lab.must("cat \(Lab.state)/names.json").stdout.contains("11.1.1.1"))
    }

    @Test func aNameThatMovesTakesItsRulesAlong() throws {
        let hive = try Self.hive()
        let server = try NameServer(hive.lab) { name, type in
            .records(type == 1 ? [.a(name, "11.1.1.2", 300)] : [])
        }
        defer { server.end() }
        try remember(hive, secondsLeft: 106)
        let watch = try Watched(hive.lab)
        #expect(try reached(hive) == ["11.1.1.1"])
        try wait(seconds: 30) { try reached(hive) != ["11.1.1.2"] }
        #expect(try reached(hive) == ["11.1.1.2"], "\(watch.events)")
    }

    /// Nobody answers: what it stood for is good to its end, and then closed by the kernel. When somebody answers, it is open again.
    @Test func aNameThatCannotBeRenewedIsClosedInTime() throws {
        let hive = try Self.hive()
        let server = try NameServer(hive.lab) { _, _ in .code(2) }
        defer { server.end() }
        let start = ContinuousClock.now
        try remember(hive, secondsLeft: 12)
        let watch = try Watched(hive.lab)
        #expect(try reached(hive) == ["11.1.1.1"])
        try wait(seconds: 30) { try !reached(hive).isEmpty }
        #expect(try reached(hive).isEmpty)
        let time = ContinuousClock.now - start
        #expect(time > .seconds(8) && time < .seconds(20), "\(time)")
        #expect(!server.takeQuestions().isEmpty)
        // The watcher goes on, and does not call that drift.
        #expect(watch.process.isRunning)
        #expect(try !watch.read().contains { $0.kind == "repaired" })
    }
}
