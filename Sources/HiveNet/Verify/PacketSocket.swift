internal import CNetlink
internal import Glibc

/// A socket that sends frames as they are, or sees packets. It stays in the network namespace of the thread that opens it.
final class PacketSocket {
    private var descriptor: Descriptor?
    /// More than any probe has: what is cut off does not matter.
    private static let room = 256
    private let buffer = UnsafeMutableRawPointer.allocate(byteCount: room, alignment: 8)
    let number: Int32

    private init(_ family: Int32, _ number: Int32, _ operation: String) throws(KernelError) {
        let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(family, kind, number)
        guard descriptor >= 0 else { throw .last(operation) }
        self.number = descriptor
        self.descriptor = Descriptor(adopting: descriptor)
    }

    deinit { buffer.deallocate() }

    /// At once, and not when the last reference goes.
    func close() { descriptor = nil }

    /// On a link: sends frames, and sees those that arrive there, before any hook (`__netif_receive_skb_core`).
    ///
    /// It is opened for no protocol, so that it sees nothing before its filter is in place, and so that to bind it waits
    /// for nothing (`packet_do_bind`).
    /// - Parameter link: its index; 0 for every link.
    convenience init(link: Int32, _ filter: PacketFilter) throws(KernelError) {
        try self.init(AF_PACKET, 0, "open a packet socket")
        try attach(filter)
        var on: Int32 = 1
        // Linux 4.20. Without it own frames are seen too: their sender is never taken for a receiver.
        _ = setsockopt(number, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, 4)
        // Past the queueing disciplines of whoever owns the namespace; and what an egress hook drops is an error (packet_xmit).
        _ = setsockopt(number, SOL_PACKET, PACKET_QDISC_BYPASS, &on, 4)
        // A portion of probes on several links at a time; more than the system's limit needs CAP_NET_ADMIN over the host.
        if link == 0 {
            var room: Int32 = 1 << 20
            if setsockopt(number, SOL_SOCKET, SO_RCVBUFFORCE, &room, 4) != 0 {
                _ = setsockopt(number, SOL_SOCKET, SO_RCVBUF, &room, 4)
            }
        }
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_protocol = UInt16(ETH_P_ALL).bigEndian
        address.sll_ifindex = link
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
            }
        }
        guard code == 0 else { throw .last("bind a packet socket") }
    }

    /// Sees the packets of a protocol that the host takes for its own, behind the input hook (`raw_local_deliver`,
    /// `ipv6_raw_deliver`), whether or not anybody listens.
    convenience init(raw family: Int32, protocol number: UInt8, _ filter: PacketFilter) throws(KernelError) {
        try self.init(family, Int32(number), "open a raw socket of protocol \(number)")
        try attach(filter)
    }

    func attach(_ filter: PacketFilter) throws(KernelError) { try filter.attach(to: number) }

    /// Takes part in a multicast group on a link, as long as the socket lives.
    func join(_ group: IPv4Address, link: Int32) throws(KernelError) {
        var request = ip_mreqn()
        request.imr_multiaddr.s_addr = group.bits.bigEndian
        request.imr_ifindex = link
        guard
            setsockopt(
                number, Int32(IPPROTO_IP), IP_ADD_MEMBERSHIP, &request,
                socklen_t(MemoryLayout<ip_mreqn>.size))
                == 0
        else { throw .last("join \(group)") }
    }

    func join(_ group: IPv6Address, link: Int32) throws(KernelError) {
        var request = ipv6_mreq()
        withUnsafeMutableBytes(of: &request.ipv6mr_multiaddr) { $0.copyBytes(from: group.octets) }
        request.ipv6mr_interface = UInt32(link)
        guard
            setsockopt(
                number, Int32(IPPROTO_IPV6), IPV6_ADD_MEMBERSHIP, &request,
                socklen_t(MemoryLayout<ipv6_mreq>.size))
                == 0
        else { throw .last("join \(group)") }
    }

    // MARK: Sending and receiving

    func send(_ frame: Frame) throws(KernelError) {
        let frame = frame.octets
        while Glibc.send(number, frame, frame.count, 0) != frame.count {
            guard errno == EINTR else { throw .last("send a frame") }
        }
    }

    /// Hands over what is there, without waiting, as long as the closure wants more.
    func receive(_ body: (UnsafeRawBufferPointer) throws(KernelError) -> Bool) throws(KernelError) {
        try receiveFrames { (packet, _) throws(KernelError) in try body(packet) }
    }

    /// The same, with the index of the link that each frame came in on. (Of no meaning for a raw socket's packets.)
    func receiveFrames(
        _ body: (UnsafeRawBufferPointer, _ link: Int32) throws(KernelError) -> Bool
    ) throws(KernelError) {
        while true {
            var from = sockaddr_ll()
            var length = socklen_t(MemoryLayout<sockaddr_ll>.size)
            let count = withUnsafeMutablePointer(to: &from) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(number, buffer, Self.room, 0, $0, &length)
                }
            }
            guard count >= 0 else {
                // A link that has gone down says so once.
                if errno == EINTR || errno == ENETDOWN { continue }
                return
            }
            guard try body(UnsafeRawBufferPointer(start: buffer, count: count), from.sll_ifindex) else {
                return
            }
        }
    }

    /// Waits until there is something.
    func wait(milliseconds: Int32) -> Bool {
        var request = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, milliseconds) > 0
    }
}

extension PacketSocket {
    /// On the link of an agent, which the calling thread joins the namespace of.
    static func onLink(
        of agent: NetworkSpec.Agent, _ filter: PacketFilter, _ switcher: borrowing NamespaceSwitch
    ) throws(KernelError) -> PacketSocket {
        let path = agent.namespace.path(agent: agent.name)
        guard let namespace = try Descriptor.namespace(path: path) else {
            throw KernelError("open the network namespace \(path)", code: ENOENT)
        }
        try switcher.enter(namespace, "join the network namespace \(path)")
        let index = if_nametoindex(insideName)
        guard index != 0 else { throw .last("look for \(insideName) in \(path)") }
        return try PacketSocket(link: Int32(index), filter)
    }

    /// Closes what a prober has open, many at a time: each packet socket that is closed waits for an RCU grace period
    /// (packet_release), and those who wait at the same time wait for the same one.
    static func close(_ prober: Prober) {
        let sockets = prober.surrender()
        let width = min(32, sockets.count)
        let threads = (0..<width).map { first in
            Thread<Void> { (_) throws(KernelError) in
                for index in stride(from: first, to: sockets.count, by: width) { sockets[index].close() }
            }
        }
        for thread in threads { _ = thread.result() }
    }
}
