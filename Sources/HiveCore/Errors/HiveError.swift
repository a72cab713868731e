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

/// A text of unknown origin between quotes, safe to print on a terminal: control characters and those that turn
/// the direction of writing are spelled out, and what is very long is cut.
package func quoted(_ text: String) -> String {
    let limit = 80
    var result = "\""
    for scalar in text.unicodeScalars.prefix(limit) {
        switch scalar.value {
        case 0x22, 0x5c: result += "\\\(scalar)"
        case 0..<0x20, 0x7f...0x9f, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x206f, 0xfeff:
            result += "\\u{" + String(scalar.value, radix: 16) + "}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + (text.unicodeScalars.dropFirst(limit).isEmpty ? "\"" : "…\"")
}

/// "1 agent", "2 agents".
func counted(_ number: some BinaryInteger, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
}
