internal import CLinux
internal import Glibc
internal import HiveCore
internal import HiveNet

/// A question to nginx, and what it answers: HTTP/1.0, a line there and a status and a short body back.
enum Probe {
    struct Answer: Equatable {
        var status: Int
        var body: String
    }

    enum Place {
        case unix(String)
        case listener(GatewayListener)
    }

    /// - Returns: nil if nobody answers in time, or not in HTTP.
    static func ask(_ place: Place, _ path: String, seconds: Double = 2) -> Answer? {
        guard let socket = connect(place, seconds) else { return nil }
        defer { close(socket) }
        let request = Array("GET \(path) HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)
        guard send(socket, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else { return nil }
        let end = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while bytes.count < 1 << 16, ContinuousClock.now < end {
            let count = recv(socket, &chunk, chunk.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return parse(String(decoding: bytes, as: UTF8.self))
    }

    static func parse(_ text: String) -> Answer? {
        guard let head = text.firstRange(of: "\r\n\r\n"),
            let status = status(String(text[..<head.lowerBound].prefix { !$0.isNewline }))
        else { return nil }
        return Answer(status: status, body: String(text[head.upperBound...]).trimmingLine)
    }

    /// Of a status line (RFC 9112, section 4): three digits.
    static func status(_ line: String) -> Int? {
        let words = line.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/") else { return nil }
        let digits = words[1].prefix { !$0.isNewline }
        return digits.count == 3 && digits.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(digits) : nil
    }

    /// Whether somebody takes connections there: for what speaks TLS, which we do not.
    static func isOpen(_ place: Place, seconds: Double = 2) -> Bool {
        guard let socket = connect(place, seconds) else { return false }
        close(socket)
        return true
    }

    /// Begins to connect, and waits for nothing.
    static func begin(_ place: Place) -> Int32? { connect(place, nil) }

    /// - Parameter seconds: how long anything may take; nil: it is begun.
    private static func connect(_ place: Place, _ seconds: Double?) -> Int32? {
        let path: String
        switch place {
        case .unix(let own): path = own
        case .listener(.unix(let own)): path = own
        case .listener(.ipv4(let address, let port)):
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            // All addresses of the host are one that it reaches itself by.
            name.sin_addr.s_addr = (address.bits == 0 ? 127 << 24 | 1 : address.bits).bigEndian
            return open(AF_INET, seconds) { connect($0, &name) }
        case .listener(.ipv6(let address, let port)):
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &name.sin6_addr) {
                $0.copyBytes(
                    from: address.bits == 0 ? [UInt8](repeating: 0, count: 15) + [1] : address.octets)
            }
            return open(AF_INET6, seconds) { connect($0, &name) }
        }
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: name.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
        return open(AF_UNIX, seconds) { connect($0, &name) }
    }

    private static func connect<Name>(_ socket: Int32, _ name: inout Name) -> Bool {
        withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<Name>.size)) == 0
            }
        }
    }

    private static func open(_ family: Int32, _ seconds: Double?, _ connect: (Int32) -> Bool) -> Int32? {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let number = socket(family, kind | (seconds == nil ? Int32(SOCK_NONBLOCK.rawValue) : 0), 0)
        guard number >= 0 else { return nil }
        guard let seconds else {
            if connect(number) || errno == EINPROGRESS { return number }
            close(number)
            return nil
        }
        // It bounds connecting too (inet_stream_connect).
        var time = timeval(
            tv_sec: Int(seconds), tv_usec: Int(seconds.truncatingRemainder(dividingBy: 1) * 1e6))
        for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
            setsockopt(number, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        if connect(number) { return number }
        close(number)
        return nil
    }
}
