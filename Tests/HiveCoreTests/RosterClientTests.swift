import CResolver
import Glibc
import Synchronization
import Testing

@testable import HiveCore

/// One exchange with a daemon, whatever it does.
@Suite struct RosterClientTests {
    /// Far from what a busy machine takes, unless the test is about the deadline.
    private static let patient = Duration.seconds(60)

    /// How a question fails.
    private static func trouble(_ path: String, _ deadline: Duration = patient) -> String? {
        do throws(HiveError) {
            let client = try RosterClient(socket: path, deadline: deadline)
            _ = try client.ask()
            return nil
        } catch {
            // (`without` would need the directory: the socket's name is enough.)
            return error.description.replacing(path, with: "SOCKET")
        }
    }

    private static func trouble(_ daemon: RosterDaemon, _ deadline: Duration = patient) -> String? {
        withExtendedLifetime(daemon) { trouble(daemon.path, deadline) }
    }

    @Test func onlyTwoRequestsExist() {
        #expect(
            RosterClient.Request.allCases.map(\.line) == [
                "{\"cmd\":\"agent_status\"}\n", "{\"cmd\":\"subscribe_agent_status\"}\n",
            ])
    }

    @Test func anAnswerIsRead() throws {
        let whole = RosterDaemon.healthy
        let half = whole.count / 2
        for steps: [RosterDaemon.Step] in [
            [.send(whole + "\n")],
            [.send(whole + "\n"), .hold],
            [.send(whole + "\nand more"), .pour],
            [
                .send(String(whole.prefix(half))), .pause(.milliseconds(30)),
                .send(String(whole.dropFirst(half)) + "\n"),
            ],
        ] {
            let daemon = try RosterDaemon(steps)
            let client = try RosterClient(socket: daemon.path, deadline: Self.patient)
            #expect(try client.ask().names == ["alpha"])
            // A connection for each request.
            #expect(try client.ask().names == ["alpha"])
            #expect(daemon.requests == Array(repeating: "{\"cmd\":\"agent_status\"}", count: 2))
        }
    }

    @Test func aLongAnswerIsReadWhole() throws {
        let names = (0..<4096).map { "{\"name\":\"a\($0)\"}" }.joined(separator: ",")
        let daemon = try RosterDaemon([.send("{\"ok\":true,\"agent_statuses\":[\(names)]}\n")])
        let client = try RosterClient(socket: daemon.path, deadline: Self.patient)
        #expect(try withExtendedLifetime(daemon) { try client.ask() }.names.count == 4096)
    }

    @Test func wrongAnswersAreTrouble() throws {
        #expect(
            Self.trouble(try RosterDaemon([.send("{\"version\":1,\"ok\":false,\"error\":\"busy\"}\n")]))
                == "the daemon at SOCKET refuses to answer: \"busy\"")
        #expect(
            Self.trouble(try RosterDaemon([]))
                == "the daemon at SOCKET closed the connection without an answer")
        #expect(
            Self.trouble(try RosterDaemon([.send(RosterDaemon.healthy)]))
                == "the daemon at SOCKET closed the connection in the middle of its answer")
        #expect(
            Self.trouble(try RosterDaemon([.pour]))
                == "the daemon at SOCKET gave an answer of more than 4 MiB")
    }

    /// Closed before the request is read: by then the request may be sent or not.
    @Test func aDaemonThatClosesAtOnceIsTrouble() throws {
        let daemon = try RosterDaemon(reads: false, [])
        for _ in 0..<50 {
            let trouble = Self.trouble(daemon)
            #expect(
                [
                    "cannot ask the daemon at SOCKET for its agents: Broken pipe",
                    "cannot ask the daemon at SOCKET for its agents: Connection reset by peer",
                    "the daemon at SOCKET closed the connection without an answer",
                ].contains(trouble), "\(trouble ?? "an answer")")
        }
    }

    @Test func silenceEndsAtTheDeadline() throws {
        let late = "the daemon at SOCKET did not answer in time"
        for steps: [RosterDaemon.Step] in [[.hold], [.drip], [.send("{"), .hold]] {
            let start = ContinuousClock.now
            #expect(Self.trouble(try RosterDaemon(steps), .milliseconds(200)) == late)
            #expect(ContinuousClock.now - start >= .milliseconds(200))
        }
        // Nobody accepts, and the queue is full.
        let deaf = try RosterDaemon(nil)
        let first = try RosterSocketTests.connected(deaf.path)
        defer { close(first) }
        #expect(Self.trouble(deaf, .milliseconds(200)) == late)
    }

    @Test func whereNobodyListensIsTrouble() throws {
        let directory = try TemporaryDirectory()
        #expect(
            Self.trouble("\(directory.path)/none")
                == "cannot ask the daemon at SOCKET for its agents: No such file or directory")
        try directory.write("", to: "file")
        #expect(
            Self.trouble("\(directory.path)/file")
                == "cannot ask the daemon at SOCKET for its agents: Connection refused")
        #expect(
            Self.trouble("/" + String(repeating: "x", count: 107))
                == "cannot ask the daemon at SOCKET for its agents: File name too long")
        #expect(
            Self.trouble("/" + String(repeating: "x", count: 106))
                == "cannot ask the daemon at SOCKET for its agents: No such file or directory")
    }

    @Test func aSubscriptionHandsOverAnswersUntilOneIsWrong() throws {
        let daemon = try RosterDaemon([
            .send(RosterDaemon.healthy + "\n" + RosterDaemon.healthy + "\n"), .pause(.milliseconds(300)),
            .send(RosterDaemon.healthy + "\n"), .send("{\"ok\":true}\n"), .hold,
        ])
        // The deadline is that of the first answer, not of those that come when something changes.
        let client = try RosterClient(socket: daemon.path, deadline: .seconds(60))
        var answers: [[String]] = []
        let error = #expect(throws: HiveError.self) { try client.follow { answers.append($0.names) } }
        #expect(answers == [["alpha"], ["alpha"], ["alpha"]])
        #expect(
            error?.description
                == "the daemon at \(daemon.path) gave an answer without a list \"agent_statuses\"")
        #expect(daemon.requests == ["{\"cmd\":\"subscribe_agent_status\"}"])
    }

    @Test func aSubscriptionWaitsLongForTheNextAnswerButNotForTheFirst() throws {
        let late = try RosterDaemon([
            .send(RosterDaemon.healthy + "\n"), .pause(.milliseconds(1500)),
            .send(RosterDaemon.healthy + "\n"),
        ])
        var count = 0
        let closed = #expect(throws: HiveError.self) {
            try RosterClient(socket: late.path, deadline: .seconds(1)).follow { _ in count += 1 }
        }
        #expect(count == 2)
        #expect(closed?.description == "the daemon at \(late.path) closed the connection without an answer")
        let mute = try RosterDaemon([.hold])
        let error = #expect(throws: HiveError.self) {
            try RosterClient(socket: mute.path, deadline: .milliseconds(100)).follow { _ in }
        }
        #expect(error?.description == "the daemon at \(mute.path) did not answer in time")
    }

    /// No news for a while: it is asked whether there are none.
    @Test func aSilentSubscriptionIsNoticed() throws {
        let other = #"{"version":1,"ok":true,"agent_statuses":[{"name":"beta"}]}"#
        for (asked, news, tells) in [
            // Forgotten: the change is heard of all the same, and then it is over.
            (other, nil as String?, false),
            // The news were on their way.
            (other, other, true),
        ] {
            let daemon = try RosterDaemon(answers: [asked, asked], RosterDaemon.healthy, then: news)
            let client = try RosterClient(socket: daemon.path, deadline: .seconds(2))
            var answers: [[String]] = []
            let start = ContinuousClock.now
            let result = Result { () throws(HiveError) in
                try client.follow(askingAfter: .milliseconds(200)) { answers.append($0.names) }
            }
            #expect(answers.prefix(2) == [["alpha"], ["beta"]])
            if tells {
                #expect(answers == [["alpha"], ["beta"], ["beta"]])
                #expect(throws: HiveError.self) { try result.get() }
            } else {
                #expect(answers.count == 2 && ContinuousClock.now - start >= .milliseconds(2200))
                #expect(throws: Never.self) { try result.get() }
            }
        }
    }

    /// Silence with nothing to tell is no reason to give it up; a daemon that is gone is.
    @Test func aQuietSubscriptionGoesOn() throws {
        let same = Array(repeating: RosterDaemon.healthy, count: 3)
        let daemon = try RosterDaemon(answers: same, RosterDaemon.healthy, then: nil)
        let client = try RosterClient(socket: daemon.path, deadline: Self.patient)
        var count = 0
        let error = #expect(throws: HiveError.self) {
            try client.follow(askingAfter: .milliseconds(100)) { _ in count += 1 }
        }
        #expect(count == 1)
        #expect(error?.description == "the daemon at \(daemon.path) refuses to answer: \"enough\"")
        let asked = Array(repeating: "{\"cmd\":\"agent_status\"}", count: 4)
        #expect(daemon.requests == ["{\"cmd\":\"subscribe_agent_status\"}"] + asked)
    }

    @Test func itCanBeStopped() async throws {
        let mute = try RosterDaemon([.send(RosterDaemon.healthy + "\n"), .hold])
        let client = try RosterClient(socket: mute.path, deadline: Self.patient)
        let start = ContinuousClock.now
        let given = "the question to the daemon at \(mute.path) was given up"
        // The first answer is there: from then on it would wait for ever.
        let error = #expect(throws: HiveError.self) { try client.follow { _ in client.stop() } }
        #expect(error?.description == given)
        #expect(throws: HiveError(.ioError, given)) { try client.ask() }
        #expect(ContinuousClock.now - start < .seconds(30))
    }

    @Test func failuresLeaveNoDescriptorOpen() throws {
        let directory = try TemporaryDirectory()
        let client = try RosterClient(socket: "\(directory.path)/none", deadline: Self.patient)
        func lowest() -> Int32 {
            let number = open("/dev/null", O_RDONLY | O_CLOEXEC)
            close(number)
            return number
        }
        let before = lowest()
        for _ in 0..<2000 { #expect(throws: HiveError.self) { try client.ask() } }
        // (Other tests run meanwhile, but have no thousand files open.)
        #expect(lowest() < before + 1000)
    }
}

enum RosterSocketTests {
    static func connected(_ path: String) throws -> Int32 {
        let number = socket(AF_UNIX, RosterSocket.type & ~O_NONBLOCK, 0)
        try #require(RosterDaemon.withAddress(path) { connect(number, $0, $1) } == 0)
        return number
    }
}
