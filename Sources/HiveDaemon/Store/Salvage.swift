internal import Glibc
package import HiveWire

extension Store {
    /// Numbers of questions that are left out after a salvage: those of commits that were lost are not given to others.
    static let salvageGap = 1000

    /// Makes a journal of all whole commits of a damaged one, which stays beside it as `journal.damaged-N`. Nobody else may have the store.
    ///
    /// - Returns: what was done: a sentence.
    package static func salvage(
        _ path: String, limits: Limits = Limits(), now: Double, calls: FileCalls = .system
    ) throws(ServiceError) -> String {
        let directory = try StoreDirectory(path, calls: calls)
        let archive = try AuditArchive(directory, longest: limits.archive)
        guard let file = try directory.open(Journal.name) else {
            throw ServiceError(
                ServiceError.usage,
                "there is no \(directory.path(Journal.name)), so there is nothing to salvage")
        }
        defer { close(file) }
        let bytes = try directory.read(file, Journal.name)
        guard FrameScan(bytes).isDamaged else {
            throw ServiceError(
                ServiceError.usage,
                "there is nothing to salvage in \(directory.path(Journal.name)), which was left as it is: hived reads it"
            )
        }
        let frames = FrameScan.salvage(bytes)
        var state = StoreState()
        for frame in frames {
            for record in try records(frame, bytes, directory) { state.apply(record, kept: limits.closed) }
        }
        let whole = frames.reduce(0) { $0 + Frame.headerLength + $1.payload.count }
        state.lastID += salvageGap
        state.lastAudit = max(state.lastAudit, archive.last)
        let what =
            "salvage: \(frames.count) commits were whole; \(bytes.count - whole) of \(bytes.count) octets were not"
        let entry = AuditEntry(
            number: state.lastAudit + 1, time: now, who: "hived", what: what, result: "done")
        state.apply(Record(audit: entry), kept: limits.closed)
        let last = frames.last?.sequence ?? 0
        let aside = try Journal.begin(directory, after: last, try encoded(Record(state: state)))
        return "\(what); the damaged journal is \(aside), and \(directory.path(Journal.name)) was made anew"
    }
}
