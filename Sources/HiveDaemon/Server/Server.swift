internal import Glibc
internal import HiveWire

/// All sockets, and everybody who is connected. It never waits for one of them, and what one can take of it is bounded.
final class Server {
    private let poller: Poller
    private var doors: [Int32: Door] = [:]
    private(set) var clients: [Int32: Client] = [:]
    /// How many of each.
    private var counts: [Role: Int] = [:]
    private var allowances: [String: Allowance] = [:]
    /// Who may have sent a whole line.
    private var ready: [Int32] = []
    /// Agents that have asked for more than is granted, and when they go on.
    private var delayed: [Int32: ContinuousClock.Instant] = [:]
    /// When somebody may have to be cut off.
    private var sweepDue: ContinuousClock.Instant?
    /// Where nobody can be let in for want of descriptors.
    private var closed: [Int32] = []
    /// Who the web process is; nil: there is no such user, and nobody is heard.
    var webUser: UInt32?

    /// Connections of one agent's.
    static let mostOfAgent = 16
    /// Its requests. Beyond them it waits, and nobody else.
    private static var ofAgent: Allowance { Allowance(burst: 100, perSecond: 50) }
    static let mostOperators = 64
    /// Of one user who is not root: root always finds a place.
    static let mostOfUser = 16
    static let mostWeb = 64
    /// Let in at a time, at one door.
    private static let batch = 64
    private static let sweep = Duration.seconds(1)

    init(_ poller: Poller) { self.poller = poller }

    // MARK: Doors

    func open(_ door: Door) throws(ServiceError) {
        try poller.set(door.listener.descriptor, .read)
        doors[door.listener.descriptor] = door
    }

    /// Nobody of that role is heard any more.
    func close(_ role: Role) {
        for (number, door) in doors where door.role == role {
            poller.remove(number)
            doors[number] = nil
        }
        for (number, client) in clients where client.role == role { drop(number, client) }
        if case .agent(let name) = role { allowances[name] = nil }
    }

    var roles: Set<Role> { Set(doors.values.map(\.role)) }

    // MARK: Clients

    /// What has happened to a descriptor of ours. - Returns: false if it is none.
    func serve(_ number: Int32, _ events: Poller.Interest) -> Bool {
        if let door = doors[number] {
            letIn(at: door)
            return true
        }
        guard let client = clients[number] else { return false }
        if events.contains(.write) { client.channel.flush() }
        if events.contains(.read) {
            client.channel.receive(most: client.longest + 2)
            ready.append(number)
        }
        // (What it has sent before is read first. And of this the kernel would tell again and again.)
        if !events.isDisjoint(with: .gone), !events.contains(.read) || client.channel.isHalfClosed {
            client.hangUp()
            poller.remove(number)
        }
        settle(number, client)
        return true
    }

    private func letIn(at door: Door) {
        for _ in 0..<Self.batch {
            guard let socket = door.listener.accept() else {
                if errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS {
                    poller.remove(door.listener.descriptor)
                    closed.append(door.listener.descriptor)
                    sweepDue = sweepDue ?? .now + Self.sweep
                }
                return
            }
            guard let peer = socket.peer else { continue }
            if let words = obstacle(to: peer, door.role) {
                // (As far as that goes: an empty socket has room for a line.)
                refuse(socket, words)
                continue
            }
            let client = Client(socket, role: door.role, user: peer.user)
            do throws(ServiceError) { try poller.set(client.channel.descriptor, client.interest) } catch {
                refuse(socket, error.description)
                continue
            }
            clients[client.channel.descriptor] = client
            counts[door.role, default: 0] += 1
            sweepDue = sweepDue ?? .now + Self.sweep
        }
    }

    private func refuse(_ socket: UnixSocket, _ words: String) {
        _ = (try? JSONLine.encode(Refusal(words)))?.withUnsafeBytes { socket.write($0) }
    }

