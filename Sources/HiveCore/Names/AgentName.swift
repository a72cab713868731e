public import HiveWire

extension AgentName {
    /// - Throws: `HiveError` of kind `usage` that says what is wrong with the name.
    public static func check(_ name: String) throws(HiveError) {
        guard isValid(name) else {
            throw HiveError(.usage, "\(quoted(name)) is not a name for an agent: it must be \(rule)")
        }
    }
}
