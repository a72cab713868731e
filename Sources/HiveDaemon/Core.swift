internal import HiveCore
internal import HiveWire

/// What the core knows and decides. Requests are handled one after another; what they have changed is on disk before anybody hears of it.
///
/// In a turn of the loop any number of requests are handled, `commit` writes all of it at once, and only then answers go out and
/// others are told.
final class Core {
    let store: Store
    let server: Server
    let hands: Hands
    let work: Work
    /// Where the watcher listens; nil: its events are not followed.
    let watcherSocket: String?
    /// Says a sentence to whoever keeps the log.
    let say: (String) -> Void
    /// What the agents are. In the order of their names.
    var agents: [AgentEntry] = []
    var feed = EventFeed()
    var containers = Containers()
    var network = NetworkNews()
    /// What the web process may tell of refused requests.
    var refusals = Allowance(burst: 60, perSecond: 0.2)
    /// Reads the configuration again.
    var reload: () -> Void = {}
    /// What the follower of the network begins with: its descriptor is to be waited for.
    var startFollowing: (NetworkFollower) throws(ServiceError) -> Void = { _ in }
    private var told: Set<String> = []

    /// Answers of this turn.
    private var answers: [(client: Client, line: [UInt8])] = []
    /// What follows when the turn's changes are on disk.
    private var consequences: [() -> Void] = []
    /// What follows when they cannot be written.
    private var regrets: [() -> Void] = []
    /// Agents whose rows have changed.
    private var changedRows: Set<String> = []

    init(
        store: Store, server: Server, hands: Hands, work: Work, watcherSocket: String?,
        say: @escaping (String) -> Void
    ) {
        self.store = store
        self.server = server
        self.hands = hands
        self.work = work
        self.watcherSocket = watcherSocket
        self.say = say
    }

    // MARK: A turn

    func handle(_ client: Client, _ line: [UInt8]) {
        do {
            switch client.role {
            case .agent(let name): try handle(AgentRequest(line: line), of: name, client)
            case .operators:
                client.isLast = true
                try handle(OperatorRequest(line: line), client)
            case .web: try handle(CoreRequest(line: line), client)
            }
        } catch {
            refuse(client, error)
        }
    }

    /// Answers when this turn's changes are on disk.
    func answer(_ client: Client, _ answer: some Encodable) {
        do { answers.append((client, try JSONLine.encode(answer))) } catch { refuse(client, error) }
    }

    func refuse(_ client: Client, _ error: any Error) {
        client.stream = nil
        guard let line = try? JSONLine.encode(Refusal(Self.sentence(error))) else {
            return client.channel.end()
        }
        answers.append((client, line))
    }

    /// Does something when this turn's changes are on disk; or something else, when they cannot be.
    func afterwards(_ body: @escaping () -> Void, orElse regret: (() -> Void)? = nil) {
        consequences.append(body)
        if let regret { regrets.append(regret) }
    }

    /// An agent's row is another one.
    func rowChanged(_ agent: String) { changedRows.insert(agent) }

    /// Ends a turn.
    func commit() {
        // (Work that is done, as of a consequence, may change something again.)
        for _ in 0..<8 {
            guard !answers.isEmpty || !consequences.isEmpty || !changedRows.isEmpty || store.hasStaged else {
                return
            }
            let (answers, consequences, regrets) = (self.answers, self.consequences, self.regrets)
            (self.answers, self.consequences, self.regrets) = ([], [], [])
            do {
                try store.commit()
            } catch {
                say("\(Self.sentence(error))")
                changedRows = []
                for body in regrets { body() }
                // Some of them may have changed nothing. They are not worth telling apart: nobody is told what is not so.
                for (client, _) in answers { refuse(client, error) }
                for answer in self.answers { send(answer) }
                self.answers = []
                return
            }
            // (Of a compaction that could not be made.)
            for warning in store.takeWarnings() { say(warning) }
            for answer in answers { send(answer) }
            for body in consequences { body() }
            tellRows()
        }
    }

    private func send(_ answer: (client: Client, line: [UInt8])) {
        answer.client.isBusy = false
        answer.client.wait()
        answer.client.channel.send(answer.line)
        server.settle(answer.client)
        server.watch()
    }

    // MARK: Telling

    /// Tells of something to those who follow events.
    func emit(_ kind: CoreEvent.Kind, agent: String? = nil, _ sentence: String) {
        let event = feed.add(kind, agent, sentence)
        tell(event, to: .events)
    }

    func tell(_ value: some Encodable, to stream: Client.Stream) {
        var line: [UInt8]?
        for client in server.clients.values where client.stream == stream {
            if line == nil { line = try? JSONLine.encode(value) }
            if let line { client.tell(line) }
            server.settle(client)
        }
        server.watch()
    }

    /// An agent that waits hears what was said to it.
    func notify(_ agent: String, _ notice: AgentNotice) {
        guard let line = try? JSONLine.encode(notice) else { return }
        for client in server.clients.values where client.role == .agent(agent) && hears(client, notice.id) {
            client.tell(line)
            server.settle(client)
        }
        server.watch()
    }

    private func tellRows() {
        guard !changedRows.isEmpty else { return }
        let names = changedRows.sorted()
        changedRows = []
        for name in names { emit(.agent, agent: name, "the agent's state has changed") }
        if server.clients.values.contains(where: { $0.stream == .statuses }) {
            tell(statusAnswer(), to: .statuses)
        }
    }

    /// Says a sentence, unless it has been said.
    func tellOnce(_ sentence: String) {
        guard told.count < 256, told.insert(sentence).inserted else { return }
        say(sentence)
    }

    static func sentence(_ error: any Error) -> String {
        switch error {
        case let error as ServiceError: error.description
        case let error as HiveError: error.description
        default: "\(error)"
        }
    }

    // MARK: Agents

    func entry(_ name: String?) throws(ServiceError) -> AgentEntry {
        guard let name else { throw ServiceError(ServiceError.usage, "the request names no agent") }
        guard let entry = agents.first(where: { $0.name == name }) else {
            let hint =
                nearest(to: name, among: agents.map(\.name)).map { "; did you mean \(quoted($0))?" } ?? ""
            throw ServiceError(ServiceError.usage, "there is no agent \(quoted(name))\(hint)")
        }
        return entry
    }

    func statusAnswer() -> OperatorAnswer {
        var answer = OperatorAnswer(ok: true)
        answer.agentStatuses = rows()
        return answer
    }

    /// What operators see of all agents.
    func rows() -> [AgentStatus] {
        agents.map { entry in
            var row = AgentStatus(name: entry.name)
            row.parent = entry.parent
            row.url = entry.hasPage ? "/agent/\(entry.name)/" : nil
            row.backend = entry.backend
            if let status = store.status(agent: entry.name) {
                row.statusText = status.text
                row.statusSetAt = status.setAt
            }
            (row.openQuestions, row.openApprovals) = store.openCounts(agent: entry.name)
            containers.fill(&row)
            return row
        }
    }
}

/// What the core knows of an agent by the configuration.
struct AgentEntry: Equatable, Sendable {
    let name: String
    var parent: String?
    /// It has a page of its own behind the gateway.
    var hasPage: Bool
    /// How it is started and stopped; nil: not by Hive.
    var backend: String?
}
