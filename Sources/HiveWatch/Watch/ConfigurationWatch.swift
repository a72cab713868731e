internal import Glibc
package import HiveNet

/// Tells when a file may have become another one, however that was done: written, replaced by rename(2), or a symbolic link on the way
/// to it (as in /etc of NixOS) led somewhere else; and when something in a directory did.
package final class ConfigurationWatch {
    private let files: FileWatch
    /// The files, and the directories all of whose files count.
    private let paths: [String], directories: [String]
    /// What counts in each watched directory; nil: everything.
    private var names: [Int32: Set<String>?] = [:]

    package var descriptor: Int32 { files.descriptor }

    /// - Parameters: absolute paths. What does not exist may come to.
    package init(files paths: [String], directories: [String]) throws(KernelError) {
        files = try FileWatch()
        self.paths = paths
        self.directories = directories
        follow()
    }

    /// - Returns: whether something may have changed.
    package func read() -> Bool {
        var hasChanged = false
        files.read { watch, kinds, name in
            guard !kinds.contains(.lost) else { return hasChanged = true }
            guard let wanted = names[watch] else { return }
            if !kinds.isDisjoint(with: .gone) { return hasChanged = true }
            // Temporary files begin with a dot.
            if wanted?.contains(name) ?? !name.hasPrefix(".") { hasChanged = true }
        }
        if hasChanged { follow() }
        return hasChanged
    }

    private func follow() {
        var wanted: [String: Set<String>?] = [:]
        for path in paths + directories {
            for (directory, name) in Self.steps(to: path) {
                wanted[directory] = (wanted[directory] ?? Set())?.union([name])
            }
        }
        for directory in directories { wanted[directory] = .some(nil) }
        var found: [Int32: Set<String>?] = [:]
        for (directory, names) in wanted {
            // (A directory that is not there is waited for in the one above.)
            guard let watch = try? files.add(directory, [.written, .listed, .gone]) else { continue }
            // Two paths may lead to one directory.
            if let other = found[watch] {
                found[watch] = .some(names.flatMap { names in other.map { names.union($0) } })
            } else {
                found[watch] = .some(names)
            }
        }
        for watch in names.keys where found[watch] == nil { files.remove(watch) }
        names = found
    }

    /// The directories, and the names in them, on which it depends what a path leads to: every symbolic link on the way, the last
    /// name, or the first that does not exist.
    static func steps(to path: String) -> [(directory: String, name: String)] {
        var steps: [(String, String)] = []
        var rest = path.split(separator: "/").map(String.init)[...]
        var directory: [String] = []
        // As many as the kernel follows (MAXSYMLINKS, include/linux/namei.h).
        var links = 40
        while let name = rest.popFirst() {
            if name == "." { continue }
            if name == ".." {
                _ = directory.popLast()
                continue
            }
            let place = "/" + directory.joined(separator: "/")
            var status = stat()
            let full = place == "/" ? "/\(name)" : "\(place)/\(name)"
            guard lstat(full, &status) == 0 else {
                steps.append((place, name))
                break
            }
            if status.st_mode & S_IFMT == S_IFLNK, links > 0, let target = linkTarget(full) {
                links -= 1
                steps.append((place, name))
                if target.hasPrefix("/") { directory = [] }
                rest = target.split(separator: "/").map(String.init) + rest
                continue
            }
            if rest.isEmpty { steps.append((place, name)) }
            directory.append(name)
        }
        return steps
    }

    private static func linkTarget(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Int(PATH_MAX)) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let count = readlink(path, start, buffer.count)
            return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
        }
    }
}
