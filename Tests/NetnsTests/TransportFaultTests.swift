import CNetlink
import Foundation
import Testing

@testable import HiveCore
@testable import HiveNet

/// What goes wrong between us and the kernel is an error or is coped with: never a hang, never an agent less isolated, and the
/// next apply finds and mends what was left.
@Suite struct TransportFaultTests {
    /// From nothing, or from another hive.
    private enum Start: CaseIterable { case nothing, otherHive }

    private static let before = """
        { agents: { alpha: { address4: "10.77.0.2", egress: "internet" }, beta: { address4: "10.77.0.5" },
                    gamma: { address4: "10.77.0.4" } } }
        """
    private static let after = """
        { agents: { alpha: { address4: "10.77.0.2", web: { port: 80 }, egress: { allow: ["9.9.9.9:443/tcp"] } },
                    beta: { address4: "10.77.0.3" } } }
        """

    private static func spec(_ text: String) throws -> NetworkSpec {
        try Hive(
            Configuration(text: Array(text.utf8), file: "hive.json"), added: [], leases: Leases()
        ).spec()
    }

    /// Longer than anything that waits in vain, and shorter than for ever.
    private static let patience = Duration.seconds(60)

    /// Each kind at the first point, and at points all over an apply.
    @Test(.timeLimit(.minutes(10)), arguments: Fault.Kind.allCases)
    func oneFaultIsCopedWithOrSaid(kind: Fault.Kind) throws {
        let reference = try Self.reference()
        let faults = try concurrently(width: 2) { index -> [String]? in
            // (What is silent takes two seconds each time.)
            guard index < (kind.isSilent ? 4 : 12) else { return nil }
            let start = Start.allCases[index % 2]
            return try Self.oneFault(kind, start, index: index, reference)
        }
        for fault in faults.flatMap(\.self) { Issue.record("\(kind): \(fault)") }
    }

    /// - Returns: what is wrong.
    private static func oneFault(
        _ kind: Fault.Kind, _ start: Start, index: Int, _ reference: Snapshot
    ) throws -> [String] {
        let lab = try Lab()
        let wanted = try spec(after)
        if start == .otherHive { try apply(before, in: lab) }
        // How many points there are shows in a lab of its own.
        let measured = try Lab()
        if start == .otherHive { try apply(before, in: measured) }
        let count = try measured.host {
            let counter = Fault(kind, at: .max)
            var network = try HostNetwork(faults: counter)
            _ = try network.apply(wanted)
            return counter.occasions
        }
        guard count > 2 else { return ["only \(count) occasions"] }
        var random = SeededGenerator(seed: UInt64(index))
        let point = index < 2 ? 0 : Int.random(in: 0..<count, using: &random)
        let fault = Fault(kind, at: point)
        let place = "\(start), point \(point) of \(count)"
        // With the same sockets or with others: a watcher keeps its own.
        let keeps = index / 2 % 2 == 0
        let outcome = try lab.host {
            let clock = ContinuousClock.now
            var network = try HostNetwork(faults: fault)
            let problem = problem { _ = try network.apply(wanted) }
            let time = ContinuousClock.now - clock
            let open = try openPorts()
            if keeps { _ = try network.apply(wanted) }
            return (problem, time, open)
        }
        if !keeps { try apply(after, in: lab) }
        var wrong: [String] = []
        if fault.fired != [kind] { wrong.append("\(place): it did not happen, or more than once") }
        if outcome.1 > patience { wrong.append("\(place): took \(outcome.1)") }
        wrong += outcome.2.map { "\(place): \($0)" }
        if let problem = outcome.0 {
            if kind.isHarmless { wrong.append("\(place): \(problem)") }
            if !isSentence(problem) { wrong.append("\(place): no sentence: \(problem)") }
        } else if kind.isDamage {
            wrong.append("\(place): nobody noticed")
        }
        let difference = try lab.difference(from: reference)
        if !difference.isEmpty { wrong.append("\(place), after the next apply:\n\(difference)") }
        return wrong
    }

    /// A success is one: the kernel is as wanted, though something went wrong.
    @Test func aSuccessIsOne() throws {
        let reference = try Self.reference()
        let wanted = try Self.spec(Self.after)
        var successes: Set<Fault.Kind> = []
        for kind in Fault.Kind.allCases where !kind.isSilent {
            for point in [7, 60] {
                let lab = try Lab()
                let fault = Fault(kind, at: point)
                let problem = try lab.host {
                    var network = try HostNetwork(faults: fault)
                    return Self.problem { _ = try network.apply(wanted) }
                }
                guard problem == nil, fault.fired == [kind] else { continue }
                successes.insert(kind)
                try lab.expect(reference, "\(kind) at \(point)")
            }
        }
        #expect(successes.isSuperset(of: Fault.Kind.allCases.filter(\.isHarmless)))
    }

