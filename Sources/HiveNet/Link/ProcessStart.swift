internal import Glibc

/// When a process was started: with its number this tells it from all others that have the number later.
public enum ProcessStart {
    /// - Returns: clock ticks since the host was started (field 22 of proc_pid_stat(5)); nil: there is no such process, or it does not let
    ///   itself be looked at.
    public static func of(_ id: Int32) -> UInt64? {
        guard
            let descriptor = try? Descriptor(
                path: "/proc/\(id)/stat", flags: O_RDONLY, "look at the process \(id)")
        else { return nil }
        var buffer = [UInt8](repeating: 0, count: 1024)
        let count = read(descriptor.number, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return start(in: buffer[..<count])
    }

    /// The name, field 2, is the process's own to choose: fields are counted from the last bracket on.
    static func start(in line: ArraySlice<UInt8>) -> UInt64? {
        guard let end = line.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = line[(end + 1)...].split(separator: UInt8(ascii: " "))
        guard fields.count > 19 else { return nil }
        return UInt64(String(decoding: fields[19], as: UTF8.self))
    }
}
