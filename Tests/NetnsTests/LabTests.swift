import CNetlink
import Foundation
import Glibc
import HiveNet
import Testing

/// The laboratory itself: it separates, it sees what arrives and what does not, and it leaves nothing behind.
@Suite struct LabTests {
    @Test func labsAreApart() throws {
        let (one, two) = (try Lab(), try Lab())
        try one.ip("link add here type bridge")
        try one.ip("netns add here")
        try one.write("here", to: "/run/lab/here")
        try one.sysctl("ipv4/ip_forward", "1")
        try two.sysctl("ipv4/ip_forward", "0")
        func sees(_ lab: Lab) throws -> [Bool] {
            [
                try lab.links()["here"] != nil, try lab.must("ip netns list").stdout.contains("here"),
                try lab.host { access("/run/lab/here", F_OK) == 0 }, try lab.sysctl("ipv4/ip_forward") == "1",
            ]
        }
        #expect(try sees(one) == [true, true, true, true])
        #expect(try sees(two) == [false, false, false, false])
    }

    /// Threads of the tests' pool stay where they are, also while a lab works.
    @Test func theCallerStaysInItsNamespaces() throws {
        func namespaces() throws -> [String] {
            try ["net", "mnt"].map {
                try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self/ns/\($0)")
            }
        }
        let lab = try Lab()
        try lab.ip("netns add mine")
        let before = try namespaces()
        let host = try lab.host(namespaces)
        let mine = try lab.thread.run(in: "/run/netns/mine", namespaces)
        #expect(try namespaces() == before)
        #expect(Set([before[0], host[0], mine[0]]).count == 3)
        #expect(host[1] != before[1] && mine[1] == host[1])
        #expect(throws: LabError.self) { try lab.thread.run(in: "/run/netns/theirs") {} }
        #expect(throws: CancellationError.self) { try lab.host { throw CancellationError() } }
        #expect(try lab.host(namespaces) == host)
    }

    /// The directories that hivectl writes to by default are the lab's own.
    @Test func theMachinesDirectoriesAreCovered() throws {
        let lab = try Lab()
        let name = "/var/lib/hive-lab-\(UInt64.random(in: 0...UInt64.max))"
        try lab.write("", to: name)
        #expect(try lab.host { access(name, F_OK) == 0 })
        #expect(access(name, F_OK) != 0)
    }

