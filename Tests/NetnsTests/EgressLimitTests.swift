import CNetlink
import Foundation
import Glibc
import HiveNet
import Testing

/// Threat 23: how much an agent may send; and what of the host it may use.
@Suite struct EgressLimitTests {
    private func hive(_ egress: String) throws -> TwoAgents {
        try TwoAgents(
            configuration: EgressTests.configuration(alpha: egress, beta: "'internet'"), outside: true)
    }

    /// Entries of the host's connection table.
    private func connections(_ lab: Lab) throws -> Int {
        try #require(Int(try lab.sysctl("netfilter/nf_conntrack_count")))
    }

    // MARK: Connections

    /// IPv4 and IPv6 are counted together; one that ends makes room for another; others are not concerned.
    @Test func connectionsAtATime() throws {
        let hive = try hive(#"{ allow: ["internet"], connections: 5 }"#)
        let servers = try hive.lab.outside {
            try ["0.0.0.0", "::"].map { try Socket.tcpListener(Endpoint(address: $0, port: 80)) }
        }
        func connect(_ index: Int, _ agent: String = "alpha") throws -> Socket? {
            let address = index % 2 == 0 ? Lab.publicAddress4 : Lab.publicAddress6
            return try hive.lab.agent(agent) { try Self.open(Endpoint(address: address, port: 80)) }
        }
        var open = try (0..<5).map { try #require(try connect($0), "connection \($0)") }
        let before = try hive.lab.blocked("alpha")["excess"] ?? 0
        #expect(try connect(5) == nil)
        #expect(try connect(6) == nil)
        #expect(try hive.lab.blocked("alpha")["excess"] ?? 0 >= before + 2)
        let theirs = try (0..<6).map { try connect($0, "beta") }
        #expect(theirs.allSatisfy { $0 != nil }, "beta has a limit of its own")
        // With a reset, so that nobody has to wait for the other side.
        open.removeLast().reset()
        var next: Socket?
        for _ in 0..<40 where next == nil { next = try connect(7) }
        open.append(try #require(next, "there is room again"))
        #expect(try connect(8) == nil)
        try hive.lab.apply(EgressTests.configuration(alpha: "'internet'", beta: "'internet'"))
        #expect(try connect(9) != nil, "control: another limit")
        withExtendedLifetime((servers, open, theirs)) {}
    }

    /// Without an answer too: each is an entry of the host's table, which is everybody's.
    @Test func floodsDoNotFillTheConnectionTable() throws {
        let hive = try hive(#"{ allow: ["internet"], connections: 20 }"#)
        let probes = (0..<400).map { _ in EgressTests.Probe(Lab.publicAddress4, .udp, 80, true) }
        let before = try connections(hive.lab)
        let arrived = try EgressTests.arrivals(hive, hive.alpha, probes).count { $0 }
        #expect(arrived == 20)
        let after = try connections(hive.lab)
        #expect(after <= before + 20)
        let blocked = try hive.lab.blocked("alpha")["excess"]
        #expect(blocked == 380)
        try hive.lab.apply(EgressTests.configuration(alpha: "'internet'", beta: "'internet'"))
        let unlimited = try EgressTests.arrivals(hive, hive.alpha, probes).count { $0 }
        #expect(unlimited == 400, "control")
        let entries = try connections(hive.lab)
        #expect(entries >= before + 300, "control: they are entries")
    }

    // MARK: Rate

    private static let size = 1000

    /// How many of so many datagrams arrive, and how long sending took.
    private func burst(
        _ count: Int, to receiver: Socket, settle: () throws -> Void, send: @escaping (Int) throws -> Void
    ) throws -> (arrived: Int, seconds: Double) {
        receiver.set(SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        // What went the other way before: a packet socket sees both.
        while receiver.receive(milliseconds: 0) != nil {}
        let start = ContinuousClock.now
        var arrived = 0
        let mark = TwoAgents.mark("burst")
        // As many as fit into a socket's buffer, which only root of the machine can make larger.
        for begin in stride(from: 0, to: count, by: 50) {
            try send(min(50, count - begin))
            try settle()
            while let bytes = receiver.receive(milliseconds: 0) {
                arrived += bytes.contains(sequence: mark) ? 1 : 0
            }
        }
        return (arrived, (ContinuousClock.now - start) / .seconds(1))
    }

    /// What a bucket lets through: what a second brings, 64 KiB besides, and what comes meanwhile.
    private func expect(
        _ result: (arrived: Int, seconds: Double), rate: Double, _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        // With the headers of IP and UDP.
        let size = Double(Self.size + 28)
        let least = (rate + 65536) / size
        #expect(
            Double(result.arrived) > least * 0.9
                && Double(result.arrived) < least + rate * result.seconds / size + 2,
            "\(what): \(result)", sourceLocation: sourceLocation)
    }

    @Test func bitsASecond() throws {
        // 100,000 octets a second.
        let hive = try hive(#"{ allow: ["internet"], rate: "800kbit" }"#)
        let payload = TwoAgents.mark("burst") + [UInt8](repeating: 0, count: Self.size - 15)
        let mark = TwoAgents.mark("hello")
        let target = Endpoint(address: Lab.publicAddress4, port: 80)
        let server = try hive.lab.outside { try Socket.udp(target) }
        let client = try hive.lab.agent("alpha") { try Socket.udp(Endpoint(address: "0.0.0.0", port: 4080)) }
        let wire = try hive.lab.outside { try Socket.packet("eth0") }
        // Without somebody at that port, errors would quote what arrives.
        let sink = try hive.lab.outside { try Socket.udp(Endpoint(address: Lab.publicAddress4, port: 81)) }
        func up(_ count: Int) throws -> (arrived: Int, seconds: Double) {
            try burst(count, to: wire, settle: { try hive.settle(hive.alpha) }) { count in
                let frame = hive.udp4(
                    hive.alpha, to: IPv4Address(literal: Lab.publicAddress4), port: 81, payload)
                try hive.lab.agent("alpha") {
                    let socket = try Socket.packet("eth0")
                    for _ in 0..<count { try socket.send(frame: frame) }
                }
            }
        }
        expect(try up(600), rate: 100_000, "from the agent")
        let blocked = try hive.lab.blocked("alpha")["excess"] ?? 0
        #expect(blocked > 100)
        // What comes to the agent is another bucket, which is full.
        client.send(mark, to: target)
        let peer = try #require(
            try server.sender(of: mark), "the question arrives, or nothing is left of the bucket")
        let inside = try hive.wire(hive.alpha)
        func down(_ count: Int) throws -> (arrived: Int, seconds: Double) {
            try burst(
                count, to: inside,
                settle: {
                    try hive.lab.settle(from: Lab.outside, port: "uplink") { mark in
                        Packet.ethernet(
                            to: MACAddress(bits: 0x0200_0000_0001), from: MACAddress(bits: 0x0200_0000_0002),
                            type: 0x88b5, mark)
                    }
                }
            ) { count in
                try hive.lab.outside { for _ in 0..<count { server.send(payload, to: peer) } }
            }
        }
        expect(try down(600), rate: 100_000, "to the agent")
        // The control, in both directions.
        try hive.lab.apply(EgressTests.configuration(alpha: "'internet'", beta: "'internet'"))
        let (sent, received) = (try up(600).arrived, try down(600).arrived)
        #expect(sent == 600, "control")
        #expect(received == 600, "control")
        withExtendedLifetime(sink) {}
    }

    /// What a configuration may say the kernel takes, and gives back as it was told.
    @Test func theSmallestAndTheLargest() throws {
        let lab = try Lab()
        for limits in [#"connections: 1, rate: "8kbit""#, #"connections: 1000000, rate: "100gbit""#] {
            try lab.apply(EgressTests.configuration(alpha: "{ allow: ['internet'], \(limits) }"))
            #expect(try lab.hivectl("net", "plan").status == 0, "\(limits)")
        }
    }

    // MARK: Services of the host

    @Test func servicesOfTheHost() throws {
        let hive = try hive(#"{ host: ["53/udp", "53/tcp"] }"#)
        try hive.lab.ip("addr add 9.9.9.9/32 dev lo")
        let listeners = try hive.lab.host {
            try [UInt16(53), 54].flatMap { port in
                try ["0.0.0.0", "::"].map { try Socket.tcpListener(Endpoint(address: $0, port: port)) }
            }
        }
        func reaches(_ address: String, _ port: UInt16, _ agent: String = "alpha") throws -> Bool {
            try hive.lab.agent(agent) {
                try Self.open(Endpoint(address: address, port: port), milliseconds: 150)
            } != nil
        }
        for gateway in ["\(TwoAgents.gateway4)", "\(TwoAgents.gateway6)"] {
            #expect(try connects { try reaches(gateway, 53) ? .connected : .timedOut }, "\(gateway)")
            #expect(try !reaches(gateway, 54), "\(gateway), another port")
            #expect(try !reaches(gateway, 53, "beta"), "\(gateway), another agent")
        }
        for other in ["9.9.9.9", "11.0.0.1", "2a11::1"] { #expect(try !reaches(other, 53), "\(other)") }
        // The control: what was not reached is there, and answers.
        try hive.disable(.early, .tracked, .input)
        for other in ["9.9.9.9", "11.0.0.1", "2a11::1"] {
            #expect(try connects { try reaches(other, 53) ? .connected : .timedOut }, "control: \(other)")
        }
        #expect(try connects { try reaches("\(TwoAgents.gateway4)", 54) ? .connected : .timedOut }, "control")
        #expect(
            try connects { try reaches("\(TwoAgents.gateway4)", 53, "beta") ? .connected : .timedOut },
            "control")
        withExtendedLifetime(listeners) {}
    }

    /// A name server that is not root's answers; and nobody else on the host gets to the agent by that.
    @Test(.enabled(if: ThreatOutsideTests.hasUsers, "only root of the machine has other users to try with"))
    func aServiceAnswersAsAnyUser() throws {
        let hive = try hive(#"{ host: ["5353/udp"] }"#)
        func udp(_ port: UInt16, as user: uid_t) throws -> Socket {
            try hive.lab.thread.run(in: "/proc/thread-self/ns/net") {
                setfsuid(user)
                guard setfsuid(user) == Int32(user) else { throw LabError("cannot become user \(user)") }
                return try Socket.udp(Endpoint(address: "0.0.0.0", port: port))
            }
        }
        let server = try udp(5353, as: 12345)
        let stranger = try udp(5354, as: 12345)
        let client = try hive.lab.agent("alpha") { try Socket.udp(Endpoint(address: "0.0.0.0", port: 4053)) }
        let question = TwoAgents.mark("question")
        client.send(question, to: Endpoint(address: "\(TwoAgents.gateway4)", port: 5353))
        let sender = try #require(try server.sender(of: question))
        #expect(sender.address == "\(hive.alpha.address4)" && sender.port == 4053)
        let (answer, other) = (TwoAgents.mark("answer"), TwoAgents.mark("other"))
        #expect(server.send(answer, to: sender))
        #expect(client.receives(answer, milliseconds: 1000))
        let wire = try hive.wire(hive.alpha)
        // A drop on output is told to who sends (EPERM).
        #expect(!stranger.send(other, to: sender))
        #expect(!server.send(other, to: Endpoint(address: "\(hive.alpha.address4)", port: 4054)))
        #expect(!wire.receives(other, milliseconds: 0))
        try hive.disable(.output)
        #expect(stranger.send(other, to: sender))
        #expect(wire.receives(other, milliseconds: 1000), "control")
    }

    /// Connections to services count as well.
    @Test func servicesAreWithinTheLimit() throws {
        let hive = try hive(#"{ host: ["53/udp"], connections: 7 }"#)
        let server = try hive.hostUDP(53)
        func flood() throws -> Int {
            try hive.lab.agent("alpha") {
                let socket = try Socket.packet("eth0")
                for index in 0..<50 {
                    let packet = Packet.udp(
                        hive.alpha.address4, UInt16(20_000 + index), TwoAgents.gateway4, 53,
                        TwoAgents.mark("flood"))
                    try socket.send(
                        frame: Packet.ethernet(
                            to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.ipv4Type,
                            Packet.ipv4(
                                from: hive.alpha.address4, to: TwoAgents.gateway4, protocol: 17, packet)))
                }
            }
            try hive.settle(hive.alpha)
            var arrived = 0
            while server.receive(milliseconds: 0) != nil { arrived += 1 }
            return arrived
        }
        let served = try flood()
        #expect(served == 7)
        #expect(try hive.lab.blocked("alpha")["excess"] ?? 0 >= 43)
        try hive.lab.apply(EgressTests.configuration(alpha: #"{ host: ["53/udp"] }"#, beta: "'internet'"))
        #expect(try flood() == 50, "control")
    }

    // MARK: Sockets

    /// A connection that stays open, or nil if there is no answer in time.
    private static func open(_ endpoint: Endpoint, milliseconds: Int32 = 500) throws -> Socket? {
        let socket = try Socket(endpoint.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue))
        if endpoint.withSockaddr({ Glibc.connect(socket.descriptor, $0, $1) }) == 0 { return socket }
        guard errno == EINPROGRESS else { return nil }
        var poll = pollfd(fd: socket.descriptor, events: Int16(POLLOUT), revents: 0)
        guard Glibc.poll(&poll, 1, milliseconds) > 0 else { return nil }
        var code: Int32 = 0
        var length = socklen_t(4)
        getsockopt(socket.descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        return code == 0 ? socket : nil
    }
}

extension Socket {
    /// Ends a connection at once: RST instead of FIN, when the last reference to the socket goes.
    fileprivate func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    /// Who sent a datagram with this content, by IPv4; nil if none comes in time.
    fileprivate func sender(of content: [UInt8]) throws -> Endpoint? {
        guard isReadable(milliseconds: 2000) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 2048)
        var sender = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = withUnsafeMutablePointer(to: &sender) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &bytes, bytes.count, 0, $0, &length)
            }
        }
        guard count > 0, bytes[..<count].elementsEqual(content) else { return nil }
        return Endpoint(
            address: "\(IPv4Address(bits: UInt32(bigEndian: sender.sin_addr.s_addr)))",
            port: UInt16(bigEndian: sender.sin_port))
    }
}
