import Foundation
import Glibc
import Testing

/// The plugin hive-cni, driven as libcni drives it, by the points of the CNI specification 1.1.0 (docs/cni.md names the tests).
struct CNITests {
    @Test func versionNeedsNothing() throws {
        let runtime = try RuntimeLab()
        let call = try runtime.cni("VERSION", "", ["cniVersion": "1.1.0"])
        #expect(call.status == 0)
        #expect(call.json["cniVersion"] as? String == "1.1.0")
        #expect((call.json["supportedVersions"] as? [String])?.contains("1.1.0") == true)
        #expect((call.json["supportedVersions"] as? [String])?.contains("0.2.0") == false)
    }

    /// The result says what is so, and the container is behind the boundary.
    @Test func addedContainersAreAgents() throws {
        let runtime = try RuntimeLab()
        let lab = runtime.lab
        for name in ["one", "two"] { try runtime.container(name) }
        let first = try runtime.cni("ADD", "one", arguments: "IgnoreUnknown=1;K8S_POD_NAME=Web_Front")
        #expect(first.status == 0, "\(first)")
        let second = try runtime.add("two")
        let (one, two) = (try RuntimeLab.address(first), try RuntimeLab.address(second))

        let interfaces = try #require(first.json["interfaces"] as? [[String: Any]])
        try #require(interfaces.count == 2)
        let inside = try #require(try lab.links(in: "one")["eth0"])
        #expect(interfaces[1]["name"] as? String == "eth0")
        #expect(interfaces[1]["sandbox"] as? String == "/run/netns/one")
        #expect(interfaces[1]["mac"] as? String == inside.address)
        #expect(interfaces[1]["mtu"] as? Int == 1500)
        let port = try #require(interfaces[0]["name"] as? String)
        #expect(interfaces[0]["sandbox"] == nil)
        #expect(try lab.links()[port]?.address == interfaces[0]["mac"] as? String)
        #expect(try lab.ip(in: "one", "-4 addr show dev eth0").stdout.contains("inet \(one)/32"))
        #expect(try lab.ip(in: "one", "-4 route show default").stdout.contains("via 10.77.0.1"))
        #expect(try runtime.agents().contains { $0.hasPrefix("web-front-") })

        // From one to the host, and to the other with the host as router.
        try lab.sysctl("ipv4/ip_forward", "1")
        let host = try lab.host { try Socket.tcpListener(Endpoint(address: "10.77.0.1", port: 7000)) }
        let peer = try lab.thread.run(in: "/run/netns/two") {
            try Socket.tcpListener(Endpoint(address: two, port: 8080))
        }
        defer { withExtendedLifetime((host, peer)) {} }
        #expect(try !runtime.reaches("one", "10.77.0.1", 7000))
        #expect(try !runtime.reaches("one", two, 8080))
        let verified = try lab.hivectl("net", "verify")
        #expect(verified.status == 0, "\(verified)")
        // The control: without the rules both arrive.
        try lab.nft("delete table inet hive")
        try lab.nft("delete table bridge hive")
        #expect(try connectsEventually(runtime, "one", "10.77.0.1", 7000))
        #expect(try connectsEventually(runtime, "one", two, 8080))
    }

    private func connectsEventually(_ runtime: RuntimeLab, _ from: String, _ to: String, _ port: UInt16)
        throws -> Bool
    {
        try connects { try runtime.reaches(from, to, port) ? .connected : .timedOut }
    }

    /// Results of each version are as that version has them.
    @Test(arguments: ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
    func olderVersions(version: String) throws {
        let runtime = try RuntimeLab()
        try runtime.container("one")
        let network = RuntimeLab.network(version: version)
        let call = try runtime.add("one", network)
        #expect(call.json["cniVersion"] as? String == version)
        let families = (call.json["ips"] as? [[String: Any]])?.map { $0["version"] as? String }
        #expect(families == (version.hasPrefix("0.") ? ["4", "6"] : [nil, nil]))
        let interface = (call.json["interfaces"] as? [[String: Any]])?.first
        #expect((interface?["mtu"] != nil) == (version == "1.1.0"))
        #expect(try runtime.cni("DEL", "one", network).status == 0)
        // What came later is not there before.
        for verb in ["GC", "STATUS"] where version != "1.1.0" {
            #expect(try runtime.cni(verb, "", network).code == 1, "\(verb)")
        }
    }

    @Test func whatIsAddedTwiceIsRefused() throws {
        let runtime = try RuntimeLab()
        try runtime.container("one")
        let first = try runtime.add("one")
        let again = try runtime.cni("ADD", "one")
        #expect(again.code == 104 && again.status != 0, "\(again)")
        // Nor is one namespace two agents.
        let other = try runtime.cni("ADD", "other", namespace: "/run/netns/one")
        #expect(other.code == 7 && other.message.contains("is in already"), "\(other)")
        #expect(try runtime.agents().count == 1)
        #expect(
            try runtime.cni("CHECK", "one", RuntimeLab.network(with: ["prevResult": first.json])).status == 0)
    }

