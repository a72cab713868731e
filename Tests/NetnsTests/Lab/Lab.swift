import CNetlink
import Foundation
import Glibc

/// A "host" of its own: a network namespace, and a mount namespace with an empty /run, for one test.
///
/// Nothing of the machine's own is changed, and nothing is left when the lab ends, also when a test fails or the process
/// dies: namespaces are pinned only by mounts in the lab's own mount namespace.
final class Lab {
    let thread: LabThread
    static let state = "/run/lab/state"
    static let configuration = "/run/lab/hive.json"
    /// Where the outside world is, if it was made.
    static let outside = "/run/netns/outside"

    init() throws {
        thread = try LabThread()
        // (When something here throws, deinit ends the thread.)
        try thread.run {
            guard hive_unshare(CLONE_NEWNS | CLONE_NEWNET) == 0 else { throw LabError.last("unshare") }
            guard mount("none", "/", nil, UInt(MS_REC | MS_PRIVATE), nil) == 0 else {
                throw LabError.last("make mounts private")
            }
            for path in Self.covered {
                guard mount("tmpfs", path, "tmpfs", 0, "mode=0755") == 0 else {
                    throw LabError.last("mount \(path)")
                }
            }
            mkdir("/run/lab", 0o755)
            mkdir("/run/netns", 0o755)
        }
        try ip("link set lo up")
    }

    deinit { thread.end() }

    /// Where a lab has empty directories of its own: whatever the product writes by default is written there.
    private static let covered = ["/run", "/var/lib", "/etc/hive"].filter { path in
        // (A checkout may be in there.)
        access(path, F_OK) == 0 && !hivectlPath.hasPrefix(path + "/")
    }

    // MARK: Where things run

    /// On the host.
    func host<Result>(_ body: @escaping () throws -> Result) throws -> Result { try thread.run(body) }

    /// In the namespace of an agent.
    func agent<Result>(_ name: String, _ body: @escaping () throws -> Result) throws -> Result {
        try thread.run(in: "/run/netns/hive-\(name)", body)
    }

    func outside<Result>(_ body: @escaping () throws -> Result) throws -> Result {
        try thread.run(in: Self.outside, body)
    }

    // MARK: Commands

    @discardableResult
    func run(_ arguments: [String], seconds: Double = 150) throws -> CommandResult {
        try host { try Command.run(arguments, seconds: seconds) }
    }

    /// Starts a command that goes on until the lab ends, or is ended before. It does not outlive a test that crashes.
    func background(_ arguments: [String], descriptors: [Int32: Int32] = [:]) throws -> Command.Process {
        try host { try Command.Process(arguments, endsWithThread: true, descriptors: descriptors) }
    }

    /// Runs a command line that has to succeed. Words are separated by blanks.
    @discardableResult
    func must(_ line: String) throws -> CommandResult {
        let result = try run(line.split(separator: " ").map(String.init))
        guard result.status == 0 else { throw LabError("\(line): \(result)") }
        return result
    }

    @discardableResult
    func ip(_ line: String) throws -> CommandResult { try must("ip \(line)") }

    /// The same in a namespace.
    @discardableResult
    func ip(in namespace: String, _ line: String) throws -> CommandResult {
        try must("ip -n \(namespace) \(line)")
    }

    /// Many lines for one process.
    func ipBatch(in namespace: String? = nil, _ lines: [String]) throws {
        let path = "/run/lab/ip-batch"
        try write(lines.joined(separator: "\n") + "\n", to: path)
        try ip("\(namespace.map { "-n \($0) " } ?? "")-batch \(path)")
    }

    @discardableResult
    func nft(_ command: String) throws -> CommandResult {
        let result = try run(["nft", command])
        guard result.status == 0 else { throw LabError("nft \(command): \(result)") }
        return result
    }

    func sysctl(_ name: String, _ value: String) throws {
        try host {
            let path = "/proc/sys/net/" + name
            let file = open(path, O_WRONLY | O_CLOEXEC)
            guard file >= 0 else { throw LabError.last("open \(path)") }
            defer { close(file) }
            guard Glibc.write(file, value, value.utf8.count) == value.utf8.count else {
                throw LabError.last("write \(path)")
            }
        }
    }

    /// Whether bridged frames pass the IP hooks too (br_netfilter). Says false where the kernel has no such thing.
    @discardableResult
    func setBridgeNetfilter(_ isOn: Bool) throws -> Bool {
        guard try host({ access("/proc/sys/net/bridge/bridge-nf-call-iptables", F_OK) == 0 }) else {
            return false
        }
        for name in ["iptables", "ip6tables", "arptables"] {
            try sysctl("bridge/bridge-nf-call-\(name)", isOn ? "1" : "0")
        }
        return isOn
    }

