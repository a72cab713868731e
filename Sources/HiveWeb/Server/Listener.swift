internal import CLinux
internal import Glibc
internal import HiveWire

/// Where requests come in: systemd's socket, or one of our own.
struct Listener {
    let socket: UnixSocket
    private let path: String?

    /// - Parameter path: nil: systemd passes it on, by the protocol of sd_listen_fds(3).
    init(path: String?) throws(ServiceError) {
        self.path = path
        if let path {
            socket = try UnixSocket(isBlocking: false)
            try socket.listen(at: path, mode: 0o660, group: nil)
        } else {
            socket = UnixSocket(
                adopting: try Self.passed { name in getenv(name).map { String(cString: $0) } })
        }
    }

    /// The socket stays systemd's; one of our own goes.
    func end() {
        if let path { unlink(path) }
    }

    /// The first descriptor that is passed on: SD_LISTEN_FDS_START.
    private static let first: Int32 = 3

    /// - Parameter variable: the environment.
    static func passed(_ variable: (String) -> String?) throws(ServiceError) -> Int32 {
        guard variable("LISTEN_PID") == "\(getpid())", variable("LISTEN_FDS") == "1" else {
            throw ServiceError(
                ServiceError.usage,
                "systemd passes on no socket, or several; without it, say where with --listen PATH")
        }
        return try adopt(first)
    }

    /// Checks that it is what we serve.
    static func adopt(_ descriptor: Int32) throws(ServiceError) -> Int32 {
        func option(_ name: Int32) -> Int32? {
            var value: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
        }
        guard option(SO_DOMAIN) == AF_UNIX, option(SO_TYPE) == Int32(SOCK_STREAM.rawValue),
            option(SO_ACCEPTCONN) == 1
        else {
            throw ServiceError(
                ServiceError.configuration,
                "what systemd passes on is no stream socket of the unix family that listens")
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        guard fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else { throw .last("make the socket not wait") }
        return descriptor
    }
}
