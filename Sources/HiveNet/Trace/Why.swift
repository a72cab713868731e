internal import CNetlink
internal import Glibc

extension HostNetwork {
    /// Sends one packet, has the kernel tell which way it takes, and says what became of it.
    ///
    /// Nothing is changed that stays: the tables that mark the packet, and the link that stands for the world outside, go with
    /// the process.
    public mutating func why(_ spec: NetworkSpec, _ packet: WhyPacket) throws(KernelError) -> Way {
        // A thread of its own, since it stays on one processor: see `Prober`.
        try onThreadOfItsOwn { (_) throws(KernelError) in
            guard hive_stay_on_processor() == 0 else { throw .last("stay on a processor") }
            return try Inquiry(spec, packet, try observe(spec)).run(&self)
        }
    }
}

/// One run of `HostNetwork.why`.
private struct Inquiry {
    let spec: NetworkSpec
    let packet: WhyPacket
    let observed: NetworkObservation

    /// How long somebody elsewhere may take to answer.
    private static let patience = 1000

    init(_ spec: NetworkSpec, _ packet: WhyPacket, _ observed: NetworkObservation) {
        self.spec = spec
        self.packet = packet
        self.observed = observed
    }

    private func way(
        _ outcome: Way.Outcome, _ basis: Way.Basis, _ sentence: String, _ trail: Trail? = nil
    ) -> Way {
        let from = packet.sender?.name ?? "outside"
        return Way(
            from: from, to: packet.target.description, packet: packet.words, outcome: outcome, basis: basis,
            layer: trail?.stop?.layer, rule: trail?.stop?.rule, counter: trail?.stop?.counter,
            sentence: sentence, steps: trail?.steps ?? [])
    }

    /// Says why nothing was sent, and what the rules alone say of such a packet.
    private func unsent(_ fault: String, _ network: inout HostNetwork) throws(KernelError) -> Way {
        guard let agent = packet.sender else {
            return way(.unknown, .none, "no packet could be sent, so nothing is known of its way: \(fault)")
        }
        var local: Set<Outward.Address> = [.v4(spec.gateway4)]
        if let gateway6 = spec.gateway6 { local.insert(.v6(gateway6)) }
        for record in try network.route.addresses() {
            if let address = record.address4?.address { local.insert(.v4(address)) }
            if let address = record.address6?.address { local.insert(.v6(address)) }
        }
        let mac = NetworkSpec.agentMAC(agent.address4)
        var evaluation = Evaluation(
            spec, frame: packet.frame(from: mac, to: spec.bridgeMAC, Cookie(magic: 0, index: 0)),
            isLocal: local.contains(packet.destination))
        evaluation.run(
            fromPort: LinkName.host(agent: agent.name, prefix: spec.interfacePrefix), spec.bridge,
            isToAgent: packet.receiver != nil)
        let words =
            evaluation.trail.stop.map { "it would be blocked: \($0.sentence)" }
            ?? "none of them would block it"
        var told = way(
            .unknown, .rules,
            "no packet could be sent (\(fault)); by the configuration's rules alone, \(words)",
            evaluation.trail)
        // A rule has a number in the kernel only.
        told.rule?.handle = nil
        for index in told.steps.indices { told.steps[index].handle = nil }
        return told
    }

    func run(_ network: inout HostNetwork) throws(KernelError) -> Way {
        guard let bridge = observed.bridgeIndex else {
            return try unsent("there is no bridge \(spec.bridge)", &network)
        }
        let magic = UInt32.random(in: 1..<(.max - 1))
        guard let agent = packet.sender else { return try runFromOutside(magic, bridge, &network) }
        if let fault = observed.fault(of: agent.name, bridge: spec.bridge) {
            return try unsent("\(agent.name): \(fault)", &network)
        }
        let sender: Prober.Sender
        do throws(KernelError) {
            sender = try open(agent, magic)
        } catch {
            return try unsent(error.description, &network)
        }
        let link = observed.state.agents[agent.name]?.port?.name ?? ""
        return try send(from: sender, link, to: spec.bridgeMAC, magic, bridge, &network)
    }

