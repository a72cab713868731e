import Foundation
import Glibc
import HiveWire
import StoreCrasher
import Synchronization
import Testing

@testable import HiveDaemon

/// Calls that fail when they are told to.
private final class Faults: Sendable {
    struct State {
        /// Fails with this, after so many octets.
        var write: (code: Int32, after: Int)?
        var sync: Int32?
        /// The second from now on fails.
        var secondSync: Int32?
        var syncDirectory: Int32?
        var truncate: Int32?
        var rename: Int32?
        /// In the order in which they were made.
        var log: [String] = []
    }
    let state = Mutex(State())

    func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }
    func takeLog() -> [String] {
        state.withLock { state in
            defer { state.log = [] }
            return state.log
        }
    }

    private func fail(_ name: String, _ code: (State) -> Int32?) -> Bool {
        state.withLock { state in
            state.log.append(name)
            guard let code = code(state) else { return false }
            errno = code
            return true
        }
    }

    var calls: FileCalls {
        var calls = FileCalls.system
        calls.create = { [self] path in
            fail("create") { _ in nil } ? -1 : FileCalls.system.create(path)
        }
        calls.write = { [self] file, bytes, offset in
            state.withLock { state in
                state.log.append("write")
                guard let fault = state.write else { return FileCalls.system.write(file, bytes, offset) }
                let part = min(fault.after, bytes.count)
                guard part > 0 else {
                    errno = fault.code
                    return -1
                }
                state.write = (fault.code, fault.after - part)
                return FileCalls.system.write(file, UnsafeRawBufferPointer(rebasing: bytes[..<part]), offset)
            }
        }
        calls.sync = { [self] in
            let isBroken = fail("sync") { $0.sync }
            set { state in if let code = state.secondSync { (state.sync, state.secondSync) = (code, nil) } }
            return isBroken ? -1 : FileCalls.system.sync($0)
        }
        calls.truncate = { [self] in fail("truncate") { $0.truncate } ? -1 : FileCalls.system.truncate($0, $1)
        }
        calls.rename = { [self] in fail("rename") { $0.rename } ? -1 : FileCalls.system.rename($0, $1) }
        calls.syncDirectory = { [self] in
            fail("syncDirectory") { $0.syncDirectory } ? -1 : FileCalls.system.syncDirectory($0)
        }
        return calls
    }
}

