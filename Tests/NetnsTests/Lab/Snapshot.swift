import Foundation
import Glibc
import Synchronization
import Testing

/// What ip, bridge and nft see of a lab's host and of every namespace under /run/netns, as text that can be compared: without
/// what differs between two kernels that were set up alike, such as indexes, handles, counts and timers, and sorted.
struct Snapshot: Equatable, CustomStringConvertible {
    let lines: [String]

    var description: String { lines.joined(separator: "\n") }

    /// Lines that only one of the two has, those of the other one with a plus. Empty: they are equal.
    func difference(to other: Snapshot) -> String {
        let (mine, theirs) = (Set(lines), Set(other.lines))
        let words =
            lines.filter { !theirs.contains($0) }.map { "- \($0)" }
            + other.lines.filter { !mine.contains($0) }.map { "+ \($0)" }
        return words.joined(separator: "\n")
    }

    // MARK: What does not count

    private static let dropped: Set<String> = [
        // Numbers that the kernel gives out in the order of requests.
        "ifindex", "link_index", "link_netnsid", "handle", "index", "info_slave_data.no",
        "info_slave_data.id",
        "designated_port",
        // What happened since.
        "packets", "bytes", "hello_timer", "tcn_timer", "topology_change_timer", "gc_timer", "hold_timer",
        "message_age_timer", "forward_delay_timer", "valid_life_time", "preferred_life_time",
        // These follow the carrier, some time later (linkwatch).
        "operstate", "info_slave_data.state",
        // A bridge keeps limits that it once took over from its ports.
        "tso_max_size", "tso_max_segs", "gso_max_size", "gso_max_segs", "gro_max_size",
    ]
    private static let droppedFlags: Set<String> = [
        "\"linkdown\"", "\"LOWER_UP\"", "\"NO-CARRIER\"", "\"M-DOWN\"",
    ]

    private static func canonical(_ json: some StringProtocol) -> CanonicalJSON {
        CanonicalJSON(
            json, dropped: dropped, unordered: ["elem", "addr_info", "flags"], droppedStrings: droppedFlags)
    }

    // MARK: Reading

    fileprivate init(_ lab: Lab) throws {
        try lab.host {
            try "addr show\nroute show table all\nneigh show nud permanent\n"
                .write(toFile: "/run/lab/batch", atomically: false, encoding: .utf8)
        }
        var lines = try Self.network(lab, "host", ["ip"])
        lines += try lab.host { try Self.settings("host") }
        var entries = try Self.canonical(lab.must("bridge -j fdb show").stdout)
        // Groups that a link listens to ("self") come and go with addresses, and stay a while.
        lines += entries.elements("").filter { !$0.contains("\"self\"") }.map { "host fdb \($0)" }
        lines += try Self.ruleset(lab)
        for name in try lab.host({ try FileManager.default.contentsOfDirectory(atPath: "/run/netns") }) {
            lines += try Self.network(lab, name, ["ip", "-n", name])
            lines += try lab.thread.run(in: "/run/netns/\(name)") { try Self.settings(name) }
        }
        self.lines = lines.sorted()
    }

    private static func network(_ lab: Lab, _ place: String, _ ip: [String]) throws -> [String] {
        let result = try lab.run(ip + ["-j", "-d", "-batch", "/run/lab/batch"])
        guard result.status == 0 else { throw LabError("ip in \(place): \(result)") }
        let parts = result.stdout.split(separator: "\n", omittingEmptySubsequences: false)
        return zip(["link", "route", "neigh"], parts).flatMap { kind, json in
            // (A command that finds nothing prints nothing.)
            var list = canonical(json)
            // Of the table of local routes IPv6's come when a work queue gets to it.
            return list.elements("").filter { $0 != "{}" && !$0.contains("\"table\":\"local\"") }.map {
                "\(place) \(kind) \($0)"
            }
        }
    }

