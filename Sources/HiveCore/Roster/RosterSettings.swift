import HiveWire

/// The section `roster`: another daemon that knows which agents there are.
public struct RosterSettings: Equatable, Sendable {
    /// The absolute path of the daemon's unix socket.
    public var hostSocket: String
    /// For how long an agent that the daemon no longer names keeps its network, in seconds.
    public var grace = 30

    public init(hostSocket: String, grace: Int = 30) {
        self.hostSocket = hostSocket
        self.grace = grace
    }

    static let keys = ["hostSocket", "grace"]
    static let graces = 0...3600

    init(_ object: JSONObject, in hive: JSONObject) throws(HiveError) {
        guard let path = try object.string("hostSocket", "the path of a unix socket") else {
            throw hive.error(
                "roster",
                "has no hostSocket: write { hostSocket: \"/run/hyperhive/host.sock\" }, or leave roster out")
        }
        guard path.hasPrefix("/") else {
            throw object.error("hostSocket", "is \(quoted(path)), but must be an absolute path")
        }
        // (It stands in many sentences as it is.)
        guard path.utf8.count <= RosterSocket.maximumPathLength,
            path.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f })
        else {
            throw object.error(
                "hostSocket",
                "is \(quoted(path)), but the path of a unix socket may have at most \(RosterSocket.maximumPathLength) bytes, "
                    + "and no control characters")
        }
        hostSocket = path
        if let grace = try object.integer("grace", Self.graces) { self.grace = grace }
    }
}
