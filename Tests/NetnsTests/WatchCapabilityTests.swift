import Foundation
import Glibc
import Testing

/// What packaging/hive-net.service lets the watcher have: it is enough, and none of it can be left out.
@Suite(.enabled(if: CapabilityLab.obstacle == nil, "\(CapabilityLab.obstacle ?? "")"))
struct WatchCapabilityTests {
    /// Of the unit file, as setpriv(1) names them.
    static let granted: [String] = {
        let file = URL(fileURLWithPath: #filePath).appendingPathComponent(
            "../../../packaging/hive-net.service")
        let text = (try? String(contentsOf: file.standardizedFileURL, encoding: .utf8)) ?? ""
        let key = "CapabilityBoundingSet="
        let line = text.split(separator: "\n").first { $0.hasPrefix(key) }?.dropFirst(key.count) ?? ""
        return line.split(separator: " ").map { $0.lowercased().replacing("cap_", with: "") }
    }()

    /// What a watcher does.
    enum Deed: String, CaseIterable {
        case becomesReady, opensTheSocketToTheGroup, answers, repairsAPort, repairsASetting, repairsAnInside
        case repairsANamespace, namesAService, connectsAContainer
    }

    /// What cannot be done without a capability, and what the watcher says then.
    struct Case: CustomTestStringConvertible, Sendable {
        let capability: String
        let deed: Deed
        var words: String?
        /// What is not done either, where everything else is. Nil: that is not said.
        var also: Set<Deed>?
        var testDescription: String { capability }
    }
    static let cases = [
        Case(capability: "net_admin", deed: .becomesReady, words: "listen to the kernel's events"),
        Case(capability: "sys_admin", deed: .becomesReady, words: "make /run/netns a shared mount"),
        Case(
            capability: "sys_ptrace", deed: .connectsAContainer, words: "open the network namespace /proc/",
            also: [.namesAService]),
        Case(capability: "chown", deed: .opensTheSocketToTheGroup, words: "to its group"),
        Case(capability: "net_broadcast", deed: .repairsAnInside, also: []),
        Case(capability: "dac_read_search", deed: .namesAService, also: []),
    ]

    @Test func theyAreEnough() throws {
        #expect(Set(Self.granted) == Set(Self.cases.map(\.capability)))
        let trial = try Trial(Self.granted)
        try trial.run()
        #expect(trial.undone == [], "\(trial.watcher.words)")
    }

    @Test(arguments: cases) func noneCanBeLeftOut(_ kind: Case) throws {
        let trial = try Trial(Self.granted.filter { $0 != kind.capability })
        try trial.run()
        #expect(trial.undone.contains(kind.deed), "\(trial.watcher.words)")
        if let words = kind.words { #expect(trial.watcher.words.contains(words)) }
        if let also = kind.also {
            #expect(trial.undone == also.union([kind.deed]), "\(trial.watcher.words)")
        }
    }
}

private enum CapabilityLab {
    /// Why it cannot be tried here, or nil.
    static let obstacle: String? = {
        guard ThreatOutsideTests.hasUsers, geteuid() == 0 else {
            return "only root of the machine has all the capabilities, and other users"
        }
        return access("/usr/bin/python3", X_OK) == 0
            ? nil : "another user's service needs python3 in /usr/bin"
    }()
}

/// A watcher with some capabilities, and what it has to do.
private final class Trial {
    typealias Deed = WatchCapabilityTests.Deed

    let lab: Lab
    let watcher: Command.Process
    private(set) var undone: Set<Deed> = []
    private var others: [Command.Process] = []

    init(_ capabilities: [String]) throws {
        lab = try Lab()
        // A container that can do what the watcher cannot.
        let container = try lab.background(
            ["unshare", "--net", "setpriv", "--inh-caps=-all", "--bounding-set=-all,+kill", "sleep", "600"])
        others.append(container)
        let own = try lab.host {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self/ns/net")
        }
        let path = "/proc/\(container.pid)"
        wait {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(path)/ns/net")) == own
                || (try? String(contentsOfFile: "\(path)/comm", encoding: .utf8)) != "sleep\n"
        }
        let groups = try String(contentsOfFile: "/etc/group", encoding: .utf8)
        try lab.write(groups + "hive-admin:x:4242:\n", to: "/run/lab/group")
        try lab.must("mount --bind /run/lab/group /etc/group")
        try lab.write(
            configuration: """
                { agents: { alpha: { address4: "10.77.0.2" }, beta: {},
                            attached: { namespace: { pid: \(container.pid) } } } }
                """)
        let set = (["-all"] + capabilities.map { "+\($0)" }).joined(separator: ",")
        watcher = try lab.background(
            ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=\(set)"]
                + Lab.commandLine(["net", "watch"]))
    }

    deinit { watcher.end() }

    /// Waits for something to become so. It takes milliseconds, where it can be done at all.
    private func expect(_ deed: Deed, seconds: Double = 3, _ isDone: () throws -> Bool) rethrows {
        let deadline = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
        while try !isDone() {
            guard ContinuousClock.now < deadline else {
                undone.insert(deed)
                return
            }
            usleep(20_000)
        }
    }

    private func says(_ line: String, _ words: String) throws -> Bool {
        try lab.run(line.split(separator: " ").map(String.init)).stdout.contains(words)
    }

    func run() throws {
        expect(.becomesReady, seconds: 10) {
            ["applied: ", "could not be put right"].contains { watcher.words.contains($0) }
                || !watcher.isRunning
        }
        guard watcher.isRunning, watcher.words.contains("applied: ") else {
            undone = Set(Deed.allCases)
            return
        }
        try expect(.opensTheSocketToTheGroup) {
            try says("stat --format %a:%G /run/hive/net.sock", "660:hive-admin")
        }
        try expect(.connectsAContainer) { try says("ip -o link show", "hv-attached") }
        try tryAService()
        let port = "bridge -d link show dev hv-alpha"
        try lab.must("bridge link set dev hv-alpha isolated off")
        try expect(.repairsAPort) { try says(port, "isolated on") }
        try lab.sysctl("ipv4/conf/hive0/route_localnet", "1")
        try expect(.repairsASetting) {
            try lab.host {
                try String(contentsOfFile: "/proc/sys/net/ipv4/conf/hive0/route_localnet", encoding: .utf8)
                    == "0\n"
            }
        }
        try lab.ip(in: "hive-alpha", "addr del 10.77.0.2/32 dev eth0")
        try expect(.repairsAnInside) { try says("ip -n hive-alpha addr show dev eth0", "10.77.0.2/32") }
        try lab.ip("netns delete hive-beta")
        try expect(.repairsANamespace) { try says("ip -n hive-beta link", "eth0") }
        try expect(.answers) {
            let shown = try lab.hivectl("net", "show", "--json")
            guard shown.status == 0, let root = try shown.json() as? [String: Any] else { return false }
            return root["watcher"] is [String: Any]
        }
    }

    /// Of another user's.
    private func tryAService() throws {
        let listening = """
            import socket, time
            s = socket.socket(); s.bind(("0.0.0.0", 7000)); s.listen(); time.sleep(600)
            """
        others.append(
            try lab.background(
                ["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c", listening]))
        try wait { try !says("ss -Hltn", ":7000") }
        let attempt = try lab.agent("alpha") {
            try Socket.connect(Endpoint(address: "10.77.0.1", port: 7000))
        }
        // Without the name it is told of as well.
        wait { !watcher.words.contains("-> 10.77.0.1:7000") }
        if !watcher.words.contains("-> 10.77.0.1:7000 (python3)") { undone.insert(.namesAService) }
        withExtendedLifetime(attempt) {}
    }
}
