internal import CResolver
internal import Glibc

/// Asks a core daemon which agents there are. It never sends anything but the two requests of `Request`.
///
/// Its functions wait, for a thread of its own. `stop` ends them from another one.
public final class RosterClient: Sendable {
    /// The absolute path of the daemon's unix socket.
    public let socket: String
    private let deadline: Duration
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

    /// - Parameter deadline: for a whole exchange.
    public init(socket: String, deadline: Duration = .seconds(5)) throws(HiveError) {
        var ends: [Int32] = [-1, -1]
        let code = socketpair(AF_UNIX, RosterSocket.type, 0, &ends) == 0 ? 0 : errno
        stopping = (ends[0], ends[1])
        self.socket = socket
        self.deadline = deadline
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
    /// This is best effort: no news may mean that there are none, or that the daemon has forgotten us. So after a while of
    /// silence it is asked. Where that answer names other agents, it is handed over too, and the news have to follow within the
    /// deadline: they may be on their way.
    ///
    /// - Parameter silence: how long nothing has to be heard for it to be asked.
    /// - Returns: when there were changes that the daemon did not tell of. Then go on with `ask` alone, now and then.
    /// - Throws: for whatever is not an answer as `ask` would get it, and at the end of the connection.
    public func follow(
        askingAfter silence: Duration = .seconds(30), _ body: (RosterAnswer) throws(HiveError) -> Void
    ) throws(HiveError) {
        let end = ContinuousClock.now + deadline
        var connection = try RosterSocket(socket, until: end, stopping: stopping.read)
        try connection.send(Request.subscribe.line, until: end)
        var last = try RosterAnswer(connection.line(begin: end, whole: deadline), from: socket)
        try body(last)
        while true {
            if try !connection.hears(within: silence) {
                let answer = try ask()
                guard answer.names != last.names else { continue }
                try body(answer)
                guard try connection.hears(within: deadline) else { return }
            }
            last = try RosterAnswer(connection.line(begin: nil, whole: deadline), from: socket)
            try body(last)
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
