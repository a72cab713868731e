internal import CLinux
internal import Glibc
package import HiveWire

extension AgentFiles {
    /// Of files that are listed.
    static let mostFiles = 200
    /// Directories below each other.
    static let deepest = 4
    /// Entries that are looked at, whatever they are: an agent may make millions.
    static let mostEntries = 5000

    /// The regular files in the directory and those below it, sorted by their paths.
    ///
    /// What is nearer to the top comes first when there are too many. Passed over are links, what else is no regular file, what is on
    /// another mount, and names that are not UTF-8 or have characters in them that a terminal would act on. None when there is no
    /// directory.
    package func list() throws(ServiceError) -> [AgentConfig.File] {
        let top: OpenFile
        do {
            top = try openDirectory()
        } catch {
            if error.code == ServiceError.unavailable { return [] }
            throw error
        }
        var files: [AgentConfig.File] = []
        var level = [""]
        var left = Self.mostEntries
        for depth in 1...Self.deepest where !level.isEmpty && left > 0 && files.count < Self.mostFiles {
            var next: [String] = []
            for directory in level.sorted() where left > 0 {
                var names: [String] = []
                // (Each time from the top: the whole path is under the kernel's eyes, and no descriptor is kept for later.)
                left -= Self.entries(of: directory, in: top, atMost: left) { names.append($0) }
                for name in names.sorted() {
                    let path = directory.isEmpty ? name : "\(directory)/\(name)"
                    guard path.utf8.count <= Self.longestPath, let status = Self.status(of: path, in: top)
                    else { continue }
                    switch status.st_mode & S_IFMT {
                    case S_IFREG: files.append(AgentConfig.File(path: path, size: Int(status.st_size)))
                    case S_IFDIR where depth < Self.deepest: next.append(path)
                    default: break
                    }
                }
            }
            level = next
        }
        return files.prefix(Self.mostFiles).sorted { $0.path < $1.path }
    }

    private static func status(of path: String, in top: borrowing OpenFile) -> stat? {
        let number = retrying { hive_openat2(top.number, path, UInt64(hive_o_path() | O_NOFOLLOW), beneath) }
        guard number >= 0 else { return nil }
        let file = OpenFile(number)
        var status = stat()
        return fstat(file.number, &status) == 0 ? status : nil
    }

    /// - Returns: how many entries were looked at.
    private static func entries(
        of path: String, in top: borrowing OpenFile, atMost most: Int, _ body: (String) -> Void
    ) -> Int {
        let flags = UInt64(O_RDONLY | O_DIRECTORY | O_NONBLOCK)
        let number = retrying { hive_openat2(top.number, path.isEmpty ? "." : path, flags, beneath) }
        guard number >= 0 else { return 0 }
        guard let stream = fdopendir(number) else {
            close(number)
            return 0
        }
        defer { closedir(stream) }
        var count = 0
        while count < most, let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in Array(bytes.prefix { $0 != 0 }) }
            if name == [0x2e] || name == [0x2e, 0x2e] { continue }
            count += 1
            if let text = harmless(name) { body(text) }
        }
        return count
    }

    /// - Returns: nil for what `quoted` would spell out.
    private static func harmless(_ name: [UInt8]) -> String? {
        guard let text = String(validating: name, as: UTF8.self) else { return nil }
        let isHarmless = text.unicodeScalars.allSatisfy { scalar in
            switch scalar.value {
            case 0..<0x20, 0x7f...0x9f, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x206f, 0xfeff: false
            default: true
            }
        }
        return isHarmless ? text : nil
    }
}
