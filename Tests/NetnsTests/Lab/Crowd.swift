import CNetlink
import Foundation
import Glibc

/// Many connections to unix sockets of a lab, served by one thread, none of which waits for another.
final class Crowd {
    private let lab: Lab
    private(set) var members: [Member] = []

    final class Member {
        let descriptor: Int32
        fileprivate(set) var received: [UInt8] = []
        /// The other side has ended it.
        fileprivate(set) var isOver = false

        fileprivate init(_ descriptor: Int32) { self.descriptor = descriptor }

        var lines: [String] {
            received.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        }

        /// As much as there is room for. - Returns: how many octets that is.
        @discardableResult
        func send(_ bytes: [UInt8]) -> Int {
            max(
                0,
                Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            )
        }

        func send(_ text: String) { send(Array(text.utf8)) }
    }

    init(_ lab: Lab) { self.lab = lab }

    deinit { leave() }

    func leave() {
        for member in members { close(member.descriptor) }
        members = []
    }

    /// Another connection. (Paths are the lab's own, so a thread of it opens them: all at once, since going there costs.)
    @discardableResult
    func join(_ paths: [String]) throws -> ArraySlice<Member> {
        Self.allowDescriptors()
        let made = try lab.host {
            try paths.map { path in
                let socket = try Socket(AF_UNIX, Int32(SOCK_STREAM.rawValue))
                try UnixPath.connect(socket.descriptor, path)
                let own = fcntl(socket.descriptor, F_DUPFD_CLOEXEC, 0)
                guard own >= 0 else { throw LabError.last("keep a connection") }
                return own
            }
        }
        members += made.map { Member($0) }
        return members.suffix(made.count)
    }

    /// Takes a connection made elsewhere.
    @discardableResult
    func take(_ descriptor: Int32) -> Member {
        members.append(Member(descriptor))
        return members[members.count - 1]
    }

    /// Reads what comes until something is so, or the time is up. - Returns: whether it is.
    func listen(seconds: Double = 30, until isSo: () -> Bool) -> Bool {
        let deadline = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        // (Looking through all that has come may take longer than what comes meanwhile: most of the time is for reading.)
        var due = ContinuousClock.now
        while true {
            let now = ContinuousClock.now
            if now >= due {
                if isSo() { return true }
                guard now < deadline else { return false }
                due = .now + max(now.duration(to: .now) * 4, .milliseconds(5))
            }
            let open = members.filter { !$0.isOver }
            var polled = open.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            guard poll(&polled, nfds_t(polled.count), 50) > 0 else { continue }
            for (member, state) in zip(open, polled) where state.revents != 0 {
                let count = recv(member.descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
                if count > 0 { member.received += chunk[..<count] }
                // (ECONNRESET: what was sent last was not read.)
                if count == 0 || count < 0 && errno != EAGAIN { member.isOver = true }
            }
        }
        return true
    }

    /// As many as the machine lets this process have.
    private static func allowDescriptors() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0,
            limit.rlim_cur < limit.rlim_max
        else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