    // MARK: Hive

    /// The program under test: `HIVECTL`, or beside the running test bundle.
    static let hivectlPath: String = {
        if let path = ProcessInfo.processInfo.environment["HIVECTL"] { return path }
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let beside = (own as NSString).deletingLastPathComponent + "/hivectl"
        if access(beside, X_OK) == 0 { return beside }
        // `swift test` runs a helper of the toolchain, with the bundle as an argument.
        let package = ((#filePath as NSString).deletingLastPathComponent as NSString)
            .appendingPathComponent("../../../.build/debug/hivectl")
        return package
    }()

    @discardableResult
    func hivectl(_ arguments: String..., seconds: Double = 150) throws -> CommandResult {
        try run(Self.commandLine(arguments), seconds: seconds)
    }

    static func commandLine(_ arguments: [String]) -> [String] {
        [hivectlPath, "--config", configuration, "--state", state] + arguments
    }

    func write(configuration text: String) throws { try write(text, to: Self.configuration) }

    /// Writes a file where the lab sees it.
    func write(_ text: String, to path: String) throws {
        try host {
            guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8)) else {
                throw LabError("cannot write \(path)")
            }
        }
    }

    /// Writes the configuration and applies it.
    @discardableResult
    func apply(_ configuration: String) throws -> CommandResult {
        try write(configuration: configuration)
        return try apply()
    }

    @discardableResult
    func apply() throws -> CommandResult {
        let result = try hivectl("net", "apply")
        guard result.status == 0 else { throw LabError("net apply: \(result)") }
        return result
    }

    /// Packets blocked for an agent, by `net show --json`.
    func blocked(_ agent: String) throws -> [String: Int] {
        let result = try hivectl("net", "show", "--json")
        guard let shown = try result.json() as? [String: Any],
            let blocked = (shown["blocked"] as? [String: Any])?[agent] as? [String: Int]
        else { throw LabError("no counts for \(agent): \(result)") }
        return blocked
    }

    // MARK: The outside world

    /// Puts another namespace behind the host, which routes to it by default. It answers on every address given to
    /// `addresses`, public ones as well as special ones, so that both a reachable and a denied destination really exist.
    func makeOutside(forwarding: Bool = true) throws {
        try ip("netns add outside")
        try ipBatch([
            "link add uplink type veth peer name eth0 netns outside", "addr add 11.0.0.1/24 dev uplink",
            "addr add 2a11::1/64 dev uplink nodad", "link set uplink up",
        ])
        // The outside knows the agents' networks: what arrives straight from them is answered, and it can try them.
        try ipBatch(
            in: "outside",
            [
                "link set lo up", "link set eth0 up", "addr add 11.0.0.2/24 dev eth0",
                "addr add 2a11::2/64 dev eth0 nodad",
            ]
                + Self.outsideAddresses4.map { "addr add \($0)/32 dev lo" }
                + Self.outsideAddresses6.map { "addr add \($0)/128 dev lo nodad" }
                + ["route add 10.77.0.0/16 via 11.0.0.1", "route add fd77:6869:7665::/64 via 2a11::1"])
        try ipBatch(["route add default via 11.0.0.2", "route add default via 2a11::2"])
        try waitForLink("uplink")
        try waitForLink("eth0", in: "outside")
        if forwarding {
            try sysctl("ipv4/ip_forward", "1")
            try sysctl("ipv6/conf/all/forwarding", "1")
        }
    }

    static let publicAddress4 = "11.1.1.1"
    static let publicAddress6 = "2a11:1::1"
    /// Addresses that "internet" does not include, one for each kind.
    static let special4 = [
        "10.1.2.3", "100.64.0.1", "169.254.169.254", "172.16.5.5", "192.0.2.1", "192.168.1.1", "198.18.0.1",
        "198.51.100.7", "203.0.113.7", "192.0.0.8", "192.88.99.1",
    ]
    static let special6 = [
        "fd00:1::1", "64:ff9b::a01:203", "2001:db8::1", "2002:a01:203::1", "2001:2::1", "100::1", "3fff::1",
    ]
    static var outsideAddresses4: [String] { [publicAddress4] + special4 }
    static var outsideAddresses6: [String] { [publicAddress6] + special6 }
}
