import Foundation
import Glibc
import Testing

/// How containers go, by hive-cni: when the runtime says so, when it says which are left, when it says nothing, and when it is killed.
struct CNIDepartureTests {
    @Test func delIsIdempotent() throws {
        let runtime = try RuntimeLab()
        let lab = runtime.lab
        #expect(try runtime.cni("DEL", "never").status == 0)
        try runtime.container("one")
        let address = try RuntimeLab.address(try runtime.add("one"))
        for _ in 0..<2 {
            let call = try runtime.cni("DEL", "one")
            #expect(call.status == 0 && call.output.isEmpty, "\(call)")
            #expect(try runtime.agents() == [])
        }
        #expect(try lab.links(in: "one")["eth0"] == nil)
        // Also without a namespace, and after it has gone.
        try lab.ip("netns del one")
        try runtime.container("one")
        #expect(try RuntimeLab.address(try runtime.add("one")) == address, "the lease is kept")
        try lab.ip("netns del one")
        #expect(try runtime.cni("DEL", "one", namespace: "").status == 0)
        #expect(try lab.run(["ls", "\(Lab.state)/agents.d"]).stdout.isEmpty)
    }

    /// Two networks on one host: each has what is its own, and GC of one leaves the other alone, and agents of nobody's.
    @Test(arguments: [false, true])
    func gcRemovesOnlyWhatIsStale(isWatched: Bool) throws {
        let runtime = try RuntimeLab(configuration: "{ agents: { resident: {} } }")
        let lab = runtime.lab
        try lab.apply()
        let watched = try isWatched ? Watched(lab) : nil
        defer { withExtendedLifetime(watched) {} }
        let socket: [String: Any] = isWatched ? ["socket": "/run/hive/net.sock"] : [:]
        let red = RuntimeLab.network("red", with: socket)
        let blue = RuntimeLab.network("blue", with: socket.merging(["egress": "internet"]) { $1 })
        for name in ["r1", "r2", "r3", "b1"] { try runtime.container(name) }
        for name in ["r1", "r2", "r3"] { _ = try runtime.add(name, red) }
        _ = try runtime.add("b1", blue)
        #expect(try runtime.agents().count == 5)
        let keep: [String: Any] = [
            "cni.dev/valid-attachments": [
                ["containerID": "r2", "ifname": "eth0"], ["containerID": "unknown", "ifname": "eth0"],
            ]
        ]
        #expect(try runtime.cni("GC", "", red).code == 7, "without a list nothing is stale")
        #expect(try runtime.agents().count == 5)
        let damaged: [String: Any] = ["cni.dev/valid-attachments": [["containerID": "r2"]]]
        #expect(try runtime.cni("GC", "", red.merging(damaged) { $1 }).code == 7)
        for _ in 0..<2 {
            let call = try runtime.cni("GC", "", red.merging(keep) { $1 })
            #expect(call.status == 0 && call.output.isEmpty, "\(call)")
            let left = try runtime.agents()
            #expect(left.count == 3, "\(left)")
            for start in ["r2-", "b1-", "resident"] {
                #expect(left.contains { $0.hasPrefix(start) }, "\(left)")
            }
        }
        #expect(try lab.links(in: "r1")["eth0"] == nil)
        #expect(try lab.links(in: "r2")["eth0"] != nil)
        // Policies are the networks' own.
        let shown = try lab.hivectl("net", "show", "--json").json() as? [String: Any]
        let policies = try #require(shown?["policies"] as? [String: [String: Any]])
        #expect(
            policies.first { $0.key.hasPrefix("b1-") }?.value["label"] as? String == "internet", "\(policies)"
        )
        #expect(
            policies.first { $0.key.hasPrefix("r2-") }?.value["label"] as? String == "none", "\(policies)")
    }

    /// A host that is restarted tells no plugin: what is left stands in nobody's way, and goes with the next ADD.
    @Test func whatIsLeftOverIsNoObstacle() throws {
        let runtime = try RuntimeLab()
        let lab = runtime.lab
        for name in ["one", "two"] {
            try runtime.container(name)
            _ = try runtime.add(name)
        }
        try lab.ip("netns del one")
        try lab.apply()
        #expect(try runtime.agents().allSatisfy { $0.hasPrefix("two-") })
        #expect(try lab.run(["ls", "\(Lab.state)/agents.d"]).stdout.contains("one-"))
        try runtime.container("three")
        _ = try runtime.add("three")
        #expect(try !lab.run(["ls", "\(Lab.state)/agents.d"]).stdout.contains("one-"))
        #expect(try runtime.agents().count == 2)
    }

    /// Whatever has become wrong meanwhile, a container goes, and its link with it; and nobody else's.
    @Test(arguments: [false, true])
    func delWorksWhateverIsWrong(isWatched: Bool) throws {
        let runtime = try RuntimeLab()
        let lab = runtime.lab
        let watched = try isWatched ? Watched(lab) : nil
        defer { withExtendedLifetime(watched) {} }
        let socket: [String: Any] = isWatched ? ["socket": "/run/hive/net.sock"] : [:]
        try runtime.container("rest")
        _ = try runtime.add("rest", RuntimeLab.network(with: socket))
        let rest = try #require(try lab.links(in: "rest")["eth0"])
        let wrongs: [(String, [String: Any])] = [
            ("printf '{ network: { bridge: 7 } }' >/run/lab/hive.json", [:]),
            ("touch /run/lab/state/agents.d/stray", [:]),
            ("printf '{' >/run/lab/state/agents.d/other.json", [:]),
            ("true", ["egres": 1]), ("true", ["ipam": ["type": "host-local"]]), ("true", ["egress": 7]),
        ]
        for (damage, more) in wrongs {
            try runtime.container("one")
            _ = try runtime.add("one", RuntimeLab.network(with: socket))
            #expect(try lab.links(in: "one")["eth0"] != nil, "before \(damage)")
            #expect(try lab.run(["sh", "-c", damage]).status == 0)
            let call = try runtime.cni(
                "DEL", "one", RuntimeLab.network(with: more.merging(socket) { $1 }))
            #expect(call.status == 0, "\(damage) \(more): \(call)")
            #expect(try lab.links(in: "one")["eth0"] == nil, "\(damage) \(more)")
            #expect(try !lab.run(["ls", "\(Lab.state)/agents.d"]).stdout.contains("one-"))
            #expect(try lab.links(in: "rest")["eth0"]?.ifindex == rest.ifindex, "\(damage)")
            try lab.must("rm -f /run/lab/state/agents.d/stray /run/lab/state/agents.d/other.json")
            try lab.write(configuration: "{}")
            try lab.ip("netns del one")
        }
    }

    /// With a watcher and a `hive.json` that has become wrong, GC takes away all that is stale, and the watcher goes on saying what is wrong.
    @Test func gcWorksBesideAWrongConfiguration() throws {
        let runtime = try RuntimeLab()
        let lab = runtime.lab
        let watched = try Watched(lab)
        let network = RuntimeLab.network(with: ["socket": "/run/hive/net.sock"])
        for name in ["one", "two", "three"] {
            try runtime.container(name)
            _ = try runtime.add(name, network)
        }
        try lab.write(configuration: "{ network: { bridge: 7 } }")
        let keep: [String: Any] = [
            "cni.dev/valid-attachments": [["containerID": "two", "ifname": "eth0"]]
        ]
        let call = try runtime.cni("GC", "", network.merging(keep) { $1 })
        #expect(call.status == 0, "\(call)")
        for (name, isThere) in [("one", false), ("two", true), ("three", false)] {
            #expect((try lab.links(in: name)["eth0"] != nil) == isThere, "\(name)")
        }
        let shown = try lab.hivectl("net", "show")
        #expect(shown.stdout.contains("network.bridge"), "\(shown)")
        // Right again it goes on from there.
        try lab.write(configuration: "{ agents: { resident: {} } }")
        _ = try watched.event(after: 0, "right again") { $0.sentence.contains("right again") }
        #expect(try runtime.agents().count == 2)
    }

    /// Killed at any point of ADD: DEL takes away what there is, and ADD works.
    @Test func killedWhileItAdds() throws {
        let runtime = try RuntimeLab()
        let lab = runtime.lab
        try runtime.container("one")
        let network = try JSONSerialization.data(withJSONObject: RuntimeLab.network())
        try lab.write(String(decoding: network, as: UTF8.self), to: "/run/lab/network.json")
        for step in 0..<20 {
            let delay = Double(step) * 0.003
            _ = try lab.run([
                "env", "CNI_COMMAND=ADD", "CNI_CONTAINERID=one", "CNI_NETNS=/run/netns/one",
                "CNI_IFNAME=eth0", "timeout",
                "-s", "KILL", "\(delay + 0.001)", "sh", "-c", "exec \"$0\" < /run/lab/network.json",
                RuntimeLab.cni,
            ])
            #expect(try runtime.cni("DEL", "one").status == 0, "after \(delay) s")
            // (Killed before its file was there, but after the kernel was told, it has left a link: the next apply takes it away.)
            let added = try runtime.add("one")
            #expect(
                try runtime.cni("CHECK", "one", RuntimeLab.network(with: ["prevResult": added.json])).status
                    == 0)
            #expect(try runtime.cni("DEL", "one").status == 0)
            #expect(try lab.links(in: "one")["eth0"] == nil)
        }
    }
}
