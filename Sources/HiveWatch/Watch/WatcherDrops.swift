internal import HiveCore
internal import HiveNet

/// What is dropped, as the watcher reads it: kept for a while, and made events of.
struct DropKeeper {
    /// Nil: nothing is read.
    fileprivate(set) var log: DropLog?
    fileprivate var group: UInt16?
    /// Why nothing is read.
    fileprivate(set) var problem: String? = "the watcher has not begun yet"
    private(set) var history = DropHistory(capacity: 1024)
    private var tally = AttackTally()

    var descriptor: Int32? { log?.descriptor }

    /// - Returns: an event, for the first of its kind in a while.
    mutating func add(_ drop: Drop, verifying: Bool) -> WatchEvent? {
        history.append(drop)
        return tally.note(drop, verifying: verifying)
    }

    mutating func add(lost: UInt64) { history.add(lost: lost) }
}

extension Watcher {
    /// Reads the group that the configuration names.
    func openDrops() {
        let wanted = hive?.configuration.network.logGroup
        guard wanted != drops.group || drops.log == nil else { return }
        drops.log = nil
        drops.group = wanted
        guard let wanted else {
            drops.problem = "network.logGroup is null in the configuration, so no drop is logged"
            return
        }
        do throws(KernelError) {
            drops.log = try DropLog(group: wanted)
            drops.problem = nil
        } catch {
            let words = error.description
            if drops.problem != words { tell(WatchEvent(.trouble, "drops are not recorded: \(words)")) }
            drops.problem = words
        }
    }

    func readDrops() {
        guard let log = drops.log else { return }
        let reading: DropLog.Reading
        do throws(KernelError) {
            reading = try log.read()
        } catch {
            drops.log = nil
            drops.problem = error.description
            tell(WatchEvent(.trouble, "drops are no longer recorded: \(error.description)"))
            return
        }
        guard !reading.packets.isEmpty || reading.lost > 0 else { return }
        hasWorked = true
        drops.add(lost: reading.lost)
        var names = keeper.dropNames()
        for packet in reading.packets {
            let drop = names.name(packet)
            if let event = drops.add(drop, verifying: server.verifies(drop.agent)) { tell(event) }
            stream(drop) { agent in agent.map(drop.concerns(agent:)) ?? true }
        }
        keeper.keep(names)
        // Nobody knows whose they were.
        if reading.lost > 0 { stream(LostDrops(lost: reading.lost)) { _ in true } }
    }

    /// - Parameter concerns: whoever follows that agent; nil: all of them.
    private func stream(_ item: some Encodable, concerns: (_ agent: String?) -> Bool) {
        guard
            server.connections.contains(where: { if case .drops = $0.stream { true } else { false } }),
            let line = try? item.line()
        else { return }
        for connection in server.connections {
            guard case .drops(let agent) = connection.stream, concerns(agent) else { continue }
            connection.send(streamed: line) { count in
                (try? LostDrops(lost: UInt64(count)).line()) ?? []
            }
        }
    }
}

/// A line between drops, in JSON: so many could not be read in time.
public struct LostDrops: Codable, Sendable {
    public let lost: UInt64
    public init(lost: UInt64) { self.lost = lost }
}
