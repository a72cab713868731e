internal import Glibc

/// Asks a core daemon which agents there are. It never sends anything but the two requests of `Request`.
///
/// Its functions wait, for a thread of its own. `stop` ends them from another one.
public final class RosterClient: Sendable {
    /// The absolute path of the daemon's unix socket.
    public let socket: String
    private let deadline, silence: Duration
    /// A socketpair(2), whose first end `stop` makes readable for good: unlike shutdown(2) of the connection it is not too
    /// early when there is none yet, nor too late when its number belongs to something else.
    private let stopping: (read: Int32, write: Int32)

    /// All that is ever asked.
    enum Request: String, CaseIterable {
        /// One answer.
        case status = "agent_status"
        /// Answers from now on. Not every daemon knows it.
        case subscribe = "subscribe_agent_status"

        /// As it is sent.
        var line: String { "{\"cmd\":\"\(rawValue)\"}\n" }
    }

    /// - Parameters:
    ///   - deadline: for a whole exchange.
    ///   - silence: for how long nothing may come of a subscription. A daemon that hangs, or has lost its end, looks like one that has
    ///     nothing to tell: so now and then it is asked all the same.
    public init(
        socket: String, deadline: Duration = .seconds(5), silence: Duration = .seconds(30)
    ) throws(HiveError) {
        var ends: [Int32] = [-1, -1]
        let code = socketpair(AF_UNIX, RosterSocket.type, 0, &ends) == 0 ? 0 : errno
        stopping = (ends[0], ends[1])
        self.socket = socket
        self.deadline = deadline
        self.silence = silence
        guard code == 0 else { throw HiveError(cannot: "make a pair of sockets", errno: code) }
    }

    deinit {
        guard stopping.read >= 0 else { return }
        close(stopping.read)
        close(stopping.write)
    }

    /// Asks once, over a connection of its own.
    ///
    /// - Throws: a sentence that names the socket, for a `RosterFollower`.
    public func ask() throws(HiveError) -> RosterAnswer {
        let end = ContinuousClock.now + deadline
        var connection = try RosterSocket(socket, until: end, stopping: stopping.read)
        try connection.send(Request.status.line, until: end)
        return try RosterAnswer(connection.line(begin: end, whole: deadline), from: socket)
    }

    /// Subscribes, and hands over answers as they come. The first has to be there within the deadline.
    ///
    /// This is best effort. It ends by an error only: whatever is not an answer as `ask` would get it, too long a silence, and the end
    /// of the connection. Then go on with `ask`, now and then.
    public func follow(_ body: (RosterAnswer) throws(HiveError) -> Void) throws(HiveError) -> Never {
        let end = ContinuousClock.now + deadline
        var connection = try RosterSocket(socket, until: end, stopping: stopping.read)
        try connection.send(Request.subscribe.line, until: end)
        var begin = end
        while true {
            try body(RosterAnswer(connection.line(begin: begin, whole: deadline), from: socket))
            begin = .now + silence
        }
    }

    /// `stop` has been called.
    public var isStopped: Bool { pause(.zero) }

    /// Waits between two questions.
    /// - Returns: whether it is over before that, since `stop` has been called.
    @discardableResult
    public func pause(_ duration: Duration) -> Bool {
        let end = ContinuousClock.now + duration
        while true {
            let left = max(.zero, end - .now)
            let milliseconds = left / .milliseconds(1)
            var polled = pollfd(fd: stopping.read, events: Int16(POLLIN), revents: 0)
            let count = poll(&polled, 1, Int32(milliseconds.rounded(.up)))
            if count >= 0 || errno != EINTR { return count > 0 }
        }
    }

    /// Ends what another thread waits for, with an error, and whatever is asked later.
    public func stop() {
        // Unread, so it stays; and what is full is readable too.
        var byte: UInt8 = 0
        _ = send(stopping.write, &byte, 1, Int32(MSG_NOSIGNAL))
    }
}
