// (Whose headers have the types of sockets too; Glibc's module has them in some builds only.)
internal import CResolver
internal import Glibc

/// A connection to a core daemon: every wait in it ends with what is waited for, with a deadline, or when it is stopped.
struct RosterSocket: ~Copyable {
    /// In bytes: `sun_path` of sockaddr_un, whose last one is for the NUL (unix(7)).
    static let maximumPathLength = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    /// Non-blocking: connect(2) to a listener whose queue is full, and send(2), would wait without end.
    static let type =
        Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)

    let path: String
    private let descriptor: Int32
    /// Becomes readable when everything is to end.
    private let stopping: Int32
    /// What has been read beyond the latest line.
    private var rest: [UInt8] = []

    /// Connects.
    ///
    /// - Parameter stopping: a descriptor that stays open for longer than this.
    init(_ path: String, until end: ContinuousClock.Instant, stopping: Int32) throws(HiveError) {
        descriptor = socket(AF_UNIX, Self.type, 0)
        self.path = path
        self.stopping = stopping
        guard descriptor >= 0 else { throw failure(errno) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count <= Self.maximumPathLength, !path.utf8.contains(0) else {
            throw failure(ENAMETOOLONG)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        while true {
            let code = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, length) == 0 ? 0 : errno
                }
            }
            switch code {
            case 0: return
            case EINTR: continue
            // The queue is full, and no event tells when it no longer is (unix_stream_connect).
            case EAGAIN: try pause(until: end)
            default: throw failure(code)
            }
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private borrowing func failure(_ code: Int32) -> HiveError {
        HiveError(cannot: "ask the daemon at \(path) for its agents", errno: code)
    }

    /// Sends all of it. Never raises SIGPIPE.
    func send(_ text: String, until end: ContinuousClock.Instant) throws(HiveError) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                bytes = bytes.dropFirst(count)
            } else {
                switch errno {
                case EINTR: continue
                case EAGAIN: try wait(POLLOUT, until: end)
                case let code: throw failure(code)
                }
            }
        }
    }

    /// Reads up to a line feed.
    ///
    /// - Parameters:
    ///   - begin: when the line has to have begun; nil to wait for ever.
    ///   - whole: how long it may take from its first byte on, and at least until `begin`.
    /// - Returns: the line without its line feed.
    mutating func line(
        begin: ContinuousClock.Instant?, whole: Duration
    ) throws(HiveError) -> [UInt8] {
        var line = rest
        rest = []
        var searched = 0
        var end = line.isEmpty ? begin : begin ?? .now + whole
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            if let feed = line[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                rest = Array(line[(feed + 1)...])
                return Array(line[..<feed])
            }
            searched = line.count
            guard line.count <= RosterAnswer.maximumSize else {
                throw HiveError(
                    .dataError,
                    "the daemon at \(path) gave an answer of more than \(RosterAnswer.maximumSize >> 20) MiB")
            }
            try wait(POLLIN, until: end)
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count > 0 {
                if line.isEmpty { end = begin ?? .now + whole }
                line += chunk[..<count]
            } else if count == 0 {
                let place = line.isEmpty ? "without an answer" : "in the middle of its answer"
                throw HiveError(.ioError, "the daemon at \(path) closed the connection \(place)")
            } else if errno != EINTR, errno != EAGAIN {
                throw failure(errno)
            }
        }
    }

    // MARK: Waiting

    /// Waits for something to read, or for the end of the connection.
    func hears(within time: Duration) throws(HiveError) -> Bool {
        guard rest.isEmpty else { return true }
        let end = ContinuousClock.now + time
        var waited = [
            pollfd(fd: stopping, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        repeat {
            if try poll(&waited, until: nil, atMost: max(.zero, end - .now)) > 0 { return true }
        } while .now < end
        return false
    }

    /// - Throws: also when `end` is past though the event is there: whoever keeps us busy is as bad as whoever is silent.
    private borrowing func wait(_ events: Int32, until end: ContinuousClock.Instant?) throws(HiveError) {
        var waited = [
            pollfd(fd: stopping, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(events), revents: 0),
        ]
        while try poll(&waited, until: end, atMost: nil) == 0 {}
    }

    private borrowing func pause(until end: ContinuousClock.Instant) throws(HiveError) {
        var waited = [pollfd(fd: stopping, events: Int16(POLLIN), revents: 0)]
        _ = try poll(&waited, until: end, atMost: .milliseconds(20))
    }

    /// - Returns: how many are ready.
    private borrowing func poll(
        _ waited: inout [pollfd], until end: ContinuousClock.Instant?, atMost: Duration?
    ) throws(HiveError) -> Int32 {
        var time = atMost
        if let end {
            let left = end - .now
            guard left > .zero else {
                throw HiveError(.ioError, "the daemon at \(path) did not answer in time")
            }
            time = min(left, atMost ?? left)
        }
        // Rounded up, or the last millisecond would be spent asking again and again.
        let milliseconds = time.map { Int32(clamping: Int($0 / .milliseconds(1)) + 1) } ?? -1
        let count = Glibc.poll(&waited, nfds_t(waited.count), milliseconds)
        guard count >= 0 || errno == EINTR else { throw failure(errno) }
        guard count <= 0 || waited[0].revents == 0 else {
            throw HiveError(.ioError, "the question to the daemon at \(path) was given up")
        }
        return max(count, 0)
    }
}
