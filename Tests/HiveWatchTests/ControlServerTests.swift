import CLinux
import Foundation
import Glibc
import HiveWire
import Testing

@testable import HiveWatch

/// The control socket's server with clients of all manners.
@Suite struct ControlServerTests {
    private let scratch: Scratch
    private let path: String
    private let server: ControlServer

    init() throws {
        scratch = try Scratch()
        path = "\(scratch.path)/run/net.sock"
        server = try ControlServer(path: path, group: nil)
    }

    private func client() throws -> UnixSocket {
        let socket = try UnixSocket(isBlocking: true)
        #expect(try socket.connect(to: path) == 0)
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(
            socket.descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        return socket
    }

    private func send(_ text: String, _ socket: UnixSocket) {
        let bytes = Array(text.utf8)
        #expect(bytes.withUnsafeBytes { socket.write($0) } == bytes.count)
    }

    private func receive(_ socket: UnixSocket) -> String {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = bytes.withUnsafeMutableBytes { socket.read(into: $0) }
        return count < 0 ? "errno \(errno)" : String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// Serves as often as there is something, and answers every line with itself.
    private func serve(times: Int = 5) -> [String] {
        var lines: [String] = []
        for _ in 0..<times {
            server.serve { connection, line in
                lines.append(String(decoding: line, as: UTF8.self))
                connection.send(line + [UInt8(ascii: "\n")])
            }
        }
        return lines
    }

    @Test func theSocketIsForItsOwnerAlone() throws {
        var status = stat()
        #expect(lstat(path, &status) == 0)
        #expect(status.st_mode & S_IFMT == S_IFSOCK && status.st_mode & 0o777 == 0o600)
        #expect(stat("\(scratch.path)/run", &status) == 0 && status.st_mode & 0o777 == 0o751)
    }

    @Test func aDirectoryThatOthersCanWriteToIsRefused() throws {
        let place = "\(scratch.path)/open"
        #expect(mkdir(place, 0o777) == 0 && chmod(place, 0o777) == 0)
        #expect(throws: ServiceError.self) { try ControlServer(path: "\(place)/net.sock", group: nil) }
        #expect(chmod(place, 0o755) == 0)
        #expect(throws: Never.self) { try ControlServer(path: "\(place)/net.sock", group: nil) }
    }

    @Test func linesComeWholeAndOneAfterTheOther() throws {
        let client = try client()
        send("ha", client)
        #expect(serve().isEmpty)
        send("lf\none\n\ntwo\nthr", client)
        #expect(serve() == ["half", "one", "two"])
        #expect(receive(client) == "half\none\ntwo\n")
        send("ee\n", client)
        #expect(serve() == ["three"])
    }

    /// While an answer is owed, the next request waits.
    @Test func aRequestWaitsForTheAnswerBeforeIt() throws {
        let client = try client()
        send("one\ntwo\n", client)
        var held: ControlConnection?
        server.serve { connection, _ in
            connection.isBusy = true
            held = connection
        }
        #expect(held != nil && serve().isEmpty)
        held?.isBusy = false
        #expect(serve() == ["two"])
    }

    @Test func aLineWithoutEndIsTheEnd() throws {
        let client = try client()
        _ = serve()
        #expect(server.connections.count == 1)
        let flags = fcntl(client.descriptor, F_GETFL)
        _ = fcntl(client.descriptor, F_SETFL, flags | O_NONBLOCK)
        let chunk = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 16)
        for _ in 0..<200 where !server.connections.isEmpty {
            _ = chunk.withUnsafeBytes { client.write($0) }
            _ = serve(times: 1)
        }
        _ = serve()
        #expect(server.connections.isEmpty)
    }

    @Test func whoHangsUpIsForgotten() throws {
        do {
            let client = try client()
            send("bye\n", client)
        }
        #expect(serve() == ["bye"])
        #expect(server.connections.isEmpty)
    }

    /// Somebody who only listens still gets the answer.
    @Test func whoHasSaidAllGetsTheAnswer() throws {
        let client = try client()
        send("last\n", client)
        shutdown(client.descriptor, Int32(SHUT_WR))
        #expect(serve() == ["last"])
        #expect(receive(client) == "last\n" && receive(client) == "")
    }

    /// What ends with its answer is closed with it: nothing would wake the server to do it later.
    @Test func whatEndsIsClosedAtOnce() throws {
        let client = try client()
        send("all\n", client)
        server.serve { connection, line in
            connection.send(line + [UInt8(ascii: "\n")])
            connection.endWhenSent()
        }
        #expect(server.connections.isEmpty)
        #expect(receive(client) == "all\n" && receive(client) == "")
    }

    @Test func moreThanEnoughAreTurnedAway() throws {
        let clients = try (0..<ControlServer.mostConnections).map { _ in try client() }
        _ = serve()
        #expect(server.connections.count == ControlServer.mostConnections)
        let late = try client()
        _ = serve()
        #expect(server.connections.count == ControlServer.mostConnections)
        // It is told why, and then hung up on.
        #expect(receive(late).contains("64 connections already") && receive(late) == "")
        withExtendedLifetime(clients) {}
    }

    /// Members of the group leave room for each other, and for root, whatever they do.
    @Test func othersLeaveRoomForRoot() {
        var users: [uid_t] = []
        /// As many as find a place.
        func connect(_ user: uid_t) -> (count: Int, words: String) {
            for count in 0...100 {
                if let words = ControlServer.obstacle(to: user, among: users) { return (count, words) }
                users.append(user)
            }
            return (101, "")
        }
        #expect(connect(1000) == (16, "the watcher has 16 connections of this user already"))
        #expect(connect(1001).count == 16 && connect(1002).count == 16)
        #expect(
            connect(1003)
                == (0, "the watcher has 48 connections already, and keeps the rest of its 64 for root"))
        #expect(connect(0) == (16, "the watcher has 64 connections already"))
        // Root's own are not taken from the others' share.
        users = Array(repeating: 0, count: 30)
        #expect(connect(1000).count == 16 && connect(1001).count == 16 && connect(1002).count == 2)
    }

