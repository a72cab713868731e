internal import CNetlink
internal import Glibc

/// What /proc/PID/status says of a process, as far as it concerns its power over the network; see proc_pid_status(5).
struct ProcessRecord: Equatable {
    /// As the kernel has it (`comm`), with control characters escaped: 15 octets that the process itself chooses.
    let command: String
    let permitted, inheritable, bounding: UInt64
    /// `PR_SET_NO_NEW_PRIVS`: executing a program gives it no more than it has.
    let hasNoNewPrivileges: Bool
    /// It has memory of its own. Neither kernel threads nor zombies have, and neither can do anything.
    let hasMemory: Bool

    /// - Parameter text: all of /proc/PID/status.
    init?(status text: String) {
        var values: [Substring: Substring] = [:]
        // By octets and not by characters: there may be thousands of processes.
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            guard let end = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let name = Substring(line[..<end])
            guard Self.names.contains(name) else { continue }
            values[name] = Substring(
                line[end...].dropFirst().drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") })
        }
        func set(_ name: Substring) -> UInt64? { values[name].flatMap { UInt64($0, radix: 16) } }
        guard let name = values["Name"], let permitted = set("CapPrm"), let inheritable = set("CapInh"),
            let bounding = set("CapBnd")
        else { return nil }
        command = String(name)
        self.permitted = permitted
        self.inheritable = inheritable
        self.bounding = bounding
        hasNoNewPrivileges = values["NoNewPrivs"] == "1"
        hasMemory = values["VmSize"] != nil
    }

    private static let names: Set<Substring> = ["Name", "VmSize", "CapInh", "CapPrm", "CapBnd", "NoNewPrivs"]

    /// What it can have without anybody's help.
    ///
    /// What it has now (its effective set is within the permitted one), and what executing a program can give it: the bounding set
    /// limits that for set-user-ID-root and file-capability programs, and for all programs where the process is root already;
    /// the inheritable set is not limited by it (cap_bprm_creds_from_file). A container's files are the agent's, so such a
    /// program is assumed to be there. With no_new_privs no program gives anything.
    var attainable: UInt64 { hasNoNewPrivileges ? permitted : permitted | inheritable | bounding }
}

/// A capability that matters here, by its number in linux/capability.h.
struct Capability {
    let name: String
    private let bit: UInt64

    private init(_ number: Int32, _ name: String) {
        bit = 1 << UInt64(number)
        self.name = name
    }

    static let netAdmin = Capability(CAP_NET_ADMIN, "CAP_NET_ADMIN")
    static let netRaw = Capability(CAP_NET_RAW, "CAP_NET_RAW")
    static let sysAdmin = Capability(CAP_SYS_ADMIN, "CAP_SYS_ADMIN")

    func isIn(_ set: UInt64) -> Bool { set & bit != 0 }
}

/// /proc, as the calling thread sees it.
struct ProcessDirectory: ~Copyable {
    private let directory: OpaquePointer

    init() throws(KernelError) {
        guard let directory = opendir("/proc") else { throw .last("open /proc") }
        self.directory = directory
    }

    deinit { closedir(directory) }

    /// Calls a closure with the id of each process there is. Those that begin meanwhile may be missed.
    func forEach(_ body: (Int32) throws(KernelError) -> Void) throws(KernelError) {
        while let entry = readdir(directory) {
            if let id = Self.number(entry) { try body(id) }
        }
    }

    enum Link: Hashable {
        case inode(UInt64)
        /// The process has ended.
        case gone
        /// Looking needs PTRACE_MODE_READ_FSCREDS over the process, see ptrace(2).
        case denied
    }

    /// - Parameters:
    ///   - kind: `net`, `user`, `pid` …
    ///   - thread: nil for the first.
    func namespace(_ kind: String, of process: Int32, thread: Int32? = nil) -> Link {
        link("\(Self.path(process, thread))/ns/\(kind)")
    }

    private static func path(_ process: Int32, _ thread: Int32?) -> String {
        thread.map { "\(process)/task/\($0)" } ?? "\(process)"
    }

    /// The threads of a process: each has capabilities and a network namespace of its own. The first may have ended before the others.
    func threads(of process: Int32) -> [Int32] {
        var status = stat()
        // A directory has two links, and one more for each in it (proc_task_getattr): most processes have one thread.
        guard fstatat(dirfd(directory), "\(process)/task", &status, 0) == 0, status.st_nlink > 3,
            let tasks = opendir("/proc/\(process)/task")
        else { return [process] }
        defer { closedir(tasks) }
        var threads: [Int32] = []
        while let entry = readdir(tasks) { if let id = Self.number(entry) { threads.append(id) } }
        return threads
    }

    private static func number(_ entry: UnsafeMutablePointer<dirent>) -> Int32? {
        withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { Int32(String(cString: $0)) }
        }
    }

    /// The calling thread's own. (`/proc/self` is the process's first thread.)
    func ownNamespace(_ kind: String) -> Link { link("thread-self/ns/\(kind)") }

    /// What a link such as `net:[4026531840]` says.
    private func link(_ path: String) -> Link {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { buffer in
            guard let start = buffer.baseAddress else { return .gone }
            let count = readlinkat(dirfd(directory), path, start, buffer.count)
            guard count > 0 else { return errno == EACCES || errno == EPERM ? .denied : .gone }
            let digits = buffer[..<count].drop { $0 != UInt8(ascii: "[") }.dropFirst().dropLast()
            return UInt64(String(decoding: digits, as: UTF8.self)).map { .inode($0) } ?? .gone
        }
    }

    /// - Parameter thread: nil for the first.
    /// - Returns: nil if it has ended, or nothing of it may be read.
    func record(of process: Int32, thread: Int32? = nil) -> ProcessRecord? {
        textOfFile("/proc/\(Self.path(process, thread))/status").flatMap { ProcessRecord(status: $0) }
    }
}

/// A small file below /proc, or nil if it does not exist or may not be read.
func textOfFile(_ path: String, most: Int = 8192) -> String? {
    guard let file = try? Descriptor(path: path, flags: O_RDONLY, path) else { return nil }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: most) { buffer in
        var filled = 0
        while filled < most {
            let count = read(
                file.number,
                UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[filled...])
                    .baseAddress, most - filled)
            if count < 0 { return nil }
            if count == 0 { break }
            filled += count
        }
        return String(decoding: buffer[..<filled], as: UTF8.self)
    }
}
