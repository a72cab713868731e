import HiveNet
import HiveWire

@testable import HiveCore

/// What people write, what we wrote ourselves, and what others on the host or in the network say.
extension Target {
    static let configuration = Target(name: "configuration") { text in
        try refusing {
            let configuration = try Configuration(text: text, file: "hive.json")
            let hive = try Hive(configuration, added: [], leases: Leases(), roster: ["alpha", "omega"])
            let spec = try hive.spec { _ in 0 }
            guard spec.agents.contains(where: { $0.name == "alpha" }) else { throw Wrong("alpha is missing") }
        }
    }

    /// A file of agents.d.
    static let agent = Target(name: "agent") { text in
        try refusing {
            let settings = try Declaration(name: "alpha", text: text, file: "alpha.json").settings
            let again = try Declaration(name: "alpha", text: Array(settings.text.utf8), file: "alpha.json")
            guard again.settings == settings else {
                throw Wrong("reads back as something else: \(settings.text)")
            }
        }
    }

    static let leases = Target(name: "leases") { text in
        try refusing {
            let leases = try Leases(text: text, file: "leases.json")
            guard try Leases(text: Array(leases.text.utf8), file: "leases.json") == leases else {
                throw Wrong("reads back as something else: \(leases.text)")
            }
            let hive = try Hive(
                Configuration(
                    text: Array("{ agents: { alpha: { address4: '10.77.0.9' }, beta: {} } }".utf8),
                    file: "hive.json"),
                added: [], leases: leases, roster: ["omega"])
            let addresses = Set(hive.agents.map(\.address4))
            guard addresses.count == 3 else { throw Wrong("two agents have one address") }
        }
    }

    static let names = Target(name: "names") { text in
        try refusing {
            let names = try Names(text: text, file: "names.json")
            guard try Names(text: Array(names.text.utf8), file: "names.json") == names else {
                throw Wrong("reads back as something else: \(names.text)")
            }
            // (The reasons that a file gives are made printable where they are printed.)
            _ = (names.cautions(at: 1000), names.usable(at: 1000))
        }
    }

    /// `roster.json`.
    static let rosterFile = Target(name: "roster-file") { text in
        try refusing {
            let roster = try Roster(text: text, file: "roster.json")
            guard try Roster(text: Array(roster.text.utf8), file: "roster.json") == roster else {
                throw Wrong("reads back as something else: \(roster.text)")
            }
        }
    }

    /// A core daemon's answer.
    static let roster = Target(name: "roster") { line in
        try refusing {
            let answer = try RosterAnswer(line, from: "/run/host.sock")
            guard answer.names.allSatisfy(AgentName.isValid), Set(answer.names).sorted() == answer.names,
                answer.cautions.count <= RosterAnswer.maximumCautions
            else { throw Wrong("names that are none, or not in order: \(answer)") }
            for caution in answer.cautions { try check(sentence: caution) }
            var follower = RosterFollower(grace: 30)
            let now = ContinuousClock.now
            follower.take(answer, at: now)
            guard follower.wanted(at: now).names == answer.names else { throw Wrong("others are wanted") }
        }
    }

    /// A name server's answer.
    static let dns = Target(name: "dns") { message in
        guard let answer = DNSAnswer(message, for: "a.example") else { return }
        guard answer.lifetime <= UInt32(Int32.max) || answer.addresses4.isEmpty && answer.addresses6.isEmpty
        else {
            throw Wrong("addresses for longer than any record says")
        }
    }

    private static func refusing(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as HiveError {
            try check(sentence: error.description)
        }
    }
}
