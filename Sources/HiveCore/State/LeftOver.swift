internal import CLinux
internal import Glibc
internal import HiveNet

extension AgentSettings {
    /// A container runtime asked for it, and its container is no more: no namespace is at the path that the runtime named.
    ///
    /// What cannot be looked at is not taken for gone.
    public var isLeftOver: Bool {
        guard attachment != nil else { return false }
        let path: String
        switch namespace {
        case .own: return false
        case .path(let named): path = named
        case .process(let id): path = "/proc/\(id)/ns/net"
        }
        switch NamespaceFile.look(path) {
        case .missing, .other: return true
        case .namespace, .unknown: return false
        }
    }
}

/// What is at a path that is to stand for a namespace.
public enum NamespaceFile {
    case namespace, missing, other
    /// With the errno that looking ended with.
    case unknown(Int32)

    /// By the file system that it is of: `NSFS_MAGIC`, of include/uapi/linux/magic.h.
    public static func look(_ path: String) -> NamespaceFile {
        var system = statfs()
        guard statfs(path, &system) == 0 else {
            return errno == ENOENT || errno == ENOTDIR ? .missing : .unknown(errno)
        }
        return UInt64(system.f_type) == UInt64(NSFS_MAGIC) ? .namespace : .other
    }
}