    private func runFromOutside(
        _ magic: UInt32, _ bridge: Int32, _ network: inout HostNetwork
    ) throws(KernelError) -> Way {
        let outside = try Outside(
            spec, magic: magic, hasIPv6: spec.subnet6 != nil && observed.host.hasIPv6, &network.route)
        let outcome: Result<Way, KernelError>
        do throws(KernelError) {
            try outside.lead(to: [packet.source], from: nil, &network.route)
            let station = Station("outside", WhyPacket.outside4, WhyPacket.outside6, hasIPv6: true)
            let sender = Prober.Sender(station, outside.socket, port: outside.link)
            outcome = .success(
                try send(from: sender, outside.linkName, to: outside.mac, magic, bridge, &network))
        } catch {
            outcome = .failure(error)
        }
        // Whatever failed, the link goes.
        try outside.remove(&network.route)
        return try outcome.get()
    }

    private func open(_ agent: NetworkSpec.Agent, _ magic: UInt32) throws(KernelError) -> Prober.Sender {
        let socket = try onThreadOfItsOwn { (switcher) throws(KernelError) in
            try PacketSocket.onLink(of: agent, .frames(magic), switcher)
        }
        let port = observed.state.agents[agent.name]?.port.flatMap { observed.linkIndexes[$0.name] }
        return Prober.Sender(
            Station(agent.name, agent.address4, agent.address6, hasIPv6: observed.host.hasIPv6), socket,
            port: port ?? 0)
    }

    private func send(
        from sender: Prober.Sender, _ link: String, to mac: MACAddress, _ magic: UInt32, _ bridge: Int32,
        _ network: inout HostNetwork
    ) throws(KernelError) -> Way {
        // Whoever it is for, if it is an agent, sees it arrive. One that cannot look does not keep anybody from asking.
        let witness = try packet.receiver.flatMap { (agent) throws(KernelError) -> Prober.Sender? in
            guard agent.name != packet.sender?.name,
                observed.fault(of: agent.name, bridge: spec.bridge) == nil
            else { return nil }
            return try open(agent, magic)
        }
        var tracer = try Tracer(
            .one(Cookie(magic: magic, index: 0), from: link, isAgent: packet.sender != nil))
        let asked = packet
        let attempt = Attempt(.denied, asked.words) { from, _, cookie in
            asked.frame(from: from.mac, to: mac, cookie)
        }
        let prober = Prober(
            spec, magic: magic, attempts: [attempt], stations: [sender, witness].compactMap { $0?.station },
            senders: [sender, witness].compactMap(\.self),
            host: try Prober.Host(magic: magic, bridge: bridge, hasIPv6: observed.host.hasIPv6), outside: nil)
        defer { PacketSocket.close(prober) }
        let range = try prober.fire(0, [(0, nil)])
        if let fault = prober.senders[0]?.fault {
            return try unsent("\(sender.station.name): \(fault)", &network)
        }
        var events: [TraceEvent] = []
        try tracer.read { events.append($0) }
        var trail = Trail(try RuleBook(&network.filter))
        for event in events.ofPacket(Cookie(magic: magic, index: 0).octets) {
            trail.add(event, tracer.milestone(event))
        }
        trail.begin(from: sender.station.name, link: link, isAgent: packet.sender != nil)
        if trail.leaves(but: bridge), packet.isAnswered {
            try prober.wait(for: range, real: [0], milliseconds: Self.patience)
        }
        return conclude(trail, prober, link, bridge)
    }

    // MARK: Conclusions

    private func conclude(_ trail: Trail, _ prober: Prober, _ link: String, _ bridge: Int32) -> Way {
        let isAnswered = prober.answered.contains(0)
        let answer = isAnswered ? ", and was answered" : ""
        switch prober.arrivals[0] {
        case .host?: return way(.passes, .trace, "it gets through: it arrived at the host\(answer)", trail)
        case .agent(let index)?:
            let name = prober.stations[index].name
            return way(.passes, .trace, "it gets through: it arrived at \(name)\(answer)", trail)
        default: break
        }
        if let stop = trail.stop {
            guard stop.isDropped else {
                return way(
                    .unknown, .trace, "a rule hands it over, to a program or to the kernel: \(stop.sentence)",
                    trail)
            }
            return way(.blocked, .trace, "blocked: \(stop.sentence)", trail)
        }
        if isAnswered { return way(.passes, .trace, "it gets through: it was answered", trail) }
        guard prober.emerged.contains(0) else {
            return way(
                .blocked, .conclusion,
                "blocked: not by Hive; it did not come out of \(link) as it was sent, so something in the sender's namespace "
                    + "drops or changes it", trail)
        }
        return concludeFromLast(trail, link, bridge)
    }

