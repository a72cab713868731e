import CNetlink
import Foundation
import Glibc
import HiveNet
import Testing

/// Threat 10: what a process in an agent's namespace can have. That it is enough to reach the host's links, and that anything
/// else is not, is shown in `ThreatNamespaceTests`.
@Suite struct AuditCapabilityTests {
    /// A kind of process, and what the audit has to say of it: nothing, or severity and words.
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        /// What makes it one.
        let words: String
        let expected: [Finding.Severity: [String]]

        var testDescription: String { name }
    }

    private static let without = "setpriv --inh-caps=-all --ambient-caps=-all --bounding-set="

    static let cases = [
        Case(
            name: "all of root's", words: "",
            expected: [.alarm: ["can have CAP_NET_ADMIN", "(sleep)", "the host's own PID namespace"]]),
        Case(name: "none", words: "\(without)-all", expected: [:]),
        Case(
            name: "CAP_NET_RAW, as containers have it", words: "\(without)-all,+net_raw",
            expected: [.warning: ["can have CAP_NET_RAW", "(sleep)"]]),
        Case(
            name: "CAP_SYS_ADMIN, in the host's PID namespace", words: "\(without)-all,+sys_admin",
            expected: [.alarm: ["can have CAP_SYS_ADMIN", "/proc/PID/ns/net"]]),
        // Not now, but execve(2) of a program that is set-user-ID-root would give it: noroot is about uid 0 itself.
        Case(
            name: "in the bounding set alone", words: "setpriv --securebits=+noroot,+noroot_locked",
            expected: [.alarm: ["can have CAP_NET_ADMIN", "by executing a privileged program"]]),
        Case(
            name: "in the bounding set, without hope",
            words: "setpriv --securebits=+noroot,+noroot_locked setpriv --no-new-privs", expected: [:]),
        Case(
            name: "all of root's, with no_new_privs", words: "setpriv --no-new-privs",
            expected: [.alarm: ["can have CAP_NET_ADMIN"]]),
        Case(
            name: "a user namespace of its own", words: "unshare --user --map-root-user", expected: [:]),
    ]

    @Test(arguments: cases)
    func whatAProcessCanHave(_ kind: Case) throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {}, beta: {} } }")
        #expect(try Self.found(in: lab) == [])
        let process = try lab.intruder("nsenter --net=/run/netns/hive-alpha \(kind.words)")
        let found = try Self.found(in: lab)
        #expect(Set(found.map(\.severity)) == Set(kind.expected.keys), "\(found)")
        for (severity, words) in kind.expected {
            let sentences = found.filter { $0.severity == severity }.map(\.sentence)
            for word in words + ["process \(process.pid) "] {
                #expect(sentences.contains { $0.contains(word) }, "\(word): \(found)")
            }
        }
        #expect(found.allSatisfy { $0.agent == "alpha" }, "\(found)")
        // `show` alarms exactly when the audit does.
        let shown = try lab.hivectl("net", "show")
        #expect(shown.stdout.contains("ALARM") == (kind.expected[.alarm] != nil), "\(shown)")
        #expect(try !lab.hivectl("net", "show", "beta").stdout.contains("ALARM"))
        process.end()
        #expect(try Self.found(in: lab) == [])
        #expect(try !lab.hivectl("net", "show").stdout.contains("ALARM"))
    }

    /// With a PID namespace of its own there is no process of the host's: as systemd-nspawn makes it, which leaves
    /// CAP_SYS_ADMIN.
    @Test func sysAdminInAContainer() throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {} } }")
        let parent = try lab.background(
            [
                "nsenter", "--net=/run/netns/hive-alpha", "setpriv", "--bounding-set=-net_admin,-net_raw",
                "--inh-caps=-all", "unshare", "--pid", "--fork", "--kill-child", "sleep", "1000",
            ])
        let child = try Self.child(of: parent)
        let found = try Self.found(in: lab)
        let words = found.map { "\($0.severity.rawValue): \($0.sentence)" }
        #expect(
            words.contains {
                $0.hasPrefix("warning: process \(child) (sleep) can have CAP_SYS_ADMIN")
            }, "\(words)")
        // The parent is still one of the host's.
        #expect(
            words.contains {
                $0.hasPrefix("alarm: process \(parent.pid) (unshare) can have CAP_SYS_ADMIN")
            }, "\(words)")
    }

    /// Many with the same are one finding, which names some.
    @Test func manyProcesses() throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {} } }")
        let processes = try (0..<5).map { _ in try lab.intruder("nsenter --net=/run/netns/hive-alpha") }
        let found = try Self.found(in: lab)
        #expect(found.count == 1 && found[0].sentence.contains("and 2 more"), "\(found)")
        withExtendedLifetime(processes) {}
    }

    /// Processes that may not be looked at are told of: they are not taken for harmless ones.
    @Test func whatCannotBeSeen() throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {} } }")
        let process = try lab.intruder("nsenter --net=/run/netns/hive-alpha")
        let before = try lab.audit().faults("capabilities")
        #expect(before.contains { $0.severity == .alarm })
        // A thread of its own, since it loses what it needs: PTRACE_MODE_READ asks for all that the other has, or for
        // CAP_SYS_PTRACE.
        let findings = try lab.thread.run(in: "/proc/\(getpid())/task/\(try lab.threadID())/ns/net") {
            try Capabilities.drop([CAP_SYS_PTRACE], also: [CAP_SYS_BOOT])
            return try Lab.auditHere().faults("capabilities")
        }
        #expect(!findings.contains { $0.severity == .alarm })
        #expect(
            findings.contains {
                $0.severity == .warning && $0.agent == nil && $0.sentence.contains("could not be looked at")
            }, "\(findings)")
        withExtendedLifetime(process) {}
    }

    /// With the mount option hidepid /proc does not even tell that there are others.
    @Test(
        .enabled(
            if: AuditCapabilityTests.canMountProc, "mounting /proc needs root of the PID namespace's owner"))
    func whatIsHidden() throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {} } }")
        let process = try lab.intruder("nsenter --net=/run/netns/hive-alpha")
        let namespace = "/proc/\(getpid())/task/\(try lab.threadID())/ns/net"
        // In the lab's own mount namespace. (4, ptraceable: 2 has an exception for group 0.)
        try lab.must("mount -t proc -o hidepid=4 proc /proc")
        #expect(try lab.audit().faults("capabilities").contains { $0.severity == .alarm })
        let findings = try lab.thread.run(in: namespace) {
            try Capabilities.drop([CAP_SYS_PTRACE], also: [CAP_SYS_BOOT])
            return try Lab.auditHere().faults("capabilities")
        }
        #expect(findings.map(\.severity) == [.warning], "\(findings)")
        #expect(findings.first?.sentence.contains("hidepid") == true, "\(findings)")
        withExtendedLifetime(process) {}
    }

    private static let canMountProc: Bool = {
        guard let lab = try? Lab() else { return true }
        return (try? lab.must("mount -t proc proc /proc")) != nil
    }()

    /// What the audit says of agents' processes. (As an ordinary user it also says which others it cannot see.)
    private static func found(in lab: Lab) throws -> [Finding] {
        try lab.audit().faults("capabilities").filter { $0.agent != nil }
    }

    /// Waits for the child of a process to be `sleep`.
    private static func child(of process: Command.Process) throws -> pid_t {
        let path = "/proc/\(process.pid)/task/\(process.pid)/children"
        for _ in 0..<5000 {
            let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            if let child = text.split(separator: " ").first.flatMap({ pid_t($0) }),
                Lab.words(of: child).first == "sleep"
            {
                return child
            }
            usleep(1000)
        }
        throw LabError("process \(process.pid) has no child")
    }
}