    private func obstacle(to peer: UnixSocket.Peer, _ role: Role) -> String? {
        let count = counts[role] ?? 0
        switch role {
        case .agent:
            return count >= Self.mostOfAgent
                ? "you have \(Self.mostOfAgent) connections already, which is all that an agent gets" : nil
        case .operators:
            if peer.user == 0 {
                return count >= Self.mostOperators + Self.mostOfUser
                    ? "there are \(count) connections already" : nil
            }
            if count >= Self.mostOperators { return "there are \(count) connections already" }
            let same = clients.values.count { $0.role == .operators && $0.user == peer.user }
            return same >= Self.mostOfUser ? "you have \(same) connections already" : nil
        case .web:
            guard peer.user == webUser else { return "this socket is for the web process only" }
            return count >= Self.mostWeb ? "the web process has \(count) connections already" : nil
        }
    }

    /// Goes on with somebody to whom something was sent, or whose request is answered.
    func settle(_ client: Client) { settle(client.channel.descriptor, client) }

    private func settle(_ number: Int32, _ client: Client) {
        guard clients[number] === client else { return }
        if client.isDone { client.channel.end() }
        guard !client.channel.isOver else { return drop(number, client) }
        // (Half a line is waited for; and so is who has to wait.)
        if client.isWelcome, client.channel.hasLine, delayed[number] == nil { ready.append(number) }
        guard !client.isGone else { return }
        if (try? poller.set(number, delayed[number] == nil ? client.interest : [])) == nil {
            drop(number, client)
        }
    }

    private func drop(_ number: Int32, _ client: Client) {
        client.channel.end()
        poller.remove(number)
        clients[number] = nil
        delayed[number] = nil
        counts[client.role, default: 1] -= 1
        if counts[client.role] == 0 { counts[client.role] = nil }
    }

    // MARK: Requests

    /// One request at most of everybody who has sent some.
    func takeRequests() -> [(client: Client, line: [UInt8])] {
        let round = ready
        ready = []
        var lines: [(client: Client, line: [UInt8])] = []
        var seen: Set<Int32> = []
        for number in round where seen.insert(number).inserted {
            guard let client = clients[number], client.isWelcome, delayed[number] == nil else { continue }
            guard client.channel.hasLine else {
                if client.channel.input.count > client.longest { tooLong(client) }
                settle(number, client)
                continue
            }
            if case .agent(let name) = client.role,
                let later = allowances[name, default: Self.ofAgent].take(.now)
            {
                delayed[number] = later
                settle(number, client)
                continue
            }
            if let line = client.channel.takeLine() {
                client.wait()
                if line.count > client.longest { tooLong(client) } else { lines.append((client, line)) }
            } else {
                settle(number, client)
            }
        }
        return lines
    }

    private func tooLong(_ client: Client) {
        let words = "a request has at most \(client.longest) octets"
        if let line = try? JSONLine.encode(Refusal(words)) { client.channel.send(line) }
        client.channel.endWhenSent()
        client.isLast = true
        settle(client)
    }

    /// There is something to do without waiting for anybody.
    var hasMore: Bool { !ready.isEmpty }

    var deadline: ContinuousClock.Instant? {
        [sweepDue, delayed.values.min()].compactMap(\.self).min()
    }

    /// Lets those go on who had to wait, and cuts off who makes others wait.
    func runTimers(_ now: ContinuousClock.Instant) {
        for (number, due) in delayed where due <= now {
            delayed[number] = nil
            if let client = clients[number] { settle(number, client) }
        }
        guard let due = sweepDue, due <= now else { return }
        sweepDue = nil
        for number in closed where doors[number] != nil { try? poller.set(number, .read) }
        closed = []
        for (number, client) in clients {
            if let deadline = client.deadline, deadline <= now, delayed[number] == nil {
                drop(number, client)
            }
        }
        if clients.values.contains(where: { $0.deadline != nil }) { sweepDue = now + Self.sweep }
    }

    /// Somebody's deadline may have come to be: it is looked after.
    func watch() { sweepDue = sweepDue ?? .now + Self.sweep }
}

/// What is said to a request that is not granted, on all sockets.
struct Refusal: Encodable {
    let version = 1
    let ok = false
    let error: String

    init(_ error: String) { self.error = error }
}
