internal import Glibc

extension Program {
    /// What a program is asked for with, alone and with a directory, when it is packaged. No help names it: it is of no use to whoever uses it.
    static let manualOption = "--write-manual"

    /// Writes the program's pages into a directory that is there.
    func writeManual(_ pages: [ManualPage], to directory: String) throws {
        for page in pages {
            let path = "\(directory)/\(page.fileName)"
            let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            guard file >= 0 else { throw Self.failure("make \(path)") }
            defer { close(file) }
            var bytes = Array(page.text.utf8)[...]
            while !bytes.isEmpty {
                let count = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
                guard count > 0 else { throw Self.failure("write \(path)") }
                bytes = bytes.dropFirst(count)
            }
        }
    }

    private static func failure(_ doing: String) -> Failure {
        Failure(.inputOutput, "Cannot \(doing): \(String(cString: strerror(errno))).")
    }

    /// The day that pages are of: of SOURCE_DATE_EPOCH, as reproducible builds have it, or today.
    static func day(_ variable: (String) -> String?) -> String {
        var seconds = variable("SOURCE_DATE_EPOCH").flatMap { time_t($0) } ?? time(nil)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    }
}
