internal import Glibc
internal import HiveWire

/// The control socket's side of the watcher: lets in whom it may, and cuts what they say into lines. It never waits.
final class ControlServer {
    private let path: String
    private let listener: UnixSocket
    private let group: gid_t?
    private(set) var connections: [ControlConnection] = []
    /// What has ended, as long as something of it may be heard of.
    private var verified: [Verifying] = []

    /// Of all, root's among them.
    static let mostConnections = 64
    /// Of all that are not root's: the rest is for root, who is let in whatever the group does.
    static let mostOfOthers = 48
    /// Of one user who is not root.
    static let mostOfOne = 16

    /// - Parameters:
    ///   - path: in a directory that is made if it is missing.
    ///   - group: whose members may connect, besides root.
    init(path: String, group: gid_t?) throws(ServiceError) {
        self.path = path
        self.group = group
        try Self.makeDirectory(of: path)
        listener = try UnixSocket(isBlocking: false)
        try listener.listen(at: path, mode: group == nil ? 0o600 : 0o660, group: group)
    }

    deinit { unlink(path) }

    /// Whoever can write to the directory can put another socket in ours' place.
    static func makeDirectory(of path: String) throws(ServiceError) {
        let directory = path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        guard path.hasPrefix("/"), !directory.isEmpty else {
            throw ServiceError(
                ServiceError.usage, "the control socket needs an absolute path in a directory, not \(path)")
        }
        // Others may go through, and not look around.
        if mkdir(directory, 0o751) == 0 {
            // Whatever the umask is.
            guard chmod(directory, 0o751) == 0 else { throw .last("make \(directory)") }
        } else if errno != EEXIST {
            throw .last("make \(directory)")
        }
        var status = stat()
        guard lstat(directory, &status) == 0 else { throw .last("look at \(directory)") }
        guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(), status.st_mode & 0o022 == 0
        else {
            throw ServiceError(
                ServiceError.configuration,
                "\(directory) has to be a directory that only its owner, the user of the watcher, can write to"
            )
        }
    }

    /// What to wait for: descriptor and poll(2) events.
    var interests: [(descriptor: Int32, events: Int16)] {
        // (A negative one is passed over. Of somebody who has hung up the kernel would tell all the time.)
        [(listener.descriptor, Int16(POLLIN))]
            + connections.map { ($0.isGone && $0.events == 0 ? -1 : $0.descriptor, $0.events) }
    }

    /// When somebody is to be cut off who has begun a request and does not end it.
    var deadline: ContinuousClock.Instant? { connections.compactMap(\.deadline).min() }

    /// Lets in, reads and writes as far as that goes without waiting.
    /// - Parameter handle: gets each whole line.
    func serve(_ handle: (ControlConnection, [UInt8]) -> Void) {
        // (Somebody who never stops connecting does not keep those waiting who are in.)
        for _ in 0..<Self.mostConnections {
            guard let socket = listener.accept() else { break }
            guard let user = user(of: socket) else { continue }
            if let words = Self.obstacle(to: user, among: connections.map(\.user)) {
                // (As far as that goes: an empty socket has room for a line.)
                let answer = ControlAnswer.failure(
                    Explanation(ServiceError(ServiceError.unavailable, words)))
                _ = (try? answer.line())?.withUnsafeBytes { socket.write($0) }
                continue
            }
            connections.append(ControlConnection(socket, user: user))
        }
        let now = ContinuousClock.now
        for connection in connections {
            for line in connection.takeLines() { handle(connection, line) }
            connection.flush()
            connection.endIfDone()
            if let deadline = connection.deadline, now >= deadline { connection.end() }
        }
        verified.removeAll { now >= $0.end }
        for case .verifying(let what) in connections.filter(\.isOver).map(\.stream) {
            verified.append(Verifying(agents: what.agents, end: now + Verifying.echo))
        }
        connections.removeAll(where: \.isOver)
    }

    /// Somebody says that probes of an agent may be among what is dropped.
    func verifies(_ agent: String?) -> Bool {
        let now = ContinuousClock.now
        return verified.contains { now < $0.end && $0.concerns(agent) }
            || connections.contains {
                if case .verifying(let what) = $0.stream { what.concerns(agent) } else { false }
            }
    }

    /// Whoever is welcome. The file's mode says the same, but it can be changed, and a socket be passed on by a mount.
    ///
    /// - Returns: the user's id, 0 for the one that the watcher runs as too; nil for somebody who is not let in.
    private func user(of socket: UnixSocket) -> uid_t? {
        guard let peer = socket.peer else { return nil }
        if peer.user == 0 || peer.user == geteuid() { return 0 }
        return group.map(peer.groups.contains) == true ? peer.user : nil
    }

