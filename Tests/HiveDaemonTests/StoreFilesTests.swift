import Foundation
import Glibc
import HiveWire
import StoreCrasher
import Testing

@testable import HiveDaemon

/// What the store finds where its files are: somebody else, somebody else's, or less than it had written.
@Suite(.timeLimit(.minutes(10))) struct StoreFilesTests {
    @Test func oneDaemonADirectory() throws {
        let scratch = try StoreScratch()
        var first: Store? = try Store(scratch.store)
        #expect(
            sentence { _ = try Store(scratch.store) }.map(scratch.without)
                == "DIR is in use by process \(getpid()): one daemon can keep it at a time")
        #expect(sentence { _ = try Store.salvage(scratch.store, now: 1) }?.contains("is in use by") == true)
        #expect(first?.takeWarnings() == [])
        first = nil
        _ = try Store(scratch.store)
    }

    @Test func othersFilesAreRefused() throws {
        let scratch = try StoreScratch()
        func opened() -> String? { sentence { _ = try Store(scratch.store) }.map(scratch.without) }
        #expect(opened() == nil)
        chmod(scratch.store, 0o770)
        #expect(opened() == "DIR can be written by others than its owner (mode 770)")
        chmod(scratch.store, 0o700)
        let journal = "\(scratch.store)/journal"
        chmod(journal, 0o602)
        #expect(opened() == "DIR/journal can be written by others than its owner (mode 602)")
        chmod(journal, 0o600)
        #expect(opened() == nil)
        if geteuid() == 0 {
            chown(journal, 4242, 0)
            #expect(opened() == "DIR/journal belongs to uid 4242, not to 0, whom this program runs as")
            chown(journal, 0, 0)
            chown(scratch.store, 4242, 0)
            #expect(opened() == "DIR belongs to uid 4242, not to 0, whom this program runs as")
            chown(scratch.store, 0, 0)
        }
        rename(journal, "\(scratch.path)/moved")
        symlink("\(scratch.path)/moved", journal)
        #expect(opened() == "DIR/journal is a symbolic link")
        unlink(journal)
        mkfifo(journal, 0o600)
        #expect(opened() == "DIR/journal is not a regular file")
        unlink(journal)
        rename("\(scratch.path)/moved", journal)
        #expect(opened() == nil)
        rename(scratch.store, "\(scratch.path)/real")
        symlink("\(scratch.path)/real", scratch.store)
        #expect(opened() == "DIR is not a directory, or a symbolic link")
        var status = stat()
        #expect(stat("\(scratch.path)/real/journal", &status) == 0 && status.st_mode & 0o7777 == 0o600)
        #expect(stat("\(scratch.path)/real", &status) == 0 && status.st_mode & 0o7777 == 0o700)
    }

    /// A store with some commits; each is of one question.
    private func filled(_ scratch: StoreScratch, _ count: Int) throws -> [UInt8] {
        let store = try Store(scratch.store, calls: .quick)
        for number in 1...count {
            _ = try store.ask(agent: "alpha", text: "question \(number)", now: 1)
            try store.commit()
        }
        return try scratch.read("journal")
    }

    @Test func aTailIsCutAndKeptBeside() throws {
        let scratch = try StoreScratch()
        let bytes = try filled(scratch, 5)
        let last = try #require(FrameScan(bytes).frames.last)
        for round in 1...6 {
            let torn = Array(bytes.dropLast(round))
            try scratch.write(torn, to: "journal")
            let store = try Store(scratch.store, calls: .quick)
            #expect(
                store.takeWarnings().map(scratch.without) == [
                    "DIR/journal ended in \(torn.count - last.offset) octets that are no whole commit, and was cut at octet "
                        + "\(last.offset); a copy of them is DIR/journal.damaged-\(round)"
                ])
            #expect(store.openQuestions.map(\.text) == (1...4).map { "question \($0)" })
            #expect(try scratch.read("journal.damaged-\(round)") == Array(torn[last.offset...]))
            #expect(try scratch.read("journal") == Array(bytes[..<last.offset]))
        }
        #expect(
            try scratch.names().filter { $0.contains("damaged") } == (3...6).map { "journal.damaged-\($0)" })
    }

    @Test func damageInTheMiddleIsRefusedUntilItIsSalvaged() throws {
        let scratch = try StoreScratch()
        var bytes = try filled(scratch, 9)
        #expect(
            sentence { _ = try Store.salvage(scratch.store, now: 2) }.map(scratch.without)
                == "there is nothing to salvage in DIR/journal, which was left as it is: hived reads it")
        let frames = FrameScan(bytes).frames
        // The commit with question 4.
        bytes[frames[4].payload.lowerBound + 20] ^= 1
        try scratch.write(bytes, to: "journal")
        for _ in 1...2 {
            #expect(
                sentence { _ = try Store(scratch.store) }.map(scratch.without)
                    == "DIR/journal is damaged at octet \(frames[4].offset), while octet \(frames[5].offset) begins a later commit, and was "
                    + "left as it is: put back a copy, or run `hived --salvage` to go on with the commits that are whole"
            )
            #expect(try scratch.read("journal") == bytes)
        }
        let told = try Store.salvage(scratch.store, now: 2)
        let lost = frames[5].offset - frames[4].offset
        #expect(
            scratch.without(told)
                == "salvage: 9 commits were whole; \(lost) of \(bytes.count) octets were not; the damaged journal is "
                + "DIR/journal.damaged-1, and DIR/journal was made anew")
        #expect(try scratch.read("journal.damaged-1") == bytes)
        let store = try Store(scratch.store)
        #expect(store.takeWarnings() == [])
        #expect(store.openQuestions.map(\.id) == [1, 2, 3, 5, 6, 7, 8, 9])
        #expect(store.auditTail(1).map(\.who) == ["hived"])
        #expect(try store.ask(agent: "alpha", text: "next", now: 3).id == 1010)
        try store.commit()
        #expect(FrameScan(try scratch.read("journal")).frames.map(\.sequence) == [11, 12])
    }

    @Test func damageAtTheBeginningAndLaterVersionsAreRefused() throws {
        let scratch = try StoreScratch()
        let bytes = try filled(scratch, 3)
        func opened(_ bytes: [UInt8]) throws -> String? {
            try scratch.write(bytes, to: "journal")
            return sentence { _ = try Store(scratch.store, calls: .quick) }.map(scratch.without)
        }
        #expect(
            try opened([])?.hasPrefix("DIR/journal is damaged at its beginning, and was left as it is")
                == true)
        #expect(try opened(Array(bytes[..<20]))?.contains("at its beginning") == true)
        let newer = Frame.encode(.snapshot, sequence: 1, previous: 0, payload: [], version: 2).bytes
        #expect(
            try opened(newer)
                == "DIR/journal is of version 2 of its format at octet 0, and this program knows version 1: start the program that wrote it"
        )
        let last = try #require(FrameScan(bytes).frames.last)
        let unknown = Frame.encode(
            .records, sequence: last.sequence + 1, previous: last.checksum,
            payload: Array("{\"reminder\":{}}\n".utf8))
        #expect(try opened(bytes + unknown.bytes)?.contains("that this program does not know") == true)
        #expect(try opened(bytes) == nil)
    }

    /// A process was killed when the archive was just full.
    @Test func halfALineIsCutBeforeAnArchiveGetsAnotherName() throws {
        let scratch = try StoreScratch()
        var limits = Store.Limits.small
        (limits.audit, limits.compactedFrom, limits.compactedAt, limits.archive) = (0, 0, 0, 100)
        for number in 1...3 {
            let store = try Store(scratch.store, limits: limits, calls: .quick)
            #expect(try store.audit(who: "root", what: "x", result: "done", now: 1).number == number)
            try store.commit()
            let half = Array("{\"number\":77,\"result\":\"\(String(repeating: "y", count: 200))".utf8)
            try scratch.write(try scratch.read("audit.jsonl") + half, to: "audit.jsonl")
        }
        _ = try Store(scratch.store, limits: limits, calls: .quick).audit(
            who: "root", what: "x", result: "done", now: 1)
        let old = try scratch.read("audit.1.jsonl")
        #expect(old.last == 0x0a)
        #expect(
            try old.split(separator: 0x0a).map { try JSONLine.decode(AuditEntry.self, Array($0)).number } == [
                1, 2,
            ])
    }

    /// Somebody has taken the journal away, but not the audit.
    @Test func theAuditCountsOn() throws {
        let scratch = try StoreScratch()
        func note(_ count: Int) throws -> (Int, [String]) {
            let store = try Store(scratch.store, limits: .small, calls: .quick)
            var last = 0
            for _ in 0..<count {
                last = try store.audit(who: "root", what: "x", result: "done", now: 1).number
                try store.commit()
            }
            return (last, store.takeWarnings())
        }
        #expect(try note(200) == (200, []))
        unlink("\(scratch.store)/journal")
        let archived = try scratch.read("audit.jsonl").count { $0 == 0x0a }
        let (last, warnings) = try note(100)
        #expect(last == archived + 100 && warnings.count == 1)
        // Half a line, as a process that was killed leaves it.
        try scratch.write(try scratch.read("audit.jsonl") + Array("{\"number\":9".utf8), to: "audit.jsonl")
        _ = try note(100)
        let numbers = try scratch.read("audit.jsonl").split(separator: 0x0a).map {
            try JSONLine.decode(AuditEntry.self, Array($0)).number
        }
        #expect(numbers == Array(1...numbers.count) && numbers.count > archived + 100)
    }
}
