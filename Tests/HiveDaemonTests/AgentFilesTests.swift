import CLinux
import Foundation
import Glibc
import HiveWire
import Synchronization
import Testing

@testable import HiveDaemon

/// A directory of one test's own, with an agent's state directory in it, gone when the test is.
final class StatePlace: Sendable {
    let path: String
    let state: String

    init() throws {
        var template = Array("/tmp/hivedaemon-test-XXXXXX".utf8CString)
        path = String(cString: try #require(mkdtemp(&template)))
        state = "\(path)/state"
        try #require(mkdir(state, 0o755) == 0)
        try write("plain", "state/plain")
        try write("the secret", "secret")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var files: AgentFiles { AgentFiles(state) }

    func write(_ text: String, _ name: String) throws {
        try #require(FileManager.default.createFile(atPath: "\(path)/\(name)", contents: Data(text.utf8)))
    }

    func make(_ name: String) throws { try #require(mkdir("\(path)/\(name)", 0o755) == 0) }
    func link(_ target: String, _ name: String) throws {
        try #require(symlink(target, "\(path)/\(name)") == 0)
    }

    /// What an open that knows no better reads.
    func naive(_ name: String) -> String? {
        let file = open("\(state)/\(name)", O_RDONLY | O_NONBLOCK)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 100)
        let count = CLinux.read(file, &bytes, bytes.count)
        return count >= 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }

    /// What is read, or the sentence that says why it is not.
    func read(_ name: String) -> String {
        do {
            return "read: " + String(decoding: try files.contents(of: name).bytes.prefix(100), as: UTF8.self)
        } catch { return error.description }
    }
}

@Suite(.timeLimit(.minutes(10))) struct AgentFilesTests {
    @Test func aPlainFileIsRead() throws {
        let place = try StatePlace()
        try place.make("state/a")
        try place.make("state/a/b")
        try place.write("deep", "state/a/b/..c")
        try place.write("", "state/empty")
        #expect(place.read("plain") == "read: plain")
        #expect(place.read("a/b/..c") == "read: deep")
        #expect(place.read("./a//b/..c") == "read: deep")
        #expect(try place.files.read("plain") == StateFile(path: "plain", size: 5, content: "cGxhaW4="))
        #expect(try place.files.read("empty") == StateFile(path: "empty", size: 0, content: ""))
    }

    /// A sentence each; and the kernel refuses the same without them.
    @Test(arguments: [
        ("", "is empty"), ("a\0b", "NUL"), ("/etc/shadow", "is absolute"), ("..", "has \"..\" in it"),
        ("../secret", "has \"..\" in it"), ("a/../../secret", "has \"..\" in it"),
        ("a/..", "has \"..\" in it"),
        // (To a String these slashes are other characters: an accent follows them.)
        ("/\u{301}etc", "is absolute"), ("a/../\u{301}b", "has \"..\" in it"),
        (String(repeating: "a/", count: 3000), "at most 4096 octets"),
        (String(repeating: "a", count: 300), "too long"),
        ("nothing", "there is no file \"nothing\""), ("plain/x", "there is no file"), ("a", "is a directory"),
        (".", "is a directory"),
    ])
    func pathsThatAreNone(_ name: String, _ words: String) throws {
        let place = try StatePlace()
        try place.make("state/a")
        #expect(place.read(name).contains(words), "\(place.read(name))")
        #expect(place.read("plain") == "read: plain")
    }

    @Test func theKernelAloneKeepsPathsInside() throws {
        let place = try StatePlace()
        try place.make("state/a")
        let directory = open(place.state, O_RDONLY | O_DIRECTORY)
        defer { close(directory) }
        for name in ["../secret", "a/../../secret", "\(place.path)/secret", "/etc/passwd"] {
            #expect(hive_openat2(directory, name, UInt64(O_RDONLY), AgentFiles.beneath) < 0)
            #expect(errno == EXDEV, "\(name)")
            // Without these flags it is another thing.
            let open = hive_openat2(directory, name, UInt64(O_RDONLY), 0)
            #expect(open >= 0)
            close(open)
        }
    }

    /// At every place of the path, also where it leads to something inside.
    @Test func linksAreNotFollowed() throws {
        let place = try StatePlace()
        try place.make("outside")
        try place.write("beyond", "outside/file")
        try place.link("../secret", "state/last")
        try place.link("\(place.path)/secret", "state/absolute")
        try place.link("/etc/shadow", "state/shadow")
        try place.link("../outside", "state/middle")
        try place.link("plain", "state/inside")
        try place.link("/proc/self/root", "state/root")
        try place.link("/proc/self/cwd", "state/cwd")
        try place.link("loop", "state/loop")
        for name in [
            "last", "absolute", "shadow", "middle/file", "inside", "root/etc/passwd", "cwd/x", "loop", "root",
            "middle/../state/plain",
        ] {
            let words = place.read(name)
            #expect(
                words.contains("is a symbolic link, or has one in it") || words.contains("has \"..\""),
                "\(name): \(words)")
        }
        #expect(place.naive("last") == "the secret" && place.naive("middle/file") == "beyond")
        #expect(place.naive("root/etc/passwd")?.hasPrefix("root:") == true)
        if geteuid() == 0 { #expect(place.naive("shadow")?.contains("root:") == true) }
        // The state directory itself, and what is above it.
        try place.link("state", "other")
        try place.link(place.path, "above")
        for path in ["\(place.path)/other", "\(place.path)/above/state", "/proc/self/root\(place.state)"] {
            let error = #expect(throws: ServiceError.self) { try AgentFiles(path).read("plain") }
            #expect(error?.description.contains("is a symbolic link, or has one in it") == true, "\(path)")
            #expect(access("\(path)/plain", R_OK) == 0)
        }
        let error = #expect(throws: ServiceError.self) {
            try AgentFiles("\(place.path)/secret").read("plain")
        }
        #expect(error?.description.contains("is not a directory") == true)
        #expect(throws: ServiceError.self) { try AgentFiles("\(place.path)/none").read("plain") }
        #expect(place.read("plain") == "read: plain")
    }

    /// /proc, bound into the directory: magic links, and files that are no agent's.
    @Test(.enabled(if: geteuid() == 0, "mounting is root's"))
    func whatIsMountedThereIsNotLookedAt() throws {
        let place = try StatePlace()
        try place.make("state/proc")
        let path = "\(place.state)/proc"
        guard mount("/proc", path, nil, UInt(MS_BIND), nil) == 0 else { return }
        defer { umount2(path, Int32(MNT_DETACH)) }
        for name in ["proc/self/root/etc/passwd", "proc/self/environ", "proc/version", "proc/self/fd/0"] {
            #expect(place.read(name).contains("on something mounted there"), "\(place.read(name))")
        }
        #expect(place.naive("proc/version")?.hasPrefix("Linux") == true)
        #expect(try place.files.list().map(\.path) == ["plain"])
    }

    @Test func whatIsNoRegularFileIsNotOpened() throws {
        let place = try StatePlace()
        try #require(mkfifo("\(place.state)/fifo", 0o666) == 0)
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyBytes(from: Array("\(place.state)/socket".utf8))
        }
        try #require(
            withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            } == 0)
        let begin = ContinuousClock.now
        #expect(place.read("fifo").contains("is a FIFO"))
        #expect(place.read("socket").contains("is a socket"))
        // Nobody waited for a writer, and no writer has seen a reader.
        #expect(ContinuousClock.now - begin < .seconds(5))
        #expect(open("\(place.state)/fifo", O_WRONLY | O_NONBLOCK) < 0 && errno == ENXIO)
        if geteuid() == 0, mknod("\(place.state)/zero", S_IFCHR | 0o666, dev_t(1 << 8 | 5)) == 0 {
            #expect(place.read("zero").contains("is a device"))
            #expect(mknod("\(place.state)/disk", S_IFBLK | 0o666, dev_t(7 << 8)) == 0)
            #expect(place.read("disk").contains("is a device"))
        }
        #expect(try place.files.list().map(\.path) == ["plain"])
        #expect(place.read("plain") == "read: plain")
    }

    @Test func aHardLinkMayBeSomebodyElses() throws {
        let place = try StatePlace()
        try #require(link("\(place.path)/secret", "\(place.state)/hard") == 0)
        #expect(place.read("hard").contains("has 2 names (hard links)"))
        #expect(place.naive("hard") == "the secret")
        unlink("\(place.path)/secret")
        #expect(place.read("hard") == "read: the secret")
    }

    @Test func largeFilesAreCut() throws {
        let place = try StatePlace()
        try place.write("begin", "state/huge")
        try #require(truncate("\(place.state)/huge", 1 << 40) == 0)
        let file = try place.files.read("huge")
        #expect(file.size == 1 << 40)
        #expect(file.content.utf8.count == (StateFile.most + 2) / 3 * 4)
        #expect(file.content.hasPrefix("YmVnaW4A"))
    }

    @Test func aLeaseHoldsNobodyUp() throws {
        let place = try StatePlace()
        let file = open("\(place.state)/plain", O_RDWR)
        defer { close(file) }
        // F_SETLEASE is 1024 of linux/fcntl.h. (Not every file system has leases.)
        guard fcntl(file, 1024, F_WRLCK) == 0 else { return }
        signal(SIGIO, SIG_IGN)
        let begin = ContinuousClock.now
        #expect(place.read("plain").contains("has a lease on \"plain\""))
        #expect(ContinuousClock.now - begin < .seconds(5))
        #expect(fcntl(file, 1024, F_UNLCK) == 0)
        #expect(place.read("plain") == "read: plain")
    }

    @Test(.enabled(if: geteuid() != 0, "root may read everything"))
    func whatMayNotBeReadIsSaid() throws {
        let place = try StatePlace()
        chmod("\(place.state)/plain", 0)
        #expect(place.read("plain").contains("Permission denied"))
    }

    /// Somebody swaps a file, or a directory above it, for a link as fast as can be: never is anything outside read.
    @Test(arguments: ["file", "directory"]) func swappingGainsNothing(_ what: String) throws {
        let place = try StatePlace()
        try place.make("state/dir")
        try place.write("mine", "state/dir/secret")
        let name = what == "file" ? "swapped" : "way/secret"
        let swapped = what == "file" ? "swapped" : "way"
        if what == "file" { try place.write("mine", "state/swapped") } else { try place.make("state/way") }
        if what != "file" { try place.write("mine", "state/way/secret") }
        try place.link(what == "file" ? "../secret" : "..", "state/evil")
        let isOver = Atomic<Bool>(false)
        let swaps = Atomic<Int>(0)
        let (one, two, away) = ("\(place.state)/\(swapped)", "\(place.state)/evil", "\(place.state)/away")
        try withThread({
            while !isOver.load(ordering: .relaxed) {
                rename(one, away)
                rename(two, one)
                rename(one, two)
                rename(away, one)
                swaps.add(1, ordering: .relaxed)
            }
        }) {
            defer { isOver.store(true, ordering: .relaxed) }
            var (read, refused, naive) = (0, 0, 0)
            for round in 0..<200_000 {
                let words = place.read(name)
                if words == "read: mine" { read += 1 } else { refused += 1 }
                if words.contains("read: the secret") { Issue.record("the secret is read in round \(round)") }
                if place.naive(name) == "the secret" { naive += 1 }
                if round >= 20_000, read > 0, refused > 0, naive > 0 { break }
            }
            #expect(read > 0 && refused > 0, "\(read) \(refused)")
            // An open that knows no better is fooled.
            #expect(naive > 0)
        }
        #expect(swaps.load(ordering: .relaxed) > 100)
    }

    /// A file that grows and shrinks meanwhile is read as it happens to be.
    @Test func changingFilesAreCopedWith() throws {
        let place = try StatePlace()
        let isOver = Atomic<Bool>(false)
        let path = "\(place.state)/plain"
        try withThread({
            while !isOver.load(ordering: .relaxed) {
                truncate(path, 1 << 20)
                truncate(path, 3)
            }
        }) {
            defer { isOver.store(true, ordering: .relaxed) }
            for _ in 0..<2000 {
                let (bytes, size) = try place.files.contents(of: "plain")
                #expect(
                    bytes.count <= StateFile.most && size >= bytes.count
                        && bytes.starts(with: Array("pla".utf8)))
            }
        }
    }

    // MARK: Lists

    @Test func regularFilesAreListed() throws {
        let place = try StatePlace()
        var directory = "state"
        for name in ["a", "b", "c", "d", "e"] {
            directory += "/\(name)"
            try place.make(directory)
            try place.write("x", "\(directory)/file")
        }
        try place.link("../../secret", "state/a/link")
        try place.link("..", "state/up")
        try place.link("/etc", "state/etc")
        try place.write("x", "state/.hidden")
        try place.write("x", "state/with space")
        try place.write("x", "state/escape\u{1b}[31m")
        try place.write("x", "state/turned\u{202e}")
        let strange = open(place.state + "/x", O_WRONLY | O_CREAT, 0o644)
        close(strange)
        let from = "\(place.state)/x"
        let to = Array(place.state.utf8CString.dropLast()) + [0x2f, CChar(bitPattern: 0xff), 0x78, 0]
        #expect(rename(from, to) == 0)
        let found = try place.files.list()
        #expect(found.map(\.path) == [".hidden", "a/b/c/file", "a/b/file", "a/file", "plain", "with space"])
        #expect(found.first { $0.path == "plain" }?.size == 5)
        #expect(try AgentFiles("\(place.path)/none").list() == [])
        #expect(throws: ServiceError.self) { try AgentFiles("\(place.path)/secret").list() }
    }

    @Test func listsHaveAnEnd() throws {
        let place = try StatePlace()
        try place.make("state/many")
        for number in 0..<6000 { try #require(mkfifo("\(place.state)/many/\(number)", 0o600) == 0) }
        for number in 0..<300 { try place.write("", "state/f\(1000 + number)") }
        let begin = ContinuousClock.now
        let found = try place.files.list()
        #expect(found.count == 200 && ContinuousClock.now - begin < .seconds(10))
        #expect(found.map(\.path) == found.map(\.path).sorted())
    }

    private func withThread(_ body: @escaping @Sendable () -> Void, _ test: () throws -> Void) throws {
        let thread = Thread { body() }
        thread.start()
        try test()
        while !thread.isFinished { usleep(1000) }
    }
}
