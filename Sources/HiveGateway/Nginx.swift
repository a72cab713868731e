internal import Glibc
public import HiveCore

/// The program nginx: asked what it thinks of a configuration, and told to read it anew. Of the gateway, it is the only program that is run.
public struct Nginx: Sendable {
    public let path: String
    /// Where its dynamic modules are, as it was built: `--modules-path` of `nginx -V`.
    let modules: String?

    static let jsModule = "ngx_http_js_module.so"

    /// - Parameter path: absolute, or a name to look for where root's programs are.
    /// - Throws: when there is none, or it does not run.
    public init(_ path: String) throws(HiveError) {
        let places = path.contains("/") ? [path] : Self.places.map { "\($0)/\(path)" }
        guard let found = places.first(where: { access($0, X_OK) == 0 }) else {
            throw HiveError(
                .ioError,
                "there is no program \(path): install nginx, with its module njs (on Debian: nginx libnginx-mod-http-js)"
            )
        }
        self.path = found
        let asked = try Child.run(found, ["-V"], seconds: 10)
        guard asked.status == 0 else {
            throw HiveError(.ioError, "\(found) -V ended with \(asked.status ?? 0): \(asked.words)")
        }
        let key = "--modules-path="
        modules = asked.words.split(separator: " ").first { $0.hasPrefix(key) }.map {
            String($0.dropFirst(key.count)).trimmingLine
        }
    }

    private static let places = ["/usr/sbin", "/usr/local/sbin", "/run/current-system/sw/bin", "/usr/bin"]

    /// What a configuration of its own begins with. Where nginx has the module built in, nothing is loaded.
    var loading: String {
        guard let modules, access("\(modules)/\(Self.jsModule)", R_OK) == 0 else { return "" }
        return "load_module \(modules)/\(Self.jsModule);\n"
    }

    /// Has it read a whole configuration, and everything that this names.
    /// - Parameter file: nil for the one that it has by itself.
    /// - Returns: its words, if it has something against it.
    func objection(to file: String?) throws(HiveError) -> String? {
        let result = try Child.run(path, ["-q", "-t"] + (file.map { ["-c", $0] } ?? []), seconds: 60)
        guard result.status != 0 else { return nil }
        let lines = result.words.split(separator: "\n").map(String.init)
        let telling = lines.filter {
            $0.contains("[emerg]") || $0.contains("[crit]") || $0.contains("[error]")
        }
        var words = (telling.isEmpty ? lines : telling).joined(separator: "; ")
        if words.contains("unknown directive \"js_") {
            words += ". It lacks the module njs (on Debian: libnginx-mod-http-js)"
        }
        return words.isEmpty ? "it ended with \(result.status ?? 0)" : words
    }

    // MARK: The one that runs

    /// The master whose number a file has.
    /// - Returns: nil if there is none.
    static func master(pidFile: String) -> Int32? {
        var byte: CChar = 0
        guard let text = try? SmallFile.read(pidFile), let number = Int32(text.trimmingLine), number > 1,
            let name = try? SmallFile.read("/proc/\(number)/comm"), name.trimmingLine == "nginx",
            // (One that has ended and that nobody has waited for has a name, too, but no program.)
            readlink("/proc/\(number)/exe", &byte, 1) > 0
        else { return nil }
        return number
    }

    /// SIGHUP: it reads its configuration, starts new workers, and has the old ones end when they have answered.
    static func reload(_ master: Int32) throws(HiveError) {
        guard kill(master, SIGHUP) == 0 else {
            throw HiveError(cannot: "tell nginx (process \(master)) to read its configuration", errno: errno)
        }
    }
}

extension String {
    var trimmingLine: String {
        var text = self[...]
        while let last = text.last, last.isNewline || last == " " { text = text.dropLast() }
        return String(text)
    }
}
