import CNetlink
import Foundation
import Glibc
import Testing

@testable import HiveCore
@testable import HiveNet

/// A keeper that hears less than everything, or is answered wrongly.
@Suite(.timeLimit(.minutes(10))) struct WatchLossTests {
    private static let configuration = """
        { agents: { alpha: { address4: "10.77.0.2", egress: "internet" }, beta: { address4: "10.77.0.3" } } }
        """

    private static func spec() throws -> NetworkSpec {
        try Hive(
            Configuration(text: Array(configuration.utf8), file: "hive.json"), added: [], leases: Leases()
        ).spec()
    }

    /// As the watcher does it, for a time or until something is so.
    private static func run(
        _ keeper: Keeper, seconds: Double, until isDone: (Repair?) throws -> Bool
    ) rethrows {
        let end = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
        while ContinuousClock.now < end {
            let descriptors = keeper.descriptors
            var polled = descriptors.map {
                pollfd(fd: $0.number, events: Int16($0.isUrgent ? POLLPRI : POLLIN), revents: 0)
            }
            if poll(&polled, nfds_t(polled.count), 5) > 0 {
                for entry in polled where entry.revents != 0 { keeper.isReady(entry.fd) }
            }
            if try isDone(keeper.reconcile()) { return }
        }
    }

    /// ENOBUFS: more happens at once than there is room for.
    @Test func whatIsLostIsLookedFor() throws {
        let lab = try Lab()
        let spec = try Self.spec()
        try lab.write(
            ((0..<300).flatMap { ["link add d\($0) type bridge", "link del d\($0)"] }
                + ["link set hv-alpha nomaster", "link set hv-beta down"]).joined(separator: "\n") + "\n",
            to: "/run/lab/many")
        let found = try lab.host {
            let keeper = try Keeper(room: 2048)
            keeper.want(spec)
            Self.run(keeper, seconds: 20) { _ in keeper.holds }
            let first = keeper.holds
            // Quiet: what follows is heard of, or lost.
            Self.run(keeper, seconds: 0.3) { _ in false }
            let result = try Command.run(["ip", "-batch", "/run/lab/many"])
            guard result.status == 0 else { throw LabError("\(result)") }
            var isAfterLoss = false
            var repaired: [String] = []
            Self.run(keeper, seconds: 20) { repair in
                if repair?.isAfterLoss == true { isAfterLoss = true }
                repaired += repair?.items.compactMap(\.change.agent) ?? []
                return Set(repaired) == ["alpha", "beta"] && keeper.holds
            }
            let left = try keeper.differences(try keeper.observe())
            return (first, isAfterLoss, Set(repaired), left.count)
        }
        #expect(found.0)
        #expect(found.1, "nothing was lost")
        #expect(found.2 == ["alpha", "beta"])
        #expect(found.3 == 0)
    }

    /// EINTR, EBUSY, ENOMEM, ENOBUFS, answers that are cut: it goes on, and the first look that is left alone is enough.
    @Test(arguments: 1...4) func faultsWhileReconciling(seed: UInt64) throws {
        let lab = try Lab()
        let spec = try Self.spec()
        let kinds = Fault.Kind.allCases.filter { !$0.isSilent }
        let reference = try Lab()
        try reference.host {
            var network = try HostNetwork()
            _ = try network.apply(spec)
        }
        let fault = Fault(kinds, seed: seed, oneOutOf: [10, 30, 100, 300][Int(seed - 1) % 4])
        let left = try lab.host { () -> (Int, Bool, Int) in
            let keeper = try Keeper(keeping: .owned, room: Keeper.room, faults: fault)
            keeper.want(spec)
            var random = SeededGenerator(seed: seed)
            let commands = [
                ["ip", "link", "del", "hv-alpha"], ["ip", "link", "set", "hv-beta", "down"],
                ["bridge", "link", "set", "dev", "hv-beta", "isolated", "off"],
                ["ip", "link", "del", "hive0"],
                ["nft", "flush", "ruleset"], ["ip", "neigh", "flush", "dev", "hive0", "nud", "permanent"],
            ]
            for _ in 0..<15 {
                Self.run(keeper, seconds: 0.15) { _ in false }
                // (What is not there cannot be changed.)
                _ = try Command.run(commands.randomElement(using: &random) ?? [])
            }
            fault.end()
            Self.run(keeper, seconds: 60) { _ in
                keeper.holds && keeper.quarantined.isEmpty && keeper.deadline == nil
            }
            return (
                try keeper.differences(try keeper.observe()).count, keeper.holds, fault.fired.count
            )
        }
        #expect(left.0 == 0 && left.1, "seed \(seed): \(left)")
        #expect(left.2 > 0, "seed \(seed): nothing went wrong")
        try lab.expect(reference.snapshot(), "seed \(seed), after \(left.2) faults")
    }

    /// The same to what the kernel tells unasked: what was heard wrongly is looked for, while things still go wrong.
    @Test(arguments: [
        Fault.Kind.receiveInterrupted, .receiveWithoutMemory, .receiveOverrun, .foreignAnswerFirst, .cut,
        .cutInHeader,
    ])
    func faultsWhileListening(kind: Fault.Kind) throws {
        let lab = try Lab()
        let spec = try Self.spec()
        let fault = Fault([kind], seed: 7, oneOutOf: 2)
        let unrepaired = try lab.host { () -> [String] in
            let keeper = try Keeper(keeping: .owned, room: Keeper.room, faults: nil, eventFaults: fault)
            keeper.want(spec)
            Self.run(keeper, seconds: 20) { _ in keeper.holds && keeper.deadline == nil }
            var unrepaired: [String] = []
            for index in 0..<16 {
                // One change at a time: nothing else leads to the look that finds it.
                let command = [
                    "ip link set hv-alpha down", "bridge link set dev hv-beta isolated off",
                    "ip link set hv-beta nomaster",
                    "ip neigh del 10.77.0.2 dev hive0", "ip -n hive-alpha addr flush dev eth0",
                ][index % 5]
                let result = try Command.run(command.split(separator: " ").map(String.init))
                guard result.status == 0 else { throw LabError("\(command): \(result)") }
                var isRepaired = false
                Self.run(keeper, seconds: 20) { repair in
                    if repair?.items.isEmpty == false { isRepaired = true }
                    return isRepaired && keeper.holds && keeper.deadline == nil
                }
                if !isRepaired { unrepaired.append(command) }
            }
            return unrepaired + (try keeper.differences(try keeper.observe()).map(\.description))
        }
        #expect(unrepaired.isEmpty)
        #expect(fault.fired.count > 4, "it happened too seldom: \(fault.fired.count)")
    }
}
