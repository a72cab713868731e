internal import CLinux
internal import Glibc

/// Waits for many descriptors at once: epoll(7), level-triggered. What it costs does not grow with how many there are.
package final class Poller {
    package struct Interest: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let read = Interest(rawValue: EPOLLIN.rawValue)
        package static let write = Interest(rawValue: EPOLLOUT.rawValue)
        /// The other side has closed its socket, or something failed. Always told, whatever was asked for.
        package static let gone = Interest(rawValue: EPOLLHUP.rawValue | EPOLLERR.rawValue)
    }

    private let descriptor: Int32
    private var interests: [Int32: Interest] = [:]
    /// Since `wait` began to tell. (Between two waits it holds what is of no interest any more: at most one of each number.)
    private var removed: Set<Int32> = []
    private var found = [hive_event](repeating: hive_event(), count: 256)

    package init() throws(ServiceError) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw .last("wait for events") }
    }

    deinit { close(descriptor) }

    /// Waits for this of a descriptor from now on. Before a descriptor is closed it is to be removed.
    /// - Throws: where there are too many (`fs.epoll.max_user_watches`), or no memory.
    package func set(_ number: Int32, _ interest: Interest) throws(ServiceError) {
        guard interests[number] != interest else { return }
        let operation = interests[number] == nil ? EPOLL_CTL_ADD : EPOLL_CTL_MOD
        guard
            hive_epoll_set(
                descriptor, operation, number, interest.rawValue, UInt64(UInt32(bitPattern: number))) == 0
        else { throw .last("wait for a connection") }
        interests[number] = interest
    }

    package func remove(_ number: Int32) {
        guard interests.removeValue(forKey: number) != nil else { return }
        removed.insert(number)
        _ = hive_epoll_set(descriptor, EPOLL_CTL_DEL, number, 0, 0)
    }

    /// Waits until something happens, or the time has come, and tells of it.
    ///
    /// What is told first may end what was to be told of next, and its number may be somebody else's by then: nothing is told of a number
    /// that was removed meanwhile. (An agent that had gone took the next one's connection with it.)
    ///
    /// - Parameters:
    ///   - deadline: nil: whenever.
    ///   - body: told of at most 256 descriptors, each with what has happened to it; of none when the time has come.
    package func wait(
        until deadline: ContinuousClock.Instant?, _ body: (_ number: Int32, _ events: Interest) -> Void
    ) {
        var milliseconds: Int32 = -1
        if let deadline {
            let left = (deadline - .now) / .milliseconds(1)
            // (Rounded up, or it would be asked again and again for less than one.)
            milliseconds = Int32(min(max(left.rounded(.up), 0), 1e9))
        }
        let count = found.withUnsafeMutableBufferPointer { found in
            found.baseAddress.map { hive_epoll_wait(descriptor, $0, Int32(found.count), milliseconds) } ?? 0
        }
        guard count > 0 else { return }
        removed.removeAll(keepingCapacity: true)
        for index in 0..<Int(count) {
            let event = found[index]
            let number = Int32(bitPattern: UInt32(truncatingIfNeeded: event.key))
            guard !removed.contains(number) else { continue }
            body(number, Interest(rawValue: event.events))
        }
    }
}
