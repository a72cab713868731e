import HiveWire

/// Agents that were made at run time: one file `agents.d/NAME.json` each, in the state directory.
///
/// Whoever calls `add` or `remove` holds the hive's `FileLock`. Even without it no file is ever seen half
/// written, and two that add the same agent do not overwrite each other.
public struct AgentDirectory: Sendable {
    /// `STATE/agents.d`.
    public let path: String

    public init(stateDirectory: String) { path = "\(stateDirectory)/agents.d" }

    /// The settings of all agents, by name. None when the directory does not exist.
    public func agents() throws(HiveError) -> [String: AgentSettings] {
        Dictionary(try declarations().map { ($0.name, $0.settings) }) { first, _ in first }
    }

    /// What container runtimes have attached, by agents' names; also what is left of containers that have gone without a word.
    ///
    /// Files that cannot be understood are passed over: nobody's container has to stay because of another one's file.
    public func attachments() throws(HiveError) -> [String: AgentSettings] {
        let entries: [String]
        do throws(DurableFile.Failure) { entries = try DurableFile.entries(of: path) } catch {
            if error.isMissing { return [:] }
            throw error.error
        }
        var found: [String: AgentSettings] = [:]
        for entry in entries where entry.hasSuffix(".json") && !entry.hasPrefix(".") {
            let name = String(entry.dropLast(5))
            guard let text = try? DurableFile.read(file(name), onlyRegular: true),
                let declaration = try? Declaration(name: name, text: text, file: file(name)),
                declaration.settings.attachment != nil
            else { continue }
            found[name] = declaration.settings
        }
        return found
    }

    /// In the order of their names; without those of container runtimes whose namespaces are no more. A runtime that is killed, or a host
    /// that is restarted, tells nobody, and one that has gone does not stand in the way of all others.
    func declarations() throws(HiveError) -> [Declaration] {
        try all().filter { !$0.settings.isLeftOver }
    }

    /// Names that begin with a dot are passed over: temporary files.
    private func all() throws(HiveError) -> [Declaration] {
        var declarations: [Declaration] = []
        for name in try names() {
            let file = file(name)
            let text: [UInt8]
            do throws(DurableFile.Failure) {
                text = try DurableFile.read(file, onlyRegular: true)
            } catch {
                // Removed since the directory was listed.
                if error.isMissing { continue }
                throw error.error
            }
            declarations.append(try Declaration(name: name, text: text, file: file))
        }
        return declarations
    }

    private func names() throws(HiveError) -> [String] {
        let entries: [String]
        do throws(DurableFile.Failure) {
            entries = try DurableFile.entries(of: path)
        } catch {
            if error.isMissing { return [] }
            throw error.error
        }
        var names: [String] = []
        for entry in entries where !entry.hasPrefix(".") {
            let name = entry.hasSuffix(".json") ? String(entry.dropLast(5)) : ""
            guard AgentName.isValid(name) else {
                throw HiveError(
                    .configuration,
                    "\(path) holds \(quoted(entry)), which is not the name of an agent (\(AgentName.rule)) followed by .json; "
                        + "rename it or move it away")
            }
            names.append(name)
        }
        return names.sorted()
    }

    /// Makes an agent's file, and the directory if need be. `Hive.adding(_:_:)` tells beforehand whether the
    /// agent fits in with the others.
    ///
    /// - Throws: `usage` for a bad name, or when the agent is there already or is in `hive.json`.
    public func add(_ name: String, _ settings: AgentSettings, besides configuration: Configuration?)
        throws(HiveError)
    {
        _ = try declaration(name, settings, besides: configuration)
        do throws(DurableFile.Failure) {
            try DurableFile.makeDirectory(path)
            try DurableFile.write(settings.text, to: "\(name).json", in: path, replacing: false)
        } catch {
            throw error.alreadyExists ? exists(name) : error.error
        }
    }

    /// What `add` would write, read again: what cannot be read is not written.
    func declaration(
        _ name: String, _ settings: AgentSettings, besides configuration: Configuration?
    ) throws(HiveError) -> Declaration {
        try AgentName.check(name)
        try refuseDeclared(name, configuration) { "it is in \($0) already" }
        guard !holds(name) else { throw exists(name) }
        return try Declaration(name: name, text: Array(settings.text.utf8), file: file(name))
    }

    private func exists(_ name: String) -> HiveError {
        HiveError(.usage, "cannot add the agent \(quoted(name)): \(file(name)) exists already")
    }

    /// Removes an agent's file, also one that cannot be read. Its lease stays, in case it comes back.
    ///
    /// - Throws: `usage` when there is no such agent, or when it is in `hive.json`.
    public func remove(_ name: String, besides configuration: Configuration?) throws(HiveError) {
        try AgentName.check(name)
        try refuseParent(name, configuration)
        do throws(DurableFile.Failure) {
            try DurableFile.remove("\(name).json", in: path)
        } catch {
            guard error.isMissing else { throw error.error }
            try refuseDeclared(name, configuration) { "it is in \($0): remove it there" }
            let known = ((try? names()) ?? []) + (configuration?.agents.map(\.name) ?? [])
            let hint = nearest(to: name, among: known).map { "; did you mean \(quoted($0))?" } ?? ""
            throw HiveError(.usage, "there is no agent \(quoted(name))\(hint)")
        }
    }

    /// Says beforehand what `remove` would say.
    public func checkRemoval(of name: String, besides configuration: Configuration?) throws(HiveError) {
        try AgentName.check(name)
        try refuseParent(name, configuration)
        guard !holds(name) else { return }
        try refuseDeclared(name, configuration) { "it is in \($0): remove it there" }
        throw HiveError(.usage, "the agent \(quoted(name)) cannot be removed here: there is no \(file(name))")
    }

    /// Without it the configuration of its children would be wrong, and nothing could be applied any more.
    private func refuseParent(_ name: String, _ configuration: Configuration?) throws(HiveError) {
        guard configuration?.roster == nil, holds(name) else { return }
        let others = ((try? declarations()) ?? []) + (configuration?.agents ?? [])
        guard let child = others.first(where: { $0.settings.parent == name && $0.name != name }) else {
            return
        }
        throw HiveError(
            .usage,
            "the agent \(quoted(name)) cannot be removed: it is the parent of \(quoted(child.name)) (\(child.place("parent")))"
        )
    }

    private func refuseDeclared(
        _ name: String, _ configuration: Configuration?, _ why: (String) -> String
    ) throws(HiveError) {
        guard let declared = configuration?.agents.first(where: { $0.name == name }) else { return }
        throw HiveError(
            .usage, "the agent \(quoted(name)) cannot be changed here, for \(why(declared.place()))")
    }

    /// Whether there is such an agent's file, whatever is in it.
    func holds(_ name: String) -> Bool { DurableFile.exists(file(name)) }

    private func file(_ name: String) -> String { "\(path)/\(name).json" }
}
