internal import Glibc
public import HiveCore
internal import HiveNet
internal import HiveWire

/// What a command, or the watcher, says of an error that is not the command line's: sentences, and the status to exit with
/// (sysexits.h).
public struct Explanation: Equatable, Sendable {
    public let code: Int32
    public let sentences: [String]

    public init(_ code: Int32, _ sentences: [String]) {
        self.code = code
        self.sentences = sentences
    }

    private static let needsRoot =
        "Hive's network needs root, or the capabilities CAP_NET_ADMIN and CAP_SYS_ADMIN."

    /// - Parameter hive: whose configuration an obstacle is said in the terms of.
    public init(_ error: any Error, hive: Hive? = nil) {
        switch error {
        case let error as Explanation.Thrown: self = error.explanation
        case let error as ServiceError: self.init(error.code, ["\(error.description)."])
        case let error as HiveError:
            let isQuestion = error.description.last == "?"
            let sentences = [error.description + (isQuestion ? "" : ".")]
            let more = error.kind == .noPermission ? [Self.needsRoot] : []
            self.init(error.sysexit, sentences + more)
        case let error as KernelError where error.isPermission:
            self.init(ServiceError.noPermission, ["\(error.description).", Self.needsRoot])
        case let error as KernelError
        where [EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT, ENOSYS].contains(error.code):
            self.init(
                ServiceError.unavailable,
                ["\(error.description).", "The kernel seems to lack a feature that Hive needs."])
        case let error as KernelError: self.init(ServiceError.software, ["\(error.description)."])
        case let error as Obstacle:
            self.init(
                ServiceError.configuration, [(hive?.sentence(for: error) ?? error.description) + "."])
        case let error as AgentsCutOff:
            self.init(
                ServiceError.software,
                error.errors.sorted { $0.key < $1.key }.map { "agent \($0.key) has no network: \($0.value)." }
                    + ["Everything else is applied."])
        case let error as NotConverged:
            self.init(
                ServiceError.software,
                [
                    "\(error.description).",
                    "Something else changes the same objects, or the kernel did not do as it was told.",
                ])
        default: self.init(ServiceError.software, ["\(error)"])
        }
    }

    /// An explanation as an error.
    public struct Thrown: Error {
        public let explanation: Explanation
        public init(_ explanation: Explanation) { self.explanation = explanation }
    }
}
