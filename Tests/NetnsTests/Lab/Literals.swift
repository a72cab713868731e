import HiveNet

extension LosslessStringConvertible {
    /// An address that stands in a test, and is right.
    init(literal text: String) {
        guard let value = Self(text) else { preconditionFailure("'\(text)' is no \(Self.self)") }
        self = value
    }
}