    /// Each thing that somebody changes is noticed, and said.
    @Test func checkNoticesDrift() throws {
        let runtime = try RuntimeLab()
        let lab = runtime.lab
        try runtime.container("one")
        let added = try runtime.add("one")
        let port = try #require((added.json["interfaces"] as? [[String: Any]])?.first?["name"] as? String)
        let network = RuntimeLab.network(with: ["prevResult": added.json])
        let damages: [(String, String)] = [
            ("bridge link set dev \(port) isolated off", "isolated"),
            ("ip link set \(port) down", "up false -> true"),
            ("ip -n one addr flush dev eth0 scope global", "address"),
            ("ip -n one link del eth0", "link"),
            ("nft delete table inet hive", "inet hive"),
        ]
        for (damage, word) in damages {
            #expect(try runtime.cni("CHECK", "one", network).status == 0, "before \(damage)")
            try lab.must(damage)
            let call = try runtime.cni("CHECK", "one", network)
            #expect(call.code == 110 && call.status != 0, "\(damage): \(call)")
            #expect((call.json["details"] as? String)?.contains(word) == true, "\(damage): \(call)")
            try lab.apply()
        }
        // Another result, none, and nobody there.
        var other = added.json
        other["ips"] = [["address": "10.77.0.99/32", "interface": 1]]
        #expect(try runtime.cni("CHECK", "one", RuntimeLab.network(with: ["prevResult": other])).code == 110)
        #expect(try runtime.cni("CHECK", "one").code == 7)
        #expect(try runtime.cni("CHECK", "two", network, namespace: "/run/netns/one").code == 110)
    }

    @Test func statusTellsWhetherThereIsRoom() throws {
        let runtime = try RuntimeLab(
            configuration: #"{ network: { subnet4: "10.77.0.0/30", subnet6: null } }"#)
        let lab = runtime.lab
        #expect(try runtime.cni("STATUS").status == 0)
        try runtime.container("one")
        #expect(try runtime.cni("ADD", "one").status == 0)
        let full = try runtime.cni("STATUS")
        #expect(full.code == 50 && full.message.contains("10.77.0.0/30"), "\(full)")
        try lab.write(configuration: "{ network: { bridge: 7 } }")
        #expect(try runtime.cni("STATUS").code == 50)
    }

    /// Each is refused with its number and a sentence, and nothing is made.
    @Test func whatIsWrongIsRefused() throws {
        let runtime = try RuntimeLab()
        let lab = runtime.lab
        try runtime.container("one")
        try lab.must("touch /run/lab/file")
        func network(_ more: [String: Any]) -> [String: Any] { RuntimeLab.network(with: more) }
        let calls: [(RuntimeLab.Call, Int, String)] = [
            (try runtime.cni("ADD", "one", namespace: "/run/netns/none"), 3, "no network namespace at"),
            (try runtime.cni("ADD", "one", namespace: "/run/lab/file"), 4, "is no network namespace"),
            (try runtime.cni("ADD", "one", namespace: ""), 4, "CNI_NETNS is not set"),
            (try runtime.cni("ADD", "one", namespace: "/proc/self/ns/net"), 7, "the host's own"),
            (try runtime.cni("ADD", "one", interface: "net1"), 4, "eth0"),
            (try runtime.cni("ADD", "one", interface: "a/b"), 4, "slash"),
            (try runtime.cni("ADD", "-one", namespace: "/run/netns/one"), 4, "CNI_CONTAINERID"),
            (try runtime.cni("SUB", "one"), 4, "must be one of ADD"),
            (try runtime.cni("ADD", "one", arguments: "x"), 4, "KEY=VALUE"),
            (try runtime.cni("ADD", "one", arguments: "IP=10.78.0.1"), 7, "10.78.0.1"),
            (try runtime.cni("ADD", "one", arguments: "MAC=02:00:00:00:00:01"), 2, "MAC"),
            (try runtime.cni("ADD", "one", network(["egres": "none"])), 2, "did you mean \"egress\"?"),
            (try runtime.cni("ADD", "one", network(["egress": "all"])), 7, "egress"),
            (try runtime.cni("ADD", "one", network(["ipam": ["type": "host-local"]])), 2, "leased"),
            (try runtime.cni("ADD", "one", network(["prevResult": ["ips": [1]]])), 7, "first plugin"),
            (try runtime.cni("ADD", "one", network(["name": "a b"])), 7, "name"),
            (try runtime.cni("ADD", "one", network(["cniVersion": "2.0.0"])), 1, "2.0.0"),
            (try runtime.cni("ADD", "one", network(["config": "/run/lab/none.json"])), 7, "none.json"),
            (
                try runtime.call(["env", "CNI_COMMAND=ADD"], [RuntimeLab.cni], Data("{".utf8)), 4,
                "CNI_CONTAINERID"
            ),
            (try runtime.call(["env", "CNI_COMMAND=STATUS"], [RuntimeLab.cni], Data("{".utf8)), 6, "JSON"),
            (try runtime.call(["env"], [RuntimeLab.cni], Data("{}".utf8)), 4, "CNI_COMMAND"),
        ]
        for (call, code, word) in calls {
            #expect(call.status == 1 && call.code == code, "\(word): \(call)")
            #expect(call.message.contains(word), "\(word): \(call)")
        }
        #expect(try lab.links()["hive0"] == nil)
        #expect(try lab.run(["ls", "\(Lab.state)/agents.d"]).stdout.isEmpty)
        // The control.
        _ = try runtime.add("one")
    }
}
