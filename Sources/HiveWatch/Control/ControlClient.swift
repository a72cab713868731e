public import HiveWire

/// A connection to a watcher, blocking.
public final class ControlClient {
    /// Where a watcher listens unless it was told otherwise.
    public static let standardPath = "/run/hive/net.sock"

    private let client: LineClient
    /// The watcher's process id, as far as it is one here.
    public var watcher: Int32 { client.process }

    /// - Parameter patience: for each wait, in seconds, where no answer takes long; nil: for ever.
    /// - Returns: nil if no watcher listens there.
    /// - Throws: `ServiceError`, `noPermission` for somebody who may not connect.
    public init?(path: String = standardPath, patience: Int? = nil) throws(ServiceError) {
        guard let client = try LineClient("the watcher", at: path, patience: patience) else { return nil }
        self.client = client
    }

    /// Sends a request and waits for the answer, however long it takes.
    /// - Throws: `ServiceError` for a connection that ends, or an answer that is not understood. What the watcher refuses is an answer.
    public func ask(_ request: ControlRequest) throws -> ControlAnswer {
        try client.ask(request, for: ControlAnswer.self)
    }

    /// The next line of a stream, without its line feed. Nil at the end.
    public func next() throws -> [UInt8]? { try client.next() }
}
