internal import CNetlink
internal import Glibc

/// A network namespace's identity: its file on the kernel's nsfs.
struct NamespaceID: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64

    init(of descriptor: borrowing Descriptor) throws(KernelError) {
        var status = stat()
        guard fstat(descriptor.number, &status) == 0 else { throw .last("look at a network namespace") }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }

    /// That of the file at a path, without opening it. A symbolic link is followed only below /proc, where the kernel made it.
    ///
    /// - Returns: nil if there is none.
    init?(path: String) {
        var status = stat()
        guard fstatat(AT_FDCWD, path, &status, path.hasPrefix("/proc/") ? 0 : AT_SYMLINK_NOFOLLOW) == 0 else {
            return nil
        }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }

    /// The calling thread's. (`/proc/self` is the process's first thread, which may be elsewhere.)
    static func current() throws(KernelError) -> NamespaceID {
        try NamespaceID(of: Descriptor.currentNamespace())
    }
}

extension Descriptor {
    /// The calling thread's network namespace.
    static func currentNamespace() throws(KernelError) -> Descriptor {
        try Descriptor(path: "/proc/thread-self/ns/net", flags: O_RDONLY, "open the own network namespace")
    }

    /// Opens the file that stands for a network namespace.
    ///
    /// A symbolic link is followed only below /proc, where the kernel made it.
    /// - Returns: nil if there is none, or if the file is a leftover without a namespace behind it.
    static func namespace(path: String) throws(KernelError) -> Descriptor? {
        let follow = path.hasPrefix("/proc/") ? 0 : O_NOFOLLOW
        do {
            let descriptor = try Descriptor(
                path: path, flags: O_RDONLY | O_NONBLOCK | follow, "open the network namespace \(path)")
            if descriptor.isNetworkNamespace { return consume descriptor }
            return nil
        } catch  where error.isNotFound || error.code == ENOTDIR {
            return nil
        } catch  where error.code == ELOOP {
            throw KernelError(
                error.operation, code: ELOOP,
                explanation: "it is a symbolic link; name the namespace's own file")
        }
    }

    /// `ioctl_ns(2)`; fails with ENOTTY on every other file.
    private var isNetworkNamespace: Bool { ioctl(number, hive_ns_get_nstype()) == CLONE_NEWNET }
}

/// Leave to change the network namespace of the thread that has it.
///
/// setns(2) and unshare(2) change the calling thread alone. On a thread of a pool the change would outlive its cause, so
/// this exists only inside `onThreadOfItsOwn`.
struct NamespaceSwitch: ~Copyable {
    /// Only for `Thread`.
    init() {}

    /// Joins a namespace.
    func enter(_ namespace: borrowing Descriptor, _ operation: @autoclosure () -> String) throws(KernelError)
    {
        guard hive_setns(namespace.number, CLONE_NEWNET) == 0 else { throw .last(operation()) }
    }

    /// Makes a namespace that no file stands for, and joins it. It lasts as long as something is open in it.
    func makeAnonymous() throws(KernelError) {
        guard hive_unshare(CLONE_NEWNET) == 0 else { throw .last("make a network namespace") }
    }

    /// Makes a namespace, joins it, and pins it to a file, as `ip netns add` does.
    /// - Parameter path: must not exist, or be a leftover file without a namespace behind it.
    func make(at path: String) throws(KernelError) {
        do {
            try createFile(path)
        } catch  where error.alreadyExists {
            guard unlink(path) == 0 else { throw .last("remove the leftover file \(path)") }
            try createFile(path)
        }
        guard hive_unshare(CLONE_NEWNET) == 0 else {
            let error = KernelError.last("make the network namespace \(path)")
            unlink(path)
            throw error
        }
        guard mount("/proc/thread-self/ns/net", path, "none", UInt(MS_BIND), nil) == 0 else {
            let error = KernelError.last("pin the network namespace \(path)")
            unlink(path)
            throw error
        }
    }

    private func createFile(_ path: String) throws(KernelError) {
        // Without permissions, as `ip netns` does: the file only stands for the mount on it.
        _ = try Descriptor(path: path, flags: O_RDONLY | O_CREAT | O_EXCL, "create \(path)")
    }
}

/// Where namespaces are pinned.
enum NamespaceDirectory {
    /// Makes `/run/netns` as `ip netns` does: shared, so that what is pinned there shows in every mount namespace that got
    /// its copy of /run, and so that a removal removes it everywhere.
    static func prepare() throws(KernelError) {
        let path = NetworkSpec.Namespace.directory
        if mkdir(path, 0o755) != 0, errno != EEXIST { throw .last("create the directory \(path)") }
        if mount("", path, "none", UInt(MS_SHARED | MS_REC), nil) == 0 { return }
        // EINVAL: it is no mount point yet.
        guard errno == EINVAL, mount(path, path, "none", UInt(MS_BIND | MS_REC), nil) == 0,
            mount("", path, "none", UInt(MS_SHARED | MS_REC), nil) == 0
        else { throw .last("make \(path) a shared mount") }
    }

    /// The names of the agents that have a file there.
    static func agents() -> [String] {
        guard let directory = opendir(NetworkSpec.Namespace.directory) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix("hive-") { names.append(String(name.dropFirst("hive-".count))) }
        }
        return names
    }

    /// Unpins a namespace. It goes away when the last process in it does.
    static func remove(_ path: String) throws(KernelError) {
        // Several mounts may lie over each other; EINVAL: no mount (any more).
        while umount2(path, Int32(MNT_DETACH) | Int32(UMOUNT_NOFOLLOW)) == 0 {}
        guard errno == EINVAL || errno == ENOENT else { throw .last("unmount \(path)") }
        if unlink(path) != 0, errno != ENOENT { throw .last("remove \(path)") }
    }
}