    /// Why somebody finds no place.
    /// - Parameter users: of the connections that there are.
    static func obstacle(to user: uid_t, among users: [uid_t]) -> String? {
        if users.count >= mostConnections { return "the watcher has \(mostConnections) connections already" }
        guard user != 0 else { return nil }
        if users.count(where: { $0 == user }) >= mostOfOne {
            return "the watcher has \(mostOfOne) connections of this user already"
        }
        return users.count { $0 != 0 } >= mostOfOthers
            ? "the watcher has \(mostOfOthers) connections already, and keeps the rest of its \(mostConnections) for root"
            : nil
    }
}

/// Somebody who is connected.
final class ControlConnection {
    private let socket: UnixSocket
    /// 0 for root, and whom the watcher runs as.
    let user: uid_t
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    private var sent = 0
    private(set) var isOver = false
    /// There may be whole requests that were not looked at yet.
    var hasMore: Bool { !isBusy && !isOver && input.contains(UInt8(ascii: "\n")) }
    /// The other side sends nothing more; it may still read.
    private var isHalfClosed = false
    /// The other side reads nothing more either: its socket is closed.
    private(set) var isGone = false
    /// When it last began to be waited for: for a request, or for the other side to read.
    private var since = ContinuousClock.now
    /// An answer is owed: further requests wait.
    var isBusy = false
    /// What it gets from now on, besides answers.
    var stream: Stream?
    /// Lines of a stream that there was no room for.
    private var dropped = 0

    /// `verifying` gets nothing: it lasts as long as the connection.
    enum Stream { case events, drops(agent: String?), verifying(Verifying) }

    /// For a whole request, and for reading some more of an answer.
    static let patience = Duration.seconds(10)
    /// Of a stream's lines, for a reader that is slow. An answer may be of any size.
    static let mostOutput = 1 << 20

    init(_ socket: UnixSocket, user: uid_t) {
        self.socket = socket
        self.user = user
    }

    var descriptor: Int32 { socket.descriptor }
    var events: Int16 {
        (isHalfClosed ? 0 : Int16(POLLIN)) | (output.isEmpty ? 0 : Int16(POLLOUT))
    }
    /// When it is cut off. Nil: it is our turn.
    var deadline: ContinuousClock.Instant? {
        if case .verifying(let what) = stream { return what.end }
        return isBusy || stream != nil && output.isEmpty ? nil : since + Self.patience
    }

    func end() { isOver = true }

    /// What was sent so far is the end.
    func endWhenSent() { isHalfClosed = true }

    /// Whole lines that have come. A longer line than a request may have ends the connection.
    fileprivate func takeLines() -> [[UInt8]] {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        var lines: [[UInt8]] = []
        // (So much and no more at a time: others want to be served too.)
        for _ in 0..<16 where !isHalfClosed && !isOver {
            let count = chunk.withUnsafeMutableBytes { socket.read(into: $0) }
            if count < 0 {
                if errno != EAGAIN { end() }
                break
            }
            if count == 0 { isHalfClosed = true }
            input += chunk[..<count]
            guard input.count <= ControlRequest.longest + chunk.count else {
                end()
                break
            }
        }
        if input.count > ControlRequest.longest { end() }
        // One at a time: each is answered before the next is looked at.
        guard !isBusy else { return lines }
        // (Lines with nothing in them are no requests: they buy nobody more time. All at once, or many would cost their square.)
        let feed = UInt8(ascii: "\n")
        let empty = input.prefix { $0 == feed }.count
        if let line = input[empty...].firstIndex(of: feed) {
            lines.append(Array(input[empty..<line]))
            since = .now
            input.removeSubrange(...line)
        } else if empty > 0 {
            input.removeFirst(empty)
        }
        return lines
    }

    /// Nothing more is to come, and nothing is owed; or nobody is there who would read it.
    fileprivate func endIfDone() {
        if isHalfClosed, !isGone { isGone = socket.isClosedByPeer }
        // What was asked for is done all the same.
        if isGone, !isBusy, !hasMore { end() }
        if isHalfClosed, !isBusy, output.isEmpty, stream == nil, !hasMore { end() }
    }

    func send(_ bytes: [UInt8]) {
        if output.isEmpty { since = .now }
        output += bytes
        flush()
    }

    /// One line of a stream; dropped, and said to be when there is room again, for a reader that is too slow.
    func send(streamed line: [UInt8], lost: (Int) -> [UInt8]) {
        guard output.count - sent + line.count <= Self.mostOutput else {
            dropped += 1
            return
        }
        if dropped > 0 {
            output += lost(dropped)
            dropped = 0
        }
        send(line)
    }

    fileprivate func flush() {
        while sent < output.count, !isOver {
            let count = output[sent...].withUnsafeBytes { socket.write($0) }
            if count < 0 {
                if errno != EAGAIN { end() }
                return
            }
            sent += count
            since = .now
        }
        output = []
        sent = 0
    }
}
