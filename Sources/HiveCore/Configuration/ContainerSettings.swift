import HiveWire

/// What an agent runs in, and how that is started: `agents.NAME.container`.
public enum ContainerSettings: Equatable, Sendable {
    /// A container of NixOS's module `containers`, by its name there: `h-alpha` is the unit `container@h-alpha.service`.
    case nixos(String)
    /// A directory that systemd-nspawn runs.
    case nspawn(Nspawn)

    public struct Nspawn: Equatable, Sendable {
        /// The root directory, an absolute path.
        public var root: String
        /// The program that is run, by its path inside, and its arguments. Empty: the system in the directory is booted.
        public var command: [String]
        /// Paths of the host that show inside under the same names.
        public var binds: [String]
        /// The same, of which nothing can be changed inside.
        public var readOnlyBinds: [String]

        public init(
            root: String, command: [String] = [], binds: [String] = [], readOnlyBinds: [String] = []
        ) {
            self.root = root
            self.command = command
            self.binds = binds
            self.readOnlyBinds = readOnlyBinds
        }
    }

    static let keys = ["nixos", "nspawn", "boot", "command", "bind", "bindReadOnly"]
    static let maximumBinds = 64
    /// Arguments of a command, and octets of one of them.
    static let maximumArguments = 64
    static let maximumArgumentLength = 4096

    /// What follows "must be", of a container of NixOS's.
    static let nameRule = "1 to 63 of a-z, A-Z, 0-9, - and _, starting with a letter or a digit"

    static func isName(_ name: String) -> Bool {
        let isWord = { (byte: UInt8) in
            (0x61...0x7a).contains(byte) || (0x41...0x5a).contains(byte) || (0x30...0x39).contains(byte)
        }
        guard (1...63).contains(name.utf8.count), let first = name.utf8.first, isWord(first) else {
            return false
        }
        return name.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }

    /// - Parameter object: what `container` is.
    init(_ object: JSONObject, in agent: JSONObject) throws(HiveError) {
        switch (object.has("nixos"), object.has("nspawn")) {
        case (false, false):
            throw agent.error(
                "container",
                "says not what it is: write { nixos: NAME } or { nspawn: DIRECTORY }, or leave container out")
        case (true, true):
            throw agent.error(
                "container", "is one of nixos and one of nspawn, but can be only one of the two")
        case (true, false): self = .nixos(try Self.nixos(object))
        case (false, true): self = .nspawn(try Nspawn(object))
        }
    }

    private static func nixos(_ object: JSONObject) throws(HiveError) -> String {
        for key in keys.dropFirst(2) where object.has(key) {
            throw object.error(
                key, "is for nspawn alone: what a container of NixOS's is, its own configuration says")
        }
        let name = try object.string("nixos", "the name of a container") ?? ""
        guard isName(name) else {
            throw object.error("nixos", "is \(quoted(name)), but must be \(nameRule)")
        }
        return name
    }

    /// The directories that everything inside could be got out of, and what is below them. (`/var/run` is `/run`.)
    private static let forbidden = ["/dev", "/proc", "/sys", "/run/hive", "/run/netns", "/run/systemd"]

    /// - Returns: why a path is none to show inside a container, in words that follow `is "…", `.
    static func objection(to path: String) -> String? {
        guard HostPath.isPlain(path) else { return "but must be \(HostPath.rule)" }
        var parts = path.split(separator: "/").map(String.init)
        if parts.first == "var", parts.dropFirst().first == "run" { parts.removeFirst() }
        if parts.isEmpty { return "which is all of the host" }
        for place in forbidden {
            let own = place.split(separator: "/").map(String.init)
            if parts.starts(with: own) || own.starts(with: parts) {
                return "which lies in \(place) or has it inside: that is not for agents"
            }
        }
        return nil
    }

    /// JSON that reads back as the same.
    var json: String {
        func list(_ texts: [String]) -> String {
            "[" + texts.map { JSONNode.string($0) }.joined(separator: ", ") + "]"
        }
        switch self {
        case .nixos(let name): return "{ \"nixos\": \(JSONNode.string(name)) }"
        case .nspawn(let nspawn):
            var members = ["\"nspawn\": \(JSONNode.string(nspawn.root))"]
            if !nspawn.command.isEmpty { members.append("\"command\": \(list(nspawn.command))") }
            if !nspawn.binds.isEmpty { members.append("\"bind\": \(list(nspawn.binds))") }
            if !nspawn.readOnlyBinds.isEmpty {
                members.append("\"bindReadOnly\": \(list(nspawn.readOnlyBinds))")
            }
            return "{ " + members.joined(separator: ", ") + " }"
        }
    }
}

extension ContainerSettings.Nspawn {
    fileprivate init(_ object: JSONObject) throws(HiveError) {
        let root = try object.string("nspawn", "the path of a directory") ?? ""
        if let objection = ContainerSettings.objection(to: root) {
            throw object.error("nspawn", "is \(quoted(root)), \(objection)")
        }
        let boots = try object.boolean("boot")
        let command = try object.strings("command") ?? []
        if object.has("command"), boots == true {
            throw object.error(
                "boot", "is true, but there is a command: a container boots, or runs a command")
        }
        if boots == false, !object.has("command") {
            throw object.error("boot", "is false, so there must be a command: command: [\"/usr/bin/agent\"]")
        }
        if object.has("command") {
            guard (1...ContainerSettings.maximumArguments).contains(command.count) else {
                throw object.error(
                    "command",
                    "must have 1 to \(ContainerSettings.maximumArguments) words: a program's path inside, and its arguments"
                )
            }
            guard command[0].hasPrefix("/") else {
                throw object.error(
                    entry: 0, of: "command", "is \(quoted(command[0])), but must be an absolute path")
            }
        }
        for (index, word) in command.enumerated()
        where word.utf8.contains(0) || word.utf8.count > ContainerSettings.maximumArgumentLength {
            throw object.error(
                entry: index, of: "command",
                "may have at most \(ContainerSettings.maximumArgumentLength) bytes, and no NUL")
        }
        self.init(
            root: root, command: command, binds: try Self.paths(object, "bind"),
            readOnlyBinds: try Self.paths(object, "bindReadOnly"))
    }

    private static func paths(_ object: JSONObject, _ key: String) throws(HiveError) -> [String] {
        let paths = try object.strings(key) ?? []
        guard paths.count <= ContainerSettings.maximumBinds else {
            throw object.error(
                key, "has \(paths.count) entries, but may have at most \(ContainerSettings.maximumBinds)")
        }
        for (index, path) in paths.enumerated() {
            if let objection = ContainerSettings.objection(to: path) {
                throw object.error(entry: index, of: key, "is \(quoted(path)), \(objection)")
            }
        }
        return paths
    }
}
