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
            guard mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") == 0 else {
                throw LabError.last("mount /run")
            }
            mkdir("/run/lab", 0o755)
            mkdir("/run/netns", 0o755)
        }
        try ip("link set lo up")
    }

    deinit { thread.end() }

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
    func run(_ arguments: [String], seconds: Double = 60) throws -> CommandResult {
        try host { try Command.run(arguments, seconds: seconds) }
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
    func hivectl(_ arguments: String..., seconds: Double = 120) throws -> CommandResult {
        try run(Self.commandLine(arguments), seconds: seconds)
    }

    static func commandLine(_ arguments: [String]) -> [String] {
        [hivectlPath, "--config", configuration, "--state", state] + arguments
    }

    func write(configuration text: String) throws {
        try host {
            guard FileManager.default.createFile(atPath: Self.configuration, contents: Data(text.utf8)) else {
                throw LabError("cannot write the configuration")
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
        try ip("link add uplink type veth peer name eth0 netns outside")
        try ip("addr add 11.0.0.1/24 dev uplink")
        try ip("-6 addr add 2a11::1/64 dev uplink nodad")
        try ip("link set uplink up")
        try ip(in: "outside", "link set lo up")
        try ip(in: "outside", "link set eth0 up")
        try ip(in: "outside", "addr add 11.0.0.2/24 dev eth0")
        try ip(in: "outside", "-6 addr add 2a11::2/64 dev eth0 nodad")
        for address in Self.outsideAddresses4 { try ip(in: "outside", "addr add \(address)/32 dev lo") }
        for address in Self.outsideAddresses6 {
            try ip(in: "outside", "-6 addr add \(address)/128 dev lo nodad")
        }
        try ip("route add default via 11.0.0.2")
        try ip("-6 route add default via 2a11::2")
        // The outside knows the agents' networks: what arrives straight from them is answered, and it can try them.
        try ip(in: "outside", "route add 10.77.0.0/16 via 11.0.0.1")
        try ip(in: "outside", "-6 route add fd77:6869:7665::/64 via 2a11::1")
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
