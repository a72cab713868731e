internal import CNetlink
internal import Glibc

/// A request that the kernel refused, or a system call that failed.
///
/// Its description is a sentence that names what was attempted and gives the kernel's own words:
/// `create veth hv-alpha: Attribute failed policy validation (ERANGE, attribute IFLA_MTU)`.
public struct KernelError: Error, Sendable, CustomStringConvertible {
    /// What was attempted, in the imperative: `create veth hv-alpha`.
    public let operation: String
    /// An errno value, positive.
    public let code: Int32
    /// The kernel's extended acknowledgement, `NLMSGERR_ATTR_MSG`, where it gave one.
    public let explanation: String?
    /// The agent in whose namespace, or for whose link, it happened: it may be that agent's doing.
    public internal(set) var agent: String?
    /// The C name of the attribute that the kernel objected to (`NLMSGERR_ATTR_OFFS`).
    public let attribute: String?

    public init(
        _ operation: String, code: Int32, explanation: String? = nil, attribute: String? = nil
    ) {
        self.operation = operation
        self.code = code
        self.explanation = explanation
        self.attribute = attribute
    }

    /// For a system call that has just failed: takes errno.
    static func last(_ operation: String) -> KernelError { KernelError(operation, code: errno) }

    /// The same error, said of an agent.
    func of(_ agent: String?) -> KernelError {
        var error = self
        error.agent = agent ?? self.agent
        return error
    }

    public var description: String { "\(operation): \(reason)" }

    /// What the kernel says, without what was attempted: `Permission denied (EACCES)`.
    var reason: String {
        let words = explanation ?? String(cString: strerror(code))
        let details = [Self.symbol(code), attribute.map { "attribute \($0)" }].compactMap(\.self)
        return "\(words) (\(details.joined(separator: ", ")))"
    }

    /// `ENOENT` for 2.
    static func symbol(_ code: Int32) -> String {
        hive_errno_name(code).map { String(cString: $0) } ?? "errno \(code)"
    }

    /// The object does not exist (any more).
    public var isNotFound: Bool { [ENOENT, ENODEV, ENXIO, ESRCH, EADDRNOTAVAIL].contains(code) }
    public var alreadyExists: Bool { code == EEXIST }
    /// The caller lacks a capability.
    public var isPermission: Bool { code == EPERM || code == EACCES }
    /// Somebody changed the same thing at the same time, or a link is gone that was there: look again and retry.
    public var isConflict: Bool { isRulesetMoved || [EINTR, EBUSY, EAGAIN, ENODEV].contains(code) }
    /// The ruleset's generation is another one than the changes were made for (nfnetlink_rcv_batch).
    public var isRulesetMoved: Bool { code == ERESTART }
}
