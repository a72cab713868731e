import Foundation
import Glibc
import HiveWire
import Synchronization
import Testing

@testable import HiveWeb

/// The server over real sockets, with a core of the tests' own.
@Suite(.timeLimit(.minutes(10))) struct ServerTests {
    @Test func pagesAndData() throws {
        let server = try RunningServer()
        server.core.state.withLock {
            $0.questions = [Question(id: 7, agent: "alpha", text: "why?", asked: 0)]
        }
        let page = try server.get("/")
        #expect(page.status == 200 && page.body.contains("why?") && page.body.contains("/answer-question/7"))
        #expect(page.headers["Content-Security-Policy"] == Response.strictPolicy)
        #expect(
            page.headers["Cache-Control"] == "no-store" && page.headers["X-Content-Type-Options"] == "nosniff"
        )
        #expect(!page.headers.keys.contains { $0.lowercased().hasPrefix("access-control") })
        let agent = try server.get("/agents/alpha")
        #expect(
            agent.status == 200 && agent.body.contains("a line of alpha")
                && agent.body.contains("path=a%20b%26c.txt"))
        #expect(try server.get("/agents/nobody").status == 404)
        #expect(try server.get("/api/state").body.contains("\"ok\":true"))
        #expect(try server.get("/api/journal/alpha?lines=5").body.contains("a line of alpha"))
        #expect(server.core.requests(.journal).last?.lines == 5)
        #expect(try server.get("/api/journal/alpha?lines=100000").status == 400)
        #expect(try server.get("/api/agent-config/beta").body.contains("\"name\":\"beta\""))
        let missing = try server.get("/api/state-file?agent=alpha&path=../x")
        #expect(
            missing.status == 404 && missing.body == "{\"error\":\"there is no such file\",\"ok\":false}\n")
        // (As it was sent: the core decides what it may be.)
        #expect(server.core.requests(.readAgentStateFile).last?.relPath == "../x")
        #expect(try server.ask(.make("HEAD", "/")).body.isEmpty)
        let other = try server.ask(.make("PUT", "/"))
        #expect(other.status == 405 && other.headers["Allow"] == "GET, HEAD")
        #expect(try server.get("/x").status == 404)
        #expect(try server.get("/", ["DOCUMENT_URI": "/agents/alpha"]).status == 400)
    }

    @Test func filesThatAreKnownAreNotSentAgain() throws {
        let server = try RunningServer()
        for asset in Asset.allCases {
            let answer = try server.get("/static/\(asset.rawValue)")
            #expect(
                answer.status == 200 && !answer.body.isEmpty && answer.headers["Cache-Control"] == "no-cache")
            let tag = try #require(answer.headers["ETag"])
            #expect(
                try server.get("/static/\(asset.rawValue)", ["HTTP_IF_NONE_MATCH": "\"x\", W/\(tag)"]).status
                    == 304)
            #expect(
                try server.get("/static/\(asset.rawValue)", ["HTTP_IF_NONE_MATCH": "\"x\""]).status == 200)
        }
    }

    @Test func answersGoToTheCoreAndOnlyOnce() throws {
        let server = try RunningServer()
        server.core.state.withLock {
            $0.questions = [
                Question(id: 7, agent: "alpha", text: "?", asked: 0),
                Question(id: 8, agent: "alpha", text: "?", options: ["<yes>\u{202e}", "no"], asked: 0),
            ]
        }
        let first = try server.ask(.post(.answer(7), ["text": "a\r\nb ä", "from": "/agents/alpha"]))
        #expect(first.status == 303 && first.headers["Location"] == "/agents/alpha?did=answered")
        #expect(server.core.requests(.answerQuestion).last?.text == "a\nb ä")
        #expect(server.core.requests(.answerQuestion).last?.user == "alice")
        #expect(try server.get("/agents/alpha?did=answered").body.contains(Deed.answered.sentence))
        let again = try server.ask(.post(.answer(7), ["text": "lost words"]))
        #expect(
            again.status == 409 && again.body.contains("question 7 is answered already")
                && again.body.contains("lost words"))
        #expect(try server.ask(.post(.answer(8), ["option": "0"])).status == 303)
        #expect(server.core.requests(.answerQuestion).last?.text == "<yes>\u{202e}")
        let count = server.core.requests(.answerQuestion).count
        #expect(try server.ask(.post(.answer(8), ["text": " \n"])).status == 400)
        #expect(try server.ask(.post(.answer(8), ["text": "x", "from": "//evil"])).status == 400)
        #expect(server.core.requests(.answerQuestion).count == count)
    }

    @Test func decisionsAndLifecycle() throws {
        let server = try RunningServer()
        server.core.state.withLock {
            $0.approvals = [1, 2].map { Approval(id: $0, agent: "alpha", text: "!", asked: 0) }
        }
        #expect(try server.ask(.post(.approve(1))).headers["Location"] == "/?did=approved")
        #expect(try server.ask(.post(.deny(2))).headers["Location"] == "/?did=denied")
        #expect(try server.ask(.post(.deny(1))).status == 409)
        for verb in LifecycleVerb.allCases where verb != .destroy {
            #expect(try server.ask(.post(.lifecycle("alpha", verb))).status == 303)
            #expect(server.core.requests(.lifecycle).last?.verb == verb)
        }
        let count = server.core.requests(.lifecycle).count
        #expect(try server.ask(.post(.lifecycle("alpha", .destroy))).status == 400)
        #expect(try server.ask(.post(.lifecycle("alpha", .destroy), ["sure": "beta"])).status == 400)
        #expect(server.core.requests(.lifecycle).count == count)
        #expect(try server.ask(.post(.lifecycle("alpha", .destroy), ["sure": "alpha"])).status == 303)
        #expect(server.core.requests(.lifecycle).last?.verb == .destroy)
    }

    /// Nothing is done for somebody else's page, and the core hears of it, though not without end.
    @Test func whatIsNotTheOperatorsIsRefusedAndTold() throws {
        let server = try RunningServer()
        server.core.state.withLock { $0.approvals = [Approval(id: 1, agent: "alpha", text: "!", asked: 0)] }
        let old = RunningServer.tokens.token(for: .approve(1), user: "alice", at: PageTokens.now + 1000)
        let other = RunningServer.tokens.token(for: .deny(1), user: "alice", at: PageTokens.now)
        for request in [
            SCGIRequest.post(.approve(1), [:], ["HTTP_ORIGIN": "null"]), .post(.approve(1), token: ""),
            .post(.approve(1), token: old), .post(.approve(1), token: other), .post(.approve(1), user: "bob"),
            .post(.approve(1), [:], ["HTTP_SEC_FETCH_SITE": "cross-site"]),
        ] { #expect(try server.ask(request).status == 403) }
        #expect(wait { server.core.requests(.refused).count == 6 })
        #expect(server.core.requests(.refused).contains { $0.text?.contains("origin \"null\"") == true })
        #expect(server.core.requests(.approve).isEmpty)
        for _ in 0..<100 { #expect(try server.ask(.post(.approve(1), token: "")).status == 403) }
        usleep(100_000)
        #expect((7...40).contains(server.core.requests(.refused).count))
        // A control: the same with its own token.
        #expect(try server.ask(.post(.approve(1))).status == 303)
    }

    @Test func aCoreThatIsAwayIsSaidSo() throws {
        let server = try RunningServer()
        #expect(try server.get("/").status == 200)
        server.core.end()
        let answer = try server.get("/agents/alpha")
        #expect(answer.status == 503 && answer.headers["Refresh"] == "5")
        #expect(try server.get("/api/state").body.contains("\"ok\":false"))
        let lost = try server.ask(.post(.answer(1), ["text": "my words"]))
        #expect(lost.status == 503 && lost.body.contains("my words") && lost.headers["Refresh"] == nil)
        #expect(try server.get("/static/style.css").status == 200)
    }

    @Test func aCoreThatHangsHoldsUpNobodyElse() throws {
        let server = try RunningServer { $0.core = .seconds(1) }
        server.core.state.withLock { $0.isHanging = true }
        let waiting = try (0..<40).map { _ in
            let socket = try server.connect()
            try send(RunningServer.encode(.make("GET", "/")), socket)
            return socket
        }
        let start = ContinuousClock.now
        #expect(try server.get("/static/hive.js").status == 200)
        #expect(ContinuousClock.now - start < .milliseconds(900))
        for socket in waiting { #expect(Answer(read(socket)).status == 504) }
        #expect(ContinuousClock.now - start < .seconds(6))
        server.core.state.withLock { $0.isHanging = false }
        #expect(wait { (try? server.get("/"))?.status == 200 })
    }

    @Test func manyAskAtOnce() throws {
        let server = try RunningServer()
        let sockets = try (0..<200).map { _ in
            let socket = try server.connect()
            try send(RunningServer.encode(.make("GET", "/")), socket)
            return socket
        }
        for socket in sockets { #expect(Answer(read(socket)).status == 200) }
        // However many look, the core is asked by few of them.
        #expect(server.core.requests(.agents).count < 100)
    }

    @Test func connectionsThatComeAndGo() throws {
        let server = try RunningServer()
        let half = Array(RunningServer.encode(.make("GET", "/")).dropLast(5))
        for index in 0..<10_000 {
            let socket = try server.connect()
            if index.isMultiple(of: 3) { try send(half, socket) }
        }
        #expect(try server.get("/").status == 200)
    }

    @Test func halfARequestIsCut() throws {
        let server = try RunningServer { $0.patience = .milliseconds(300) }
        let whole = RunningServer.encode(.make("GET", "/"))
        let slow = try server.connect()
        try send(Array(whole.prefix(20)), slow)
        #expect(read(slow).isEmpty)
        // One who sends half and no more is not waited for.
        let ended = try server.connect()
        try send(Array(whole.prefix(20)), ended)
        shutdown(ended.descriptor, Int32(SHUT_WR))
        #expect(read(ended).isEmpty)
        #expect(try server.get("/").status == 200)
    }

    @Test func thereAreNotTooMany() throws {
        let server = try RunningServer { $0.mostConnections = 5 }
        let held = try (0..<5).map { _ in try server.connect() }
        #expect(Answer(read(try server.connect())).status == 503)
        try send(RunningServer.encode(.make("GET", "/")), held[0])
        #expect(Answer(read(held[0])).status == 200)
        #expect(wait { (try? server.get("/"))?.status == 200 })
    }

    // MARK: Streams

    private func event(_ id: UInt64, _ sentence: String = "x") -> CoreEvent {
        CoreEvent(id: id, time: 1, kind: .agent, agent: "alpha", sentence: sentence)
    }

    private func stream(_ server: RunningServer, after: UInt64? = nil) throws -> UnixSocket {
        let socket = try server.connect()
        try send(
            RunningServer.encode(
                .make("GET", "/api/stream", after.map { ["HTTP_LAST_EVENT_ID": "\($0)"] } ?? [:])), socket)
        return socket
    }

    @Test func eventsReachEverybodyOverOneConnection() throws {
        let server = try RunningServer()
        #expect(wait { server.core.state.withLock { $0.listeners.count == 1 } })
        let sockets = try (0..<50).map { _ in try stream(server) }
        for socket in sockets {
            #expect(
                String(decoding: read(socket, until: "\"up\":true"), as: UTF8.self).contains(
                    "text/event-stream"))
        }
        for id in 1...3 { server.core.tell(event(UInt64(id))) }
        for socket in sockets {
            #expect(String(decoding: read(socket, until: "id: 3\n"), as: UTF8.self).contains("id: 1\n"))
        }
        #expect(server.core.requests(.events).count == 1)
        let resumed = try stream(server, after: 2)
        let text = String(decoding: read(resumed, until: "id: 3\n"), as: UTF8.self)
        #expect(!text.contains("id: 2\n") && !text.contains("reset"))
        #expect(
            String(decoding: read(try stream(server, after: 99), until: "reset"), as: UTF8.self).contains(
                "event: reset"))
    }

    @Test func streamsAreBounded() throws {
        let server = try RunningServer { $0.mostStreams = 3 }
        let open = try (0..<3).map { _ in try stream(server) }
        for socket in open { _ = read(socket, until: "retry") }
        #expect(Answer(read(try stream(server))).status == 503)
    }

    @Test func whoReadsNothingIsCutAndTheRestGoOn() throws {
        let server = try RunningServer { $0.patience = .seconds(1) }
        #expect(wait { server.core.state.withLock { $0.listeners.count == 1 } })
        let (slow, quick) = (try stream(server), try stream(server))
        _ = read(slow, until: "\"up\":true")
        _ = read(quick, until: "\"up\":true")
        let words = String(repeating: "y", count: 900)
        for id in 1...2000 {
            server.core.tell(event(UInt64(id), words))
            _ = id.isMultiple(of: 100) ? read(quick, until: "id: \(id)\n") : []
        }
        usleep(1_500_000)
        // (What it got before is there to read, and then it ends.)
        let text = String(decoding: read(slow), as: UTF8.self)
        #expect(text.contains("id: 1\n") && !text.contains("id: 2000\n"))
        server.core.tell(event(2001))
        #expect(String(decoding: read(quick, until: "id: 2001\n"), as: UTF8.self).contains("id: 2001\n"))
    }

    @Test func theCoresEndIsTold() throws {
        let server = try RunningServer()
        let socket = try stream(server)
        _ = read(socket, until: "\"up\":true")
        server.core.end()
        #expect(String(decoding: read(socket, until: "\"up\":false"), as: UTF8.self).contains("event: core"))
    }

    @Test func itEndsWhenItIsTold() throws {
        let server = try RunningServer()
        let socket = try stream(server)
        _ = read(socket, until: "retry")
        #expect(server.end())
        // (The stream ends, instead of waiting for more.)
        _ = read(socket)
        #expect(access(server.path, F_OK) == 0)
    }
}
