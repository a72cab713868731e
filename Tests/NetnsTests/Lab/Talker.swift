import CNetlink
import Glibc
import Synchronization

/// Somebody in a namespace who sends what is allowed, to the outside world, all the time, and who receives it there.
final class Talker {
    private final class Shared: Sendable {
        let isOver = Atomic(false)
    }
    private let shared = Shared()
    private var thread: JoinableThread?
    private let receiver: Socket

    /// - Parameters:
    ///   - lab: with an outside world.
    ///   - namespace: its file.
    ///   - port: of the receiver's, for this one alone.
    init(_ lab: Lab, in namespace: String, port: UInt16) throws {
        let target = Endpoint(address: Lab.publicAddress4, port: port)
        receiver = try lab.outside { try Socket.udp(target) }
        let file = try lab.host { open(namespace, O_RDONLY | O_CLOEXEC) }
        guard file >= 0 else { throw LabError("no namespace \(namespace)") }
        let shared = shared
        thread = try JoinableThread {
            defer { close(file) }
            guard hive_setns(file, CLONE_NEWNET) == 0,
                let socket = try? Socket(AF_INET, Int32(SOCK_DGRAM.rawValue))
            else { return }
            while !shared.isOver.load(ordering: .relaxed) {
                // (Without a link it fails, and goes on.)
                socket.send(TwoAgents.mark("allowed"), to: target)
                usleep(2000)
            }
        }
    }

    deinit {
        shared.isOver.store(true, ordering: .relaxed)
        thread?.join()
    }

    /// How many datagrams arrived since the last time.
    func arrivals() -> Int { receiver.drain().count }

    /// Waits until some arrive that were sent from now on.
    func arrives() -> Bool {
        _ = arrivals()
        wait { arrivals() == 0 }
        return receiver.isReadable(milliseconds: 5000)
    }
}
