#if canImport(Glibc)
    internal import Glibc
#endif

/// Why a hive could not be read, checked or written: one sentence, and the exit status that goes with it.
public struct HiveError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The classes of sysexits.h.
    public enum Kind: Int32, Sendable {
        /// `EX_USAGE`: the command was asked for something that cannot be.
        case usage = 64
        /// `EX_DATAERR`: a file that we wrote ourselves is damaged.
        case dataError = 65
        /// `EX_IOERR`: reading or writing failed.
        case ioError = 74
        /// `EX_NOPERM`: the kernel said `EACCES` or `EPERM`.
        case noPermission = 77
        /// `EX_CONFIG`: the configuration is wrong or missing.
        case configuration = 78
    }

    public let kind: Kind
    /// A sentence that names file, line, key and value, without a full stop at its end.
    public let description: String

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// The status to exit with.
    public var sysexit: Int32 { kind.rawValue }

    /// - Parameters:
    ///   - doing: what failed, as in "read /etc/hive/hive.json".
    ///   - code: an errno.
    public init(cannot doing: String, errno code: Int32) {
        let kind: Kind = code == EACCES || code == EPERM ? .noPermission : .ioError
        self.init(kind, "cannot \(doing): \(String(cString: strerror(code)))")
    }
}

/// "1 agent", "2 agents".
func counted(_ number: some BinaryInteger, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
}
