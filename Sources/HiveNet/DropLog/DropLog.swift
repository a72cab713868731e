internal import CNetlink
internal import CNftables
internal import Glibc

/// Reads what the boundary's rules log of the packets that they drop: a group of nfnetlink_log, in the network namespace of the
/// thread that opens it. The kernel lets one socket at a time have a group; when that is closed, by whatever end its process
/// comes to, the group is free again.
///
/// For one thread at a time.
public final class DropLog {
    private var socket: NetlinkSocket
    private let group: UInt16
    /// The number that the next packet should have.
    private var expected: UInt32?
    /// Lost packets that were told before it was known how many they are.
    private var told: UInt64 = 0

    /// What came.
    public struct Reading: Sendable {
        /// In the order in which they were dropped.
        public var packets: [LoggedPacket] = []
        /// How many more were logged, and lost before they could be read. At least: if the last ones were lost, the next
        /// reading tells how many those were.
        public var lost: UInt64 = 0
    }

    /// - Parameter receiveBuffer: how much may wait to be read, in bytes. More than `net.core.rmem_max` needs CAP_NET_ADMIN. By
    ///   default what a thousand agents log at once, 10,000 packets.
    /// - Throws: EBUSY where somebody else reads the group.
    public init(group: UInt16, receiveBuffer: Int32 = 1 << 22) throws(KernelError) {
        self.group = group
        socket = try NetlinkSocket(family: NETLINK_NETFILTER, sendBuffer: 1 << 16)
        var size = receiveBuffer
        if setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, 4) != 0 {
            _ = setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4)
        }
        let batch = Batch(capacity: 1 << 12)
        let header = nfgenmsg(
            nfgen_family: UInt8(AF_UNSPEC), version: UInt8(NFNETLINK_V0), res_id: group.bigEndian)
        // All in one message: from the first packet on it is as we want it (nfulnl_recv_config).
        batch.append(
            UInt16(NFNL_SUBSYS_ULOG) << 8 | UInt16(NFULNL_MSG_CONFIG.rawValue), flags: 0, header: header,
            Self.words(group), of: LogConfigurationScope.self
        ) { message in
            message.put(.command, UInt8(NFULNL_CFG_CMD_BIND.rawValue))
            message.put(.mode, LogCopyMode(length: LogLimit.octets))
            // Together where many come within 10 ms, and at once otherwise.
            message.put(.timeout, UInt32(1).bigEndian)
            message.put(.threshold, UInt32(32).bigEndian)
            message.put(.flags, UInt16(NFULNL_CFG_F_SEQ).bigEndian)
        }
        do {
            try socket.execute(batch)
        } catch {
            throw Self.explained(error, group)
        }
    }

    private static func words(_ group: UInt16) -> String { "read the group \(group) of nfnetlink_log" }

    /// EPERM is both "it is somebody else's" and "you may not"; a list in /proc tells which.
    private static func explained(_ error: KernelError, _ group: UInt16) -> KernelError {
        switch error.code {
        case EPERM, EBUSY:
            guard let port = reader(of: group) else { return error }
            let who = owner(of: port).map { "'\($0)'" } ?? "somebody else"
            return KernelError(
                error.operation, code: EBUSY, explanation: "\(who) reads it, and only one at a time can")
        // No such subsystem (nfnetlink_rcv_msg).
        case EINVAL:
            return KernelError(
                error.operation, code: EOPNOTSUPP, explanation: "the kernel has no nfnetlink_log")
        default: return error
        }
    }

    /// The netlink port of whoever has a group: the first two columns of the list (`seq_show`, nfnetlink_log.c).
    private static func reader(of group: UInt16) -> UInt32? {
        lines(of: "netfilter/nfnetlink_log").first { $0.count > 1 && UInt16($0[0]) == group }
            .flatMap { UInt32($0[1]) }
    }

    /// The name of a process that has the netlink socket of that port (`netlink_native_seq_show`: the second column is the
    /// protocol, the third the port, the last the inode). Nil: cannot be seen.
    private static func owner(of port: UInt32) -> String? {
        let inode = lines(of: "netlink").first {
            $0.count > 3 && Int32($0[1]) == NETLINK_NETFILTER && UInt32($0[2]) == port
        }?.last.flatMap { UInt32($0) }
        return inode.flatMap { Listeners.owners(of: [$0])[$0] }
    }

    private static func lines(of file: String) -> [[Substring]] {
        (textOfFile("/proc/thread-self/net/\(file)") ?? "").split(separator: "\n").map {
            $0.split(separator: " ")
        }
    }

    /// For poll(2): readable when there is something to `read`.
    public var descriptor: Int32 { socket.descriptor }

    /// Reads what is there, a few thousand packets at most, and never waits.
    public func read() throws(KernelError) -> Reading {
        var reading = Reading()
        let words = Self.words(group)
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let microseconds = Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
        for _ in 0..<256 {
            do {
                let isMore = try socket.receiveUnasked(words) { message in
                    guard message.type == UInt16(NFNL_SUBSYS_ULOG) << 8 | UInt16(NFULNL_MSG_PACKET.rawValue)
                    else { return }
                    count(LoggedPacket.sequence(message: message.payload), &reading)
                    if let packet = LoggedPacket(message: message.payload, now: microseconds) {
                        reading.packets.append(packet)
                    }
                }
                guard isMore else { break }
            } catch {
                // The buffer was full. How many found no room shows when the next one is read.
                guard error.code == ENOBUFS else { throw error }
                reading.lost += 1
                told += 1
            }
        }
        return reading
    }

    /// Notes the packets that are missing before this one.
    private func count(_ sequence: UInt32?, _ reading: inout Reading) {
        guard let sequence else { return }
        if let expected {
            // Numbers begin again at 0 behind the last.
            let missing = UInt64(sequence &- expected)
            reading.lost += missing - min(missing, told)
            if missing > 0 { told = 0 }
        }
        expected = sequence &+ 1
    }

    /// Waits until there is something to read.
    public func wait() throws(KernelError) {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while poll(&polled, 1, -1) < 0 {
            guard errno == EINTR else { throw .last("wait for packets of the group \(group)") }
        }
    }
}
