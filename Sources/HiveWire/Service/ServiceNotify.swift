internal import CLinux
internal import Glibc

/// Tells systemd how a service of `Type=notify` is doing, by the protocol of sd_notify(3): datagrams to the socket that
/// `NOTIFY_SOCKET` names. Without that variable nothing is told.
package struct ServiceNotify {
    private let descriptor: Int32
    private let address: sockaddr_un
    private let length: socklen_t
    /// How often systemd wants to hear of it at least, or it kills the service (`WATCHDOG_USEC`). Half of that is asked for.
    package let watchdog: Duration?

    /// - Parameter variable: the environment.
    package init(_ variable: (String) -> String? = { name in getenv(name).map { String(cString: $0) } }) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = variable("NOTIFY_SOCKET").map { Array($0.utf8) } ?? []
        let room = MemoryLayout.size(ofValue: address.sun_path)
        // A path, or an abstract address, which the variable writes with an "@".
        let isUsable =
            (path.first == UInt8(ascii: "/") || path.first == UInt8(ascii: "@")) && path.count < room
        descriptor =
            isUsable ? socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0) : -1
        withUnsafeMutableBytes(of: &address.sun_path) { place in
            guard isUsable else { return }
            place.copyBytes(from: path)
            if path[0] == UInt8(ascii: "@") { place[0] = 0 }
        }
        self.address = address
        length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
        let isMine = variable("WATCHDOG_PID").map { $0 == "\(getpid())" } ?? true
        watchdog = variable("WATCHDOG_USEC").flatMap { Int64($0) }.flatMap {
            $0 > 0 && isMine && isUsable ? .microseconds($0) / 2 : nil
        }
    }

    /// - Parameter state: lines such as `READY=1`.
    package func send(_ state: String...) {
        guard descriptor >= 0 else { return }
        let text = Array(state.joined(separator: "\n").utf8)
        var address = address
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, text, text.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }
}