    /// From the last hook that it was seen at.
    private func concludeFromLast(_ trail: Trail, _ link: String, _ bridge: Int32) -> Way {
        func blocked(_ sentence: String, _ layer: Way.Layer? = nil) -> Way {
            var way = way(.blocked, .conclusion, "blocked: \(sentence)", trail)
            way.layer = layer
            return way
        }
        guard let last = trail.last else {
            return blocked(
                "not by a rule that can be traced; it came to \(link), and not to the first hook behind it, so the port is closed, "
                    + "or something on the link's ingress stops it: tc, XDP, an ingress chain")
        }
        let hook = "\(last.family.name) \(last.hook.name)"
        guard last.isLast else {
            return blocked(
                "not by a rule that can be traced; it came to the hook \(hook) and not to its end, so something there stops it that "
                    + "nftables does not tell of, such as rules of legacy iptables")
        }
        switch (last.family, last.hook) {
        case (.bridge, .prerouting):
            return blocked(
                "\(Way.Layer.port.words), concluded: the bridge took it from \(link) and no further, so the port is locked and "
                    + "does not know the sender, or is isolated from where it was to go", .port)
        case (.inet, .prerouting),
            (.bridge, .input) where trail.hasBeenRouted:
            return blocked("by the host's routing, concluded: \(routing(link))")
        case (.inet, .input):
            return way(.passes, .trace, "it gets through: it passed the host's last hook", trail)
        case (.inet, .postrouting) where trail.output != bridge:
            let name = trail.output == 0 ? "another link" : Self.name(ofLink: trail.output)
            let answer =
                packet.isAnswered
                ? "; nobody answered within \(Self.patience / 1000) s, which is not the boundary's doing"
                : "; whether it is answered is not looked at"
            return way(.passes, .trace, "it gets through: it left the host by \(name)\(answer)", trail)
        case (.inet, .postrouting), (.inet, .output):
            return blocked(
                "by no rule, concluded: \(spec.bridge) was to send it, and did not: the host does not know the Ethernet address "
                    + "of \(packet.destination)")
        case (.bridge, .postrouting):
            return blocked(
                "by no rule, concluded: the bridge sent it, and it did not arrive in the namespace")
        default:
            return blocked("by no rule, concluded: it came to the end of the hook \(hook), and to no other")
        }
    }

    private func routing(_ link: String) -> String {
        let incoming = packet.sender == nil ? link : spec.bridge
        switch packet.destination {
        case .v4 where Sysctl.read("ipv4/conf/\(incoming)/forwarding") == "0":
            return "it does not route IPv4 (net.ipv4.ip_forward is 0)"
        case .v6 where Sysctl.read("ipv6/conf/all/forwarding") == "0":
            return "it does not route IPv6 (net.ipv6.conf.all.forwarding is 0)"
        default:
            return
                "it came to no hook behind it, so there is no route to \(packet.destination), or the sender fails rp_filter"
        }
    }

    private static func name(ofLink index: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(CNetlink.IFNAMSIZ)) { buffer in
            guard let start = buffer.baseAddress, let name = if_indextoname(UInt32(index), start) else {
                return "link \(index)"
            }
            return String(cString: name)
        }
    }
}

extension [TraceEvent] {
    /// Those of the packet with this cookie: others may have packets traced too. The first event of each base chain shows the
    /// packet, the others have its number.
    fileprivate func ofPacket(_ cookie: [UInt8]) -> [TraceEvent] {
        let numbers = Set(filter { $0.carries(cookie) }.map(\.id))
        return filter { numbers.contains($0.id) }
    }
}

extension Trail {
    /// Behind IP's prerouting the kernel decides where to. Where bridged frames pass the IP hooks too (br_netfilter), that is
    /// before the bridge's own input hook.
    fileprivate var hasBeenRouted: Bool { steps.contains { $0.hook == "inet prerouting" } }

    /// It was about to leave the host, by another link than the bridge.
    fileprivate func leaves(but bridge: Int32) -> Bool {
        guard stop == nil, let last, last.family == .inet, last.hook == .postrouting, last.isLast else {
            return false
        }
        return output != bridge
    }
}
