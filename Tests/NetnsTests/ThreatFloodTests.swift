import Glibc
import HiveNet
import Testing

/// Threats 19 and 23: filling the tables that the host keeps for everybody.
@Suite struct ThreatFloodTests {
    // MARK: 19

    /// Thousands of source addresses, and the bridge's forwarding entries are what they were.
    @Test func floodOfMACs() throws {
        let hive = try TwoAgents()
        let count = 3000
        func entries() throws -> [String] {
            try hive.lab.must("bridge fdb show br hive0").stdout.split(separator: "\n").map(String.init)
                .sorted()
        }
        let before = try entries()
        func flood() throws -> [String] {
            try hive.flood(hive.alpha, count) { number in
                hive.udp4(
                    hive.alpha, to: TwoAgents.gateway4, port: 7019,
                    sourceMAC: MACAddress(bits: 0x0200_0000_0000 | UInt64(number)), [])
            }
            return try entries()
        }
        #expect(try flood() == before)
        try hive.disable(.port)
        #expect(try flood() == before, "the frame table alone")
        try hive.lab.apply()
        try hive.disable(.bridgeTable, .early, .tracked, .input)
        #expect(try flood() == before, "the port alone")
        try hive.disable(.port)
        #expect(try flood().count >= before.count + count, "control: learning on")
        try hive.lab.apply()
        // What somebody's bridge has learnt goes by itself; the entries that count are there again.
        #expect(Set(before).isSubset(of: Set(try entries())))
    }

    /// Who asks for the gateway is remembered by the kernel: an agent that asks in other names fills the neighbour table, which
    /// all namespaces share. (So the control stays small.)
    @Test(arguments: ["ARP", "ND"]) func floodOfNeighbours(_ kind: String) throws {
        let hive = try TwoAgents()
        let before = try hive.neighbours()
        func askByARP(_ count: Int) throws {
            try hive.flood(hive.alpha, count) { number in
                let name = IPv4Address(bits: 10 << 24 | 77 << 16 | 0x1000 + UInt32(number))
                return Packet.ethernet(
                    to: Packet.broadcast, from: hive.alpha.mac, type: Packet.arpType,
                    Packet.arp(
                        operation: 1, senderMAC: hive.alpha.mac, sender: name, target: TwoAgents.gateway4))
            }
        }
        func askByND(_ count: Int) throws {
            try hive.flood(hive.alpha, count) { number in
                let name = IPv6Address(bits: TwoAgents.gateway6.bits + 0x10000 + IPv6Address.Bits(number))
                return Packet.ethernet(
                    to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.ipv6Type,
                    Packet.neighbourSolicit(
                        from: name, to: TwoAgents.gateway6, target: TwoAgents.gateway6, source: hive.alpha.mac
                    ))
            }
        }
        let ask = kind == "ARP" ? askByARP : askByND
        try ask(3000)
        #expect(try hive.neighbours() == before)
        try hive.disable(.port, .early, .tracked, .input, .forward, .output)
        try ask(3000)
        #expect(try hive.neighbours() == before, "the frame table alone")
        // Without it the kernel believes the one who asks, but the agents' own entries are permanent.
        try hive.disable(.bridgeTable)
        try ask(100)
        let grown = try hive.neighbours()
        #expect(grown.count >= before.count + 100, "control")
        #expect(before.isSubset(of: grown), "control")
    }

    /// Nor does an agent make the host ask for addresses that nobody has.
    @Test func floodOfQuestions() throws {
        let hive = try TwoAgents(outside: true)
        let before = try hive.neighbours()
        func ask(_ count: Int) throws -> Int {
            try hive.flood(hive.alpha, count) { number in
                let nobody = IPv4Address(bits: 10 << 24 | 77 << 16 | 0x2000 + UInt32(number))
                return hive.udp4(hive.alpha, to: nobody, port: 7019, [])
            }
            return try hive.neighbours().count
        }
        #expect(try ask(3000) == before.count)
        for (off, name) in [(TwoAgents.Layer.early, "forward"), (.forward, "early")] {
            try hive.disable(off)
            #expect(try ask(3000) == before.count, "\(name) alone")
            try hive.lab.apply()
        }
        try hive.disable(.early, .forward)
        #expect(try ask(100) >= before.count + 100, "control")
    }

    // MARK: 23

