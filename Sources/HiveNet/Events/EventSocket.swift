internal import CNetlink
internal import Glibc

/// A netlink socket that takes part in multicast groups, and never waits: for a loop that polls.
///
/// It belongs to the network namespace of the thread that opens it.
final class EventSocket {
    private let socket: Descriptor
    private let buffer: NetlinkSocket.ReceiveBuffer

    /// To poll for `POLLIN`.
    var descriptor: Int32 { socket.number }

    /// - Parameters:
    ///   - family: `NETLINK_ROUTE` or `NETLINK_NETFILTER`.
    ///   - groups: `RTNLGRP_LINK` and so on, or `NFNLGRP_NFTABLES`.
    ///   - otherNamespaces: also of every network namespace that the socket's has a number for (`NETLINK_LISTEN_ALL_NSID`): those
    ///     that a link leads to. Needs CAP_NET_BROADCAST over both.
    ///   - room: how much may wait to be read, in octets. What is more is lost, which `read` tells.
    init(
        family: Int32, groups: [UInt32], otherNamespaces: Bool = false, room: Int32,
        buffer: NetlinkSocket.ReceiveBuffer
    ) throws(KernelError) {
        let operation = "listen to the kernel's events"
        let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let number = Glibc.socket(AF_NETLINK, kind, family)
        guard number >= 0 else { throw .last(operation) }
        socket = Descriptor(adopting: number)
        self.buffer = buffer
        // The kernel doubles it (sock_setsockopt). Above net.core.rmem_max needs CAP_NET_ADMIN.
        var size = room / 2
        if setsockopt(number, SOL_SOCKET, SO_RCVBUFFORCE, &size, 4) != 0 {
            _ = setsockopt(number, SOL_SOCKET, SO_RCVBUF, &size, 4)
        }
        if otherNamespaces {
            var on: Int32 = 1
            guard setsockopt(number, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, 4) == 0 else {
                throw .last("listen to events of other network namespaces")
            }
        }
        // Before it has an address of its own, a socket passes for the sender of what the kernel says, which gets nothing of it
        // (do_one_broadcast).
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
            }
        }
        guard code == 0 else { throw .last(operation) }
        for group in groups {
            var group = group
            // A kernel without IPv6 lacks its groups, and then nothing happens in them.
            guard setsockopt(number, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, 4) == 0 || errno == EINVAL
            else { throw .last(operation) }
        }
    }

    /// From now on nothing is seen but what passes.
    func see(only filter: PacketFilter) throws(KernelError) { try filter.attach(to: descriptor) }

    /// What came over a socket.
    enum Item {
        /// Valid inside the closure that gets it.
        /// - Parameter namespace: the number of another namespace that it comes from; nil: the socket's own.
        case message(NetlinkSocket.Message, namespace: Int32?)
        /// Messages were lost: there was no room (ENOBUFS), or one was too long for the buffer.
        case lost
    }

    /// Hands over what is there.
    /// - Parameter most: so many datagrams at a time, so that a flood of events does not keep the caller here.
    /// - Returns: whether there may be more.
    @discardableResult
    func read(most: Int = 4096, _ body: (Item) -> Void) -> Bool {
        for _ in 0..<most {
            var (namespace, truncated): (Int32, Int32) = (-1, 0)
            func receive() -> (count: Int, code: Int32) {
                let count = hive_netlink_receive(
                    descriptor, buffer.start, NetlinkSocket.ReceiveBuffer.size, &namespace, &truncated)
                return (count, errno)
            }
            let (count, code) = buffer.faults?.receive(into: buffer.start, receive) ?? receive()
            guard count >= 0 else {
                switch code {
                case EINTR: continue
                case ENOBUFS:
                    // Said once for whatever was lost; what is queued comes afterwards.
                    body(.lost)
                    continue
                default: return false
                }
            }
            if truncated != 0 { body(.lost) }
            let whole = NetlinkSocket.Message.forEach(
                in: UnsafeRawBufferPointer(start: buffer.start, count: count)
            ) { body(.message($0, namespace: namespace < 0 ? nil : namespace)) }
            if !whole, truncated == 0 { body(.lost) }
        }
        return true
    }
}

extension NetlinkSocket.Message {
    /// Takes a datagram apart that nobody asked for.
    /// - Returns: false where it does not end where a message does. What came before was handed over.
    static func forEach(in datagram: UnsafeRawBufferPointer, _ body: (NetlinkSocket.Message) -> Void) -> Bool
    {
        do throws(KernelError) {
            try NetlinkSocket.messages(in: datagram, for: 0, nil, { "" }) { (message) throws(KernelError) in
                body(message)
            }
            return true
        } catch {
            return false
        }
    }
}