/// Disks that are full or broken, files that are damaged or somebody else's, and two who want the same.
@Suite(.timeLimit(.minutes(10))) struct StoreFaultTests {
    @Test(arguments: [ENOSPC, EDQUOT, EIO], [0, 1, 36, 100]) func failedWritesAreTakenBack(
        code: Int32, after: Int
    ) throws {
        let (scratch, faults) = (try StoreScratch(), Faults())
        let store = try Store(scratch.store, calls: faults.calls)
        _ = try store.ask(agent: "alpha", text: "first", now: 1)
        try store.setStatus(agent: "alpha", text: "here", now: 1)
        try store.commit()
        let (view, bytes) = (StoreView(store), try scratch.read("journal"))
        faults.set { $0.write = (code, after) }
        let lost = try store.ask(agent: "alpha", text: String(repeating: "second", count: 30), now: 2)
        _ = try store.ask(agent: "beta", text: "third", now: 2)
        _ = try store.answer(id: 1, text: "yes", who: "root", now: 2)
        try store.forget(agent: "alpha", now: 2)
        #expect(
            sentence { try store.commit() }.map(scratch.without)
                == "cannot write DIR/journal: \(String(cString: strerror(code)))")
        #expect(StoreView(store) == view)
        #expect(try scratch.read("journal") == bytes)
        #expect(store.trouble == nil)
        // When there is room again it goes on, and the number that was told is nobody else's.
        faults.set { $0.write = nil }
        #expect(try store.ask(agent: "beta", text: "third", now: 3).id > lost.id + 1)
        _ = try store.answer(id: 1, text: "no", who: "root", now: 3)
        try store.commit()
        let after = StoreView(store)
        #expect(StoreView(try reopened(store, scratch)) == after)
    }

    /// Opens a second store on a copy of the first one's files.
    private func reopened(_ store: Store, _ scratch: StoreScratch) throws -> Store {
        let copy = "\(scratch.path)/copy-\(UInt64.random(in: 0...UInt64.max))"
        try FileManager.default.copyItem(atPath: scratch.store, toPath: copy)
        chmod(copy, 0o700)
        return try Store(copy)
    }

    @Test func afterAFailedSyncNothingIsAcknowledged() throws {
        let (scratch, faults) = (try StoreScratch(), Faults())
        let store = try Store(scratch.store, calls: faults.calls)
        _ = try store.ask(agent: "alpha", text: "first", now: 1)
        try store.commit()
        let view = StoreView(store)
        faults.set { $0.sync = EIO }
        _ = try store.ask(agent: "alpha", text: "second", now: 2)
        #expect(
            sentence { try store.commit() }.map(scratch.without)
                == "cannot bring DIR/journal to the disk: Input/output error")
        // The second time it would succeed: the kernel says it once.
        faults.set { $0.sync = nil }
        _ = try store.ask(agent: "alpha", text: "third", now: 3)
        #expect(
            sentence { try store.commit() }.map(scratch.without)
                == "nothing can be kept any more until this program is started again: cannot bring DIR/journal to the disk: "
                + "Input/output error")
        #expect(store.trouble != nil)
        #expect(StoreView(store) == view)
        #expect(StoreView(try reopened(store, scratch)) == view)
    }

    @Test func halfACommitThatCannotBeTakenBackEndsIt() throws {
        let (scratch, faults) = (try StoreScratch(), Faults())
        let store = try Store(scratch.store, calls: faults.calls)
        _ = try store.ask(agent: "alpha", text: "first", now: 1)
        try store.commit()
        let view = StoreView(store)
        faults.set {
            $0.write = (ENOSPC, 50)
            $0.truncate = EIO
        }
        _ = try store.ask(agent: "alpha", text: "second", now: 2)
        #expect(sentence { try store.commit() } != nil)
        #expect(store.trouble != nil)
        let other = try reopened(store, scratch)
        #expect(StoreView(other) == view)
        #expect(other.takeWarnings().count == 1)
    }

    /// The order of what is brought to the disk: a commit's contents before it returns, a snapshot's before its name, its name before
    /// anything more.
    @Test func whatIsBroughtToTheDiskInWhichOrder() throws {
        let (scratch, faults) = (try StoreScratch(), Faults())
        var limits = Store.Limits.small
        limits.compactedFrom = 700
        limits.compactedAt = 0
        limits.audit = 0
        let store = try Store(scratch.store, limits: limits, calls: faults.calls)
        #expect(faults.takeLog() == ["create", "write", "sync", "rename", "syncDirectory"])
        _ = try store.ask(agent: "alpha", text: "x", now: 1)
        try store.commit()
        #expect(faults.takeLog() == ["write", "sync"])
        try store.commit()
        #expect(faults.takeLog() == [])
        _ = try store.answer(id: 1, text: String(repeating: "y", count: 300), who: "root", now: 1)
        try store.commit()
        #expect(
            faults.takeLog() == [
                "write", "sync", "create", "write", "sync", "syncDirectory", "create", "write", "sync",
                "rename", "syncDirectory",
            ])
    }

    @Test func failedCompactionsHarmNothing() throws {
        for step in ["write", "sync", "rename"] {
            let (scratch, faults) = (try StoreScratch(), Faults())
            var limits = Store.Limits.small
            // What fails is the snapshot's, not the archive's: that is not tried again.
            if step == "sync" { (limits.audit, limits.compactedAt) = (.max, 0) }
            let store = try Store(scratch.store, limits: limits, calls: faults.calls)
            var number = 0
            // A commit that is written, and a compaction that is not.
            while store.takeWarnings().isEmpty {
                number += 1
                try #require(number < 1000)
                let (size, entry) = (
                    try scratch.read("journal").count,
                    try store.audit(who: "root", what: "x", result: "done", now: 1)
                )
                #expect(entry.number == number)
                if size + 200 > limits.compactedFrom {
                    faults.set { state in
                        switch step {
                        case "write": state.write = (ENOSPC, 216)
                        case "rename": state.rename = EIO
                        case "sync": state.secondSync = EIO
                        default: break
                        }
                    }
                }
                try store.commit()
                faults.set {
                    $0.write = nil
                    $0.sync = nil
                    $0.secondSync = nil
                }
            }
            faults.set { $0 = Faults.State() }
            try store.commit()
            #expect(store.trouble == nil)
            let other = try reopened(store, scratch)
            #expect(other.auditTail(.max).last?.number == number)
            for _ in 0..<100 {
                _ = try store.audit(who: "root", what: "x", result: "done", now: 1)
                try store.commit()
            }
            if step != "sync" { #expect(try scratch.read("journal").count < 3 * limits.compactedFrom) }
            #expect(store.auditTail(1).map(\.number) == [number + 100])
            #expect(!(try scratch.names().contains("journal.new")))
        }
    }

    /// After the new file has its name, but maybe not on the disk.
    @Test func aNameThatMayNotBeOnTheDiskEndsIt() throws {
        let (scratch, faults) = (try StoreScratch(), Faults())
        var limits = Store.Limits.small
        (limits.compactedFrom, limits.compactedAt) = (0, 0)
        let store = try Store(scratch.store, limits: limits, calls: faults.calls)
        faults.set { $0.syncDirectory = EIO }
        _ = try store.ask(agent: "alpha", text: "x", now: 1)
        // This one is in the old file and in the new one.
        try store.commit()
        #expect(store.takeWarnings().count == 1)
        faults.set { $0.syncDirectory = nil }
        _ = try store.ask(agent: "alpha", text: "y", now: 1)
        #expect(sentence { try store.commit() } != nil)
        #expect(store.openQuestions.map(\.text) == ["x"])
    }

    /// Where a mount is not one of the machine's own: `scripts/test` runs this in a namespace.
    private static let mayMount: Bool = {
        func namespace(_ process: String) -> String? {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/mnt")
        }
        return geteuid() == 0 && namespace("self") != namespace("1")
    }()

    /// A real file system that is full.
    @Test(.enabled(if: mayMount)) func aFullDiskIsSurvived() throws {
        let scratch = try StoreScratch()
        mkdir(scratch.store, 0o700)
        try #require(mount("tmpfs", scratch.store, "tmpfs", 0, "size=64k,mode=0700") == 0)
        defer { umount2(scratch.store, Int32(MNT_DETACH)) }
        let store = try Store(scratch.store)
        var kept = 0
        var failure: String?
        while failure == nil {
            let id = try store.ask(agent: "a\(kept)", text: String(repeating: "x", count: 3000), now: 1).id
            failure = sentence { try store.commit() }
            if failure == nil { kept = id }
            try #require(kept < 100)
        }
        #expect(failure.map(scratch.without) == "cannot write DIR/journal: No space left on device")
        #expect(kept > 5)
        #expect(store.openQuestions.count == kept)
        let other = try reopened(store, scratch)
        #expect(other.openQuestions == store.openQuestions && other.takeWarnings() == [])
    }
}
