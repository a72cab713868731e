import CNetlink
import Dispatch
import Glibc
import Synchronization

/// The other end of a connection.
struct Client: Sendable {
    let socket: Int32

    /// - Returns: false when nobody is there any more.
    @discardableResult
    func say(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    @discardableResult
    func say(_ text: String) -> Bool { say(Array(text.utf8)) }

    func answer(_ body: String, status: String = "200 OK", type: String = "text/html", headers: [String] = [])
    {
        let more = headers.map { $0 + "\r\n" }.joined()
        say(
            "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\n\(more)Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
        )
    }

    func hear(_ most: Int = 1 << 16) -> [UInt8] {
        var chunk = [UInt8](repeating: 0, count: most)
        var count = recv(socket, &chunk, chunk.count, 0)
        // (A debugger's or a profiler's stop, a thread's cancellation: nothing of the other end's.)
        while count < 0, errno == EINTR { count = recv(socket, &chunk, chunk.count, 0) }
        return count > 0 ? Array(chunk[..<count]) : []
    }
}

/// A socket that takes connections, each with a thread of its own.
final class RawListener: Sendable {
    typealias Handler = @Sendable (Client) -> Void

    private let isOver = Mutex(false)
    private let listener: Int32
    private let handler: Handler

    /// In an agent's namespace.
    convenience init(_ lab: Lab, agent: String, port: UInt16, _ handler: @escaping Handler) throws {
        try self.init(
            try lab.agent(agent) {
                let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
                var on: Int32 = 1
                setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, 4)
                var name = sockaddr_in()
                name.sin_family = sa_family_t(AF_INET)
                name.sin_port = port.bigEndian
                return try Self.listen(number, &name)
            }, handler)
    }

    /// At a path of the host.
    convenience init(_ lab: Lab, path: String, _ handler: @escaping Handler) throws {
        try self.init(
            try lab.host {
                let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
                var name = sockaddr_un()
                name.sun_family = sa_family_t(AF_UNIX)
                withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
                unlink(path)
                let listener = try Self.listen(number, &name)
                chmod(path, 0o666)
                return listener
            }, handler)
    }

    private static func listen<Name>(_ number: Int32, _ name: inout Name) throws -> Int32 {
        let code = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<Name>.size))
            }
        }
        guard code == 0, Glibc.listen(number, 1024) == 0 else { throw LabError.last("listen") }
        return number
    }

    private init(_ listener: Int32, _ handler: @escaping Handler) throws {
        self.listener = listener
        self.handler = handler
        try Self.thread { [self] in accept() }
    }

    private final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private static func thread(_ body: @escaping @Sendable () -> Void) throws {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Box(body))
        let code = pthread_create(
            &thread, nil,
            { argument in
                argument.map { Unmanaged<Box>.fromOpaque($0).takeRetainedValue().body() }
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw LabError("cannot start a thread")
        }
        pthread_detach(thread)
    }

    private func accept() {
        defer { close(listener) }
        while true {
            let client = Glibc.accept(listener, nil, nil)
            if client < 0 {
                if isOver.withLock(\.self) || errno != EINTR && errno != ECONNABORTED { return }
                continue
            }
            let isServed =
                (try? Self.thread { [self] in
                    handler(Client(socket: client))
                    close(client)
                }) != nil
            if !isServed { close(client) }
        }
    }

    /// Nobody is let in any more.
    func end() {
        // Once: then the number is soon another socket's.
        let isFirst = isOver.withLock { isOver in
            defer { isOver = true }
            return !isOver
        }
        if isFirst { shutdown(listener, Int32(SHUT_RDWR)) }
    }
}
