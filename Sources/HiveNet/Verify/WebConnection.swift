internal import CNetlink
internal import Glibc

/// A TCP connection from the host that is under way to an agent's web page.
///
/// It belongs to a user as the rules see it: a socket is its opener's (`f_cred` of struct file, which `meta skuid` asks for).
final class WebConnection {
    let user: UInt32
    private let descriptor: Descriptor
    /// The two ports as they stand at the front of a SYN.
    private(set) var ports: UInt32 = 0
    private var failure: Int32?

    /// Of the calling thread's user, bound to a port, so that its SYN can be told before it is sent.
    init(user: UInt32, isIPv6: Bool, port: UInt16) throws(KernelError) {
        self.user = user
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let number = socket(isIPv6 ? AF_INET6 : AF_INET, kind, 0)
        guard number >= 0 else { throw .last("open a socket") }
        descriptor = Descriptor(adopting: number)
        // Closed, it is gone at once, and leaves no connection in TIME_WAIT.
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(number, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        var own = sockaddr_in6()
        own.sin6_family = sa_family_t(isIPv6 ? AF_INET6 : AF_INET)
        var length = socklen_t(isIPv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size)
        // Address and port of zero look alike in both families, and the port is at the same place.
        let code = withUnsafeMutablePointer(to: &own) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, length) != 0 ? -1 : getsockname(number, $0, &length)
            }
        }
        guard code == 0 else { throw .last("bind a socket") }
        ports = UInt32(UInt16(bigEndian: own.sin6_port)) << 16 | UInt32(port)
    }

    func connect(_ address: some IPAddress) {
        let port = UInt16(truncatingIfNeeded: ports).bigEndian
        var code: Int32 = 0
        if let address = address as? IPv4Address {
            var to = sockaddr_in()
            to.sin_family = sa_family_t(AF_INET)
            to.sin_port = port
            to.sin_addr.s_addr = address.bits.bigEndian
            code = withUnsafePointer(to: &to) { connect($0, MemoryLayout<sockaddr_in>.size) }
        } else {
            var to = sockaddr_in6()
            to.sin6_family = sa_family_t(AF_INET6)
            to.sin6_port = port
            withUnsafeMutableBytes(of: &to.sin6_addr) { $0.copyBytes(from: address.octets) }
            code = withUnsafePointer(to: &to) { connect($0, MemoryLayout<sockaddr_in6>.size) }
        }
        if code != 0, code != EINPROGRESS { failure = code }
    }

    /// - Returns: errno, or 0.
    private func connect(_ address: UnsafeRawPointer, _ length: Int) -> Int32 {
        Glibc.connect(descriptor.number, address.assumingMemoryBound(to: sockaddr.self), socklen_t(length))
            == 0
            ? 0 : errno
    }

    enum Answer {
        case accepted
        /// By a RST: the way there and back is open, and nobody listens.
        case refused
        case none
    }

    /// Looks, and waits if need be.
    func answer(milliseconds: Int32) -> Answer {
        if failure == nil {
            var request = pollfd(fd: descriptor.number, events: Int16(POLLOUT), revents: 0)
            guard poll(&request, 1, milliseconds) > 0 else { return .none }
            var code: Int32 = 0
            var length = socklen_t(4)
            getsockopt(descriptor.number, SOL_SOCKET, SO_ERROR, &code, &length)
            failure = code
        }
        return failure == 0 ? .accepted : failure == ECONNREFUSED ? .refused : .none
    }

    /// Opens one for each address, as a user.
    /// - Returns: nil where there is no such user: in a user namespace that does not map it.
    static func open(
        as user: UInt32, _ addresses: [(isIPv6: Bool, port: UInt16)]
    ) throws(KernelError) -> [WebConnection]? {
        // Of this thread alone, which ends here.
        try onThreadOfItsOwn { (_) throws(KernelError) -> [WebConnection]? in
            setfsuid(user)
            // What it says is who one was before the call: after the second one, who one is.
            guard setfsuid(user) == Int32(bitPattern: user) else { return nil }
            return try addresses.map { (isIPv6, port) throws(KernelError) in
                try WebConnection(user: user, isIPv6: isIPv6, port: port)
            }
        }
    }
}
