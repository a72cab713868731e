import CNetlink
import Glibc
import Synchronization

/// A name server of a lab's own, on 127.0.0.1 port 53 of its host: it answers as the test says, also wrongly or not at all.
final class NameServer: Sendable {
    enum Reply: Sendable {
        /// Of the answer section, in this order.
        case records([Record])
        /// A header's code (RFC 1035, section 4.1.1): 2 is SERVFAIL, 3 NXDOMAIN.
        case code(UInt8)
        /// The flag TC, and what there was room for.
        case truncated([Record])
        case silence
        /// Bytes that follow the header and the question as they were asked; the count of answers is as given.
        case bytes([UInt8], answers: UInt16)
    }

    struct Record: Sendable {
        let owner: String
        let type: UInt16
        let lifetime: UInt32
        let data: [UInt8]

        static func a(_ owner: String, _ address: String, _ lifetime: UInt32 = 3600) -> Record {
            var bytes = [UInt8](repeating: 0, count: 4)
            inet_pton(AF_INET, address, &bytes)
            return Record(owner: owner, type: 1, lifetime: lifetime, data: bytes)
        }
        static func aaaa(_ owner: String, _ address: String, _ lifetime: UInt32 = 3600) -> Record {
            var bytes = [UInt8](repeating: 0, count: 16)
            inet_pton(AF_INET6, address, &bytes)
            return Record(owner: owner, type: 28, lifetime: lifetime, data: bytes)
        }
        static func cname(_ owner: String, _ target: String, _ lifetime: UInt32 = 3600) -> Record {
            Record(owner: owner, type: 5, lifetime: lifetime, data: NameServer.encode(target))
        }
    }

    typealias Zone = @Sendable (_ name: String, _ type: UInt16) -> Reply

    private struct State {
        var zone: Zone
        var questions: [String] = []
        var isOver = false
    }
    private let state: Mutex<State>
    private let socket: Int32

    /// - Parameters:
    ///   - hosts: lines of /etc/hosts.
    ///   - zone: what is answered; it is called on another thread.
    init(_ lab: Lab, hosts: String = "", _ zone: @escaping Zone) throws {
        state = Mutex(State(zone: zone))
        socket = try lab.host {
            let server = try Socket(AF_INET, Int32(SOCK_DGRAM.rawValue))
            try server.bind(Endpoint(address: "127.0.0.1", port: 53))
            return dup(server.descriptor)
        }
        try Self.useInstead(lab, hosts)
        try lab.host { [self] in
            var thread = pthread_t()
            let box = Unmanaged.passRetained(self)
            let code = pthread_create(
                &thread, nil,
                { argument in
                    argument.map { Unmanaged<NameServer>.fromOpaque($0).takeRetainedValue().serve() }
                    return nil
                }, box.toOpaque())
            guard code == 0 else {
                box.release()
                throw LabError("cannot start a thread")
            }
            pthread_detach(thread)
        }
    }

    /// The host of the lab asks this server alone, and its files say what the test says.
    private static func useInstead(_ lab: Lab, _ hosts: String) throws {
        // (No option may make a question last: TCP has no bound in glibc, and nobody answers it here.)
        try lab.write(
            "nameserver 127.0.0.1\noptions use-vc timeout:30 attempts:5\n", to: "/run/lab/resolv.conf")
        try lab.write("127.0.0.1 localhost\n" + hosts, to: "/run/lab/hosts")
        try lab.write("passwd: files\nhosts: files dns\n", to: "/run/lab/nsswitch.conf")
        for name in ["resolv.conf", "hosts", "nsswitch.conf"] {
            // (The first may be a link to where the lab has an empty directory.)
            let script = """
                file=$(readlink -f /etc/\(name)) && mkdir -p "${file%/*}" && { [ -e "$file" ] || : >"$file"; } &&
                mount --bind /run/lab/\(name) "$file"
                """
            let result = try lab.run(["sh", "-c", script])
            guard result.status == 0 else { throw LabError("\(name): \(result)") }
        }
    }

    func end() { state.withLock { $0.isOver = true } }

    var zone: Zone {
        get { state.withLock(\.zone) }
        set { state.withLock { $0.zone = newValue } }
    }

    /// What was asked so far, and then forgotten: `a.example.org 1`.
    func takeQuestions() -> [String] {
        state.withLock { state in
            defer { state.questions = [] }
            return state.questions.sorted()
        }
    }

    private func serve() {
        defer { close(socket) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        while !state.withLock(\.isOver) {
            var poll = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            guard Glibc.poll(&poll, 1, 50) > 0 else { continue }
            var from = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &from) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(socket, &bytes, bytes.count, 0, $0, &length)
                }
            }
            guard count > 12, let answer = answer(Array(bytes[..<count])) else { continue }
            _ = withUnsafePointer(to: &from) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(socket, answer, answer.count, 0, $0, length)
                }
            }
        }
    }

    private func answer(_ query: [UInt8]) -> [UInt8]? {
        var labels: [String] = []
        var index = 12
        while index < query.count, query[index] != 0 {
            let end = index + 1 + Int(query[index])
            guard end < query.count else { return nil }
            labels.append(String(decoding: query[(index + 1)..<end], as: UTF8.self))
            index = end
        }
        guard index + 5 <= query.count else { return nil }
        let name = labels.joined(separator: ".")
        let type = UInt16(query[index + 1]) << 8 | UInt16(query[index + 2])
        let zone = state.withLock { state in
            state.questions.append("\(name) \(type)")
            return state.zone
        }
        let question = Array(query[12..<(index + 5)])
        let id = Array(query[..<2])
        switch zone(name, type) {
        case .silence: return nil
        case .records(let records): return Self.message(id, question, records)
        case .truncated(let records): return Self.message(id, question, records, flags: 0x02)
        case .code(let code): return Self.message(id, question, [], code: code)
        case .bytes(let bytes, let answers):
            var message = Self.message(id, question, []) + bytes
            message[6] = UInt8(answers >> 8)
            message[7] = UInt8(answers & 0xff)
            return message
        }
    }

    /// RFC 1035, section 4.1.
    static func message(
        _ id: [UInt8], _ question: [UInt8], _ records: [Record], code: UInt8 = 0, flags: UInt8 = 0
    ) -> [UInt8] {
        // QR, AA, RD; RA.
        var message = id + [0x85 | flags, 0x80 | code, 0, 1, 0, UInt8(records.count & 0xff), 0, 0, 0, 0]
        message[6] = UInt8(records.count >> 8)
        message += question
        for record in records {
            message += encode(record.owner) + big(record.type) + [0, 1] + big(record.lifetime)
            message += big(UInt16(record.data.count)) + record.data
        }
        return message
    }

    /// A name as labels with their lengths.
    static func encode(_ name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    private static func big<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }
}
