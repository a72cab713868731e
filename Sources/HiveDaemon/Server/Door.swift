internal import HiveWire

/// A socket that people connect to.
final class Door {
    let role: Role
    let path: String
    let listener: UnixSocket

    /// - Parameters:
    ///   - mode: who may connect needs the right to write.
    ///   - group: owns it; nil: that of the process.
    init(_ role: Role, at path: String, mode: UInt32, group: UInt32? = nil) throws(ServiceError) {
        self.role = role
        self.path = path
        listener = try UnixSocket(isBlocking: false)
        try listener.listen(at: path, mode: mode, group: group)
    }
}
