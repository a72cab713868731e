internal import HiveWire

/// Whose socket a connection came in on: that, and nothing that is said on it, is who speaks.
enum Role: Hashable {
    /// An agent, of which nothing counts but whose socket it is: not its user, and not root of its container.
    case agent(String)
    case operators
    /// The web process.
    case web
}

/// Somebody who is connected.
final class Client {
    let channel: Channel
    let role: Role
    /// As the kernel says. (Of an agent it says nothing.)
    let user: UInt32
    /// An answer is owed, for which others work: further requests wait.
    var isBusy = false
    /// What it is told besides answers, until it hangs up.
    var stream: Stream?
    /// No more requests are taken.
    var isLast = false
    /// It has hung up. What it had asked for is done all the same.
    private(set) var isGone = false
    /// When it was last waited for.
    private(set) var since = ContinuousClock.now

    enum Stream: Equatable {
        /// An agent that waits for what is said to these; nil: to everything of its own.
        case looseEnds(Set<Int>?)
        /// All agents' rows, whenever one has changed.
        case statuses
        case events
    }

    /// For a whole request to come.
    static let patience = Duration.seconds(30)
    /// For reading some more of what was sent.
    static let readingPatience = Duration.seconds(10)
    /// Octets of a stream that may be unread. An answer may be of any size: the next request waits for it.
    static let mostUnread = 1 << 20

    init(_ socket: UnixSocket, role: Role, user: UInt32) {
        channel = Channel(socket)
        self.role = role
        self.user = user
    }

    /// Of a request, in octets.
    var longest: Int {
        switch role {
        case .agent: AgentRequest.longest
        case .operators: OperatorRequest.longest
        case .web: CoreRequest.longest
        }
    }

    /// A further request would be looked at.
    var isWelcome: Bool { !isBusy && !isLast && !channel.isOver && channel.owed == 0 }

    /// When it is cut off; nil: it is not its turn.
    var deadline: ContinuousClock.Instant? {
        if channel.owed > 0 { return channel.moved + Self.readingPatience }
        return isBusy || stream != nil ? nil : since + Self.patience
    }

    /// Begins to wait for the next request.
    func wait() { since = .now }

    /// A line of a stream. Who does not read is cut off: it will ask again for what it has missed.
    func tell(_ line: [UInt8]) {
        guard channel.owed + line.count <= Self.mostUnread else { return channel.end() }
        channel.send(line)
    }

    func hangUp() {
        isGone = true
        stream = nil
    }

    /// What is waited for of its descriptor.
    var interest: Poller.Interest {
        var interest: Poller.Interest = channel.owed > 0 ? .write : []
        // (Who asks faster than it is answered is left to wait in its own socket.)
        if isWelcome, !channel.isHalfClosed, channel.input.count <= longest { interest.insert(.read) }
        return interest
    }

    /// Nothing more is to come, and nothing is owed.
    var isDone: Bool {
        if isGone { return !isBusy && (isLast || !channel.hasLine) }
        guard channel.owed == 0, !isBusy else { return false }
        return isLast && stream == nil || channel.isHalfClosed && stream == nil && !channel.hasLine
    }
}