    /// What is denied early is not even looked up in the table of connections; what is denied later is, and is forgotten.
    @Test func deniedPacketsCostNoConnection() throws {
        let hive = try TwoAgents(outside: true)
        let count = 2000
        let outside = IPv4Address(literal: Lab.publicAddress4)
        let floods: [(String, TwoAgents.Known, attempts: Int, (Int) -> [UInt8])] = [
            (
                "SYN to the host", hive.alpha, 0,
                { number in
                    let (from, to) = (hive.alpha.address4, TwoAgents.gateway4)
                    return Packet.ethernet(
                        to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.ipv4Type,
                        Packet.ipv4(
                            from: from, to: to, protocol: 6,
                            Packet.tcp(from, UInt16(10000 + number), to, 7023, flags: Packet.Flags.syn)))
                }
            ),
            // The early chain lets it pass as what may be an answer.
            (
                "UDP to the host", hive.alpha, count,
                { hive.udp4(hive.alpha, to: TwoAgents.gateway4, port: UInt16(10000 + $0), []) }
            ),
            (
                "UDP to another agent", hive.alpha, 0,
                { hive.udp4(hive.alpha, to: hive.beta.address4, port: UInt16(10000 + $0), []) }
            ),
            (
                "UDP to the outside, without egress", hive.beta, 0,
                { hive.udp4(hive.beta, to: outside, port: UInt16(10000 + $0), []) }
            ),
        ]
        for (name, agent, attempts, frame) in floods {
            func flood() throws -> (attempts: Int, entries: Int) {
                try hive.lab.countAttempts()
                let before = try hive.lab.connections()
                try hive.flood(agent, count, frame)
                return (try hive.lab.attempts(), try hive.lab.connections() - before)
            }
            let defended = try flood()
            #expect(defended.attempts == attempts, "\(name): \(defended)")
            #expect(abs(defended.entries) < 20, "\(name): \(defended)")
            // The control for the first number: without the early chain, the same are all tracked, and dropped all the same.
            try hive.disable(.early)
            let late = try flood()
            #expect(late.attempts == count, "\(name), without early: \(late)")
            #expect(abs(late.entries) < 20, "\(name), without early: \(late)")
            // And for the second.
            try hive.disable(.tracked, .input, .forward)
            let open = try flood()
            #expect(open.entries >= count, "\(name), control: \(open)")
            try hive.lab.apply()
        }
    }
}

extension TwoAgents {
    /// Sends so many frames, and returns when the kernel is done with them.
    fileprivate func flood(_ agent: Known, _ count: Int, _ frame: (Int) -> [UInt8]) throws {
        let frames = (0..<count).map(frame)
        try lab.agent(agent.name) {
            let socket = try Socket.packet("eth0")
            for frame in frames { try socket.send(frame: frame) }
        }
        try settle(agent)
    }

    /// The bridge's neighbours, permanent and others; but for multicast groups, to which the host itself sends reports.
    fileprivate func neighbours() throws -> Set<String> {
        let lines = try lab.must("ip neigh show nud all dev hive0").stdout.split(separator: "\n")
        return Set(lines.filter { !$0.contains("NOARP") }.map(String.init))
    }
}

extension Lab {
    /// Counts, right after connection tracking (-200), what it has looked up and takes for new. Without resets, which end a
    /// connection that the host refuses on the spot.
    fileprivate func countAttempts() throws {
        try nft(
            """
            add table inet witness; delete table inet witness; add table inet witness;
            add counter inet witness attempts;
            add chain inet witness pre { type filter hook prerouting priority -190; };
            add rule inet witness pre iifname "hive0" ct state new counter name attempts;
            add chain inet witness out { type filter hook output priority -300; };
            add rule inet witness out tcp flags & rst == rst drop
            """)
    }

    fileprivate func attempts() throws -> Int {
        let words = try nft("list counter inet witness attempts").stdout.split { " \t\n".contains($0) }
        guard let place = words.firstIndex(of: "packets"), let count = Int(words[place + 1]) else {
            throw LabError("no count of attempts: \(words)")
        }
        return count
    }

    /// Entries in this namespace's table of connections.
    fileprivate func connections() throws -> Int {
        guard let count = Int(try sysctl("netfilter/nf_conntrack_count")) else {
            throw LabError("no count of connections")
        }
        return count
    }
}
