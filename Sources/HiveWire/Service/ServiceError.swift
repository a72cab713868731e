internal import Glibc

/// An error of a service's: a sentence, and the exit status that goes with it (sysexits.h).
public struct ServiceError: Error, Equatable, Sendable, CustomStringConvertible {
    public let code: Int32
    public let description: String

    public init(_ code: Int32, _ description: String) {
        self.code = code
        self.description = description
    }

    /// For a system call that has just failed.
    package static func last(_ doing: String) -> ServiceError {
        let code = errno
        let words = "cannot \(doing): \(String(cString: strerror(code)))"
        return ServiceError(code == EACCES || code == EPERM ? noPermission : inputOutput, words)
    }

    package static let usage: Int32 = 64, unavailable: Int32 = 69, software: Int32 = 70,
        inputOutput: Int32 = 74
    package static let noPermission: Int32 = 77, configuration: Int32 = 78
}
