internal import Glibc
internal import HiveWire

/// What is too old for the journal: `audit.jsonl`, an entry a line, in the order of their numbers. When it has grown to 16 MiB it becomes
/// `audit.1.jsonl`, that `audit.2.jsonl`, and so on; what was `audit.3.jsonl` goes.
final class AuditArchive {
    static let name = "audit.jsonl"
    static let mostOld = 3

    private let directory: StoreDirectory
    /// In octets: of a file before another is begun.
    private let longest: Int
    /// Of the last entry that is there; 0: there is none.
    private(set) var last: Int
    /// Why nothing can be added any more.
    private var trouble: ServiceError?

    init(_ directory: StoreDirectory, longest: Int) throws(ServiceError) {
        self.directory = directory
        self.longest = longest
        last = 0
        for name in [Self.name] + (1...Self.mostOld).map(Self.old) where last == 0 {
            guard let file = try directory.open(name) else { continue }
            defer { close(file) }
            let size = try directory.size(file, name)
            last = Self.last(in: try directory.read(file, name, from: max(0, size - Self.end)))
            // What the process before has written but not brought to the disk would be taken for something that is there.
            try directory.sync(file, name)
            try directory.syncNames()
        }
    }

    static func old(_ number: Int) -> String { "audit.\(number).jsonl" }

    /// In octets: more than some entries have.
    private static let end = 64 << 10

    private static func last(in bytes: [UInt8]) -> Int {
        // Half a line has no number, also when only its line feed is missing: it will be cut.
        let whole = bytes.prefix((bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1)
        for line in whole.split(separator: UInt8(ascii: "\n")).reversed() {
            if let entry = try? JSONLine.decode(AuditEntry.self, Array(line)) { return entry.number }
        }
        return 0
    }

    /// Adds entries, and brings them to the disk. Those that are there already, since a process was killed when it had got so far, are
    /// passed over.
    func add(_ entries: some Sequence<AuditEntry>) throws(ServiceError) {
        var lines: [UInt8] = []
        var newest = last
        for entry in entries where entry.number > last {
            lines += try encoded(entry)
            newest = entry.number
        }
        guard !lines.isEmpty else { return }
        if let trouble { throw trouble }
        let file = try fileWithRoom()
        defer { close(file) }
        let size = try whole(file)
        do throws(ServiceError) {
            try directory.write(lines, to: file, Self.name, at: size)
        } catch {
            // The next attempt cuts it, if this does not.
            _ = directory.calls.truncate(file, size)
            throw error
        }
        do throws(ServiceError) {
            try directory.sync(file, Self.name)
            try directory.syncNames()
        } catch {
            // What may not be on the disk must not be taken for something that is, or the entries would go from the journal.
            _ = directory.calls.truncate(file, size)
            trouble = error
            throw error
        }
        last = newest
    }

    private func fileWithRoom() throws(ServiceError) -> Int32 {
        guard let file = try directory.open(Self.name) else { return try directory.create(Self.name) }
        do throws(ServiceError) {
            // Before it is full, too: nobody would cut half a line from a file of an older name.
            if try whole(file) < longest { return file }
            try directory.sync(file, Self.name)
        } catch {
            close(file)
            throw error
        }
        close(file)
        // From the oldest on: whenever it ends in between, no file has taken the place of a younger one.
        for number in (1..<Self.mostOld).reversed() { try rename(Self.old(number), Self.old(number + 1)) }
        try rename(Self.name, Self.old(1))
        try directory.syncNames()
        return try directory.create(Self.name)
    }

    private func rename(_ from: String, _ to: String) throws(ServiceError) {
        guard directory.calls.rename(directory.path(from), directory.path(to)) == 0 || errno == ENOENT else {
            throw .last("rename \(directory.path(from))")
        }
    }

    /// Cuts half a line, which a process that was killed has left, and returns the size.
    private func whole(_ file: Int32) throws(ServiceError) -> Int {
        let size = try directory.size(file, Self.name)
        let start = max(0, size - Self.end)
        let bytes = try directory.read(file, Self.name, from: start)
        let length = start + ((bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 }) ?? 0)
        guard length == size || directory.calls.truncate(file, length) == 0 else {
            throw .last("cut \(directory.path(Self.name))")
        }
        return length
    }
}
