internal import CNetlink
internal import Glibc

/// A netlink socket. It belongs to the network namespace of the thread that opened it, for life.
///
/// Blocking, for one thread at a time. See netlink(7); the protocol's details are those of
/// net/netlink/af_netlink.c (`netlink_rcv_skb`, `netlink_dump`, `netlink_ack`).
struct NetlinkSocket: ~Copyable {
    private let socket: OpaquePointer
    /// The socket's address: 0 until its first request, where it was not bound to one.
    let portID: UInt32
    private let receiveBuffer: ReceiveBuffer
    private var sequence: UInt32 = 0
    /// What one `sendmsg` can carry, in bytes (`netlink_sendmsg` compares with `sk_sndbuf`).
    let sendLimit: Int

    /// Where answers are received. Sockets that are used by one thread can share one.
    final class ReceiveBuffer {
        /// The kernel builds dump replies of up to 32 KiB (`netlink_dump`), acks of far less.
        static let size = 1 << 16
        let start = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        /// Of the sockets that receive here.
        let faults: (any TransportFaults)?
        /// Something that was received here could not be read.
        var hasDamage = false
        init(faults: (any TransportFaults)? = nil) { self.faults = faults }
        deinit { start.deallocate() }
    }

    /// Opens a socket in the calling thread's network namespace.
    /// - Parameters:
    ///   - family: `NETLINK_ROUTE` or `NETLINK_NETFILTER`.
    ///   - sendBuffer: how much one `sendmsg` should be able to carry, in bytes, or nil for the default of the system
    ///     (about 200 kB). More than `net.core.wmem_max` needs CAP_NET_ADMIN.
    init(
        family: Int32, sendBuffer: Int32? = nil, receiveBuffer: ReceiveBuffer = ReceiveBuffer()
    ) throws(KernelError) {
        guard let socket = mnl_socket_open2(family, Int32(SOCK_CLOEXEC.rawValue)) else {
            throw .last("open a netlink socket")
        }
        // Without a buffer of its own it is one of a thousand, for a handful of requests: then the kernel chooses the
        // port with the first of them, and answers are told by their sequence number alone.
        if sendBuffer != nil, mnl_socket_bind(socket, 0, 0) != 0 {
            let error = KernelError.last("bind a netlink socket")
            mnl_socket_close(socket)
            throw error
        }
        self.socket = socket
        self.receiveBuffer = receiveBuffer
        portID = mnl_socket_get_portid(socket)
        let descriptor = mnl_socket_get_fd(socket)
        // What the kernel is asked for it does before `sendmsg` returns, and each read of a dump produces the next part
        // (netlink_recvmsg): an answer that has to be waited for is lost, and never comes.
        var patience = timeval(tv_sec: 2, tv_usec: 0)
        _ = setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        // Strict checking makes dump filters real filters. Extended acks give the kernel's sentence; CAP_ACK leaves the
        // request out of the answer. Old kernels lack some: no harm.
        for option in [NETLINK_GET_STRICT_CHK, NETLINK_EXT_ACK, NETLINK_CAP_ACK] {
            var on: Int32 = 1
            _ = setsockopt(descriptor, SOL_NETLINK, option, &on, 4)
        }
        guard var size = sendBuffer else {
            sendLimit = 1 << 16
            return
        }
        if setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &size, 4) != 0 {
            _ = setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, 4)
        }
        var actual: Int32 = 0
        var length = socklen_t(4)
        _ = getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &actual, &length)
        sendLimit = max(Int(actual) - 32, 1 << 12)
    }

    deinit { mnl_socket_close(socket) }

    // MARK: Requests

    /// Carries out requests in order, several hundred in one `sendmsg`.
    ///
    /// Only the last request of each `sendmsg` asks for an acknowledgement: the kernel handles them one after the other
    /// and answers every failing one unasked (`netlink_rcv_skb`), so silence before the last ack is success. This
    /// spares one answer a request, and the socket's receive buffer with it.
    ///
    /// A request to remove what is not there succeeds. (rtnetlink's types come in fours: new, delete, get, set.)
    ///
    /// rtnetlink goes on after a failing request; what was sent with it is carried out, what was not sent is not.
    /// - Throws: the first error, naming its request.
    mutating func execute(_ batch: Batch) throws(KernelError) {
        var next = 0
        while next < batch.requests.count {
            let first = next
            let start = batch.requests[first].offset
            func end(_ index: Int) -> Int {
                index + 1 < batch.requests.count ? batch.requests[index + 1].offset : batch.count
            }
            while next < batch.requests.count, end(next) - start <= sendLimit || next == first { next += 1 }
            try send(batch, first..<next, bytes: start..<end(next - 1))
        }
    }

    private mutating func send(
        _ batch: Batch, _ range: Range<Int>, bytes: Range<Int>
    ) throws(KernelError) {
        let firstSequence = sequence &+ 1
        for index in range {
            sequence &+= 1
            let header = batch.header(of: batch.requests[index])
            header.pointee.nlmsg_seq = sequence
            header.pointee.nlmsg_pid = portID
            if index == range.upperBound - 1 { header.pointee.nlmsg_flags |= UInt16(NLM_F_ACK) }
        }
        try transmit(UnsafeRawBufferPointer(rebasing: batch.bytes[bytes])) {
            batch.requests[range.lowerBound].operation()
        }
        var failure: KernelError?
        var finished = false
        let lastSequence = sequence
        while !finished {
            try receive("read the answer to '\(batch.requests[range.lowerBound].operation())'") { message in
                let position = Int(message.header.pointee.nlmsg_seq &- firstSequence)
                guard message.type == UInt16(NLMSG_ERROR), position < range.count else { return }
                if message.header.pointee.nlmsg_seq == lastSequence { finished = true }
                let request = batch.requests[range.lowerBound + position]
                if failure == nil, let error = Self.error(in: message, of: request, batch) {
                    // What is to go and has gone already, by itself or with something else, is no error.
                    let isRemoval =
                        batch.header(of: request).pointee.nlmsg_type & 3 == UInt16(RTM_DELLINK) & 3
                    if !(isRemoval && error.isNotFound) { failure = error }
                }
            }
        }
        if let failure { throw failure }
    }

    /// Sends requests that the kernel treats as one (an nf_tables transaction between its begin and end messages) and
    /// hands every answer to the caller until the request with the given index was acknowledged.
    ///
    /// - Parameter acknowledged: the index of a request that has `NLM_F_ACK` set.
    mutating func transact(_ batch: Batch, acknowledged: Int) throws(KernelError) {
        guard batch.count <= sendLimit else {
            throw KernelError(
                "send \(batch.count) bytes of nftables requests in one transaction", code: EMSGSIZE)
        }
        let firstSequence = sequence &+ 1
        for request in batch.requests {
            sequence &+= 1
            let header = batch.header(of: request)
            header.pointee.nlmsg_seq = sequence
            header.pointee.nlmsg_pid = portID
        }
        try transmit(UnsafeRawBufferPointer(batch.bytes)) { "send an nftables transaction" }
        var failure: KernelError?
        var finished = false
        while !finished {
            // An answer for the begin message ends the matter: nothing behind it was looked at.
            try receive("read the answer to an nftables transaction") { message in
                let position = Int(message.header.pointee.nlmsg_seq &- firstSequence)
                guard message.type == UInt16(NLMSG_ERROR), position < batch.requests.count else { return }
                if failure == nil { failure = Self.error(in: message, of: batch.requests[position], batch) }
                if position == acknowledged || position == 0 { finished = true }
            }
            // With an error in the middle the kernel aborts and acknowledges nothing further: the errors were queued
            // together, before `sendmsg` returned, so an empty queue means that all were read.
            if failure != nil, !isReadable { finished = true }
        }
        if let failure { throw failure }
    }

    private var isReadable: Bool {
        var descriptor = pollfd(fd: mnl_socket_get_fd(socket), events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, 0) > 0
    }

    // MARK: Dumps

    /// Asks for all objects of a kind, or for one (without `NLM_F_DUMP`), and gathers what `parse` makes of each.
    ///
    /// A dump that the kernel marks as interrupted (`NLM_F_DUMP_INTR`: objects changed while it ran) is thrown away
    /// and begun again.
    /// - Parameter request: holds exactly one request.
    mutating func query<Element>(
        _ request: Batch, _ parse: (Message) throws(KernelError) -> Element?
    ) throws(KernelError) -> [Element] {
        let operation = request.requests[0].operation
        let attempts = 16
        for _ in 0..<attempts {
            var elements: [Element] = []
            let whole = try query(once: request) { (message) throws(KernelError) in
                if let element = try parse(message) { elements.append(element) }
            }
            if whole { return elements }
        }
        throw KernelError(
            operation(), code: EINTR,
            explanation: "the objects changed during each of \(attempts) attempts to read them")
    }

    /// - Returns: false if the dump was interrupted.
    private mutating func query(
        once request: Batch, _ body: (Message) throws(KernelError) -> Void
    ) throws(KernelError) -> Bool {
        let operation = request.requests[0].operation
        sequence &+= 1
        let header = request.header(of: request.requests[0])
        header.pointee.nlmsg_seq = sequence
        header.pointee.nlmsg_pid = portID
        let isDump = header.pointee.nlmsg_flags & UInt16(NLM_F_DUMP) == UInt16(NLM_F_DUMP)
        // A single object comes without a final message of its own: the ack is one.
        if !isDump { header.pointee.nlmsg_flags |= UInt16(NLM_F_ACK) }
        try transmit(UnsafeRawBufferPointer(request.bytes), operation)
        var failure: KernelError?
        var interrupted = false
        var finished = false
        let wanted = sequence
        receiveBuffer.hasDamage = false
        while !finished {
            try receive(operation()) { (message) throws(KernelError) in
                guard message.header.pointee.nlmsg_seq == wanted else { return }
                if message.header.pointee.nlmsg_flags & UInt16(NLM_F_DUMP_INTR) != 0 { interrupted = true }
                switch Int32(message.type) {
                case NLMSG_ERROR, NLMSG_DONE:
                    finished = true
                    failure = Self.error(in: message, of: request.requests[0], request)
                case NLMSG_NOOP: break
                case NLMSG_OVERRUN: failure = KernelError(operation(), code: ENOBUFS)
                default: if failure == nil { try body(message) }
                }
            }
        }
        if let failure {
            // nf_tables interrupts a dump that saw another generation by this error.
            if failure.code == EINTR { return false }
            throw failure
        }
        if receiveBuffer.hasDamage { throw KernelError(operation(), code: EBADMSG) }
        return !interrupted
    }

    // MARK: What comes unasked

    /// For poll(2), and for nothing else.
    var descriptor: Int32 { mnl_socket_get_fd(socket) }

    /// Reads one datagram that the kernel has sent by itself. Never waits.
    /// - Returns: false: there was none.
    /// - Throws: ENOBUFS where the kernel had more to say than the socket's buffer took.
    mutating func receiveUnasked(
        _ operation: @autoclosure () -> String, _ body: (Message) throws(KernelError) -> Void
    ) throws(KernelError) -> Bool {
        guard isReadable else { return false }
        // What is behind an error is not the rest of a dump that nobody wants, but what there was room for.
        try take(operation(), body)
        return true
    }

    // MARK: Bytes

    private func transmit(_ bytes: UnsafeRawBufferPointer, _ operation: () -> String) throws(KernelError) {
        while true {
            var code = receiveBuffer.faults?.send() ?? 0
            if code == 0 {
                if mnl_socket_sendto(socket, bytes.baseAddress, bytes.count) >= 0 { return }
                code = errno
            }
            guard code == EINTR else { throw KernelError(operation(), code: code) }
        }
    }

    /// Reads one datagram, and hands over the messages in it that are meant for this socket.
    ///
    /// After an error nothing of what is still to come is left: of a dump that nobody reads to its end the kernel says EBUSY
    /// to the next one (`__netlink_dump_start`).
    func receive(
        _ operation: @autoclosure () -> String, _ body: (Message) throws(KernelError) -> Void
    ) throws(KernelError) {
        do throws(KernelError) {
            try take(operation(), body)
        } catch {
            drain()
            throw error
        }
    }

    private func take(
        _ operation: @autoclosure () -> String, _ body: (Message) throws(KernelError) -> Void
    ) throws(KernelError) {
        try NetlinkSocket.messages(
            in: UnsafeRawBufferPointer(start: receiveBuffer.start, count: datagram(operation)),
            for: portID, receiveBuffer, operation, body)
    }

    /// Reads one datagram into the buffer.
    /// - Returns: its length.
    private func datagram(_ operation: () -> String) throws(KernelError) -> Int {
        func read() -> (count: Int, code: Int32) {
            let count = mnl_socket_recvfrom(socket, receiveBuffer.start, ReceiveBuffer.size)
            return (count, errno)
        }
        while true {
            let (count, code) = receiveBuffer.faults?.receive(into: receiveBuffer.start, read) ?? read()
            // libmnl turns MSG_TRUNC into ENOSPC, so a truncated answer cannot pass for a whole one.
            if count >= 0 { return count }
            switch code {
            case EINTR: continue
            case EAGAIN:
                throw KernelError(operation(), code: ETIMEDOUT, explanation: "the kernel's answer is lost")
            default: throw KernelError(operation(), code: code)
            }
        }
    }

    private func drain() {
        // A dump makes the next part of itself with each read. Bounded: links may come faster than they are read.
        for _ in 0..<1 << 14 where isReadable {
            _ = mnl_socket_recvfrom(socket, receiveBuffer.start, ReceiveBuffer.size)
        }
    }
}
