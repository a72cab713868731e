import CNetlink
import Glibc

/// A socket address, IPv4 or IPv6. For a link-local one the link's index is its scope.
struct Endpoint: Sendable, CustomStringConvertible {
    let address: String
    let port: UInt16
    var scope: UInt32 = 0

    var description: String { "[\(address)]:\(port)" }
    var isIPv6: Bool { address.contains(":") }
    var family: Int32 { isIPv6 ? AF_INET6 : AF_INET }

    func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        if isIPv6 {
            var socket = sockaddr_in6()
            socket.sin6_family = sa_family_t(AF_INET6)
            socket.sin6_port = port.bigEndian
            socket.sin6_scope_id = scope
            inet_pton(AF_INET6, address, &socket.sin6_addr)
            return withUnsafePointer(to: &socket) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
        var socket = sockaddr_in()
        socket.sin_family = sa_family_t(AF_INET)
        socket.sin_port = port.bigEndian
        inet_pton(AF_INET, address, &socket.sin_addr)
        return withUnsafePointer(to: &socket) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

/// A socket. It stays in the namespace of the thread that made it, and can be used from anywhere.
final class Socket {
    let descriptor: Int32

    init(_ family: Int32, _ type: Int32, _ number: Int32 = 0) throws {
        descriptor = socket(family, type | Int32(SOCK_CLOEXEC.rawValue), number)
        guard descriptor >= 0 else { throw LabError.last("open a socket") }
    }

    deinit { close(descriptor) }

    func set(_ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, 4)
    }

    func bind(_ endpoint: Endpoint) throws {
        set(SOL_SOCKET, SO_REUSEADDR, 1)
        let code = endpoint.withSockaddr { Glibc.bind(descriptor, $0, $1) }
        guard code == 0 else { throw LabError.last("bind \(endpoint)") }
    }

    /// Waits until something can be read.
    func isReadable(milliseconds: Int32) -> Bool {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return Glibc.poll(&poll, 1, milliseconds) > 0 && poll.revents & Int16(POLLIN) != 0
    }

    /// A datagram or frame, or nil if none comes in time.
    func receive(milliseconds: Int32 = 500) -> [UInt8]? {
        guard isReadable(milliseconds: milliseconds) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return count < 0 ? nil : Array(bytes[..<count])
    }

    /// Whether a datagram with this content comes in time. Others are passed over; what is already there when the time is
    /// up is still looked at, so that 0 ms means: is it there now?
    func receives(_ content: [UInt8], milliseconds: Int = 500) -> Bool {
        let deadline = ContinuousClock.now + .milliseconds(milliseconds)
        // More than a socket's buffer holds: an endless stream of others does not hold the test up.
        for _ in 0..<100_000 {
            let left = max(0, Int32((deadline - ContinuousClock.now) / .milliseconds(1)))
            guard let bytes = receive(milliseconds: left) else { return false }
            if bytes.contains(sequence: content) { return true }
        }
        return false
    }

    // MARK: Kinds

    static func tcpListener(_ endpoint: Endpoint) throws -> Socket {
        let socket = try Socket(endpoint.family, Int32(SOCK_STREAM.rawValue))
        if endpoint.isIPv6 { socket.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        try socket.bind(endpoint)
        guard listen(socket.descriptor, 64) == 0 else { throw LabError.last("listen on \(endpoint)") }
        return socket
    }

    static func udp(_ endpoint: Endpoint) throws -> Socket {
        let socket = try Socket(endpoint.family, Int32(SOCK_DGRAM.rawValue))
        if endpoint.isIPv6 { socket.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        socket.set(SOL_SOCKET, SO_BROADCAST, 1)
        try socket.bind(endpoint)
        return socket
    }

    @discardableResult
    func send(_ bytes: [UInt8], to endpoint: Endpoint) -> Bool {
        endpoint.withSockaddr { sendto(descriptor, bytes, bytes.count, 0, $0, $1) } == bytes.count
    }

    enum Connection: Equatable {
        case connected, refused, timedOut
        case failed(Int32)
    }

    /// Connects by TCP from the calling thread's namespace.
    /// - Parameter source: one of the namespace's addresses, where it is not to be the kernel's choice.
    static func connect(_ endpoint: Endpoint, from source: Endpoint? = nil, milliseconds: Int32 = 150) throws
        -> Connection
    {
        let socket = try Socket(endpoint.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue))
        if let source { try socket.bind(source) }
        if endpoint.withSockaddr({ Glibc.connect(socket.descriptor, $0, $1) }) == 0 { return .connected }
        guard errno == EINPROGRESS else { return errno == ECONNREFUSED ? .refused : .failed(errno) }
        var poll = pollfd(fd: socket.descriptor, events: Int16(POLLOUT), revents: 0)
        guard Glibc.poll(&poll, 1, milliseconds) > 0 else { return .timedOut }
        var code: Int32 = 0
        var length = socklen_t(4)
        getsockopt(socket.descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        switch code {
        case 0: return .connected
        case ECONNREFUSED: return .refused
        default: return .failed(code)
        }
    }

    /// A packet socket on a link of the calling thread's namespace: sends frames as they are, and sees all that arrive there.
    static func packet(_ link: String) throws -> Socket {
        let socket = try Socket(AF_PACKET, Int32(SOCK_RAW.rawValue), Int32(UInt16(ETH_P_ALL).bigEndian))
        var address = sockaddr_ll()
        address.sll_family = sa_family_t(AF_PACKET)
        address.sll_protocol = UInt16(ETH_P_ALL).bigEndian
        address.sll_ifindex = Int32(if_nametoindex(link))
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
            }
        }
        guard code == 0 else { throw LabError.last("bind to \(link)") }
        return socket
    }

    func send(frame: [UInt8]) throws {
        guard Glibc.send(descriptor, frame, frame.count, 0) == frame.count else {
            throw LabError.last("send a frame")
        }
    }
}

extension [UInt8] {
    /// By libc, since lists of attacks look for each mark in each packet, and debug builds do not hurry.
    func contains(sequence: [UInt8]) -> Bool {
        guard !sequence.isEmpty, count >= sequence.count else { return sequence.isEmpty }
        return withUnsafeBytes { bytes in
            sequence.withUnsafeBytes { wanted in
                guard let start = bytes.baseAddress, let mark = wanted.baseAddress else { return false }
                var place = 0
                let last = bytes.count - wanted.count
                while place <= last, let found = memchr(start + place, Int32(wanted[0]), last - place + 1) {
                    if memcmp(found, mark, wanted.count) == 0 { return true }
                    place = UnsafeRawPointer(found) - start + 1
                }
                return false
            }
        }
    }
}

/// A control: what has to connect may take its time on a busy machine.
func connects(_ body: () throws -> Socket.Connection) rethrows -> Bool {
    for _ in 0..<40 where try body() == .connected { return true }
    return false
}
