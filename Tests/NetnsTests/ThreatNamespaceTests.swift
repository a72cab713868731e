import CNetlink
import Glibc
import HiveNet
import Testing

/// Threats 9 to 11: ways to the host that no packet takes. Numbers are those of docs/threat-model.md.
@Suite struct ThreatNamespaceTests {
    // MARK: 9

    /// An abstract unix socket has no file, and so no permissions: a network namespace is all that keeps an agent from it.
    @Test func abstractUnixSockets() throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {} } }")
        let listener = try lab.host { try AbstractSocket.listen("hive-test") }
        #expect(try lab.agent("alpha") { try AbstractSocket.connect("hive-test") } == ECONNREFUSED)
        // The control: from the host, and from an agent whose namespace is the host's.
        #expect(try lab.host { try AbstractSocket.connect("hive-test") } == 0)
        #expect(try lab.audit().faults("namespace").isEmpty)
        try lab.must("umount /run/netns/hive-alpha")
        try lab.must("mount --bind /proc/self/ns/net /run/netns/hive-alpha")
        #expect(try lab.agent("alpha") { try AbstractSocket.connect("hive-test") } == 0)
        let faults = try lab.audit().faults("namespace")
        #expect(faults.map(\.severity) == [.alarm] && faults.map(\.agent) == ["alpha"], "\(faults)")
        #expect(faults.first?.sentence.contains("the host's own") == true, "\(faults)")
        withExtendedLifetime(listener) {}
    }

    // MARK: 10

    /// With CAP_NET_ADMIN in the host's user namespace, the number of a veth's other end is enough to list, delete and make
    /// links of the host. Without, or with the capability in another user namespace, it is not.
    @Test func hostLinksByThePeersNamespace() throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {} } }")
        try lab.ip("link add victim type bridge")
        let victim = try lab.host { Int32(bitPattern: if_nametoindex("victim")) }
        let number = try lab.numberOfHost(seenBy: "hive-alpha")
        func attack(without capabilities: Int32...) throws -> LinkAttack.Outcome {
            try lab.agent("alpha") {
                try Capabilities.drop(capabilities)
                return try LinkAttack.all(list: "victim", create: "evil", delete: victim, namespace: number)
            }
        }
        // As a container that was started without the capability.
        #expect(
            try attack(without: CAP_NET_ADMIN)
                == LinkAttack.Outcome(lists: false, created: EPERM, deleted: EPERM))
        #expect(try Set(lab.links().keys).isSuperset(of: ["victim", "hv-alpha"]))
        // The control.
        #expect(try attack() == LinkAttack.Outcome(lists: true, created: 0, deleted: 0))
        let links = try lab.links()
        #expect(links["evil"] != nil && links["victim"] == nil)
    }

    /// The same by a program: once as a container with a user namespace of its own, once with that of the host.
    @Test func hostLinksFromAnotherUserNamespace() throws {
        let lab = try Lab()
        // As a container does that makes its own: the network namespace belongs to the new user namespace.
        let container = try lab.intruder("unshare --user --map-root-user --net")
        try lab.apply("{ agents: { alpha: { namespace: { pid: \(container.pid) } } } }")
        let inside = "nsenter --target \(container.pid) --user --net --preserve-credentials"
        let number = try lab.numberOfHost(seenBy: "/proc/\(container.pid)/ns/net")
        let attack = "ip link add name evil0 link-netnsid \(number) type veth peer name evil1"
        // It has every power over its own links.
        try lab.must("\(inside) ip link add own0 type veth peer name own1")
        let result = try lab.run("\(inside) \(attack)".split(separator: " ").map(String.init))
        #expect(result.status != 0 && result.stderr.contains("Operation not permitted"), "\(result)")
        #expect(try lab.links()["evil1"] == nil)
        #expect(try lab.audit().faults("capabilities").filter { $0.agent != nil }.isEmpty)
        #expect(try !lab.hivectl("net", "show").stdout.contains("ALARM"))
        // The control: in the same network namespace, with the host's user namespace.
        let intruder = try lab.intruder("nsenter --target \(container.pid) --net")
        try lab.must("nsenter --target \(intruder.pid) --net \(attack)")
        #expect(try lab.links()["evil1"] != nil)
        try expectAlarm(lab, "capabilities", "process \(intruder.pid) (sleep)")
        // And what it made is found when it is gone itself.
        intruder.end()
        #expect(try lab.audit().faults("capabilities").filter { $0.agent != nil }.isEmpty)
        try expectAlarm(lab, "links", "evil1")
        try lab.ip("link del evil1")
        #expect(try !lab.hivectl("net", "show").stdout.contains("ALARM"))
    }

    /// With CAP_SYS_ADMIN in the host's user namespace, and the host's processes in sight, the host's network is joined by the
    /// file of any process that has no more. (Reading /proc/PID/ns needs all that the other has, or CAP_SYS_PTRACE.)
    @Test func theHostsNetworkByAProcess() throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {} } }")
        let without = "setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all"
        let service = try lab.intruder(without)
        let enter = "nsenter --net=/run/netns/hive-alpha"
        let attack = "nsenter --net=/proc/\(service.pid)/ns/net ip link show hv-alpha"
        let confined = try lab.run("\(enter) \(without) \(attack)".split(separator: " ").map(String.init))
        #expect(confined.status != 0 && confined.stderr.contains("Operation not permitted"), "\(confined)")
        // The control.
        let joined = try lab.must("\(enter) \(without),+sys_admin \(attack)")
        #expect(joined.stdout.contains("hv-alpha"), "\(joined)")
        // The one is not told of, the other is.
        let harmless = try lab.intruder("\(enter) \(without)")
        #expect(try lab.audit().faults("capabilities").filter { $0.agent != nil }.isEmpty)
        let intruder = try lab.intruder("\(enter) \(without),+sys_admin")
        try expectAlarm(lab, "capabilities", "process \(intruder.pid) (sleep) can have CAP_SYS_ADMIN")
        withExtendedLifetime(harmless) {}
    }

    // MARK: 11

    @Test func anUnknownLinkIntoTheNamespace() throws {
        let lab = try Lab()
        try lab.apply("{ agents: { alpha: {}, beta: {} } }")
        #expect(try lab.audit().faults("links").isEmpty)
        try lab.ip("link add evil type veth peer name eth1 netns hive-alpha")
        // It really is a way to the host.
        try lab.ip("addr add 192.0.2.1/24 dev evil")
        try lab.ip("link set evil up")
        try lab.ip(in: "hive-alpha", "addr add 192.0.2.2/24 dev eth1")
        try lab.ip(in: "hive-alpha", "link set eth1 up")
        let listener = try lab.host { try Socket.tcpListener(Endpoint(address: "192.0.2.1", port: 7000)) }
        #expect(
            try connects {
                try lab.agent("alpha") { try Socket.connect(Endpoint(address: "192.0.2.1", port: 7000)) }
            })
        try expectAlarm(
            lab, "links",
            "1 link of the host leads into the agent's namespace, past the boundary: evil (veth)")
        try expectAlarm(lab, "links", "1 link to the host besides its own, past the boundary: eth1 (veth)")
        try lab.ip("link del evil")
        #expect(try lab.audit().faults("links").isEmpty)
        #expect(try !lab.hivectl("net", "show").stdout.contains("ALARM"))
        withExtendedLifetime(listener) {}
    }

    /// The audit and `show`, in words and as JSON, alarm about agent alpha.
    private func expectAlarm(
        _ lab: Lab, _ check: String, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let findings = try lab.audit()
        let alarms = findings.filter {
            $0.severity == .alarm && $0.check == check && $0.agent == "alpha" && $0.sentence.contains(words)
        }
        #expect(alarms.count == 1, "\(words): \(findings)", sourceLocation: sourceLocation)
        let shown = try lab.hivectl("net", "show", "alpha")
        #expect(
            shown.status == 0
                && shown.stdout.split(separator: "\n").contains {
                    $0.hasPrefix("ALARM: agent alpha: ") && $0.contains(words)
                }, "\(shown)", sourceLocation: sourceLocation)
        let json = try lab.hivectl("net", "show", "--json").json() as? [String: Any]
        let listed = json?["findings"] as? [[String: String]] ?? []
        #expect(
            listed.contains {
                $0["severity"] == "alarm" && $0["check"] == check && $0["agent"] == "alpha"
                    && $0["sentence"]?.contains(words) == true
            }, "\(listed)", sourceLocation: sourceLocation)
    }
}

