internal import Glibc

/// Settings below `/proc/sys/net`. Which namespace's they are follows the thread that opens the file.
///
/// Used where netlink has no way: IPv4 settings of links are attributes of RTM_SETLINK (`IFLA_INET_CONF`), IPv6 settings
/// can only be read there.
enum Sysctl {
    /// - Parameter name: such as `ipv4/ip_forward`.
    /// - Returns: without the newline; nil where it does not exist.
    static func read(_ name: String) -> String? {
        guard let file = try? Descriptor(path: "/proc/sys/net/" + name, flags: O_RDONLY, name) else {
            return nil
        }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { buffer in
            let count = Glibc.read(file.number, buffer.baseAddress, buffer.count)
            guard count > 0 else { return nil }
            return String(decoding: buffer[..<count].prefix { $0 != 10 }, as: UTF8.self)
        }
    }

    static func write(_ name: String, _ value: String) throws(KernelError) {
        let operation = "set net.\(name.split(separator: "/").joined(separator: ".")) to \(value)"
        let file = try Descriptor(path: "/proc/sys/net/" + name, flags: O_WRONLY, operation)
        guard Glibc.write(file.number, value, value.utf8.count) == value.utf8.count else {
            throw .last(operation)
        }
    }
}
