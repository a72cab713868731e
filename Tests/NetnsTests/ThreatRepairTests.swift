import Glibc
import HiveNet
import Testing

/// Threats 25 to 27 as packets: what other tools open, a transaction that the kernel refuses, and many applies at once.
@Suite struct ThreatRepairTests {
    /// What somebody else does to a host, and the attack that it opens.
    struct Sabotage: CustomTestStringConvertible, Sendable {
        let testDescription: String
        /// Beginning with `nft`, `ip`, `bridge` or `sysctl`.
        let commands: [String]
        /// What `show` says of it.
        let said: [String]
        let attack: @Sendable (TwoAgents) throws -> Attack

        static let all = [
            Sabotage(
                testDescription: "flushes the ruleset", commands: ["nft flush ruleset"],
                said: ["to add: tables bridge hive, inet hive"], attack: { try $0.udpToHost() }),
            Sabotage(
                testDescription: "deletes our table", commands: ["nft delete table inet hive"],
                said: ["inet hive"], attack: { try $0.udpToHost() }),
            Sabotage(
                testDescription: "empties our table", commands: ["nft flush table inet hive"],
                said: ["inet hive"], attack: { try $0.udpToHost() }),
            Sabotage(
                testDescription: "deletes the other table",
                commands: ["nft delete table bridge hive"], said: ["bridge hive"],
                attack: { try $0.taggedToHost() }),
            Sabotage(
                testDescription: "clears isolated",
                commands: ["nft delete table bridge hive", "bridge link set dev hv-alpha isolated off"],
                said: ["bridge hive", "link hv-alpha (isolated false -> true)"],
                attack: { try $0.udpToPeer() }),
            Sabotage(
                testDescription: "takes the port off the bridge",
                commands: [
                    "nft delete table inet hive", "ip link set hv-alpha nomaster",
                    "sysctl ipv4/conf/all/rp_filter 0", "sysctl ipv4/conf/hv-alpha/rp_filter 0",
                ], said: ["inet hive", "link hv-alpha"], attack: { try $0.udpToPort() }),
            Sabotage(
                testDescription: "changes a setting",
                commands: ["nft delete table inet hive", "sysctl ipv4/conf/hive0/route_localnet 1"],
                said: ["inet hive", "bridge hive0 (ipv4.routeLocalnet 1 -> 0)"], attack: { try $0.loopback() }
            ),
            Sabotage(
                testDescription: "unlocks the port and lets the bridge learn",
                commands: [
                    "nft delete table bridge hive", "nft delete table inet hive",
                    "bridge link set dev hv-alpha locked off learning on",
                ], said: ["learning true -> false", "locked false -> true"], attack: { try $0.foreignMAC() }),
        ]
    }