extension Lab {
    /// By which number a namespace knows the host: that of its end of the pair, as `ip` says it.
    fileprivate func numberOfHost(seenBy namespace: String) throws -> Int32 {
        let path = namespace.hasPrefix("/") ? namespace : "/run/netns/\(namespace)"
        let shown = try must("nsenter --net=\(path) ip -j link show eth0").json() as? [[String: Any]]
        guard let number = shown?.first?["link_netnsid"] as? Int else {
            throw LabError("no number of the host in \(namespace): \(shown ?? [])")
        }
        return Int32(number)
    }
}

/// Stream sockets with abstract names, unix(7).
private enum AbstractSocket {
    static func listen(_ name: String) throws -> Socket {
        let socket = try Socket(AF_UNIX, Int32(SOCK_STREAM.rawValue))
        guard withAddress(name, { bind(socket.descriptor, $0, $1) }) == 0,
            Glibc.listen(socket.descriptor, 8) == 0
        else { throw LabError.last("listen on @\(name)") }
        return socket
    }

    /// - Returns: an errno value.
    static func connect(_ name: String) throws -> Int32 {
        let socket = try Socket(AF_UNIX, Int32(SOCK_STREAM.rawValue))
        return withAddress(name, { Glibc.connect(socket.descriptor, $0, $1) }) == 0 ? 0 : errno
    }

    private static func withAddress(
        _ name: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // Behind a zero octet, and as long as it is.
        withUnsafeMutableBytes(of: &address.sun_path) { $0[1...].copyBytes(from: name.utf8) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + 1 + name.utf8.count)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}
