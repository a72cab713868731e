import Foundation
import Glibc
import HiveWire

@testable import HiveWatch

/// A directory that goes with the value.
final class Scratch {
    let path: String

    init() throws {
        var template = Array("/tmp/hive-watch.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw ServiceError.last("make a directory") }
        path = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String, to name: String) throws {
        try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }
}

/// Waits, for some seconds at most, until something is so.
func wait(until isSo: () -> Bool) -> Bool {
    let deadline = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < deadline {
        if isSo() { return true }
        usleep(1000)
    }
    return isSo()
}
