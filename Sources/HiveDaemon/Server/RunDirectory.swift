internal import CLinux
internal import Glibc
internal import HiveCore
internal import HiveWire

/// `/run/hive`: where the sockets are.
///
///     /run/hive                       0751  anybody may go through, nobody may list or put anything there
///     /run/hive/host.sock             0660  root and the group hive-admin
///     /run/hive/core.sock             0660  root and the group hive-web; and of these only the user hive-web is heard
///     /run/hive/agents                0700  nobody gets at the agents' sockets by this path
///     /run/hive/agents/NAME           0755  mounted into the agent's container, which then is the only way to it
///     /run/hive/agents/NAME/agent.sock 0666 whoever is inside, root or not
struct RunDirectory {
    let path: String

    var operators: String { "\(path)/host.sock" }
    var web: String { "\(path)/core.sock" }
    var agents: String { "\(path)/agents" }
    func directory(of agent: String) -> String { "\(agents)/\(agent)" }
    func socket(of agent: String) -> String { "\(directory(of: agent))/agent.sock" }

    func make() throws(ServiceError) {
        guard path.hasPrefix("/"), path.count > 1 else {
            throw ServiceError(
                ServiceError.usage, "the directory of the sockets needs an absolute path, not \(path)")
        }
        try Self.make(path, 0o751)
        try Self.make(agents, 0o700)
    }

    func make(agent: String) throws(ServiceError) { try Self.make(directory(of: agent), 0o755) }

    /// Takes away what `make(agent:)` has made, and the socket. What others have put there stays.
    func remove(agent: String) {
        unlink(socket(of: agent))
        rmdir(directory(of: agent))
    }

    /// The agents of which there is something, those of a daemon that was killed too.
    var remaining: [String] {
        guard let stream = opendir(agents) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if AgentName.isValid(name) { names.append(name) }
        }
        return names
    }

    /// One that is there has to be nobody else's: whoever can write to it can put another socket in ours' place.
    private static func make(_ path: String, _ mode: mode_t) throws(ServiceError) {
        if mkdir(path, mode) != 0, errno != EEXIST { throw .last("make the directory \(path)") }
        var status = stat()
        guard lstat(path, &status) == 0 else { throw .last("look at \(path)") }
        guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(), status.st_mode & 0o022 == 0
        else {
            throw ServiceError(
                ServiceError.configuration,
                "\(path) has to be a directory that only its owner, the user of hived, can write to")
        }
        // Whatever the umask is, and whoever made it.
        guard status.st_mode & 0o7777 == mode || chmod(path, mode) == 0 else { throw .last("make \(path)") }
    }
}