    /// What is open in between is closed again; and `show` says of everything that was done.
    @Test(arguments: Sabotage.all) func opensAndIsClosed(sabotage: Sabotage) throws {
        let hive = try TwoAgents()
        let before = try hive.lab.snapshot()
        let filter = try hive.lab.sysctl("ipv4/conf/all/rp_filter")
        let attack = try sabotage.attack(hive)
        #expect(try !hive.arrives(attack), "before")
        for command in sabotage.commands { try hive.lab.sabotage(command) }
        #expect(try hive.arrives(attack), "control: it opens nothing")
        let shown = try hive.lab.hivectl("net", "show").stdout
        #expect(shown.hasPrefix("DRIFT"), "\(shown)")
        for words in sabotage.said { #expect(shown.contains(words), "\(words): \(shown)") }
        try hive.lab.apply()
        #expect(try !hive.arrives(attack), "after the next apply")
        // The host's own setting is not Hive's to repair.
        try hive.lab.sysctl("ipv4/conf/all/rp_filter", filter)
        // An address that the bridge has learnt goes by itself, after five minutes.
        try hive.lab.must("bridge fdb flush dev hv-alpha master dynamic")
        try hive.lab.expect(before)
    }

    /// A neighbour that is deleted can be claimed by another agent, who then gets what is meant for it.
    @Test func theNeighbourThatIsDeleted() throws {
        let hive = try TwoAgents()
        let wire = try hive.wire(hive.alpha), rightful = try hive.wire(hive.beta)
        let mark = TwoAgents.mark("for beta")
        let claim = Packet.ethernet(
            to: TwoAgents.bridgeMAC, from: hive.alpha.mac, type: Packet.arpType,
            Packet.arp(
                operation: 1, senderMAC: hive.alpha.mac, sender: hive.beta.address4,
                target: TwoAgents.gateway4))
        // The host's packet to beta, after alpha's claim: does alpha get it, or beta?
        func isStolen() throws -> Bool {
            for socket in [wire, rightful] { _ = socket.drain() }
            try hive.send(claim, as: hive.alpha)
            try hive.settle(hive.alpha)
            let isSent = try hive.lab.host {
                try Socket.udp(Endpoint(address: "\(TwoAgents.gateway4)", port: 0))
                    .send(mark, to: hive.beta.endpoint4(7025))
            }
            #expect(isSent)
            for _ in 0..<500 {
                if rightful.receives(mark, milliseconds: 5) { return false }
                if wire.receives(mark, milliseconds: 5) { return true }
            }
            throw LabError("the packet is lost")
        }
        #expect(try !isStolen())
        try hive.lab.must("nft delete table bridge hive")
        #expect(try !isStolen(), "the permanent neighbour alone")
        try hive.lab.ip("neigh del \(hive.beta.address4) dev hive0")
        #expect(try isStolen(), "control")
        let shown = try hive.lab.hivectl("net", "show").stdout
        #expect(shown.contains("neighbour \(hive.beta.address4)"), "\(shown)")
        try hive.lab.apply()
        #expect(try !isStolen(), "after the next apply")
    }

    /// What the bridge has learnt while it could, a locked port would let pass for five minutes: `apply` takes it away.
    @Test func whatTheBridgeHasLearnt() throws {
        let hive = try TwoAgents()
        let attack = try hive.foreignMAC()
        func isStoppedByThePortAlone() throws -> Bool {
            for layer in TwoAgents.Layer.allCases where layer != .port { try hive.disable(layer) }
            return try !hive.arrives(attack)
        }
        #expect(try isStoppedByThePortAlone())
        try hive.lab.must("bridge link set dev hv-alpha locked off learning on")
        #expect(try hive.arrives(attack), "control")
        try hive.lab.apply()
        #expect(try !hive.arrives(attack), "after the next apply")
        #expect(try isStoppedByThePortAlone(), "what was learnt meanwhile is forgotten")
    }

    // MARK: 26

    /// Somebody holds our table as the owner of it (NFT_TABLE_F_OWNER): the kernel refuses the whole transaction, and what was
    /// there goes on as if nothing had been tried, the table that is nobody's included.
    @Test func aTransactionThatTheKernelRefuses() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        let owned = try lab.must("nft -s list table inet hive").stdout
            .replacing("table inet hive {", with: "table inet hive {\n flags owner", maxReplacements: 1)
        try lab.write("delete table inet hive\n" + owned, to: "/run/lab/owned.nft")
        let (owner, pipe) = try lab.nftUser(including: "/run/lab/owned.nft")
        defer { close(pipe) }
        for _ in 0..<500 where !(try lab.nft("list table inet hive").stdout.contains("flags owner")) {
            usleep(10_000)
        }
        #expect(owner.isRunning)
        let attacks = [try hive.udpToHost(), try hive.taggedToHost(), try hive.udpToPeer()]
        for attack in attacks { #expect(try !hive.arrives(attack), "before: \(attack.name)") }
        let before = try lab.must("nft -s list ruleset").stdout
        // Another agent's lease is an element of both tables.
        try lab.write(
            configuration: """
                { gateway: { user: "root" }, agents: { alpha: { address4: "10.77.0.2" }, beta: { address4: "10.77.0.3" },
                  gamma: { address4: "10.77.0.4" } } }
                """)
        let refused = try lab.hivectl("net", "apply")
        #expect(
            refused.status != 0 && refused.stderr.contains("belong to another process"),
            "\(refused)")
        #expect(try lab.must("nft -s list ruleset").stdout == before)
        for attack in attacks { #expect(try !hive.arrives(attack), "refused: \(attack.name)") }
        #expect(try lab.links()["hv-gamma"] == nil, "nothing is made where the rules are not")
        // The control: an owner's table goes with it, and it was this one that kept the packet away.
        owner.end()
        try wait { try lab.nft("list tables").stdout.contains("inet hive") }
        #expect(try hive.arrives(attacks[0]), "control")
        try lab.apply()
        for attack in attacks { #expect(try !hive.arrives(attack), "done at last: \(attack.name)") }
        #expect(try lab.links()["hv-gamma"] != nil)
    }

    // MARK: 27

    /// Ten applies at once, of two configurations in turn, while the attacks go on.
    @Test func packetsDuringTenApplies() throws {
        let hive = try TwoAgents()
        let lab = hive.lab
        let attacks = [
            try hive.udpToHost(), try hive.taggedToHost(), try hive.udpToPeer(), try hive.loopback(),
        ]
        let frames = attacks.map(\.frame)
        func fire() throws {
            try lab.agent("alpha") {
                let socket = try Socket.packet("eth0")
                for _ in 0..<5 { for frame in frames { try socket.send(frame: frame) } }
            }
        }
        // Looked for after each round, since a socket's buffer is soon full.
        var arrived: Set<String> = []
        func look() {
            for attack in attacks
            where attack.receiver.drain().contains(where: { $0.contains(sequence: attack.mark) }) {
                arrived.insert(attack.name)
            }
        }
        let wide = TwoAgents.configuration
        let narrow = wide.replacing(", egress: \"internet\"", with: "").replacing(
            "beta: {", with: "gamma: {}, beta: {")
        #expect(wide != narrow)
        var rounds = 0
        for configuration in [narrow, wide] {
            try lab.write(configuration: configuration)
            let processes = try lab.host {
                try (0..<5).map { _ in try Command.Process(Lab.commandLine(["net", "apply"])) }
                    + (0..<5).map { _ in try Command.Process(Lab.commandLine(["net", "apply"])) }
            }
            while processes.contains(where: \.isRunning) {
                try fire()
                look()
                rounds += 1
            }
            for process in processes {
                let result = try process.wait(seconds: 60)
                #expect(result.status == 0, "\(result)")
            }
            try hive.settle(hive.alpha)
            look()
            #expect(arrived == [], "after \(rounds) rounds")
        }
        #expect(rounds >= 10, "the attacks ran beside the applies")
        for layer in TwoAgents.Layer.allCases { try hive.disable(layer) }
        for link in ["all", "hive0"] { try lab.sysctl("ipv4/conf/\(link)/route_localnet", "1") }
        try fire()
        try hive.settle(hive.alpha)
        look()
        #expect(arrived == Set(attacks.map(\.name)), "control")
    }
}

extension Lab {
    /// Another user of nftables, who holds what is made by the given file until it is ended, or the pipe is closed. (A child of
    /// the tests itself, so that it ends with them.)
    fileprivate func nftUser(including path: String) throws -> (user: Command.Process, pipe: Int32) {
        try must("mkfifo /run/lab/nft")
        let user = try background(["sh", "-c", "exec nft -i </run/lab/nft"])
        let pipe = try host {
            let words = Array("include \"\(path)\"\n".utf8)
            let pipe = open("/run/lab/nft", O_RDWR | O_CLOEXEC)
            guard pipe >= 0, Glibc.write(pipe, words, words.count) == words.count else {
                throw LabError.last("write to nft")
            }
            return pipe
        }
        return (user, pipe)
    }

    fileprivate func sabotage(_ command: String) throws {
        let words = command.split(separator: " ").map(String.init)
        if words[0] == "sysctl" { return try sysctl(words[1], words[2]) }
        if words[0] == "nft" {
            try nft(words.dropFirst().joined(separator: " "))
        } else {
            try must(command)
        }
    }
}
