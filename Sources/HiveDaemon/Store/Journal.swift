internal import Glibc
internal import HiveWire

/// A file to which commits are appended, each a `Frame`: what `append` returned for is on the disk.
///
/// The file always begins with a snapshot, and gets its name when that is on the disk. A new snapshot takes the file's place in one
/// step, so that the file does not grow for ever.
final class Journal {
    /// What a journal had in it when it was opened.
    struct Contents {
        let bytes: [UInt8]
        let frames: [Frame]
        /// Sentences on what was found and done.
        let warnings: [String]
    }

    static let name = "journal"
    /// What a snapshot is called until it is whole.
    static let unfinished = "journal.new"

    private let directory: StoreDirectory
    private var file: Int32
    private var last: (sequence: UInt64, checksum: UInt32)
    /// In octets.
    private(set) var size: Int
    /// Why nothing can be written any more: a sentence.
    private(set) var trouble: String?

    private init(
        _ directory: StoreDirectory, _ file: Int32, _ last: (sequence: UInt64, checksum: UInt32), size: Int
    ) {
        self.directory = directory
        self.file = file
        self.last = last
        self.size = size
    }

    deinit { close(file) }

    /// Opens the journal of a directory. One that was cut short by a crash is put right, with a warning.
    ///
    /// - Parameter empty: the payload of the snapshot that a new journal begins with.
    /// - Throws: `dataError` for a journal that is damaged where commits were acknowledged: it stays as it is.
    static func open(_ directory: StoreDirectory, empty: [UInt8]) throws(ServiceError) -> (Journal, Contents)
    {
        directory.remove(unfinished)
        guard let file = try directory.open(name) else {
            let journal = Journal(directory, -1, (0, 0), size: 0)
            try journal.replace(empty)
            let bytes = try directory.read(journal.file, name)
            return (journal, Contents(bytes: bytes, frames: FrameScan(bytes).frames, warnings: []))
        }
        do throws(ServiceError) {
            let bytes = try directory.read(file, name)
            let scan = FrameScan(bytes)
            let (size, warnings) = try put(right: scan, bytes, file, directory)
            // What the process before has written but not brought to the disk must not be shown to anybody before it is there.
            try directory.sync(file, name)
            try directory.syncNames()
            let last = scan.frames.last.map { ($0.sequence, $0.checksum) } ?? (0, 0)
            return (
                Journal(directory, file, last, size: size),
                Contents(bytes: bytes, frames: scan.frames, warnings: warnings)
            )
        } catch {
            close(file)
            throw error
        }
    }

    private static func put(
        right scan: FrameScan, _ bytes: [UInt8], _ file: Int32, _ directory: StoreDirectory
    ) throws(ServiceError) -> (size: Int, warnings: [String]) {
        let path = directory.path(name)
        switch scan.end {
        case .whole: return (bytes.count, [])
        case .tail(let offset):
            var kept: String
            do throws(ServiceError) {
                kept = "a copy of them is \(directory.path(try directory.keepDamaged(bytes[offset...])))"
            } catch {
                kept = "no copy of them was kept: \(error)"
            }
            guard directory.calls.truncate(file, offset) == 0 else { throw .last("cut \(path)") }
            let octets = bytes.count - offset
            return (
                offset,
                [
                    "\(path) ended in \(octets) octets that are no whole commit, and was cut at octet \(offset); \(kept)"
                ]
            )
        case .middle(let offset, let later):
            throw damaged(path, "at octet \(offset), while octet \(later) begins a later commit")
        case .beginning: throw damaged(path, "at its beginning")
        case .version(let version, let offset):
            throw ServiceError(
                ServiceError.configuration,
                "\(path) is of version \(version) of its format at octet \(offset), and this program knows version "
                    + "\(Frame.version): start the program that wrote it")
        }
    }

    static func damaged(_ path: String, _ how: String) -> ServiceError {
        ServiceError(
            ServiceError.dataError,
            "\(path) is damaged \(how), and was left as it is: put back a copy, or run `hived --salvage` to go on with the commits "
                + "that are whole")
    }

    /// Appends a commit and brings it to the disk.
    ///
    /// - Throws: a sentence. Then the commit is not in the journal, unless bringing it to the disk failed and the machine loses power:
    ///   nobody can know then. After that nothing can be written any more, for the kernel may have forgotten what it could not write,
    ///   and says so only once.
    func append(_ payload: [UInt8]) throws(ServiceError) {
        if let trouble { throw ServiceError(ServiceError.inputOutput, trouble) }
        try check(payload)
        let next = last.sequence + 1
        let frame = Frame.encode(.records, sequence: next, previous: last.checksum, payload: payload)
        do throws(ServiceError) { try directory.write(frame.bytes, to: file, Self.name, at: size) } catch {
            cut(because: error)
            throw error
        }
        do throws(ServiceError) { try directory.sync(file, Self.name) } catch {
            // So that the next process does not find it in the kernel's memory, and take it for something that is on the disk.
            _ = directory.calls.truncate(file, size)
            give(up: error)
            throw error
        }
        last = (next, frame.checksum)
        size += frame.bytes.count
    }

    private func check(_ payload: [UInt8]) throws(ServiceError) {
        guard payload.count <= Frame.longestPayload else {
            throw ServiceError(
                ServiceError.inputOutput,
                "\(payload.count) octets are more than \(directory.path(Self.name)) takes at once")
        }
    }

    /// Takes half a commit out of the file again.
    private func cut(because error: ServiceError) {
        guard directory.calls.truncate(file, size) == 0 else { return give(up: error) }
    }

    private func give(up error: ServiceError) {
        trouble = "nothing can be kept any more until this program is started again: \(error)"
    }

    /// Puts a snapshot in the place of all commits so far. Until it returns, either the old file is there or the new one, whole.
    ///
    /// - Throws: a sentence. The journal goes on as it was, unless `trouble` says otherwise.
    func replace(_ payload: [UInt8]) throws(ServiceError) {
        if let trouble { throw ServiceError(ServiceError.inputOutput, trouble) }
        try check(payload)
        let next = last.sequence + 1
        let frame = Frame.encode(.snapshot, sequence: next, previous: last.checksum, payload: payload)
        let new = try directory.create(Self.unfinished)
        do throws(ServiceError) {
            try directory.write(frame.bytes, to: new, Self.unfinished, at: 0)
            try directory.sync(new, Self.unfinished)
            guard directory.calls.rename(directory.path(Self.unfinished), directory.path(Self.name)) == 0
            else {
                throw .last("put \(directory.path(Self.unfinished)) in its place")
            }
        } catch {
            close(new)
            directory.remove(Self.unfinished)
            throw error
        }
        if file >= 0 { close(file) }
        file = new
        last = (next, frame.checksum)
        size = frame.bytes.count
        do throws(ServiceError) { try directory.syncNames() } catch {
            // After a loss of power the old file may be there again, without what would be appended to this one.
            give(up: error)
            throw error
        }
    }

    /// Puts a journal aside that cannot be read, and begins another after it.
    static func begin(_ directory: StoreDirectory, after sequence: UInt64, _ payload: [UInt8])
        throws(ServiceError) -> String
    {
        let aside = try directory.nextDamagedName()
        // link(2) and not rename(2): at no time is there no journal, which would be taken for a new store.
        guard link(directory.path(name), directory.path(aside)) == 0 else {
            throw .last("make \(directory.path(aside))")
        }
        try directory.syncNames()
        let journal = Journal(directory, -1, (sequence, 0), size: 0)
        try journal.replace(payload)
        return directory.path(aside)
    }
}