    /// Whatever the pool's threads block or ignore.
    @Test func aCommandCanBeInterrupted() throws {
        let lab = try Lab()
        for kind in ["Blk", "Ign"] {
            let line = try lab.must("grep ^Sig\(kind): /proc/self/status").stdout
            let signals = try #require(
                line.split(separator: "\t").last.flatMap { UInt64($0.dropLast(), radix: 16) })
            // Without the C library's own, 32 and 33.
            #expect(signals & 0x7fff_ffff == 0, "\(line)")
        }
        let process = try lab.background(["sleep", "600"])
        kill(process.pid, SIGTERM)
        #expect(try process.wait(seconds: 10).status == 128 + SIGTERM)
    }

    // MARK: Probers

    @Test func aProberSeesWhatArrivesAndWhatIsBlocked() throws {
        let pair = try Pair()
        for to in [Endpoint(address: "10.9.0.2", port: 80), Endpoint(address: "fd09::2", port: 80)] {
            let (listener, receiver) = try pair.lab.thread.run(in: Pair.two) {
                (try Socket.tcpListener(to), try Socket.udp(to))
            }
            let mark = Array("to \(to)".utf8)
            func probe() throws -> (Socket.Connection, Bool) {
                let outcome = try pair.lab.thread.run(in: Pair.one) {
                    #expect(try Socket(to.family, Int32(SOCK_DGRAM.rawValue)).send(mark, to: to))
                    return try Socket.connect(to)
                }
                try pair.settle()
                return (outcome, receiver.receives(mark, milliseconds: 0))
            }
            #expect(try probe() == (.connected, true))
            try pair.lab.nft("add rule bridge block forward meta l4proto { tcp, udp } drop")
            #expect(try probe() == (.timedOut, false))
            try pair.lab.nft("flush chain bridge block forward")
            #expect(try probe() == (.connected, true))
            withExtendedLifetime(listener) {}
        }
        #expect(
            try pair.lab.thread.run(in: Pair.one) {
                try Socket.connect(Endpoint(address: "10.9.0.2", port: 81))
            } == .refused)
    }

    /// What was sent before `settle` has arrived after it: not once has a receiver to wait. That makes "is not there" mean
    /// "does not arrive". Two more namespaces away, with questions by ARP on the way, and with both processors busy.
    @Test func afterSettlingEverythingHasArrived() throws {
        let pair = try Pair()
        try pair.lab.ip("netns add far")
        try pair.lab.ipBatch(
            in: "two", ["link add far type veth peer name eth0 netns far", "link set far up"])
        try pair.lab.ipBatch(in: "two", ["addr add 10.8.0.1/24 dev far"])
        try pair.lab.ipBatch(in: "far", ["link set eth0 up", "addr add 10.8.0.2/24 dev eth0"])
        try pair.lab.thread.run(in: Pair.two) {
            #expect(Glibc.creat("/proc/sys/net/ipv4/ip_forward", 0o644).written("1"))
        }
        try pair.lab.waitForLink("far", in: "two")
        try pair.lab.waitForLink("eth0", in: "far")
        try pair.lab.ip(in: "one", "route add 10.8.0.0/24 via 10.9.0.2")
        let receiver = try pair.lab.thread.run(in: "/run/netns/far") {
            try Socket.udp(Endpoint(address: "10.8.0.2", port: 53))
        }
        let load = try (0..<2).map { _ in try pair.lab.background(["sh", "-c", "while :; do :; done"]) }
        defer { load.forEach { $0.end() } }
        for number in 0..<50 {
            if number % 10 == 0 {
                for namespace in ["one", "two", "far"] { try pair.lab.ip(in: namespace, "neigh flush all") }
            }
            let mark = Array("packet \(number);".utf8)
            try pair.lab.thread.run(in: Pair.one) {
                _ = try Socket(AF_INET, Int32(SOCK_DGRAM.rawValue)).send(
                    mark, to: Endpoint(address: "10.8.0.2", port: 53))
            }
            try pair.settle()
            try #require(receiver.receives(mark, milliseconds: 0), "packet \(number)")
        }
        #expect(!receiver.receives(Array("packet 50;".utf8), milliseconds: 0))
    }

    // MARK: What is left

    /// One end of a veth pair is in the lab, the other here: when the lab's namespace is gone, so are both.
    @Test(arguments: ["ends", "throws"])
    func nothingIsLeft(after end: String) throws {
        let watch = try Lab()
        var process: Command.Process?
        func useLab() throws {
            let lab = try Lab()
            try lab.ip("netns add agent")
            process = try lab.background(["sleep", "600"])
            let namespaces = try lab.host {
                let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")
                return ["/proc/\(own)/ns/net", "/proc/\(own)/root/run/netns/agent"]
            }
            for (number, path) in namespaces.enumerated() {
                try watch.ip("link add watch\(number) type veth peer name eye netns \(path)")
            }
            #expect(try watch.links().count == 3)
            #expect(process?.isRunning == true)
            if end == "throws" { throw CancellationError() }
        }
        if end == "throws" { #expect(throws: CancellationError.self) { try useLab() } } else { try useLab() }
        try expectSoon { try watch.links().count == 1 }
        try expectSoon { process?.isRunning == false }
        #expect(try Command.run(["ip", "link", "show", "eye"]).status != 0)
        #expect(!(try Command.run(["ip", "netns", "list"]).stdout.contains("agent")))
    }

    /// The tests are killed in the middle of something: what they started goes with them.
    @Test func nothingIsLeftAfterACrash() async throws {
        let result = try await #require(
            processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]
        ) {
            let lab = try Lab()
            let process = try lab.background(["sleep", "600"])
            print("started:\(process.pid):")
            fflush(nil)
            kill(getpid(), SIGKILL)
        }
        let text = String(decoding: result.standardOutputContent, as: UTF8.self)
        let parts = text.split(separator: ":")
        let index = try #require(parts.firstIndex { $0.hasSuffix("started") }, "\(text)")
        let process = try #require(pid_t(parts[index + 1]))
        try expectSoon { !isAlive(process) }
    }

    @Test func startsQuickly() throws {
        _ = try Lab()
        var times: [Duration] = []
        for _ in 0..<9 { times.append(try ContinuousClock().measure { _ = try Lab() }) }
        // The best of them: others use the machine as well.
        let best = try #require(times.min())
        #expect(best < .milliseconds(50), "\(times)")
    }
}

/// Two namespaces and a bridge, by hand.
private struct Pair {
    static let one = "/run/netns/one", two = "/run/netns/two"
    let lab: Lab

    init() throws {
        lab = try Lab()
        try lab.ip("netns add one")
        try lab.ip("netns add two")
        try lab.ipBatch(
            ["link add b0 type bridge mcast_snooping 0", "link set b0 up"]
                + ["one", "two"].flatMap {
                    ["link add \($0) master b0 type veth peer name eth0 netns \($0)", "link set \($0) up"]
                })
        for (name, number) in [("one", 1), ("two", 2)] {
            try lab.ipBatch(
                in: name,
                [
                    "link set eth0 up", "addr add 10.9.0.\(number)/24 dev eth0",
                    "addr add fd09::\(number)/64 dev eth0 nodad",
                ])
        }
        for name in ["one", "two"] {
            try lab.waitForLink(name)
            try lab.waitForLink("eth0", in: name)
        }
        try lab.nft(
            "add table bridge block; add chain bridge block forward { type filter hook forward priority 0; }")
    }

    /// From one to two. The barrier is of a kind that nobody listens to.
    func settle() throws {
        let nobody = MACAddress(bits: 0x0200_0000_0001)
        try lab.settle(from: Self.one, port: "one") {
            Packet.ethernet(to: nobody, from: nobody, type: Packet.localType, $0)
        }
    }
}

extension Int32 {
    /// Writes to a new descriptor and closes it.
    fileprivate func written(_ text: String) -> Bool {
        defer { close(self) }
        return write(self, text, text.utf8.count) == text.utf8.count
    }
}

/// Neither gone nor a zombie that nobody has asked about yet.
private func isAlive(_ process: pid_t) -> Bool {
    guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else {
        return false
    }
    return !text.contains(") Z ")
}

/// The kernel takes namespaces apart in a work queue of its own.
private func expectSoon(
    sourceLocation: SourceLocation = #_sourceLocation, _ condition: () throws -> Bool
) throws {
    for _ in 0..<500 {
        if try condition() { return }
        usleep(10_000)
    }
    #expect(Bool(false), "not within 5 s", sourceLocation: sourceLocation)
}
