import Foundation
import HiveNet
import Testing

@testable import HiveCore

/// What is known of names as time goes by, and from one command to the next.
@Suite struct NamesInTimeTests {
    @Test func whatWasKnownIsUsedUntilItExpires() throws {
        let lab = try Lab()
        let isDead = Flag(false)
        let server = try NameServer(lab) { name, type in
            if isDead.value { return .code(2) }
            return .records(type == 1 ? [.a(name, "11.1.1.1", 900)] : [])
        }
        defer { server.end() }
        let first = try Asking.resolve(lab, ["a.example"], at: 1000)
        #expect(Set(server.takeQuestions()) == ["a.example 1", "a.example 28"])
        // More than a third is left: nobody is asked.
        let second = try Asking.resolve(lab, ["a.example"], known: first, at: 1599)
        #expect(second == first && server.takeQuestions().isEmpty)
        isDead.value = true
        let third = try Asking.resolve(lab, ["a.example"], known: second, at: 1601)
        #expect(!server.takeQuestions().isEmpty)
        #expect(third.usable(at: 1601) == first.usable(at: 1601) && !third.usable(at: 1601).isEmpty)
        #expect(
            third.cautions(at: 1601) == [
                "a.example cannot be looked up: no name server gave an answer. What it stood for before is used until it expires."
            ])
        #expect(!third.usable(at: 1899).isEmpty && third.usable(at: 1900).isEmpty)
        let fourth = try Asking.resolve(lab, ["a.example"], known: third, at: 1900)
        #expect(fourth.usable(at: 1900).isEmpty)
        #expect(
            fourth.cautions(at: 1900) == [
                "a.example cannot be looked up, and reaches nothing: no name server gave an answer."
            ])
        isDead.value = false
        let fifth = try Asking.resolve(lab, ["a.example"], known: fourth, at: 1901)
        #expect(fifth.usable(at: 1901)["a.example"]?.expires == 2801)
        // A policy that does not mention it any more: forgotten.
        #expect(
            try Asking.resolve(lab, ["b.example"], known: fifth, at: 1901).entries.keys.sorted() == [
                "b.example"
            ])
    }

    /// Nobody answers: 200 names take no longer than a few do, and no longer than is bearable.
    @Test func aDeadServerHoldsNobodyUp() throws {
        let lab = try Lab()
        let server = try NameServer(lab) { _, _ in .silence }
        defer { server.end() }
        let start = ContinuousClock.now
        let names = try Asking.resolve(lab, (0..<200).map { "n\($0).example" })
        #expect(ContinuousClock.now - start < .seconds(14))
        #expect(names.entries.count == 200 && names.usable(at: 1_000_000).isEmpty)
        #expect(names.entries.values.allSatisfy { $0.problem?.kind == .failed })
        #expect(!server.takeQuestions().isEmpty)
    }

    @Test func twoHundredNames() throws {
        let lab = try Lab()
        let server = try NameServer(lab) { name, type in
            .records(type == 1 ? [.a(name, "11.1.1.1")] : [])
        }
        defer { server.end() }
        let names = try Asking.resolve(lab, (0..<200).map { "n\($0).example" })
        #expect(names.usable(at: 1_000_000).count == 200, "\(names.cautions(at: 1_000_000).prefix(3))")
    }

    // MARK: The commands

    @Test func planAsksAndWritesNothingAndShowAsksNobody() throws {
        let lab = try Lab()
        let server = try NameServer(lab) { name, type in
            switch name {
            case "good.example": .records(type == 1 ? [.a(name, "11.1.1.1", 900)] : [])
            case "bad.example":
                .records(type == 1 ? [.a(name, "11.1.1.1"), .a(name, "169.254.169.254")] : [])
            default: .code(3)
            }
        }
        defer { server.end() }
        try lab.write(configuration: Asking.policy(["good.example:443/tcp", "bad.example", "none.example"]))
        let plan = try lab.hivectl("net", "plan")
        #expect(plan.status == 2, "\(plan)")
        #expect(
            plan.stderr.contains(
                "bad.example is refused, and reaches nothing: it resolves to 169.254.169.254"))
        #expect(
            plan.stderr.contains(
                "none.example cannot be looked up, and reaches nothing: there is no such name."))
        #expect(!plan.stderr.contains("good.example"))
        #expect(!server.takeQuestions().isEmpty)
        #expect(try lab.run(["ls", "\(Lab.state)/names.json"]).status != 0)
        let unknown = try lab.hivectl("net", "show")
        #expect(unknown.stdout.contains("good.example: not looked up yet"), "\(unknown)")
        #expect(server.takeQuestions().isEmpty)

        // What apply would have written.
        let hive = try Hive(
            Configuration(
                text: Array(Asking.policy(["good.example:443/tcp", "bad.example", "none.example"]).utf8),
                file: "hive.json"), added: [], leases: Leases())
        try lab.host {
            let state = StateDirectory(Lab.state)
            try state.make()
            try hive.resolve(Names()).save(state)
        }
        #expect(!server.takeQuestions().isEmpty)
        let shown = try lab.hivectl("net", "show")
        #expect(shown.status == 0, "\(shown)")
        #expect(shown.stdout.contains("good.example: 11.1.1.1; looked up 20"), "\(shown)")
        #expect(
            shown.stdout.contains("bad.example: refused, and reaches nothing: it resolves to 169.254.169.254")
        )
        #expect(shown.stdout.contains("none.example: failed, and reaches nothing: there is no such name"))
        #expect(
            shown.stdout.contains(
                "alpha: to good.example:443/tcp, bad.example, none.example; at most 1024 connections"))
        let json = try #require(try lab.hivectl("net", "show", "--json").json() as? [String: Any])
        let names = try #require(json["names"] as? [String: [String: Any]])
        #expect(names["good.example"]?["addresses"] as? [String] == ["11.1.1.1"])
        #expect(names["good.example"]?["state"] as? String == "usable")
        let (resolved, expires) = (
            names["good.example"]?["resolved"] as? Int, names["good.example"]?["expires"] as? Int
        )
        #expect(resolved.map { $0 + 900 } == expires)
        #expect(names["bad.example"]?["state"] as? String == "refused")
        let policies = try #require(json["policies"] as? [String: [String: Any]])
        #expect(
            policies["alpha"]?["allow"] as? [String] == [
                "good.example:443/tcp", "bad.example", "none.example",
            ])
        #expect(server.takeQuestions().isEmpty)

        // A damaged file is no disaster.
        try lab.write("{ \"version\": 1, \"na", to: "\(Lab.state)/names.json")
        let damaged = try lab.hivectl("net", "plan")
        #expect(damaged.status == 2 && damaged.stderr.contains("names.json"), "\(damaged)")
        #expect(!server.takeQuestions().isEmpty)
    }

    /// The second of two applies asks nobody and changes nothing, and what could not be had keeps nobody from applying.
    @Test func whatApplyHasLearntIsKept() throws {
        let lab = try Lab()
        let server = try NameServer(lab) { name, type in
            guard name == "good.example" else { return .code(3) }
            return .records(type == 1 ? [.a(name, "11.1.1.1", 900)] : [])
        }
        defer { server.end() }
        try lab.apply(Asking.policy(["good.example:443/tcp"]))
        #expect(Set(server.takeQuestions()) == ["good.example 1", "good.example 28"])
        let file = try lab.must("cat \(Lab.state)/names.json").stdout
        #expect(file.contains("\"good.example\": { \"addresses\": [\"11.1.1.1\"]"), "\(file)")
        #expect(try lab.apply().stdout.isEmpty)
        let plan = try lab.hivectl("net", "plan")
        #expect(plan.status == 0 && plan.stdout.isEmpty, "\(plan)")
        #expect(server.takeQuestions().isEmpty)
        #expect(try lab.must("cat \(Lab.state)/names.json").stdout == file)
        let shown = try lab.hivectl("net", "show")
        #expect(shown.stdout.contains(" policy "), "\(shown)")

        // Made and removed at run time: its name is asked for, said to be unknown, and forgotten.
        let added = try lab.hivectl("net", "add", "beta", "--allow", "none.example")
        #expect(added.status == 0, "\(added)")
        #expect(
            added.stderr.contains(
                "none.example cannot be looked up, and reaches nothing: there is no such name."))
        #expect(Set(server.takeQuestions()) == ["none.example 1", "none.example 28"])
        #expect(try lab.must("cat \(Lab.state)/names.json").stdout.contains("none.example"))
        #expect(try lab.hivectl("net", "rm", "beta").status == 0)
        #expect(server.takeQuestions().isEmpty)
        #expect(try lab.must("cat \(Lab.state)/names.json").stdout == file)
    }
}
