import CNetlink
import Foundation
import Glibc
import HiveNet
import Testing

/// What has to work, the egress policies, and what comes from outside.
@Suite struct ThreatOutsideTests {
    private static let configuration = """
        { gateway: { user: "nobody" },
          agents: { alpha: { address4: "10.77.0.2", web: { port: 8080 }, egress: "internet" },
                    beta: { address4: "10.77.0.3", web: { port: 8080 } } } }
        """

    private func listen(_ addresses: [String], _ port: UInt16) throws -> [Socket] {
        try addresses.map { try Socket.tcpListener(Endpoint(address: $0, port: port)) }
    }

    // MARK: What works

    @Test func theHostReachesWebPorts() throws {
        let hive = try TwoAgents()
        let listeners = try hive.lab.agent("beta") { try listen(["0.0.0.0", "::"], 8080) }
        for endpoint in [hive.beta.endpoint4(8080), hive.beta.endpoint6(8080)] {
            #expect(try connects { try hive.lab.host { try Socket.connect(endpoint) } })
        }
        withExtendedLifetime(listeners) {}
    }

    /// Whether the test may become another user: not in a user namespace that maps one.
    static let hasUsers =
        (try? String(contentsOfFile: "/proc/self/uid_map", encoding: .utf8))?.contains("4294967295") ?? false

    @Test(.enabled(if: hasUsers, "only root of the machine has other users to try with"))
    func onlyRootAndTheGatewayConnect() throws {
        let hive = try TwoAgents(configuration: Self.configuration)
        let listeners = try hive.lab.agent("beta") {
            try listen(["0.0.0.0", "::"], 8080) + (try listen(["0.0.0.0", "::"], 9090))
        }
        let nobody = try #require(getpwnam("nobody")).pointee.pw_uid
        func connect(_ endpoint: Endpoint, as user: uid_t) throws -> Socket.Connection {
            try hive.lab.thread.run(in: "/proc/thread-self/ns/net") {
                // Of this thread alone, which ends with this closure. A socket belongs to the file system user id of the
                // thread that makes it (struct file's f_cred).
                setfsuid(user)
                guard setfsuid(user) == Int32(user) else { throw LabError("cannot become user \(user)") }
                return try Socket.connect(endpoint)
            }
        }
        for web in [hive.beta.endpoint4(8080), hive.beta.endpoint6(8080)] {
            #expect(try connects { try connect(web, as: 0) })
            #expect(try connects { try connect(web, as: nobody) })
            #expect(try connect(web, as: 12345) == .timedOut, "another user, \(web)")
        }
        for other in [hive.beta.endpoint4(9090), hive.beta.endpoint6(9090)] {
            #expect(try connects { try connect(other, as: 0) })
            #expect(try connect(other, as: nobody) == .timedOut, "the gateway, not to the web port, \(other)")
        }
        // The control.
        try hive.disable(.output)
        #expect(try connects { try connect(hive.beta.endpoint4(8080), as: 12345) })
        #expect(try connects { try connect(hive.beta.endpoint6(9090), as: nobody) })
        withExtendedLifetime(listeners) {}
    }

    // MARK: 30, 31: egress

