internal import Glibc
internal import HiveCore

/// The gateway's own directory, `/run/hive/nginx`: a directory for each configuration, and `current`, a link to the one in force.
struct Installation {
    let directory: String

    var current: String { "\(directory)/current" }
    var sockets: String { "\(directory)/sockets" }
    var control: String { "\(directory)/private/control.sock" }
    var log: String { "\(directory)/private/error.log" }
    func files(_ generation: String) -> String { "\(directory)/\(generation)" }

    /// Makes the directories. Whoever can write to one of them can be the gateway.
    func prepare() throws(HiveError) {
        try Self.demandRoot()
        var path = ""
        for part in directory.split(separator: "/") {
            path += "/\(part)"
            // (Those above are others' too, who make them like this.)
            try Self.make(path, path == directory ? 0o755 : 0o751)
        }
        try Self.make(sockets, 0o755)
        try Self.make("\(directory)/private", 0o700)
        try Self.make("\(directory)/temp", 0o755)
    }

    /// What is asked of nginx, and the tokens, are root's.
    static func demandRoot() throws(HiveError) {
        guard geteuid() == 0 else {
            throw HiveError(.noPermission, "the gateway's files are root's: root is needed")
        }
    }

    private static func make(_ path: String, _ mode: mode_t) throws(HiveError) {
        if mkdir(path, mode) == 0 {
            guard chmod(path, mode) == 0 else { throw HiveError(cannot: "make \(path)", errno: errno) }
            return
        }
        guard errno == EEXIST else { throw HiveError(cannot: "make the directory \(path)", errno: errno) }
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
            status.st_mode & 0o022 == 0
        else {
            throw HiveError(
                .configuration,
                "\(path) has to be a directory that only root can write to")
        }
    }

    /// Writes the files of a configuration that is not in force.
    func write(_ rendering: Rendering) throws(HiveError) {
        let place = files(rendering.generation)
        try Self.make(place, 0o755)
        for (name, text) in rendering.files {
            // Tokens are in it. Workers open none of them but the page of agents.
            try write(text, "\(place)/\(name)", name == Rendering.agentsPageName ? 0o644 : 0o600)
        }
    }

    func write(_ text: String, _ path: String, _ mode: mode_t) throws(HiveError) {
        // In one step: it may be in force already.
        let temporary = "\(path).new"
        unlink(temporary)
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard file >= 0 else { throw HiveError(cannot: "write \(path)", errno: errno) }
        defer { close(file) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw HiveError(cannot: "write \(path)", errno: errno) }
            bytes = bytes.dropFirst(count)
        }
        // Whatever the umask is.
        guard fchmod(file, mode) == 0, rename(temporary, path) == 0 else {
            throw HiveError(cannot: "write \(path)", errno: errno)
        }
    }

    /// The configuration in force; nil: none.
    var generation: String? {
        var name = [CChar](repeating: 0, count: 64)
        let count = readlink(current, &name, name.count)
        guard count > 0, count < name.count else { return nil }
        return String(decoding: name[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Puts another one in force, in one step; nil: none.
    func enter(_ generation: String?) throws(HiveError) {
        guard let generation else {
            unlink(current)
            return
        }
        let temporary = "\(directory)/.current"
        unlink(temporary)
        guard symlink(generation, temporary) == 0, rename(temporary, current) == 0 else {
            throw HiveError(cannot: "make \(current)", errno: errno)
        }
    }

    /// Removes the files of configurations that are not in force any more.
    func tidy(keeping kept: Set<String>) {
        guard let stream = opendir(directory) else { return }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            let isOurs = name.utf8.count == 16 && name.allSatisfy(\.isHexDigit)
            guard isOurs, !kept.contains(name) else { continue }
            for file in [
                Rendering.configurationName, Rendering.mainName, Rendering.agentsPageName,
                Rendering.trialName, "trial.pid", HeaderFilter.fileName,
            ] {
                unlink("\(directory)/\(name)/\(file)")
                unlink("\(directory)/\(name)/\(file).new")
            }
            rmdir("\(directory)/\(name)")
        }
    }

    /// A socket that a killed nginx has left behind keeps the next one from starting. - Parameter paths: where nginx will listen.
    func removeStale(_ paths: [String]) {
        for path in paths {
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK,
                !Probe.isOpen(.unix(path))
            else { continue }
            unlink(path)
        }
    }
}
