/// Disturbs what goes between netlink sockets and the kernel. Only tests have one: without it a datagram costs one comparison
/// with nil more.
protocol TransportFaults: AnyObject, Sendable {
    /// Is asked before a datagram is sent.
    /// - Returns: an errno to fail with, without sending it; 0 for none.
    func send() -> Int32

    /// Receives a datagram in place of the socket.
    /// - Parameters:
    ///   - start: the socket's buffer, of `NetlinkSocket.ReceiveBuffer.size` octets.
    ///   - read: recvfrom(2) into that buffer: a length, or -1 and an errno.
    /// - Returns: the same.
    func receive(
        into start: UnsafeMutableRawPointer, _ read: () -> (count: Int, code: Int32)
    ) -> (count: Int, code: Int32)
}