    /// Who follows and vanishes is forgotten at once, not with the next line; who only says nothing more still gets lines.
    @Test(arguments: [true, false]) func aFollowerThatVanishesIsNoticed(saysNoMore: Bool) throws {
        func follow() throws -> UnixSocket {
            let client = try client()
            send("follow\n", client)
            if saysNoMore { shutdown(client.descriptor, Int32(SHUT_WR)) }
            server.serve { connection, _ in connection.stream = .events }
            return client
        }
        func wakes() -> Bool {
            var polled = server.interests.map { pollfd(fd: $0.descriptor, events: $0.events, revents: 0) }
            return poll(&polled, nfds_t(polled.count), 0) > 0
        }
        let stays = try follow()
        do {
            let vanishes = try follow()
            _ = serve()
            #expect(server.connections.count == 2 && !wakes())
            withExtendedLifetime(vanishes) {}
        }
        #expect(wakes())
        _ = serve()
        #expect(server.connections.count == 1 && !wakes())
        server.connections.first?.send(streamed: Array("line\n".utf8)) { _ in [] }
        #expect(receive(stays) == "line\n")
    }

    /// What it asked for is done; then it is forgotten, and wakes nobody up meanwhile.
    @Test func whoVanishesWhileAnAnswerIsOwed() throws {
        var held: ControlConnection?
        do {
            let client = try client()
            send("long\n", client)
            server.serve { connection, _ in
                connection.isBusy = true
                held = connection
            }
        }
        _ = serve()
        #expect(server.connections.count == 1)
        #expect(server.interests.allSatisfy { $0.descriptor < 0 || $0.events != 0 })
        held?.isBusy = false
        held?.send(Array("done\n".utf8))
        _ = serve()
        #expect(server.connections.isEmpty)
    }

    /// A verification lasts as long as its connection, but not for ever, and a little longer where packets are heard of late.
    @Test func aVerificationLastsAsLongAsItsConnection() throws {
        do {
            let client = try client()
            send("verify\n", client)
            server.serve { connection, _ in
                connection.stream = .verifying(Verifying(agents: ["alpha"], end: .now + .seconds(5)))
            }
            #expect(server.verifies("alpha") && server.verifies(nil) && !server.verifies("beta"))
            #expect(try #require(server.connections.first?.deadline) <= .now + .seconds(5))
            withExtendedLifetime(client) {}
        }
        _ = serve()
        #expect(server.connections.isEmpty && server.verifies("alpha") && !server.verifies("beta"))
        #expect(wait { !server.verifies("alpha") })
        // Whoever stays is cut off.
        let client = try client()
        send("verify\n", client)
        server.serve { connection, _ in
            connection.stream = .verifying(Verifying(agents: nil, end: .now + .milliseconds(50)))
        }
        #expect(server.verifies("beta"))
        usleep(60_000)
        _ = serve()
        #expect(server.connections.isEmpty)
        withExtendedLifetime(client) {}
    }

    @Test func emptyLinesBuyNoTime() throws {
        let client = try client()
        _ = serve()
        let connection = try #require(server.connections.first)
        let deadline = try #require(connection.deadline)
        send("\n\n", client)
        _ = serve()
        #expect(connection.deadline == deadline)
        send("x\n", client)
        _ = serve()
        #expect(try #require(connection.deadline) > deadline)
    }

    /// A stream's reader that does not read loses lines, and is told how many; nobody else waits.
    @Test func aSlowReaderOfAStreamLosesLines() throws {
        let client = try client()
        send("x\n", client)
        var reader: ControlConnection?
        server.serve { connection, _ in
            connection.stream = .events
            reader = connection
        }
        let line = [UInt8](repeating: UInt8(ascii: "e"), count: 1023) + [UInt8(ascii: "\n")]
        let most = ControlConnection.mostOutput / 1024
        for _ in 0..<(3 * most) { reader?.send(streamed: line) { Array("lost \($0)\n".utf8) } }
        var text = ""
        // What was kept for it is bounded, and when it reads again it is told.
        while text.utf8.count < (most / 2) * 1024 {
            text += receive(client)
            server.serve { _, _ in }
        }
        for _ in 0..<64 where !text.contains("lost ") {
            reader?.send(streamed: line) { Array("lost \($0)\n".utf8) }
            text += receive(client)
        }
        #expect(text.contains("lost "))
        #expect(text.utf8.count < 3 * most * 1024)
    }

    @Test func whoBeginsAndDoesNotEndIsCutOff() throws {
        let client = try client()
        send("half", client)
        _ = serve()
        let connection = try #require(server.connections.first)
        let deadline = try #require(connection.deadline)
        #expect(deadline <= .now + ControlConnection.patience)
        // On our turn nobody is cut off.
        connection.isBusy = true
        #expect(connection.deadline == nil)
    }
}
