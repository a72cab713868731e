internal import CLinux
internal import Glibc

/// A stream socket of the unix family; see unix(7).
package final class UnixSocket {
    package let descriptor: Int32

    package init(adopting descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// - Throws: also for a path that is too long for `sun_path`, 107 octets.
    package init(isBlocking: Bool) throws(ServiceError) {
        let kind =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | (isBlocking ? 0 : Int32(SOCK_NONBLOCK.rawValue))
        descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw .last("open a socket") }
    }

    private static func withAddress<Result>(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) throws(ServiceError) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard !path.isEmpty, path.utf8.count < room, !path.utf8.contains(0) else {
            throw ServiceError(
                ServiceError.usage, "the path of a socket has 1 to \(room - 1) octets, and not '\(path)'")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// - Returns: 0 or an errno.
    package func connect(to path: String) throws(ServiceError) -> Int32 {
        try Self.withAddress(path) { address, length in
            while Glibc.connect(descriptor, address, length) != 0 {
                if errno != EINTR { return errno }
            }
            return 0
        }
    }

    /// Listens at a path that nobody but us makes anything at. What is there is replaced in one step, when everything is set.
    /// - Parameters:
    ///   - mode: who may connect needs the right to write.
    ///   - group: owns it; nil: that of the process.
    package func listen(at path: String, mode: UInt32, group: UInt32?) throws(ServiceError) {
        let temporary = "\(path).\(getpid())"
        unlink(temporary)
        guard try Self.withAddress(temporary, { bind(descriptor, $0, $1) }) == 0 else {
            throw .last("make the socket \(path)")
        }
        do throws(ServiceError) {
            // (The directory is ours alone to write to, so nobody has put another file in its place.)
            if let group, chown(temporary, geteuid(), group) != 0 { throw .last("give \(path) to its group") }
            guard chmod(temporary, mode) == 0, Glibc.listen(descriptor, 1024) == 0,
                rename(temporary, path) == 0
            else { throw .last("make the socket \(path)") }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// - Returns: nil if nobody waits to be let in.
    package func accept() -> UnixSocket? {
        while true {
            let client = hive_linux_accept(descriptor)
            if client >= 0 { return UnixSocket(adopting: client) }
            guard errno == EINTR || errno == ECONNABORTED else { return nil }
        }
    }

    /// Who connected, or whom we are connected to (SO_PEERCRED): as it was when the connection was made.
    package var peer: Peer? {
        var words: (Int32, UInt32, UInt32) = (0, 0, 0)
        var length = socklen_t(MemoryLayout.size(ofValue: words))
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &words, &length) == 0 else { return nil }
        var groups = [gid_t](repeating: 0, count: 1024)
        length = socklen_t(groups.count * MemoryLayout<gid_t>.size)
        // Linux 4.13.
        let isKnown = getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, &groups, &length) == 0
        let more = isKnown ? groups.prefix(Int(length) / MemoryLayout<gid_t>.size) : []
        return Peer(process: words.0, user: words.1, groups: [words.2] + more)
    }

    package struct Peer {
        package let process: Int32
        package let user: UInt32
        package let groups: [UInt32]
    }

    /// Ends what waits longer, connect(2) too, by EAGAIN: SO_RCVTIMEO and SO_SNDTIMEO.
    package func limit(seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// The other end is closed, and not only for writing: POLLHUP of unix_poll(), for which there is no need to ask.
    package var isClosedByPeer: Bool {
        var polled = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&polled, 1, 0) > 0 && polled.revents & Int16(POLLHUP | POLLERR) != 0
    }

    /// Reads what is there, as far as there is room.
    /// - Returns: how many octets; 0 at the end; -1 with errno.
    package func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count >= 0 || errno != EINTR { return count }
        }
    }

    /// Writes as much as there is room for. Never a signal when nobody reads any more.
    package func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        while true {
            let count = send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if count >= 0 || errno != EINTR { return count }
        }
    }
}
