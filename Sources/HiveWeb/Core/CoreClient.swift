internal import Glibc
internal import HiveWire

/// Why the core gave no answer.
enum CoreTrouble: Error, Equatable {
    /// Nobody listens, or the connection ended.
    case down(String)
    /// It took too long.
    case late
    /// It said no: its sentence.
    case refused(String)
}

/// Asks the core. It waits, on threads where that hurts nobody.
struct CoreClient: Sendable {
    let path: String
    /// Of an answer, in octets.
    static let longestAnswer = 16 << 20

    func connect(until deadline: ContinuousClock.Instant) throws(CoreTrouble) -> CoreConnection {
        do {
            let socket = try UnixSocket(isBlocking: true)
            try CoreConnection.limit(socket, until: deadline)
            switch try socket.connect(to: path) {
            case 0: return CoreConnection(socket, deadline: deadline)
            case EAGAIN: throw CoreTrouble.late
            case let code:
                throw CoreTrouble.down(
                    "The core does not answer at \(path): \(String(cString: strerror(code)))")
            }
        } catch let error as CoreTrouble {
            throw error
        } catch {
            throw .down("The core cannot be asked: \(error)")
        }
    }
}

/// A connection to the core: any number of requests, one after another.
final class CoreConnection {
    private let socket: UnixSocket
    private let deadline: ContinuousClock.Instant

    fileprivate init(_ socket: UnixSocket, deadline: ContinuousClock.Instant) {
        self.socket = socket
        self.deadline = deadline
    }

    fileprivate static func limit(_ socket: UnixSocket, until deadline: ContinuousClock.Instant)
        throws(CoreTrouble)
    {
        let left = (deadline - .now) / .seconds(1)
        guard left > 0 else { throw .late }
        socket.limit(seconds: max(Int(left.rounded(.up)), 1))
    }

    /// - Throws: `CoreTrouble.refused` with the core's sentence for an answer that is not good, too.
    func ask(_ request: CoreRequest) throws(CoreTrouble) -> CoreAnswer {
        guard let line = try? JSONLine.encode(request), line.count <= CoreRequest.longest + 1 else {
            throw .refused("This is too long to be passed on to the core")
        }
        try send(line)
        guard let answer = try? JSONLine.decode(CoreAnswer.self, try receive()) else {
            throw .down("The core said something that is not in its protocol")
        }
        guard answer.ok else { throw .refused(answer.error ?? "The core refuses, and says no more") }
        return answer
    }

    private func send(_ line: [UInt8]) throws(CoreTrouble) {
        var rest = line[...]
        while !rest.isEmpty {
            try Self.limit(socket, until: deadline)
            let count = rest.withUnsafeBytes { socket.write($0) }
            guard count >= 0 else { throw trouble() }
            rest = rest.dropFirst(count)
        }
    }

    private func receive() throws(CoreTrouble) -> [UInt8] {
        var line: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            try Self.limit(socket, until: deadline)
            let count = chunk.withUnsafeMutableBytes { socket.read(into: $0) }
            guard count >= 0 else { throw trouble() }
            guard count > 0 else { throw .down("The core ended the connection instead of answering") }
            let new = chunk[..<count]
            if let end = new.firstIndex(of: UInt8(ascii: "\n")) {
                // (Nothing follows: it says one line for one.)
                line += new[..<end]
                return line
            }
            line += new
            guard line.count <= CoreClient.longestAnswer else {
                throw .down("The core's answer has more than \(CoreClient.longestAnswer >> 20) MiB")
            }
        }
    }

    private func trouble() -> CoreTrouble {
        let code = errno
        return code == EAGAIN ? .late : .down("The core cannot be asked: \(String(cString: strerror(code)))")
    }
}
