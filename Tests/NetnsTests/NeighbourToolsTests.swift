import Foundation
import HiveNet
import Testing

/// Threats 28 and 29: names that collide, and other programs that use the same kernel.
@Suite struct NeighbourToolsTests {
    /// Names that are alike in more characters than a link's name has: both work, and are told apart.
    @Test func namesThatCollideWhenTruncated() throws {
        let lab = try Lab()
        let stem = "a-name-that-is-much-longer-than-a-link-s"
        let names = ["\(stem)-x", "\(stem)-y", "a-name-that"]
        try lab.apply("{ agents: { \(names.map { "'\($0)': {}" }.joined(separator: ", ")) } }")
        let links = try #require(try lab.must("ip -j -d link show master hive0").json() as? [[String: Any]])
        let linkNames = links.compactMap { $0["ifname"] as? String }
        #expect(Set(linkNames).count == 3)
        #expect(linkNames.allSatisfy { $0.utf8.count <= 15 && $0.hasPrefix("hv-") }, "\(linkNames)")
        #expect(Set(links.compactMap { $0["ifalias"] as? String }) == Set(names.map { "hive: agent \($0)" }))
        #expect(Set(try names.compactMap { try lab.address(of: $0) }).count == 3)
        #expect(try lab.agents() == names.sorted())
        let shown = try lab.hivectl("net", "show").stdout
        for name in names { #expect(shown.contains(name), "\(shown)") }
        // One of the two goes, the other stays.
        try lab.apply("{ agents: { '\(names[1])': {} } }")
        #expect(try lab.agents() == [names[1]])
        try lab.expect(lab.snapshotOfFreshApply())
    }

    /// A link of ours that somebody else's takes the name of: refused, and theirs is left alone.
    @Test func aTakenLinkNameIsLeftAlone() throws {
        let lab = try Lab()
        try lab.ip("link add hv-alpha type veth peer name other")
        try lab.ip("link add hive0 type bridge")
        let before = try lab.snapshot()
        for text in ["{ agents: { alpha: {} } }", "{ network: { bridge: 'hive9' }, agents: { alpha: {} } }"] {
            try lab.write(configuration: text)
            let result = try lab.hivectl("net", "apply")
            #expect(result.status == 78, "\(result)")
            try lab.expect(before)
        }
        #expect(try lab.hivectl("net", "down").status == 0)
        try lab.expect(before)
    }

    /// The only agents' tables are those named hive: others of whatever priority accept in vain.
    @Test(arguments: [-2_147_483_648, -450, 0, 2_147_483_647])
    func aForeignAcceptOverridesNothing(priority: Int) throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        try Self.addForeignTables(lab, priority, verdict: "accept")
        let host = try lab.host { try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 9000)) }
        let peer = try lab.agent("beta") { try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 9000)) }
        let targets = [TwoAgents.gateway4, hive.beta.address4]
        for target in targets {
            let way = try lab.agent("alpha") {
                try Socket.connect(Endpoint(address: "\(target)", port: 9000))
            }
            #expect(way == .timedOut, "\(target): \(way)")
        }
        #expect(!host.isReadable(milliseconds: 0) && !peer.isReadable(milliseconds: 0))
        // Foreign tables are no drift, and stay.
        #expect(try lab.apply().stdout.isEmpty)
        #expect(try lab.nft("list tables").stdout.contains("foreign"))
        // The control: it is our tables that drop.
        for layer in TwoAgents.Layer.allCases { try hive.disable(layer) }
        let way = try lab.agent("alpha") {
            try Socket.connect(Endpoint(address: "\(TwoAgents.gateway4)", port: 9000), milliseconds: 5000)
        }
        #expect(way == .connected)
    }

    /// A foreign drop cuts what we allow. That is the host's right; it is no drift, and goes when the table goes.
    @Test func aForeignDropCutsWhatWeAllow() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        let listener = try lab.agent("alpha") {
            try Socket.tcpListener(Endpoint(address: "0.0.0.0", port: 8080))
        }
        func connect(milliseconds: Int32 = 5000) throws -> Socket.Connection {
            try lab.host { try Socket.connect(hive.alpha.endpoint4(8080), milliseconds: milliseconds) }
        }
        #expect(try connect() == .connected)
        try Self.addForeignTables(lab, 0, verdict: "drop")
        #expect(try connect(milliseconds: 150) != .connected)
        #expect(try lab.apply().stdout.isEmpty)
        let show = try lab.hivectl("net", "show")
        #expect(show.status == 0 && !show.stdout.contains("DRIFT"), "\(show)")
        try lab.nft("delete table inet foreign; delete table bridge foreign")
        #expect(try connect() == .connected)
        withExtendedLifetime(listener) {}
    }

    private static func addForeignTables(_ lab: Lab, _ priority: Int, verdict: String) throws {
        for (family, hooks) in [
            ("inet", ["prerouting", "input", "forward", "output", "postrouting"]),
            ("bridge", ["prerouting", "input", "forward", "output", "postrouting"]),
        ] {
            var commands = ["add table \(family) foreign"]
            for hook in hooks {
                commands.append(
                    "add chain \(family) foreign \(hook) { type filter hook \(hook) priority \(priority); policy \(verdict); }"
                )
                if verdict == "accept" {
                    commands.append("add rule \(family) foreign \(hook) counter accept")
                }
            }
            try lab.nft(commands.joined(separator: "; "))
        }
    }
}
