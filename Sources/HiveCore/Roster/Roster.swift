import HiveWire

/// The agents of a core daemon's roster that had a network last, kept over a restart in `roster.json`: a watcher that starts
/// while the daemon is down takes nobody's network away.
public struct Roster: Equatable, Sendable {
    /// In the order of the alphabet, each once.
    public let names: [String]

    public init(_ names: some Sequence<String> = []) { self.names = Set(names).sorted() }

    /// What the core daemon calls an agent's container.
    public static func container(of agent: String) -> String { "h-\(agent)" }

    static let version = 1

    /// Reads `roster.json`. No file means an empty roster.
    ///
    /// - Throws: `dataError`, with what to do, when the file is not as `save` writes it: taken for empty, it would take the
    ///   network of all.
    public static func load(_ directory: StateDirectory) throws(HiveError) -> Roster {
        let text: [UInt8]
        do throws(DurableFile.Failure) {
            text = try DurableFile.read(directory.roster, onlyRegular: true)
        } catch {
            if error.isMissing { return Roster() }
            throw error.error
        }
        do throws(HiveError) {
            return try Roster(text: text, file: directory.roster)
        } catch {
            throw HiveError(
                .dataError,
                "\(error.description). Nobody's network is taken away for that: restore the file from a backup or correct it, "
                    + "or remove it, and then the agents of the roster are those that the core daemon names next"
            )
        }
    }

    init(text: [UInt8], file: String) throws(HiveError) {
        let root = try JSONParser.parse(text, file: file)
        let source = Source(file: file, root: root)
        // The version first: another one may have other keys.
        let version = try JSONObject(root, in: source, knowing: nil).integer("version", 1...Int(Int32.max))
        guard version == Self.version else {
            throw source.error("version", "is not \(Self.version)")
        }
        let object = try JSONObject(root, in: source, knowing: ["version", "agents"])
        guard case .array(let elements) = object.node("agents")?.value else {
            throw source.error("", "has no list of agents")
        }
        guard elements.count <= RosterAnswer.maximumAgents else {
            throw source.error(
                "agents",
                "has \(elements.count) entries, but at most \(RosterAnswer.maximumAgents) are followed")
        }
        var names: [String] = []
        for element in elements {
            guard case .string(let name) = element.value, AgentName.isValid(name) else {
                throw source.error("agents", "holds \(element.shown), which is not a name for an agent")
            }
            names.append(name)
        }
        self.init(names)
    }

    /// Writes `roster.json` so that a crash leaves the old or the new file. The directory must exist, and the caller holds the
    /// hive's lock.
    public func save(_ directory: StateDirectory) throws(HiveError) {
        do throws(DurableFile.Failure) {
            try DurableFile.write(text, to: StateDirectory.rosterName, in: directory.path, replacing: true)
        } catch {
            throw error.error
        }
    }

    /// One line an agent, in order, so that equal rosters are equal files.
    var text: String {
        let lines = names.map { "    \(JSONNode.string($0))" }
        let agents = lines.isEmpty ? "[]" : "[\n\(lines.joined(separator: ",\n"))\n  ]"
        return "{\n  \"version\": \(Self.version),\n  \"agents\": \(agents)\n}\n"
    }
}

extension StateDirectory {
    /// `STATE/roster.json`.
    public var roster: String { "\(path)/\(Self.rosterName)" }

    static let rosterName = "roster.json"
}
