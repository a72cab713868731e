import Foundation
import Glibc
import HiveNet
import Testing

/// BPF programs on links, which work past every rule: that there is one is all that can be said.
@Suite struct AuditProgramTests {
    private static let canLoad =
        access("/usr/bin/python3", X_OK) == 0 && ThreatOutsideTests.hasUsers

    /// Attaches a program that lets everything pass, and stays.
    private static let loader = """
        import ctypes, os, sys, struct, time
        c = ctypes.CDLL(None, use_errno=True)
        def bpf(command, attr):
            buffer = ctypes.create_string_buffer(attr, len(attr))
            result = c.syscall({'x86_64': 321, 'aarch64': 280}[os.uname().machine], command, buffer, len(attr))
            if result < 0: raise OSError(ctypes.get_errno(), 'bpf %d' % command)
            return result
        kind, link = sys.argv[1], int(sys.argv[2])
        type, place, flags, verdict = (3, 46, 0, -1) if kind == 'tcx' else (6, 37, 2, 2)
        code = struct.pack('<BBhi', 0xb7, 0, 0, verdict) + struct.pack('<BBhi', 0x95, 0, 0, 0)
        code = ctypes.create_string_buffer(code, len(code))
        license = ctypes.create_string_buffer(b'GPL')
        head = struct.pack('<IIQQIIQII', type, 2, ctypes.addressof(code), ctypes.addressof(license), 0, 0, 0, 0, 0)
        program = bpf(5, head + bytes(16) + struct.pack('<II', 0, place))
        kept = bpf(28, struct.pack('<IIII', program, link, place, flags) + bytes(32))
        open(sys.argv[3], 'w').close()
        time.sleep(1000)
        """

    @Test(
        .enabled(if: canLoad, "loading a program needs root of the machine, and python3"),
        arguments: [
            ("tcx", "hv-alpha"), ("xdp", "hv-alpha"), ("tcx", "hive0"), ("tcx", "uplink"), ("xdp", "uplink"),
        ])
    func aProgramIsSeen(kind: String, link: String) throws {
        let hive = try TwoAgents(configuration: VerifyTests.configuration, outside: true)
        let lab = hive.lab
        #expect(try lab.verify().status == Verified.holds)
        try lab.write(Self.loader, to: "/run/lab/load.py")
        let index = try lab.host { if_nametoindex(link) }
        let process = try lab.background(
            ["python3", "/run/lab/load.py", kind, "\(index)", "/run/lab/ready"])
        let deadline = ContinuousClock.now + .seconds(20)
        while try lab.host({ access("/run/lab/ready", F_OK) != 0 }), ContinuousClock.now < deadline {
            guard process.isRunning else { throw LabError("\(try process.wait(seconds: 1))") }
            usleep(5_000)
        }
        let verified = try lab.verify()
        let found = verified.report.findings.filter { $0.check == "programs" }
        #expect(found.count == 1 && found[0].sentence.contains(link), "\(found)")
        #expect(found.first?.severity == (link == "uplink" ? .warning : .unproven))
        #expect(verified.status == (link == "uplink" ? Verified.holds : Verified.unproven), "\(verified)")
        process.end()
        try wait { try lab.verify().status != Verified.holds }
        #expect(try lab.verify().status == Verified.holds)
    }
}