    /// Anything at any time, again and again: no attempt leaves an agent with less, and the first that is left alone is enough.
    @Test(.timeLimit(.minutes(10))) func manyFaultsAtRandom() throws {
        let reference = try Self.reference()
        let kinds = Fault.Kind.allCases.filter { !$0.isSilent }
        let runs = try concurrently(width: 2) { index -> (wrong: [String], fired: Int, failed: Int)? in
            guard index < 8 else { return nil }
            let seed = UInt64(index) + 100
            let lab = try Lab()
            let fault = Fault(kinds, seed: seed, oneOutOf: [20, 60, 200, 400][index / 2])
            let (before, after) = (try Self.spec(Self.before), try Self.spec(Self.after))
            var wrong: [String] = []
            var failed = 0
            let found = try lab.host {
                var found: [String] = []
                var failed = 0
                var network = try HostNetwork(faults: fault)
                for attempt in 0..<6 {
                    let spec = attempt % 2 == 0 ? before : after
                    if let problem = Self.problem({ _ = try network.apply(spec) }) {
                        failed += 1
                        if !Self.isSentence(problem) {
                            found.append("attempt \(attempt): no sentence: \(problem)")
                        }
                    }
                    found += try Self.openPorts().map { "attempt \(attempt): \($0)" }
                }
                fault.end()
                _ = try network.apply(after)
                return (found, failed)
            }
            wrong += found.0
            failed = found.1
            let difference = try lab.difference(from: reference)
            if !difference.isEmpty { wrong.append(difference) }
            return (wrong.map { "seed \(seed): \($0)" }, fault.fired.count, failed)
        }
        for fault in runs.flatMap(\.wrong) { Issue.record("\(fault)") }
        #expect(runs.map(\.fired).reduce(0, +) > 20)
        #expect(runs.map(\.failed).reduce(0, +) > 5)
    }

    /// A dump of several datagrams that is given up in the middle is not in the way of the next one on the same socket.
    @Test(arguments: [Fault.Kind.receiveWithoutMemory, .receiveOverrun, .cut, .attributeTooLong])
    func aDumpThatWasGivenUpIsNotInTheWay(kind: Fault.Kind) throws {
        let lab = try Lab()
        try lab.ipBatch((0..<200).map { "link add d\($0) type veth peer name e\($0)" })
        try lab.host {
            for point in 0..<3 {
                let fault = Fault(kind, at: point)
                var socket = try NetlinkSocket(
                    family: NETLINK_ROUTE, receiveBuffer: NetlinkSocket.ReceiveBuffer(faults: fault))
                #expect(throws: KernelError.self) { try socket.links { _, _ in true } }
                #expect(fault.fired == [kind])
                #expect(try socket.links { _, _ in true }.count == 401)
            }
        }
    }

    /// The control of `openPorts`: it sees what it is there to see.
    @Test func openPortsAreSeen() throws {
        let lab = try Lab()
        try Self.apply(Self.after, in: lab)
        #expect(try lab.host { try Self.openPorts() } == [])
        try lab.must("bridge link set dev hv-beta isolated off")
        #expect(try lab.host { try Self.openPorts() }.count == 1)
        try lab.must("bridge link set dev hv-beta isolated on")
        try lab.nft("delete table bridge hive")
        #expect(try lab.host { try Self.openPorts() }.count == 2)
        try lab.must("ip link set hv-alpha down")
        try lab.must("ip link set hv-beta down")
        #expect(try lab.host { try Self.openPorts() } == [])
    }

    // MARK: Helpers

    private static func apply(_ text: String, in lab: Lab) throws {
        let spec = try spec(text)
        try lab.host {
            var network = try HostNetwork()
            _ = try network.apply(spec)
        }
    }

    private static func reference() throws -> Snapshot {
        let lab = try Lab()
        try apply(after, in: lab)
        return try lab.snapshot()
    }

    private static func problem(_ body: () throws -> Void) -> (any Error)? {
        do {
            try body()
            return nil
        } catch {
            return error
        }
    }

    private static func isSentence(_ error: any Error) -> Bool {
        switch error {
        case let error as KernelError: error.description.contains(": ") && error.description.hasSuffix(")")
        case let error as AgentsCutOff: error.errors.values.allSatisfy(isSentence)
        default: false
        }
    }

    /// Agents' links that are up without all that isolates them: in the calling thread's namespace, by other eyes than ours.
    private static func openPorts() throws -> [String] {
        let links =
            try JSONSerialization.jsonObject(
                with: Data(Command.run(["ip", "-j", "-d", "link"]).stdout.utf8)) as? [[String: Any]]
        let tables = try Command.run(["nft", "list", "tables"]).stdout
        return (links ?? []).compactMap { link in
            guard let name = link["ifname"] as? String, name.hasPrefix("hv-"),
                (link["flags"] as? [String])?.contains("UP") == true
            else { return nil }
            let port = (link["linkinfo"] as? [String: Any])?["info_slave_data"] as? [String: Any]
            let flags: [String: Bool] = [
                "isolated": true, "learning": false, "flood": false, "mcast_flood": false,
                "bcast_flood": false,
                "guard": true,
            ]
            for (flag, value) in flags where port?[flag] as? Bool != value {
                return "\(name) is up, but \(flag) is \(port?[flag] ?? "nothing")"
            }
            for table in ["inet hive", "bridge hive"] where !tables.contains("table \(table)\n") {
                return "\(name) is up without the table \(table)"
            }
            return nil
        }
    }
}
