public import HiveNet
import HiveWire

/// What people say of one agent: in `hive.json` under `agents.NAME`, or in a file `agents.d/NAME.json`.
public struct AgentSettings: Equatable, Sendable {
    /// The port of the agent's web page: the only one that the gateway may connect to. 1 to 65535.
    public var webPort: UInt16?
    /// The unix socket of the agent's web page, an absolute path of the host, instead of a port.
    public var webSocket: String?
    public var egress: Egress
    /// Nil for a leased address.
    public var address4: IPv4Address?
    /// Nil for the address with the same number as the IPv4 one.
    public var address6: IPv6Address?
    public var namespace: NetworkSpec.Namespace
    /// Nil: Hive neither starts nor stops it.
    public var container: ContainerSettings?
    /// The agent that this one belongs to, by its name. For people; it changes nothing.
    public var parent: String?
    /// The agent's own files, an absolute path of the host. Nil: `StateDirectory.state(of:)`.
    public var state: String?
    /// The container runtime that asked for it. Nil: no runtime did. Never in `hive.json`.
    public var attachment: Attachment?

    public init(
        webPort: UInt16? = nil, webSocket: String? = nil, egress: Egress = .none,
        address4: IPv4Address? = nil, address6: IPv6Address? = nil,
        namespace: NetworkSpec.Namespace = .own, container: ContainerSettings? = nil,
        parent: String? = nil, state: String? = nil, attachment: Attachment? = nil
    ) {
        self.webPort = webPort
        self.webSocket = webSocket
        self.egress = egress
        self.address4 = address4
        self.address6 = address6
        self.namespace = namespace
        self.container = container
        self.parent = parent
        self.state = state
        self.attachment = attachment
    }

    static let keys = [
        "web", "egress", "address4", "address6", "namespace", "container", "parent", "state",
    ]
    /// What files of `agents.d` have besides.
    static let keysOfFiles = keys + ["attachment"]

    /// In bytes. Somewhat above any path that a container manager makes.
    static let maximumPathLength = 150
    /// `PID_MAX_LIMIT` of include/linux/threads.h.
    static let processes = 1...4_194_304

    init(_ object: JSONObject) throws(HiveError) {
        self.init()
        if let web = try object.object("web", knowing: ["port", "socket"]) {
            switch (try web.integer("port", 1...65535), try web.socket("socket")) {
            case (let port?, nil): webPort = UInt16(port)
            case (nil, let path?): webSocket = path
            case (nil, nil):
                throw object.error(
                    "web", "has no port: write { port: 8080 } or { socket: PATH }, or leave web out")
            case (.some, .some): throw object.error("web", "has a port and a socket, but can have only one")
            }
        }
        egress = try Egress(object, "egress") ?? .none
        address4 = try object.value("address4", "an IPv4 address")
        address6 = try object.value("address6", "an IPv6 address")
        if let node = object.node("namespace") { namespace = try Self.namespace(node, object) }
        container = try object.object("container", knowing: ContainerSettings.keys).map {
            inner throws(HiveError) in try ContainerSettings(inner, in: object)
        }
        parent = try object.string("parent", "the name of an agent")
        if let parent, !AgentName.isValid(parent) {
            throw object.error(
                "parent", "is \(quoted(parent)), but must be the name of an agent: \(AgentName.rule)")
        }
        state = try object.string("state", "the path of a directory")
        if let state, let objection = ContainerSettings.objection(to: state) {
            throw object.error("state", "is \(quoted(state)), \(objection)")
        }
        attachment = try object.object("attachment", knowing: Attachment.keys).map {
            inner throws(HiveError) in try Attachment(inner)
        }
    }

