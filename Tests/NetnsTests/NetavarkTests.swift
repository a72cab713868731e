import Foundation
import Testing

/// The plugin hive-netavark, driven as netavark drives it (its plugin-API.md).
struct NetavarkTests {
    private static var base: [String: Any] {
        [
            "name": "agents", "id": "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9",
            "driver": "hive-netavark", "network_interface": "podman1", "dns_enabled": true, "internal": false,
            "ipv6_enabled": false, "created": "2026-11-27T18:00:00.000000000Z",
            "ipam_options": ["driver": "host-local"],
        ]
    }
    private static let place = ["config": Lab.configuration, "state": Lab.state]

    private static func network(_ options: [String: String] = [:], _ more: [String: Any] = [:]) -> [String:
        Any]
    {
        base.merging(["options": place.merging(options) { $1 }]) { $1 }.merging(more) { $1 }
    }

    private static func input(
        _ container: String, _ network: [String: Any] = network(), _ more: [String: Any] = [:]
    )
        -> [String: Any]
    {
        [
            "container_id": container, "container_name": "Agent_\(container)", "network": network,
            "network_options": ["interface_name": "eth0", "aliases": ["x"]], "port_mappings": NSNull(),
        ].merging(more) { $1 }
    }

    private func call(_ runtime: RuntimeLab, _ arguments: [String], _ input: [String: Any]) throws
        -> RuntimeLab.Call
    {
        try runtime.call(
            ["env"], [RuntimeLab.netavark] + arguments, JSONSerialization.data(withJSONObject: input))
    }

    /// A network is made, a container set up and torn down, twice.
    @Test func aContainersLife() throws {
        let runtime = try RuntimeLab()
        let lab = runtime.lab
        let info = try call(runtime, ["info"], [:])
        #expect(info.json["api_version"] as? String == "1.0.0" && info.json["version"] != nil, "\(info)")

        let created = try call(runtime, ["create"], Self.network(["egress": "internet"]))
        #expect(created.status == 0, "\(created)")
        // What is not ours is as it came.
        for key in ["name", "id", "driver", "network_interface", "created"] {
            #expect(created.json[key] as? String == Self.base[key] as? String, "\(key)")
        }
        #expect(created.json["dns_enabled"] as? Bool == false)

        for name in ["one", "two"] { try runtime.container(name) }
        let network = created.json
        let one = try call(runtime, ["setup", "/run/netns/one"], Self.input("one", network))
        #expect(one.status == 0, "\(one)")
        let interface = try #require((one.json["interfaces"] as? [String: [String: Any]])?["eth0"], "\(one)")
        #expect(interface["mac_address"] as? String == (try lab.links(in: "one")["eth0"]?.address))
        let subnets = try #require(interface["subnets"] as? [[String: String]])
        #expect(subnets.map { $0["ipnet"] } == ["10.77.0.2/32", "fd77:6869:7665::2/128"])
        #expect(subnets.first?["gateway"] == "10.77.0.1")
        for key in ["dns_search_domains", "dns_server_ips"] { #expect(one.json[key] as? [String] == []) }
        #expect(try runtime.agents().allSatisfy { $0.hasPrefix("agent-one-") })
        #expect(try call(runtime, ["setup", "/run/netns/two"], Self.input("two", network)).status == 0)

        for name in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] { try lab.sysctl(name, "1") }
        let host = try lab.host { try Socket.tcpListener(Endpoint(address: "10.77.0.1", port: 7000)) }
        defer { withExtendedLifetime(host) {} }
        #expect(try !runtime.reaches("one", "10.77.0.1", 7000))
        let verified = try lab.hivectl("net", "verify")
        #expect(verified.status == 0, "\(verified)")

        for _ in 0..<2 {
            let gone = try call(runtime, ["teardown", "/run/netns/one"], Self.input("one", network))
            #expect(gone.status == 0 && gone.output.isEmpty, "\(gone)")
            #expect(try runtime.agents().count == 1)
        }
        // The control, with the other.
        try lab.nft("delete table inet hive")
        try lab.nft("delete table bridge hive")
        #expect(try connects { try runtime.reaches("two", "10.77.0.1", 7000) ? .connected : .timedOut })
    }

    @Test func whatIsWrongIsRefused() throws {
        let runtime = try RuntimeLab()
        try runtime.container("one")
        let path = "/run/netns/one"
        func setup(_ network: [String: Any], _ more: [String: Any] = [:]) throws -> RuntimeLab.Call {
            try call(runtime, ["setup", path], Self.input("one", network, more))
        }
        let calls: [(RuntimeLab.Call, String)] = [
            (try call(runtime, ["create"], Self.network(["egres": "none"])), "did you mean \\\"egress\\\"?"),
            (try call(runtime, ["create"], Self.network(["egress": "all"])), "egress"),
            (try call(runtime, ["create"], Self.network(["web-port": "x"])), "whole number"),
            (
                try call(runtime, ["create"], Self.network(["egress": "internet", "allow": "10.0.0.0/8"])),
                "cannot both be"
            ),
            (
                try call(runtime, ["create"], Self.network([:], ["subnets": [["subnet": "10.1.0.0/16"]]])),
                "--subnet"
            ),
            (
                try call(runtime, ["create"], Self.network(["egress": "internet"], ["internal": true])),
                "is internal"
            ),
            (
                try setup(Self.network(), ["port_mappings": [["container_port": 80, "host_port": 80]]]),
                "--publish"
            ),
            (try setup(Self.network(), ["network_options": ["interface_name": "eth1"]]), "eth0"),
            (
                try setup(
                    Self.network(),
                    ["network_options": ["interface_name": "eth0", "static_mac": "02:00:00:00:00:01"]]),
                "MAC"
            ),
            (
                try setup(
                    Self.network(),
                    ["network_options": ["interface_name": "eth0", "static_ips": ["10.99.0.1"]]]),
                "10.99.0.1"
            ),
            (try call(runtime, ["setup", "/run/netns/none"], Self.input("one")), "no network namespace at"),
            (try call(runtime, ["setup"], Self.input("one")), "is called by netavark"),
            (try call(runtime, ["update", path], Self.input("one")), "is called by netavark"),
        ]
        for (call, words) in calls {
            #expect(call.status == 1 && call.output.contains(words), "\(words): \(call)")
            #expect(call.json["error"] is String, "\(call)")
        }
        #expect(try runtime.lab.links()["hive0"] == nil)
        // The control, with what an option list can say.
        let options = [
            "allow": "198.51.100.7:443/tcp,203.0.113.0/24", "host": "53/udp", "rate": "10mbit",
            "web-port": "8080",
        ]
        let right = try setup(
            Self.network(options),
            ["network_options": ["interface_name": "eth0", "static_ips": ["10.77.0.9"]]])
        #expect(right.status == 0 && right.output.contains("10.77.0.9/32"), "\(right)")
    }
}
