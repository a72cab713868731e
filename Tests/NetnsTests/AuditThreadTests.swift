import CNetlink
import Foundation
import Glibc
import HiveNet
import Testing

/// Threat 10: processes that hide from the audit what they can have, behind threads and namespaces.
@Suite struct AuditThreadTests {
    private static let hasPython = access("/usr/bin/python3", X_OK) == 0

    /// How it hides. Each ends as a process that does nothing, with a thread that has everything.
    struct Way: CustomTestStringConvertible, Sendable {
        let name: String
        let code: String
        /// What it is started by, behind nsenter.
        var start: [String] = []
        var testDescription: String { name }
    }

    private static let prelude = """
        import ctypes, os, sys, threading, time
        c = ctypes.CDLL(None, use_errno=True)
        NEWNET, NEWNS = 0x40000000, 0x20000
        def ready(): open(sys.argv[1], 'w').close()
        """

    static let ways = [
        Way(
            name: "its first thread has ended",
            code: """
                def other():
                    time.sleep(0.2)
                    ready()
                    time.sleep(1000)
                threading.Thread(target=other).start()
                c.syscall(60, 0)
                """),
        Way(
            name: "its first thread is in another network namespace",
            code: """
                threading.Thread(target=time.sleep, args=(1000,)).start()
                assert c.unshare(NEWNET) == 0
                ready()
                time.sleep(1000)
                """),
        Way(
            name: "its first thread has given up everything",
            code: """
                threading.Thread(target=time.sleep, args=(1000,)).start()
                time.sleep(0.1)
                for capability in range(41): c.prctl(24, capability, 0, 0, 0)
                assert c.prctl(38, 1, 0, 0, 0) == 0
                header = (ctypes.c_uint32 * 2)(0x20080522, 0)
                assert c.capset(header, (ctypes.c_uint32 * 6)()) == 0
                ready()
                time.sleep(1000)
                """),
        Way(
            name: "it has left, and kept a socket",
            code: """
                import socket
                kept = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
                if os.fork() == 0: time.sleep(1000)
                assert c.unshare(NEWNET) == 0
                ready()
                time.sleep(1000)
                """, start: ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]),
    ]

    @Test(.enabled(if: hasPython, "python3 is not installed"), arguments: ways) func whatItCanHaveIsSeen(
        _ way: Way
    ) throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {}, beta: {} } }")
        #expect(try Self.alarms(lab) == [])
        try lab.write(Self.prelude + "\n" + way.code + "\n", to: "/run/lab/hide.py")
        let process = try lab.background(
            ["nsenter", "--net=/run/netns/hive-alpha"] + way.start + [
                "python3", "/run/lab/hide.py", "/run/lab/ready",
            ])
        let deadline = ContinuousClock.now + .seconds(20)
        while try lab.host({ access("/run/lab/ready", F_OK) != 0 }), ContinuousClock.now < deadline {
            guard process.isRunning else { throw LabError("\(try process.wait(seconds: 1))") }
            usleep(5_000)
        }
        let alarms = try Self.alarms(lab)
        #expect(alarms.contains { $0.agent == "alpha" && $0.sentence.contains("python3") }, "\(alarms)")
        #expect(alarms.allSatisfy { $0.agent == "alpha" })
        process.end()
        // Its children end with it, a moment later.
        try wait { try !Self.alarms(lab).isEmpty }
        #expect(try Self.alarms(lab) == [])
    }

    private static func alarms(_ lab: Lab) throws -> [Finding] {
        try lab.audit().filter { $0.check == "capabilities" && $0.severity == .alarm && $0.agent != nil }
    }
}
