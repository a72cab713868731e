/// What was given to a command, read by the keys of its declaration.
public struct Values {
    var given: [String: Any] = [:]

    /// The value given, or else that of the environment, or else the default.
    /// - Throws: a ``Failure`` when the key was declared by a command that did not run.
    public subscript<Value>(key: Key<Value>) -> Value {
        get throws {
            if let value = given[key.name] as? Value { return value }
            if given[key.name] == nil, let absent = key.absent { return absent }
            throw Failure(.software, "The command reads \(key.name), but does not declare it: this is a bug.")
        }
    }
}