    @Test func internetIsThePublicInternetOnly() throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        let listeners = try hive.lab.outside { try listen(["0.0.0.0", "::"], 80) }
        func connect(_ address: String, as agent: String = "alpha") throws -> Socket.Connection {
            try hive.lab.agent(agent) { try Socket.connect(Endpoint(address: address, port: 80)) }
        }
        for address in [Lab.publicAddress4, Lab.publicAddress6] {
            #expect(try connects { try connect(address) }, "\(address)")
            #expect(try connect(address, as: "beta") == .timedOut, "beta has no egress: \(address)")
        }
        let special = Lab.special4 + Lab.special6
        let before = try hive.lab.blocked("alpha")["egress"] ?? 0
        for address in special { #expect(try connect(address) == .timedOut, "\(address)") }
        #expect(try hive.lab.blocked("alpha")["egress"] ?? 0 >= before + special.count)
        // Each layer alone, and then none.
        for (off, other) in [(TwoAgents.Layer.early, "forward"), (.forward, "early")] {
            try hive.disable(off)
            for address in ["169.254.169.254", "fd00:1::1"] {
                #expect(try connect(address) == .timedOut, "\(other) alone: \(address)")
                #expect(try connect(Lab.publicAddress4, as: "beta") == .timedOut, "\(other) alone, beta")
            }
            try hive.lab.apply()
        }
        try hive.disable(.early, .forward)
        for address in special { #expect(try connects { try connect(address) }, "control: \(address)") }
        // Routing for agents is on because alpha may go out; beta's packets were held back by rules alone.
        #expect(try connects { try connect(Lab.publicAddress4, as: "beta") }, "control")
        withExtendedLifetime(listeners) {}
    }

    /// Replies come back, by UDP and with the host's address as the sender's.
    @Test func outsideSeesTheHostsAddress() throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        let server = try hive.lab.outside { try Socket.udp(Endpoint(address: Lab.publicAddress4, port: 53)) }
        let client = try hive.lab.agent("alpha") { try Socket.udp(Endpoint(address: "0.0.0.0", port: 4053)) }
        client.send(TwoAgents.mark("question"), to: Endpoint(address: Lab.publicAddress4, port: 53))
        var bytes = [UInt8](repeating: 0, count: 512)
        var sender = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        #expect(server.isReadable(milliseconds: 1000))
        let count = withUnsafeMutablePointer(to: &sender) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(server.descriptor, &bytes, bytes.count, 0, $0, &length)
            }
        }
        #expect(count == TwoAgents.mark("question").count)
        #expect(IPv4Address(bits: UInt32(bigEndian: sender.sin_addr.s_addr)) == IPv4Address("11.0.0.1"))
        let answer = TwoAgents.mark("answer")
        #expect(
            withUnsafePointer(to: &sender) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(server.descriptor, answer, answer.count, 0, $0, length)
                }
            } == answer.count)
        #expect(client.receives(answer, milliseconds: 1000))
    }

    /// With the host's forwarding off nothing goes out, whatever the policy; and `show` and `apply` say why.
    @Test func withoutForwardingNothingGoesOut() throws {
        let lab = try Lab()
        try lab.makeOutside(forwarding: false)
        let applied = try lab.apply(Self.configuration)
        #expect(applied.stderr.contains("net.ipv4.ip_forward is 0"))
        let listeners = try lab.outside { try listen(["0.0.0.0"], 80) }
        func connect() throws -> Socket.Connection {
            try lab.agent("alpha") { try Socket.connect(Endpoint(address: Lab.publicAddress4, port: 80)) }
        }
        #expect(try connect() == .timedOut)
        #expect(try lab.must("cat /proc/sys/net/ipv4/ip_forward").stdout == "0\n")
        try lab.sysctl("ipv4/conf/uplink/forwarding", "1")
        try lab.sysctl("ipv4/ip_forward", "1")
        #expect(try connects { try connect() }, "control")
        withExtendedLifetime(listeners) {}
    }

    /// Where no agent may go out, the host does not route for them at all.
    @Test func noEgressNoRouting() throws {
        let lab = try Lab()
        try lab.makeOutside()
        try lab.apply("{ agents: { alpha: {} } }")
        #expect(try lab.must("cat /proc/sys/net/ipv4/conf/hive0/forwarding").stdout == "0\n")
        try lab.apply("{ agents: { alpha: { egress: 'internet' } } }")
        #expect(try lab.must("cat /proc/sys/net/ipv4/conf/hive0/forwarding").stdout == "1\n")
    }

    // MARK: From outside

    @Test func nothingStartsFromOutside() throws {
        let hive = try TwoAgents(configuration: Self.configuration, outside: true)
        let listeners = try hive.lab.agent("beta") { try listen(["0.0.0.0", "::"], 8080) }
        for endpoint in [hive.beta.endpoint4(8080), hive.beta.endpoint6(8080)] {
            func connect() throws -> Socket.Connection {
                try hive.lab.outside { try Socket.connect(endpoint) }
            }
            #expect(try connect() == .timedOut, "\(endpoint)")
            try hive.disable(.early)
            #expect(try connect() == .timedOut, "forward alone: \(endpoint)")
            try hive.lab.apply()
            try hive.disable(.forward)
            #expect(try connect() == .timedOut, "early alone: \(endpoint)")
            // beta's answers are no answers to the host's connections: they go outwards, and beta has no egress.
            try hive.disable(.early, .forward)
            #expect(try connects { try connect() }, "control: \(endpoint)")
            try hive.lab.apply()
        }
        withExtendedLifetime(listeners) {}
    }

    // MARK: 24

    /// Rules first, links down until everything is set, and up last of all.
    @Test func theOrderOfThings() throws {
        let lab = try Lab()
        try lab.write(configuration: TwoAgents.configuration)
        let result = try lab.run(
            ["strace", "-f", "-s", "4096", "-v", "-e", "trace=sendto", "-o", "/run/lab/trace"]
                + Lab.commandLine(["net", "apply"]))
        #expect(result.status == 0)
        let lines = try lab.host { try String(contentsOfFile: "/run/lab/trace", encoding: .utf8) }
            .split(separator: "\n")
        let rules = try #require(lines.firstIndex { $0.contains("NFNL_MSG_BATCH_BEGIN") })
        let creates = lines.indices.filter {
            lines[$0].contains("RTM_NEWLINK") && lines[$0].contains("\"veth\"")
        }
        // RTM_SETLINK by its number: strace cannot tell the protocol of a socket in another namespace than its own.
        let inside = lines.indices.filter { lines[$0].contains("nlmsg_type=0x13") }
        let raises = lines.indices.filter {
            lines[$0].contains("RTM_SETLINK") && lines[$0].contains("IFF_UP")
        }
        let firstCreate = try #require(creates.first)
        let lastInside = try #require(inside.last)
        let lastRaise = try #require(raises.last)
        #expect(rules < firstCreate && firstCreate < lastInside && lastInside < lastRaise)
        // A pair is made down: whoever creates it does not ask for up.
        for create in creates { #expect(!lines[create].contains("IFF_UP")) }
    }
}
