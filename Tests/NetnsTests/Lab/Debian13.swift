import Foundation
import Glibc

/// Programs of Debian 13 on a lab's host, for those of which the machine's own are too old: `scripts/debian13` has unpacked them.
///
/// They run in a root directory of their own, over which what they write is laid; /run is the lab's, so that both see the same
/// namespaces, and the programs under test are where they are outside.
final class Debian13 {
    private static let files = ProcessInfo.processInfo.environment["HIVE_DEBIAN13"]

    static let obstacle: String? = {
        guard geteuid() == 0, ThreatOutsideTests.hasUsers else {
            return "only root of the machine can start containers"
        }
        guard let files, access(files + "/usr/bin/podman", X_OK) == 0 else {
            return "HIVE_DEBIAN13 does not name a directory that scripts/debian13 has made"
        }
        return nil
    }()

    static let root = "/var/lib/debian13"
    /// What a command line begins with to run there.
    let prefix = ["chroot", Debian13.root]

    init(_ lab: Lab, programs: [String]) throws {
        let (root, work) = (Self.root, "/var/lib/debian13-work")
        try lab.must("mkdir \(root) \(work)")
        try lab.must("mount -t tmpfs tmpfs \(work)")
        try lab.must("mkdir \(work)/upper \(work)/work")
        let layers = "lowerdir=\(Self.files ?? ""),upperdir=\(work)/upper,workdir=\(work)/work"
        try lab.must("mount -t overlay -o \(layers) overlay \(root)")
        try lab.must("mount -t proc proc \(root)/proc")
        try lab.must("mount -t sysfs sysfs \(root)/sys")
        try lab.must("mount -t cgroup2 none \(root)/sys/fs/cgroup")
        try lab.must("mount --rbind /dev \(root)/dev")
        // The same users (the gateway's is one), which no maintainer script has made.
        try lab.must("cp /etc/passwd /etc/group \(root)/etc")
        // Whichever of the two pins a namespace, the other sees it.
        try lab.must("mount --make-rshared /run")
        try lab.must("mount --rbind /run \(root)/run")
        var directories: Set<String> = []
        for program in programs {
            directories.insert((program as NSString).deletingLastPathComponent)
            // The toolchain's libraries.
            let libraries = try lab.must("ldd \(program)").stdout.split(whereSeparator: \.isWhitespace)
                .filter { $0.hasPrefix("/") && !$0.hasPrefix("/lib") && !$0.hasPrefix("/usr/lib") }
            directories.formUnion(libraries.map { (String($0) as NSString).deletingLastPathComponent })
        }
        for directory in directories.sorted() {
            try lab.must("mkdir -p \(root)\(directory)")
            try lab.must("mount --bind \(directory) \(root)\(directory)")
        }
    }
}
