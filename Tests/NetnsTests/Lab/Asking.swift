import HiveNet
import Synchronization

@testable import HiveCore

/// What tests of names share.
enum Asking {
    static func policy(_ names: [String], more: String = "") -> String {
        "{ \(more) agents: { alpha: { address4: '10.77.0.2', egress: { allow: [\(names.map { "'\($0)'" }.joined(separator: ", "))] } } } }"
    }

    /// What the host of a lab makes of names, at a time of the test's choosing.
    static func resolve(
        _ lab: Lab, _ names: [String], known: Names = Names(), at now: Int64 = 1_000_000, more: String = ""
    ) throws -> Names {
        let text = policy(names, more: more)
        let hive = try Hive(
            Configuration(text: Array(text.utf8), file: "hive.json"), added: [], leases: Leases())
        return try lab.host { hive.resolve(known, at: now, ask: Resolver.addresses(ofAll:)) }
    }

    static func addresses(_ entry: Names.Entry?) -> [String] {
        (entry?.resolved?.addresses4.map(\.description) ?? [])
            + (entry?.resolved?.addresses6.map(\.description) ?? [])
    }
}

/// A switch that a server's thread reads.
final class Flag: Sendable {
    private let state: Mutex<Bool>
    init(_ value: Bool) { state = Mutex(value) }
    var value: Bool {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
