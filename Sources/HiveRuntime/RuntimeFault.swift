internal import HiveCore
internal import HiveWatch
internal import HiveWire

/// What a container runtime is told when something is not done: a number, and sentences.
struct RuntimeFault: Error, Equatable {
    /// CNI specification 1.1.0, section 5, "Error"; from 100 on they are ours.
    enum Code: Int, CaseIterable {
        case version = 1
        case unsupportedField = 2
        /// The container does not exist: there is nothing to be cleaned up.
        case noContainer = 3
        case environment = 4
        case inputOutput = 5
        case undecodable = 6
        case configuration = 7
        case tryAgain = 11
        case unavailable = 50
        /// The kernel did not end up as it was told to, or a fault of ours.
        case software = 100
        /// A file that Hive wrote is damaged.
        case damaged = 101
        case noPermission = 102
        /// The container is attached already.
        case attached = 104
        /// CHECK: what is differs from what should be.
        case drift = 110
    }

    let code: Code
    /// Without a full stop.
    let message: String
    var details = ""

    init(_ code: Code, _ message: String, details: String = "") {
        self.code = code
        self.message = message
        self.details = details
    }

    /// - Parameter error: of anything that was asked of a hive.
    init(_ error: any Error) {
        if let fault = error as? RuntimeFault {
            self = fault
            return
        }
        let explanation = Explanation(error)
        let code: Code =
            switch explanation.code {
            case ServiceError.usage, ServiceError.configuration: .configuration
            case HiveError.Kind.dataError.rawValue: .damaged
            case ServiceError.unavailable: .tryAgain
            case ServiceError.inputOutput: .inputOutput
            case ServiceError.noPermission: .noPermission
            default: .software
            }
        var first = explanation.sentences.first ?? "Hive does not say why"
        if first.hasSuffix(".") { first.removeLast() }
        self.init(code, first, details: explanation.sentences.dropFirst().joined(separator: " "))
    }
}
