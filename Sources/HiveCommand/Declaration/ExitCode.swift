/// What the process ends with. The numbers from 64 on are those of sysexits.h.
public enum ExitCode: Int32, Sendable, CaseIterable {
    case ok = 0
    /// A plan has changes.
    case changes = 2
    /// A check found that what should hold does not.
    case breached = 3
    /// A check found nothing wrong, but could not look at everything.
    case unproven = 4
    /// The corresponding C constant is `EX_USAGE`.
    case usage = 64
    /// A file that we wrote ourselves is damaged (`EX_DATAERR`).
    case dataError = 65
    /// A service or a kernel feature is missing (`EX_UNAVAILABLE`).
    case unavailable = 69
    /// A fault of the program itself, or a result that is not what was asked for (`EX_SOFTWARE`).
    case software = 70
    /// Reading or writing failed (`EX_IOERR`).
    case inputOutput = 74
    /// The corresponding C constant is `EX_NOPERM`.
    case noPermission = 77
    /// The corresponding C constant is `EX_CONFIG`.
    case configuration = 78
    /// Whoever read the output stopped reading. The shell's number for a process that SIGPIPE ended, which is
    /// what `ls | head` gives.
    case brokenPipe = 141
}

/// An error with its exit code and what the user is told, each item a sentence on a line of its own.
public struct Failure: Error, Equatable, CustomStringConvertible {
    public let code: ExitCode
    public let sentences: [String]

    public init(_ code: ExitCode, _ sentences: String...) { self.init(code, sentences) }
    public init(_ code: ExitCode, _ sentences: [String]) {
        self.code = code
        self.sentences = sentences
    }

    public var description: String { sentences.joined(separator: "\n") }
}
