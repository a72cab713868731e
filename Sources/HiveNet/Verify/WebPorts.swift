/// What became of one connection to an agent's web page.
struct WebResult {
    let agent: Int
    let user: UInt32
    let isIPv6: Bool
    /// The rules let this user connect.
    let isAllowed: Bool
    /// The SYN was seen inside.
    let arrived: Bool
    let answer: WebConnection.Answer
}

extension Inspection {
    /// Somebody who is neither root nor the gateway: nobody, as most systems have it, or somebody near.
    private var stranger: UInt32 {
        (65_500...65_534).reversed().first { !spec.gatewayUsers.contains($0) } ?? 65_534
    }

    private static let webPortion = 8

    /// Connects to web ports from the host: as root, as the gateway's users, and as another user.
    ///
    /// Root's connections are the control of the stranger's: the same way to the same socket, by the same means.
    mutating func tryWebPorts(_ prober: Prober) -> [WebResult] {
        let agents = chosen.filter { spec.agents[$0].webPort != nil && faults[$0] == nil }
        var results: [WebResult] = []
        // A few at a time, since each has several sockets.
        for start in stride(from: 0, to: agents.count, by: Self.webPortion) {
            let portion = Array(agents[start..<min(start + Self.webPortion, agents.count)])
            do throws(KernelError) {
                results += try tryWebPorts(portion, prober)
            } catch {
                report(.untested, nil, .web, "could not test web pages: \(error.description)")
                break
            }
        }
        return results
    }

    private mutating func tryWebPorts(
        _ agents: [Int], _ prober: Prober
    ) throws(KernelError) -> [WebResult] {
        let pages: [(agent: Int, isIPv6: Bool, port: UInt16)] = agents.flatMap { agent in
            let port = spec.agents[agent].webPort ?? 0
            let isIPv4 = (agent: agent, isIPv6: false, port: port)
            return stations[agent].address6 == nil ? [isIPv4] : [isIPv4, (agent, true, port)]
        }
        var connections: [(page: (agent: Int, isIPv6: Bool, port: UInt16), WebConnection)] = []
        for user in [0] + spec.gatewayUsers.sorted() + [stranger] {
            guard let opened = try WebConnection.open(as: user, pages.map { ($0.isIPv6, $0.port) }) else {
                noSuchUser(user, pages.map(\.agent))
                continue
            }
            connections += zip(pages, opened).map { ($0, $1) }
        }
        var results: [WebResult] = []
        for agent in agents {
            guard let sender = prober.senders[agent] else { continue }
            let own = connections.filter { $0.page.agent == agent }
            try sender.socket.attach(.ports(own.map { ($0.page.isIPv6, $0.1.ports) }))
            for (page, connection) in own {
                if page.isIPv6, let address = stations[agent].address6 {
                    connection.connect(address)
                } else {
                    connection.connect(stations[agent].address4)
                }
            }
            try prober.settle(agent)
            if let fault = sender.fault { faults[agent] = fault }
            var seen: Set<UInt32> = []
            try sender.socket.receive { (frame) throws(KernelError) in
                if frame.count >= 54, frame.number16(12) == Frame.ipv4Type { seen.insert(frame.number32(34)) }
                if frame.count >= 74, frame.number16(12) == Frame.ipv6Type { seen.insert(frame.number32(54)) }
                return true
            }
            results += own.map { page, connection in
                let isAllowed = connection.user != stranger
                // The kernel inside answers by itself: what has not come by now was held back, or takes its time.
                return WebResult(
                    agent: agent, user: connection.user, isIPv6: page.isIPv6, isAllowed: isAllowed,
                    arrived: seen.contains(connection.ports),
                    answer: connection.answer(
                        milliseconds: isAllowed && seen.contains(connection.ports) ? 500 : 0))
            }
        }
        return results
    }

    private mutating func noSuchUser(_ user: UInt32, _ agents: [Int]) {
        for agent in agents {
            var cell = Verification.Cell()
            cell.probes = 1
            cell.untested = 1
            add(cell, agent, .web)
        }
        let sentence =
            "could not test web pages as the user with id \(user): there is none in this user namespace"
        if !result.incidents.contains(where: { $0.sentence == sentence }) {
            report(.untested, nil, .web, sentence)
        }
    }

    mutating func judge(_ web: [WebResult], _ counts: Counts) {
        // Nobody's count but everybody's: strangers' packets are counted together.
        var counted = Int(clamping: counts.totals["inet hive local"] ?? 0)
        for result in web {
            var cell = Verification.Cell()
            cell.probes = 1
            let name = stations[result.agent].name
            let who = result.user == 0 ? "root" : "the user with id \(result.user)"
            let page = "\(name)'s web page by \(result.isIPv6 ? "IPv6" : "IPv4")"
            if faults[result.agent] != nil {
                cell.untested = 1
            } else if !result.isAllowed {
                judge(stranger: result, &cell, &counted, web, "\(who) of the host", page)
            } else if result.answer != .none {
                cell.works = 1
            } else if result.arrived {
                cell.untested = 1
                report(
                    .untested, result.agent, .web,
                    "could not test whether \(who) of the host reaches \(page): the request arrives, and the agent does not answer"
                )
            } else {
                cell.failed = 1
                report(.failed, result.agent, .web, "\(who) of the host does not reach \(page)")
            }
            add(cell, result.agent, .web)
        }
        let silent = Set(web.filter { $0.answer == .refused }.map(\.agent))
        if !silent.isEmpty {
            result.notes.append(
                "nobody listens on the web port of \(silent.count) agent\(silent.count == 1 ? "" : "s"); the way there is open"
            )
        }
    }

    private mutating func judge(
        stranger result: WebResult, _ cell: inout Verification.Cell, _ counted: inout Int, _ web: [WebResult],
        _ who: String, _ page: String
    ) {
        let hasControl = web.contains {
            $0.agent == result.agent && $0.isIPv6 == result.isIPv6 && $0.user == 0 && $0.arrived
        }
        if result.arrived || result.answer != .none {
            cell.reached = 1
            report(.reached, result.agent, .web, "\(who) reached \(page)")
        } else if !hasControl {
            cell.untested = 1
            report(
                .untested, result.agent, .web, "could not test whether \(who) reaches \(page): root does not")
        } else if counted > 0 {
            counted -= 1
            cell.blocked = 1
            cell.by["inet hive local"] = 1
        } else {
            cell.unexplained = 1
            report(
                .unexplained, result.agent, .web, "\(who) did not reach \(page), but no counter of ours moved"
            )
        }
    }
}