    private static func namespace(_ node: JSONNode, _ object: JSONObject) throws(HiveError)
        -> NetworkSpec.Namespace
    {
        switch node.value {
        case .string(let path):
            guard path.hasPrefix("/") else {
                throw object.error(
                    "namespace", "is \(quoted(path)), but must be an absolute path, or { pid: NUMBER }")
            }
            guard path.utf8.count <= maximumPathLength, !path.utf8.contains(0) else {
                throw object.error(
                    "namespace",
                    "is \(quoted(path)), but a path may have at most \(maximumPathLength) bytes, and no NUL")
            }
            return .path(path)
        case .object:
            let process = try object.object("namespace", knowing: ["pid", "started"])
            guard let pid = try process?.integer("pid", processes) else {
                throw object.error(
                    "namespace", "has no pid: write { pid: NUMBER }, or the path of a namespace")
            }
            let started = try process?.integer("started", 0...Int.max)
            return .process(Int32(pid), started: started.map { UInt64($0) })
        default:
            throw object.error("namespace", "is \(node.shown), but must be a path, or { pid: NUMBER }")
        }
    }

    /// Reads what a file `agents.d/NAME.json` holds.
    /// - Parameter file: the name that errors have for it.
    public init(text: String, file: String) throws(HiveError) {
        self = try Declaration(name: "", text: Array(text.utf8), file: file).settings
    }

    /// JSON that reads back as the same settings. Defaults are left out.
    public var text: String {
        var members: [String] = []
        if let webPort { members.append("\"web\": { \"port\": \(webPort) }") }
        if let webSocket { members.append("\"web\": { \"socket\": \(JSONNode.string(webSocket)) }") }
        if egress != .none { members.append("\"egress\": \(egress.json)") }
        if let address4 { members.append("\"address4\": \"\(address4)\"") }
        if let address6 { members.append("\"address6\": \"\(address6)\"") }
        switch namespace {
        case .own: break
        case .path(let path): members.append("\"namespace\": \(JSONNode.string(path))")
        case .process(let pid, let started):
            let start = started.map { ", \"started\": \($0)" } ?? ""
            members.append("\"namespace\": { \"pid\": \(pid)\(start) }")
        }
        if let container { members.append("\"container\": \(container.json)") }
        if let parent { members.append("\"parent\": \(JSONNode.string(parent))") }
        if let state { members.append("\"state\": \(JSONNode.string(state))") }
        if let attachment { members.append("\"attachment\": \(attachment.json)") }
        return members.isEmpty ? "{}\n" : "{\n  " + members.joined(separator: ",\n  ") + "\n}\n"
    }
}

/// One agent's settings, and where they are written.
struct Declaration: Sendable {
    let name: String
    let settings: AgentSettings
    private(set) var source: Source
    /// Of the agent's object in the file: `agents.beta`, or empty in a file of its own.
    let path: String

    init(name: String, _ object: JSONObject) throws(HiveError) {
        self.name = name
        settings = try AgentSettings(object)
        source = object.source
        path = object.path
    }

    /// Of an agent that only the core daemon's roster names: it has the default settings.
    init(ofRoster name: String) throws(HiveError) {
        guard AgentName.isValid(name) else {
            throw HiveError(
                .configuration,
                "the roster: \(quoted(name)) is not a name for an agent: it must be \(AgentName.rule)")
        }
        self.name = name
        settings = AgentSettings()
        source = Source(file: "the roster")
        path = ""
    }

    var withoutText: Declaration {
        var declaration = self
        declaration.source = Source(file: source.file)
        return declaration
    }

    /// From a file `agents.d/NAME.json`.
    init(name: String, text: [UInt8], file: String) throws(HiveError) {
        let root = try JSONParser.parse(text, file: file)
        let source = Source(file: file, root: root)
        try self.init(name: name, JSONObject(root, in: source, knowing: AgentSettings.keysOfFiles))
    }

    /// `FILE:LINE` of a key, or of the agent itself.
    func place(_ key: String? = nil) -> String { source.place(key.map { Source.path(path, $0) } ?? path) }

    func error(_ key: String, _ text: String) -> HiveError { source.error(Source.path(path, key), text) }
}
