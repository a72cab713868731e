import CResolver
import Glibc
import Synchronization
import Testing

@testable import HiveCore

/// A core daemon on a thread of its own that answers as it is told, on a socket in a directory of its own.
final class RosterDaemon {
    /// What becomes of a connection, after the request was read.
    enum Step: Sendable {
        case send(String)
        /// For so long.
        case pause(Duration)
        /// Letters, one every ten milliseconds, as long as somebody reads.
        case drip
        /// Letters, as fast as they are read.
        case pour
        /// Nothing until the other end is closed.
        case hold
    }

    static let healthy = #"{"version":1,"ok":true,"agent_statuses":[{"name":"alpha","running":true}]}"#

    let path: String
    private let directory: TemporaryDirectory
    private let listener: Int32
    private let record = Record()

    /// What was asked so far, a line each.
    var requests: [String] { record.asked.withLock(\.self) }

    /// - Parameters:
    ///   - reads: false to close each connection at once instead.
    ///   - steps: for each connection; then it is closed. Nil: nobody is let in.
    convenience init(reads: Bool = true, _ steps: [Step]?) throws {
        guard let steps else {
            try self.init(serve: nil)
            return
        }
        try self.init { connection, record in
            if reads { Self.serve(connection, steps, record) }
            close(connection)
        }
    }

    /// One with a subscriber.
    ///
    /// - Parameters:
    ///   - answers: to questions, one each; whoever asks more gets a no.
    ///   - first: for the subscriber.
    ///   - news: for the subscriber, after the first question, and then nothing but the end; nil: nothing at all.
    convenience init(answers: [String], _ first: String, then news: String?) throws {
        let script = Script(answers)
        try self.init { connection, record in
            if Self.request(connection, record).contains("subscribe") {
                _ = Self.put(connection, Array((first + "\n").utf8))
                script.subscriber.withLock { $0 = connection }
                return
            }
            let no = #"{"version":1,"ok":false,"error":"enough"}"#
            let answer = script.answers.withLock { $0.popFirst() } ?? no
            _ = Self.put(connection, Array((answer + "\n").utf8))
            close(connection)
            guard let news else { return }
            usleep(300_000)
            script.subscriber.withLock {
                _ = Self.put($0, Array((news + "\n").utf8))
                close($0)
            }
        }
    }

    /// - Parameter serve: does what it likes with each connection, and closes it.
    private init(serve: (@Sendable (Int32, Record) -> Void)?) throws {
        directory = try TemporaryDirectory()
        path = "\(directory.path)/host.sock"
        listener = try Self.listener(path)
        guard let serve else { return }
        let work = Work { [record, listener] in
            while true {
                let connection = accept(listener, nil, nil)
                if record.closed.load(ordering: .acquiring) {
                    close(connection)
                    close(listener)
                    return
                }
                if connection >= 0 { serve(connection, record) }
            }
        }
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(work).toOpaque()
        try #require(
            pthread_create(
                &thread, nil,
                { argument in
                    argument.map { Unmanaged<Work>.fromOpaque($0).takeRetainedValue().body() }
                    return nil
                }, argument) == 0)
        pthread_detach(thread)
    }

    deinit {
        // (accept(2) returns. The thread closes it, so that it meets no stranger's socket.)
        record.closed.store(true, ordering: .releasing)
        shutdown(listener, Int32(SHUT_RDWR))
    }

    /// A socket that listens, with a queue of one.
    static func listener(_ path: String) throws -> Int32 {
        let listener = socket(AF_UNIX, RosterSocket.type & ~O_NONBLOCK, 0)
        try #require(listener >= 0)
        try #require(withAddress(path) { bind(listener, $0, $1) } == 0)
        try #require(listen(listener, 0) == 0)
        return listener
    }

    static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func request(_ connection: Int32, _ record: Record) -> String {
        var request: [UInt8] = []
        var byte: UInt8 = 0
        while recv(connection, &byte, 1, 0) == 1, byte != 0x0a { request.append(byte) }
        let words = String(decoding: request, as: UTF8.self)
        record.asked.withLock { $0.append(words) }
        return words
    }

    private static func serve(_ connection: Int32, _ steps: [Step], _ record: Record) {
        _ = request(connection, record)
        var byte: UInt8 = 0
        for step in steps {
            switch step {
            case .send(let text): guard put(connection, Array(text.utf8)) else { return }
            case .pause(let time): usleep(UInt32(time / .microseconds(1)))
            case .drip: while put(connection, [0x78]) { usleep(10_000) }
            case .pour: while put(connection, [UInt8](repeating: 0x78, count: 64 << 10)) {}
            case .hold: _ = recv(connection, &byte, 1, 0)
            }
        }
    }

    private static func put(_ connection: Int32, _ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private final class Record: Sendable {
        let closed = Atomic(false)
        let asked = Mutex<[String]>([])
    }

    private final class Script: Sendable {
        let answers: Mutex<ArraySlice<String>>
        let subscriber = Mutex<Int32>(-1)
        init(_ answers: [String]) { self.answers = Mutex(answers[...]) }
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
