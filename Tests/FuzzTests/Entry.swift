import Glibc

// Where libFuzzer comes in, which `scripts/fuzz` links with this (https://llvm.org/docs/LibFuzzer.html).

/// Named by the environment.
private let target: Target? = {
    let name = getenv("HIVE_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    return Target.all.first { $0.name == name }
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    guard let target else { preconditionFailure("HIVE_FUZZ_TARGET is none of: \(Target.all.map(\.name))") }
    do {
        try target.run(Array(UnsafeBufferPointer(start: start, count: count)))
    } catch {
        // (An optimised precondition has no words.)
        let words = Array("\(target.name): \(error)\n".utf8)
        _ = write(STDERR_FILENO, words, words.count)
        abort()
    }
    return 0
}
