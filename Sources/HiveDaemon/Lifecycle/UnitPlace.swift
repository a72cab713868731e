internal import CLinux
internal import Glibc
internal import HiveCore
internal import HiveWire

/// Where the processes of a service that has just been started really are.
///
/// What starts a container is told which namespace it is for. Whether it heeds that (the configuration of a container of NixOS's says it once
/// more) shows only here.
struct UnitPlace {
    let systemd: Systemd

    private static let root = "/sys/fs/cgroup"

    /// - Returns: why this is not in its namespace; or nil.
    func objection(to agent: ManagedAgent) throws(ServiceError) -> String? {
        guard let host = NamespaceFile.own, let wanted = NamespaceFile(agent.namespace), wanted.isNetwork
        else {
            return "there is no network namespace \(agent.namespace) any more"
        }
        // (That it is up may be said before its first process is. And one that ends at once is started again by systemd, in which case its
        // processes may be those of a script of the host's: what matters is where it is when it is up.)
        var suspected: String?
        let end = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < end {
            let shown =
                try systemd.show([agent.unit], ["ControlGroup", "ActiveState", "InvocationID"]).first ?? [:]
            switch shown["ActiveState"] {
            case "active", "reloading":
                let processes = Self.processes(in: shown["ControlGroup"] ?? "")
                let places = processes.map { (process: $0, place: NamespaceFile.of(process: $0)?.inode) }
                if let stray = places.first(where: { $0.place == host.inode }) {
                    // (Of one that has just ended nspawn itself is left. So it is looked at twice.)
                    if suspected != nil, suspected == shown["InvocationID"] {
                        return "process \(stray.process) in it is in the host's own network"
                    }
                    suspected = shown["InvocationID"]
                } else if places.contains(where: { $0.place == wanted.inode }) {
                    return nil
                }
            case "activating": break
            default: return nil
            }
            usleep(20_000)
        }
        return "no process in it is seen to be in \(agent.namespace)"
    }

    /// All processes of a group and those below it, but for nspawn's own, which stay on the host. (It puts itself into a group `supervisor`,
    /// and what it runs into a group `payload`.)
    private static func processes(in group: String) -> [Int32] {
        guard group.hasPrefix("/"), group.utf8.count > 1 else { return [] }
        let top = root + group
        let start = isDirectory("\(top)/payload") ? "\(top)/payload" : top
        var found: [Int32] = []
        var groups = [start]
        while let next = groups.popLast(), found.count < 10_000 {
            found += numbers("\(next)/cgroup.procs")
            groups += directories(next)
        }
        return found
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func directories(_ path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var found: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != "..", isDirectory("\(path)/\(name)") { found.append("\(path)/\(name)") }
        }
        return found
    }

    private static func numbers(_ path: String) -> [Int32] {
        guard let file = fopen(path, "re") else { return [] }
        defer { fclose(file) }
        var found: [Int32] = []
        var line = [CChar](repeating: 0, count: 64)
        while fgets(&line, Int32(line.count), file) != nil {
            let digits = line.prefix { $0 >= 0x30 && $0 <= 0x39 }.map { UInt8($0) }
            if let number = Int32(String(decoding: digits, as: UTF8.self)) { found.append(number) }
        }
        return found
    }
}
