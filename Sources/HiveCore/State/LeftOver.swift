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
        case .process(let id, let started):
            if let started, let now = ProcessStart.of(id), now != started { return true }
            path = "/proc/\(id)/ns/net"
            // The number is another process's by now: in the host's own network no container ever was.
            if NamespaceFile.isOwn(path) { return true }
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

    /// It is the one that the calling thread is in.
    static func isOwn(_ path: String) -> Bool {
        var (there, here) = (stat(), stat())
        return stat(path, &there) == 0 && stat("/proc/thread-self/ns/net", &here) == 0
            && there.st_dev == here.st_dev && there.st_ino == here.st_ino
    }

    /// By the file system that it is of: `NSFS_MAGIC`, of include/uapi/linux/magic.h.
    public static func look(_ path: String) -> NamespaceFile {
        var system = statfs()
        guard statfs(path, &system) == 0 else {
            return errno == ENOENT || errno == ENOTDIR ? .missing : .unknown(errno)
        }
        return UInt64(system.f_type) == UInt64(NSFS_MAGIC) ? .namespace : .other
    }
}
