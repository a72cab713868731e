internal import CLinux
internal import Glibc
package import HiveCore
internal import HiveNet
package import HiveWatch
internal import HiveWire

/// Whether an agent's network is applied, so that something may be started in it. What cannot be known is no.
package struct BoundaryCheck: Sendable {
    package let configPath: String
    package let state: StateDirectory
    /// Where the watcher listens, if one runs.
    package let socket: String
    /// What one of the watcher's answers may take, in seconds.
    static let patience = 20

    package init(
        configPath: String = Configuration.standardPath, state: StateDirectory = StateDirectory(),
        socket: String = ControlClient.standardPath
    ) {
        self.configPath = configPath
        self.state = state
        self.socket = socket
    }

    /// - Returns: why nothing may be started: a sentence without a full stop; or nil.
    package func obstacle(to name: String, in hive: Hive) -> String? {
        guard let agent = hive.agents.first(where: { $0.name == name }) else {
            return "there is no agent \(quoted(name))"
        }
        if let words = Self.obstacle(name, in: agent.namespace) { return words }
        do {
            return try session(patience: Self.patience).show(agent: name, isFresh: true).obstacle(to: name)
        } catch {
            return "it is not known whether the network of \(name) is applied: \(Self.words(error))"
        }
    }

    static func words(_ error: any Error) -> String {
        let text = Explanation(error).sentences.joined(separator: " ")
        return text.hasSuffix(".") ? String(text.dropLast()) : text
    }

    /// What there is, from the watcher if one runs, or else from the kernel.
    /// - Parameter agent: nil for all.
    package func show(_ agent: String?) throws -> ShownNetwork {
        try session(patience: Self.patience).show(agent: agent)
    }

    /// The hive that is looked at.
    /// - Parameter patience: what one of the watcher's answers may take, in seconds.
    func session(patience: Int) -> Session {
        Session(configPath: configPath, state: state, socket: socket, patience: patience, note: { _ in })
    }

    // MARK: Namespaces

    /// - Returns: why a file is no namespace for an agent to be started in; or nil.
    static func obstacle(_ name: String, in namespace: NetworkSpec.Namespace) -> String? {
        if case .process(let process, _) = namespace {
            return
                "the agent \(name) lives in the namespace of process \(process), so that there is nothing to start it in: "
                + "give it one by a path, or start and stop it by other means"
        }
        let path = namespace.path(agent: name)
        guard !path.hasPrefix("/proc/") else {
            return
                "the namespace \(path) is that of whichever process has this number: give a path outside of /proc"
        }
        guard let found = NamespaceFile(path) else {
            switch errno {
            case ENOENT, ENOTDIR:
                return "there is no network namespace \(path), so that \(name) is not started: "
                    + "apply its network with: hivectl net apply"
            case ELOOP:
                return "\(path) is a symbolic link, and not a network namespace: \(name) is not started"
            default: return "\(path) cannot be opened: \(String(cString: strerror(errno)))"
            }
        }
        guard found.isNetwork else {
            return "\(path) is not a network namespace: \(name) is not started"
        }
        guard found.inode != NamespaceFile.own?.inode else {
            return "\(path) is the host's own network namespace: \(name) is not started"
        }
        return nil
    }
}

/// A file that may stand for a network namespace.
struct NamespaceFile: Equatable {
    /// On nsfs, where all namespaces are.
    let inode: UInt64
    let isNetwork: Bool

    /// - Returns: nil, with errno, where there is none, or a symbolic link.
    init?(_ path: String) {
        // (Not opened as a file yet: that could wait for somebody, or do something.)
        let number = open(path, hive_o_path() | O_NOFOLLOW | O_CLOEXEC)
        guard number >= 0 else { return nil }
        let file = OpenFile(number)
        var status = stat()
        var system = statfs()
        guard fstat(file.number, &status) == 0, fstatfs(file.number, &system) == 0 else { return nil }
        guard status.st_mode & S_IFMT != S_IFLNK else {
            errno = ELOOP
            return nil
        }
        inode = UInt64(status.st_ino)
        guard UInt64(system.f_type) == UInt64(NSFS_MAGIC) else {
            isNetwork = false
            return
        }
        let opened = open("/proc/self/fd/\(file.number)", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard opened >= 0 else { return nil }
        let whole = OpenFile(opened)
        isNetwork = hive_namespace_kind(whole.number) == CLONE_NEWNET
    }

    /// The calling thread's.
    static var own: NamespaceFile? { of("/proc/thread-self/ns/net") }

    /// That of a process.
    static func of(process: Int32) -> NamespaceFile? { of("/proc/\(process)/ns/net") }

    private static func of(_ path: String) -> NamespaceFile? {
        var status = stat()
        return stat(path, &status) == 0 ? NamespaceFile(inode: UInt64(status.st_ino)) : nil
    }

    private init(inode: UInt64) {
        self.inode = inode
        isNetwork = true
    }
}
