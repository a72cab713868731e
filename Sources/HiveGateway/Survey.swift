internal import CLinux
internal import Glibc
internal import HiveCore

/// Many pages asked at once, each for its status: they are agents', so what they do is theirs, and bounded in time and size for all
/// together.
struct Survey {
    struct Finding: Equatable {
        /// Somebody has taken the connection.
        var isOpen = false
        /// Of `GET /`; nil: nothing that is HTTP was said in time.
        var status: Int?
    }

    private struct Call {
        let index: Int
        let socket: Int32
        var isAsked = false
        var heard: [UInt8] = []
    }

    private static let portion = 256
    private static let request = Array(
        "GET / HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)
    /// A status line is no longer.
    private static let mostHeard = 256

    /// - Parameter seconds: for each portion of 256.
    /// - Returns: in the order of the places.
    static func ask(_ places: [Probe.Place], seconds: Double) -> [Finding] {
        var found = [Finding](repeating: Finding(), count: places.count)
        for start in stride(from: 0, to: places.count, by: portion) {
            let end = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
            var calls = (start..<min(start + portion, places.count)).compactMap { index in
                Probe.begin(places[index]).map { Call(index: index, socket: $0) }
            }
            while !calls.isEmpty, ContinuousClock.now < end {
                var polled = calls.map {
                    pollfd(fd: $0.socket, events: Int16($0.isAsked ? POLLIN : POLLOUT), revents: 0)
                }
                let left = (end - .now) / .milliseconds(1)
                guard poll(&polled, nfds_t(polled.count), Int32(max(0, left.rounded(.up)))) > 0 else {
                    continue
                }
                for (position, entry) in polled.enumerated().reversed() where entry.revents != 0 {
                    if !advance(&calls[position], &found) {
                        close(calls[position].socket)
                        calls.remove(at: position)
                    }
                }
            }
            for call in calls { close(call.socket) }
        }
        return found
    }

    /// - Returns: whether there is more to come.
    private static func advance(_ call: inout Call, _ found: inout [Finding]) -> Bool {
        guard call.isAsked else {
            var (code, length): (Int32, socklen_t) = (0, 4)
            guard getsockopt(call.socket, SOL_SOCKET, SO_ERROR, &code, &length) == 0, code == 0 else {
                return false
            }
            found[call.index].isOpen = true
            call.isAsked = true
            return send(call.socket, request, request.count, Int32(MSG_NOSIGNAL)) == request.count
        }
        var chunk = [UInt8](repeating: 0, count: mostHeard)
        let count = recv(call.socket, &chunk, chunk.count, 0)
        if count < 0, errno == EINTR || errno == EAGAIN { return true }
        guard count > 0 else { return false }
        call.heard += chunk[..<count]
        guard let line = call.heard.firstIndex(of: UInt8(ascii: "\n")) else {
            return call.heard.count < mostHeard
        }
        found[call.index].status = Probe.status(String(decoding: call.heard[..<line], as: UTF8.self))
        return false
    }
}
