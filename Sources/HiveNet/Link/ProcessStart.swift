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

extension NetworkSpec.Namespace {
    /// What a path stands for that is read now, and used later. One below /proc is a process's, or a thread's: that one's alone.
    public static func named(by path: String) -> NetworkSpec.Namespace {
        let parts = path.split(separator: "/")
        guard path.hasPrefix("/proc/"), parts.suffix(2) == ["ns", "net"] else { return .path(path) }
        let number: Int32? =
            switch parts.count {
            case 4: Int32(parts[1])
            case 6 where parts[2] == "task": Int32(parts[3])
            default: nil
            }
        guard let number, number > 0 else { return .path(path) }
        return .process(number, started: ProcessStart.of(number))
    }
}
