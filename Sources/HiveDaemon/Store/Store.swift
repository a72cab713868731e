package import HiveWire

/// Questions, approvals, statuses and the audit: kept in a journal, so that nothing that was acknowledged is lost.
///
/// Operations check what is asked, change what is in memory, and stage records. `commit` writes all that was staged at once; only when
/// it has returned may answers be sent, also to those who only read in the meantime, for they may have seen what was staged. One thread
/// uses it.
package final class Store {
    /// How much is kept: tests have less.
    package struct Limits: Sendable {
        /// In octets: smaller journals are not compacted.
        package var compactedFrom = 1 << 20
        /// So many times the size of a snapshot.
        package var compactedAt = 4
        /// Entries of the audit that stay in the journal.
        package var audit = 10_000
        /// Closed questions and approvals that are kept to be shown: of each.
        package var closed = 200
        /// In octets: of an archive of the audit before the next is begun.
        package var archive = 16 << 20

        /// Of an agent: open questions, and open requests for approval.
        package var open = 64
        /// Of an agent, in octets: texts and options of all that is open.
        package var openOctets = 256 << 10
        /// Of an agent: what is decided and not withdrawn.
        package var decided = 256

        package init() {}
    }

    let limits: Limits
    private let directory: StoreDirectory
    private let journal: Journal
    private let archive: AuditArchive
    private(set) var state: StoreState
    private var staged: [UInt8] = []
    private var before: StoreState.Before?
    private var warnings: [String]
    /// In octets: at this size it is looked whether the journal should be compacted.
    private var compactsAt: Int

    /// Opens the store of a directory, or makes one.
    ///
    /// - Throws: a sentence: another process has it, others could write there, it is damaged where it should not be, or from a later
    ///   version.
    package init(
        _ path: String, limits: Limits = Limits(), calls: FileCalls = .system
    ) throws(ServiceError) {
        self.limits = limits
        directory = try StoreDirectory(path, calls: calls)
        archive = try AuditArchive(directory, longest: limits.archive)
        let contents: Journal.Contents
        (journal, contents) = try Journal.open(directory, empty: try encoded(Record(state: StoreState())))
        warnings = contents.warnings
        state = StoreState()
        compactsAt = limits.compactedFrom
        for frame in contents.frames {
            for record in try Self.records(frame, contents.bytes, directory) {
                state.apply(record, kept: limits.closed)
            }
        }
        // The journal may be younger than the archive, if somebody has taken it away.
        if state.lastAudit < archive.last {
            warnings.append(
                "\(directory.path(Journal.name)) ends with entry \(state.lastAudit) of the audit, and \(directory.path(AuditArchive.name)) "
                    + "with \(archive.last): it is not the journal that was here last; new entries are counted from \(archive.last + 1) on"
            )
            state.lastAudit = archive.last
        }
    }

    static func records(
        _ frame: Frame, _ bytes: [UInt8], _ directory: StoreDirectory
    ) throws(ServiceError) -> [Record] {
        var records: [Record] = []
        for line in bytes[frame.payload].split(separator: UInt8(ascii: "\n")) {
            guard let record = try? JSONLine.decode(Record.self, Array(line)), record.isKnown else {
                throw ServiceError(
                    ServiceError.dataError,
                    "\(directory.path(Journal.name)) has a record at octet \(line.startIndex) that this program does not know, in a commit "
                        + "that is whole: start the program that wrote it")
            }
            records.append(record)
        }
        return records
    }

    /// Sentences on what was found when the store was opened, and what went wrong with compacting it: each is told once.
    package func takeWarnings() -> [String] {
        defer { warnings = [] }
        return warnings
    }

    /// Why nothing can be kept any more until the program is started again: a sentence.
    package var trouble: String? { journal.trouble }

    /// Is something staged?
    package var hasStaged: Bool { !staged.isEmpty }

    /// The next of questions and approvals.
    var nextID: Int { state.lastID + 1 }

    func stage(_ records: [Record]) throws(ServiceError) {
        var lines: [UInt8] = []
        for record in records { lines += try encoded(record) }
        var before = self.before ?? StoreState.Before(state)
        for record in records {
            before.note(record, state)
            state.apply(record, kept: limits.closed)
        }
        self.before = before
        staged += lines
    }

    /// Brings to the disk what was staged. If nothing was, it costs nothing.
    ///
    /// - Throws: a sentence. Then all that was staged is as if it had not been asked for, and everybody who has asked since the last
    ///   commit must be told that it failed. Numbers of questions that were told are not given to others.
    package func commit() throws(ServiceError) {
        guard !staged.isEmpty else { return }
        let payload = staged
        staged = []
        let before = self.before
        self.before = nil
        do throws(ServiceError) { try journal.append(payload) } catch {
            if let before { state.goBack(to: before) }
            throw error
        }
        if journal.size > compactsAt { compact() }
    }

    /// Writes a snapshot in the place of the journal, if that makes it much smaller. If it cannot be done, the journal goes on.
    private func compact() {
        do throws(ServiceError) {
            var snapshot = state
            snapshot.audit.removeFirst(max(0, state.audit.count - limits.audit))
            let payload = try encoded(Record(state: snapshot))
            compactsAt = max(limits.compactedFrom, limits.compactedAt * payload.count)
            guard journal.size > compactsAt else { return }
            try archive.add(state.audit.dropLast(snapshot.audit.count))
            state = snapshot
            try journal.replace(payload)
        } catch {
            compactsAt = journal.size + limits.compactedFrom
            warnings.append("the journal was not compacted, and grows on: \(error)")
        }
    }
}
