internal import CLinux
internal import Glibc
internal import HiveWire

/// What the process may not have, and what it gives up by itself: the unit of systemd says the same, and more.
enum Confinement {
    /// - Throws: for somebody who could do more than serve pages.
    static func demand() throws(ServiceError) {
        guard let status = read("/proc/self/status") else { throw .last("read /proc/self/status") }
        if let obstacle = obstacle(in: status) { throw ServiceError(ServiceError.noPermission, obstacle) }
    }

    /// - Parameter status: the text of proc_pid_status(5).
    /// - Returns: why the process may not go on: a sentence.
    static func obstacle(in status: String) -> String? {
        var fields: [Substring: [Substring]] = [:]
        for line in status.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            fields[parts[0]] = parts[1].split { $0 == "\t" || $0 == " " }
        }
        guard let users = fields["Uid"], users.count == 4 else {
            return "/proc/self/status does not say who this is"
        }
        guard !users.contains("0") else {
            return "this process does not run as root: it needs a user of its own, who owns nothing"
        }
        for (name, words) in [("CapEff", "effective"), ("CapPrm", "permitted")] {
            guard let value = fields[Substring(name)]?.first.flatMap({ UInt64($0, radix: 16) }) else {
                return "/proc/self/status does not say which capabilities are \(words)"
            }
            guard value == 0 else {
                return
                    "this process does not run with capabilities, and these are \(words): 0x\(String(value, radix: 16))"
            }
        }
        return nil
    }

    /// Descriptors: connections, the core, and some.
    static let mostDescriptors: rlim_t = 2048

    static func confine() throws(ServiceError) {
        guard hive_give_up_new_privileges() == 0 else { throw .last("give up new privileges") }
        // A file that grows ends a process by a signal. Standard error may be one, and then what it says is lost.
        signal(SIGXFSZ, SIG_IGN)
        signal(SIGPIPE, SIG_IGN)
        try limit(__rlimit_resource_t(RLIMIT_CORE.rawValue), rlimit(rlim_cur: 0, rlim_max: 0), "core files")
        try limit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), rlimit(rlim_cur: 0, rlim_max: 0), "files")
        var descriptors = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors) == 0 else {
            throw .last("ask for the limit of descriptors")
        }
        let most = min(descriptors.rlim_max, mostDescriptors)
        try limit(
            __rlimit_resource_t(RLIMIT_NOFILE.rawValue), rlimit(rlim_cur: most, rlim_max: most), "descriptors"
        )
    }

    private static func limit(_ resource: __rlimit_resource_t, _ limit: rlimit, _ what: String)
        throws(ServiceError)
    {
        var limit = limit
        guard setrlimit(resource, &limit) == 0 else { throw .last("limit \(what)") }
    }

    private static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 14)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
