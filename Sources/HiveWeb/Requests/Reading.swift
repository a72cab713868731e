internal import FoundationEssentials
internal import HiveWire

/// `/api/state`.
struct StateAnswer: Encodable {
    let ok = true
    let agents: [AgentStatus]
    /// What is open.
    let questions: [Question]
    let approvals: [Approval]
    let network: NetworkSummary?
    /// Why there is none: a sentence.
    let networkError: String?
    /// To go on from with `/api/stream?after=`.
    let event: UInt64?

    init(_ overview: Overview, event: UInt64?) {
        agents = overview.agents
        questions = overview.openQuestions
        approvals = overview.openApprovals
        network = overview.network
        networkError = overview.networkTrouble
        self.event = event
    }

    enum CodingKeys: String, CodingKey {
        case ok, agents, questions, approvals, network, event
        case networkError = "network_error"
    }
}

private struct JournalAnswer: Encodable {
    let ok = true
    let lines: [String]
}

private struct ConfigAnswer: Encodable {
    let ok = true
    let config: AgentConfig?
}

// What is one agent's.
extension Site {
    func read(_ route: Route, _ request: SCGIRequest) -> Plan {
        guard let query = Self.query(request) else { return .answer(ErrorPage.response(400, request)) }
        var asked: CoreRequest
        switch route {
        case .journal(let name):
            asked = CoreRequest(.journal, name: name)
            let lines = Int(query["lines"] ?? "\(AgentPage.journalLines)") ?? 0
            guard (1...CoreRequest.mostJournalLines).contains(lines) else {
                let words = "A journal has 1 to \(CoreRequest.mostJournalLines) lines here."
                return .answer(ErrorPage.response(400, request, words))
            }
            asked.lines = lines
        case .agentConfig(let name): asked = CoreRequest(.agentConfig, name: name)
        default:
            guard let agent = query["agent"], AgentName.isValid(agent), let path = query["path"],
                !path.isEmpty,
                path.utf8.count <= 4096
            else {
                return .answer(ErrorPage.response(400, request, "A file needs an agent and a path."))
            }
            asked = CoreRequest(.readAgentStateFile)
            asked.agent = agent
            asked.relPath = path
        }
        asked.user = Viewer.name(request["REMOTE_USER"])
        return .ask { [client, asked] deadline in
            do throws(CoreTrouble) {
                let answer = try client.connect(until: deadline).ask(asked)
                switch asked.request {
                case .journal: return .json(200, JournalAnswer(lines: answer.lines ?? []))
                case .agentConfig: return .json(200, ConfigAnswer(config: answer.config))
                default: return Self.file(answer.file, request)
                }
            } catch .refused(let sentence) {
                return ErrorPage.response(404, request, sentence)
            } catch {
                return ErrorPage.response(error, request)
            }
        }
    }

    /// An agent's file is never a page of this origin, whatever is in it.
    static func file(_ file: StateFile?, _ request: SCGIRequest) -> Response {
        guard let file, let data = Data(base64Encoded: file.content), data.count <= StateFile.most else {
            return ErrorPage.response(503, request, "The core says nothing of the file.")
        }
        let content = [UInt8](data)
        // (The end may be in the middle of a character.)
        let isCut = file.size > content.count
        let whole = (0...(isCut ? 3 : 0)).map { content.dropLast($0) }
        let text = whole.first { String(validating: $0, as: UTF8.self) != nil && !$0.contains(0) }
        var response = Response(
            200, type: text == nil ? "application/octet-stream" : "text/plain; charset=utf-8",
            body: text.map(Array.init) ?? content)
        response.policy = "default-src 'none'; sandbox"
        if text == nil {
            let name = file.path.split(separator: "/").last.map(String.init) ?? "file"
            let safe = name.unicodeScalars.prefix(100).map { scalar -> Character in
                let isPlain =
                    scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
                return isPlain || [".", "-", "_"].contains(scalar) ? Character(scalar) : "_"
            }
            response.headers.append(("Content-Disposition", "attachment; filename=\"\(String(safe))\""))
        }
        response.headers.append(("Hive-File-Size", "\(file.size)"))
        return response
    }
}
