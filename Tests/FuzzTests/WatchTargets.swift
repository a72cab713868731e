import CNetlink
import CNftables
import HiveWire

@testable import HiveNet
@testable import HiveWatch

// What the watcher hears.
extension Target {
    /// A datagram of a multicast group: rtnetlink's, nf_tables' or its traces.
    static let notices = Target(name: "notices") { datagram in
        try messages(datagram) { (message) throws(KernelError) in
            _ = RouteNotice(message, namespace: nil)
            _ = RulesetNotice(message)
            if let event = TraceEvent(message) { _ = event.verdict.words }
        }
    }

    /// What follows the netlink header of a logged packet.
    static let nflog = Target(name: "nflog") { payload in
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: payload.count, alignment: 16)
        defer { bytes.deallocate() }
        bytes.copyBytes(from: payload)
        _ = LoggedPacket.sequence(message: UnsafeRawBufferPointer(bytes))
        guard let packet = LoggedPacket(message: UnsafeRawBufferPointer(bytes), now: 0) else { return }
        var names = DropNames(elements: [], links: [:])
        let drop = names.name(packet, asksForServices: false)
        try check(sentence: drop.line)
    }

    /// A line from whoever is connected to the control socket.
    static let control = Target(name: "control") { line in
        do throws(ServiceError) {
            _ = try ControlRequest(line: line)
        } catch {
            try check(sentence: error.description)
        }
    }

    /// What read(2) of an inotify descriptor brought.
    static let inotify = Target(name: "inotify") { bytes in
        bytes.withUnsafeBytes { FileWatch.forEach(in: $0) { _, _, _ in } }
    }
}
