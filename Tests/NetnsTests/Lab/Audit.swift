import CNetlink
import Foundation
import Glibc
import HiveCore
import HiveNet

extension Lab {
    /// What the audit says of the host and its configuration.
    func audit() throws -> [Finding] { try host { try Self.auditHere() } }

    /// The same with the calling thread's capabilities.
    static func auditHere() throws -> [Finding] {
        let hive = try Hive.load(
            configPath: configuration, explicit: true, stateDirectory: StateDirectory(state))
        let spec = try hive.spec()
        var network = try HostNetwork()
        let observed = try network.observe(spec)
        return try network.audit(spec, observed)
    }

    /// Of the thread that is the host.
    func threadID() throws -> pid_t {
        try host {
            let path = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")
            return path.split(separator: "/").last.flatMap { pid_t($0) } ?? 0
        }
    }

    /// Starts a process that stays: `sleep`, as whatever the words before it make of it.
    func intruder(_ words: String) throws -> Command.Process {
        let process = try background(words.split(separator: " ").map(String.init) + ["sleep", "1000"])
        for _ in 0..<5000 {
            guard process.isRunning else {
                throw LabError("\(words): \(try process.wait(seconds: 1))")
            }
            if Self.words(of: process.pid).first == "sleep" { return process }
            usleep(1000)
        }
        throw LabError("\(words): does not get as far as sleep")
    }

    static func words(of process: pid_t) -> [String] {
        let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
        return line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }
}

extension [Finding] {
    /// Those that are not fine.
    func faults(_ check: String) -> [Finding] { filter { $0.check == check && $0.severity != .fine } }
}

enum Capabilities {
    /// Takes capabilities from the calling thread's effective set, which is the one that most checks ask (capset(2)), and some
    /// from the permitted one too.
    static func drop(_ numbers: [Int32], also lost: [Int32] = []) throws {
        var header = __user_cap_header_struct()
        header.version = UInt32(_LINUX_CAPABILITY_VERSION_3)
        var data = [__user_cap_data_struct](repeating: __user_cap_data_struct(), count: 2)
        guard let get, get(&header, &data) == 0 else { throw LabError.last("capget") }
        for number in numbers + lost { data[Int(number) / 32].effective &= ~(1 << UInt32(number % 32)) }
        for number in lost { data[Int(number) / 32].permitted &= ~(1 << UInt32(number % 32)) }
        guard let set, set(&header, &data) == 0 else { throw LabError.last("capset") }
    }

    // In no header of glibc's, hence by name.
    private typealias Call = @convention(c) (UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> Int32
    private static let get = function("capget")
    private static let set = function("capset")
    private static func function(_ name: String) -> Call? {
        dlsym(nil, name).map { unsafeBitCast($0, to: Call.self) }
    }
}

/// A request about links of another network namespace, by the number that the socket's own namespace has for it.
enum LinkAttack {
    /// What came of it: errno values.
    struct Outcome: Equatable {
        let lists: Bool
        let created, deleted: Int32
    }

    /// All three from the calling thread's namespace.
    static func all(
        list known: String, create name: String, delete index: Int32, namespace number: Int32
    ) throws -> Outcome {
        Outcome(
            lists: try list(namespace: number)?.contains(known) == true,
            created: try create(name, namespace: number), deleted: try delete(index, namespace: number))
    }

    /// - Returns: the names of the links there, or nil with errno set if the kernel refuses.
    static func list(namespace number: Int32) throws -> [String]? {
        var names: [String] = []
        let code = try ask(
            type: RTM_GETLINK, flags: NLM_F_DUMP, index: 0, [(Int(IFLA_TARGET_NETNSID), bytes(number))]
        ) { message in
            names += name(in: message).map { [$0] } ?? []
        }
        errno = code
        return code == 0 ? names : nil
    }

    /// - Returns: an errno value.
    static func delete(_ index: Int32, namespace number: Int32) throws -> Int32 {
        try ask(
            type: RTM_DELLINK, flags: NLM_F_ACK, index: index, [(Int(IFLA_TARGET_NETNSID), bytes(number))]
        ) { _ in }
    }

    /// A bridge there: a link that needs nothing else.
    static func create(_ name: String, namespace number: Int32) throws -> Int32 {
        let kind = attribute(Int(IFLA_INFO_KIND), Array("bridge".utf8))
        return try ask(
            type: RTM_NEWLINK, flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, index: 0,
            [
                (Int(IFLA_TARGET_NETNSID), bytes(number)), (Int(IFLA_IFNAME), Array(name.utf8) + [0]),
                (Int(IFLA_LINKINFO), kind),
            ]
        ) { _ in }
    }

    private static func bytes<Value>(_ value: Value) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

    private static func attribute(_ type: Int, _ payload: [UInt8]) -> [UInt8] {
        let padding = [UInt8](repeating: 0, count: -payload.count & 3)
        return bytes(UInt16(payload.count + 4)) + bytes(UInt16(type)) + payload + padding
    }

    private static func ask(
        type: Int, flags: Int32, index: Int32, _ attributes: [(type: Int, payload: [UInt8])],
        _ each: (ArraySlice<UInt8>) -> Void
    ) throws -> Int32 {
        let socket = try Socket(AF_NETLINK, Int32(SOCK_RAW.rawValue), NETLINK_ROUTE)
        var link = ifinfomsg()
        link.ifi_index = index
        let body = bytes(link) + attributes.flatMap { attribute($0.type, $0.payload) }
        let header = nlmsghdr(
            nlmsg_len: UInt32(body.count + 16), nlmsg_type: UInt16(type),
            nlmsg_flags: UInt16(NLM_F_REQUEST | flags), nlmsg_seq: 1, nlmsg_pid: 0)
        try socket.send(frame: bytes(header) + body)
        while let answer = socket.receive(milliseconds: 5000) {
            var offset = 0
            while offset + 16 <= answer.count {
                let header = answer[offset...].withUnsafeBytes { $0.loadUnaligned(as: nlmsghdr.self) }
                let message = answer[(offset + 16)..<(offset + Int(header.nlmsg_len))]
                switch Int32(header.nlmsg_type) {
                case NLMSG_ERROR, NLMSG_DONE:
                    return -message.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) }
                default: each(message)
                }
                offset += Int(header.nlmsg_len + 3) & ~3
            }
        }
        throw LabError("the kernel does not answer a netlink request")
    }

    /// - Parameter message: what follows the netlink header.
    private static func name(in message: ArraySlice<UInt8>) -> String? {
        var rest = message.dropFirst(16)
        while rest.count >= 4 {
            let (length, type) = rest.withUnsafeBytes {
                (
                    Int($0.loadUnaligned(as: UInt16.self)),
                    $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
                )
            }
            guard length >= 4 else { return nil }
            if type == UInt16(IFLA_IFNAME) {
                return String(decoding: rest.prefix(length).dropFirst(4).prefix { $0 != 0 }, as: UTF8.self)
            }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return nil
    }
}
