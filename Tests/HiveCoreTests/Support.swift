import Glibc
import HiveNet
import Testing

@testable import HiveCore

/// A directory of one test's own, gone when the test is.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/hivecore-test-XXXXXX".utf8CString)
        let made = try #require(mkdtemp(&template))
        path = String(cString: made)
    }

    deinit { Self.remove(path) }

    var state: StateDirectory { StateDirectory("\(path)/state") }

    func write(_ text: String, to name: String) throws {
        let file = try #require(fopen("\(path)/\(name)", "w"))
        defer { fclose(file) }
        let bytes = Array(text.utf8)
        try #require(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    }

    func read(_ name: String) throws -> String {
        String(decoding: try DurableFile.read("\(path)/\(name)"), as: UTF8.self)
    }

    func mode(_ name: String) -> mode_t {
        var status = stat()
        return lstat("\(path)/\(name)", &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    /// Without the directory itself: the path is replaced by `DIR`.
    func without(_ error: HiveError) -> String {
        var text = error.description[...]
        var result = ""
        while let range = text.firstRange(of: path) {
            result += text[..<range.lowerBound] + "DIR"
            text = text[range.upperBound...]
        }
        return result + text
    }

    private static func remove(_ path: String) {
        for name in (try? DurableFile.entries(of: path)) ?? [] {
            let inner = "\(path)/\(name)"
            var status = stat()
            if lstat(inner, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
                remove(inner)
            } else {
                unlink(inner)
            }
        }
        rmdir(path)
    }
}

/// Every run draws the same numbers (splitmix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}

/// The hive that a text describes.
func hive(_ text: String, added: [String: String] = [:], leases: Leases = Leases()) throws(HiveError) -> Hive
{
    var declarations: [Declaration] = []
    for (name, text) in added.sorted(by: { $0.key < $1.key }) {
        declarations.append(
            try Declaration(name: name, text: Array(text.utf8), file: "agents.d/\(name).json"))
    }
    return try Hive(
        Configuration(text: Array(text.utf8), file: "hive.json"), added: declarations, leases: leases)
}

/// The error that a text is, or nil.
func problem(_ text: String, added: [String: String] = [:], leases: Leases = Leases()) -> HiveError? {
    do throws(HiveError) {
        _ = try hive(text, added: added, leases: leases)
        return nil
    } catch {
        return error
    }
}

func agents(_ count: Int) -> String {
    "agents: { \((0..<count).map { "a\($0): {}" }.joined(separator: ", ")) }"
}