    /// Of a chain all rules make one line, since their order counts.
    private static func ruleset(_ lab: Lab) throws -> [String] {
        var output = try canonical(lab.must("nft -j list ruleset").stdout)
        _ = output.enter("nftables")
        var lines: [String] = []
        var rules: [String: [String]] = [:]
        while output.isInside {
            guard let item = output.members("").first, item.key != "metainfo" else { continue }
            if item.key == "table" {
                // Whom a table belongs to is no part of what it does; some versions of nft have wrong words for it.
                var table = canonical(item.text)
                let facts = table.members("").filter { $0.key != "flags" || $0.text.contains("dormant") }
                lines.append("nft table \(facts.map { "\($0.key) \($0.text)" }.joined(separator: " "))")
                continue
            }
            guard item.key == "rule" else {
                lines.append("nft \(item.key) \(item.text)")
                continue
            }
            var rule = canonical(item.text)
            let chain = rule.members("").filter { ["family", "table", "chain"].contains($0.key) }
            rules[chain.map(\.text).joined(separator: " "), default: []].append(item.text)
        }
        return lines + rules.map { "nft rules \($0.key) \($0.value.joined(separator: " "))" }
    }

    /// `net.ipv4.conf.*`, `net.ipv6.conf.*` of the calling thread's namespace: one line for each link and family.
    private static func settings(_ place: String) throws -> [String] {
        var lines: [String] = []
        for family in ["ipv4", "ipv6"] {
            let directory = "/proc/sys/net/\(family)/conf"
            for link in try FileManager.default.contentsOfDirectory(atPath: directory) {
                let names = settingNames.withLock { known in
                    if let names = known[family] { return names }
                    // These two spin in the kernel for as long as somebody else holds its rtnl lock. `ip -d` shows the
                    // first one too, and the second cannot be read.
                    let names = try? FileManager.default.contentsOfDirectory(atPath: "\(directory)/\(link)")
                        .filter { !["addr_gen_mode", "stable_secret"].contains($0) }.sorted()
                    known[family] = names
                    return names ?? []
                }
                var words = "\(place) sysctl \(family) \(link)"
                for name in names {
                    words += " "
                    words += name
                    words += "="
                    words += content("\(directory)/\(link)/\(name)")
                }
                lines.append(words)
            }
        }
        return lines
    }

    /// The same for all links of a family.
    private static let settingNames = Mutex<[String: [String]]>([:])

    private static func content(_ path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { bytes in
            let count = read(file, bytes.baseAddress, bytes.count)
            // Without the line feed.
            return count < 1 ? "" : String(decoding: bytes[..<(count - 1)], as: UTF8.self)
        }
    }
}

extension Lab {
    /// How this host differs from another one. Empty: not at all, if need be after some time.
    func difference(from reference: Snapshot) throws -> String {
        var difference = ""
        for _ in 0..<10 {
            difference = try reference.difference(to: snapshot())
            if difference.isEmpty { break }
            usleep(20_000)
        }
        return difference
    }

    /// Records where this host differs from another one.
    func expect(
        _ reference: Snapshot, _ what: String = "", sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let difference = try difference(from: reference)
        if !difference.isEmpty { Issue.record("\(what):\n\(difference)", sourceLocation: sourceLocation) }
    }

    func snapshot() throws -> Snapshot { try Snapshot(self) }

    /// What a fresh host looks like after one apply of this lab's configuration and state directory.
    /// - Parameter prepare: makes what the other host needs first, such as others' namespaces.
    func snapshotOfFreshApply(prepare: (Lab) throws -> Void = { _ in }) throws -> Snapshot {
        let other = try Lab()
        try prepare(other)
        let files = try host { try Self.files() }
        try other.host { try Self.write(files) }
        let result = try other.hivectl("net", "apply")
        guard result.status == 0 else { throw LabError("apply on a fresh host: \(result)") }
        return try other.snapshot()
    }

    /// The configuration, and what the state directory holds.
    private static func files() throws -> [String: Data] {
        var files = [configuration: try Data(contentsOf: URL(fileURLWithPath: configuration))]
        for name in FileManager.default.enumerator(atPath: state)?.compactMap({ $0 as? String }) ?? [] {
            guard let data = FileManager.default.contents(atPath: "\(state)/\(name)") else { continue }
            files["\(state)/\(name)"] = data
        }
        return files
    }

    private static func write(_ files: [String: Data]) throws {
        for (path, data) in files {
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try data.write(to: URL(fileURLWithPath: path))
        }
    }
}
