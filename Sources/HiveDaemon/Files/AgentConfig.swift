package import HiveCore
internal import HiveNet
package import HiveWire

extension AgentConfig {
    /// What the hive says of an agent, and the files that it has.
    /// - Parameter state: the hive's.
    /// - Throws: `usage` when there is no such agent. That its files cannot be listed is none.
    package init(of name: String, in hive: Hive, state: StateDirectory) throws(ServiceError) {
        guard let settings = hive.settings[name], let place = hive.place(of: name) else {
            throw ServiceError(ServiceError.usage, "there is no agent \(quoted(name))")
        }
        let directory = settings.state ?? state.state(of: name)
        self.init(
            name: name, settings: settings.text, place: place, stateDirectory: directory,
            files: (try? AgentFiles(directory).list()) ?? [])
        let agent = hive.agents.first { $0.name == name }
        address4 = agent?.address4.description
        address6 = agent?.address6?.description
    }
}

extension AgentFiles {
    /// Those of an agent of a hive.
    /// - Throws: `usage` when there is no such agent.
    package init(of name: String, in hive: Hive, state: StateDirectory) throws(ServiceError) {
        guard let settings = hive.settings[name] else {
            throw ServiceError(ServiceError.usage, "there is no agent \(quoted(name))")
        }
        self.init(settings.state ?? state.state(of: name))
    }
}
