internal import CNetlink
internal import Glibc

/// Sends probes from agents' namespaces, and knows where each of them arrived.
///
/// That a probe did not arrive is a fact and no guess from a timeout. A veth pair is a queue: what goes in at one end is
/// appended to the list of received packets of the *sender's processor* (`enqueue_to_backlog`), and that list is worked off
/// in order, each packet all the way through the bridge, the hooks and the sockets (`process_backlog`). So one thread,
/// which stays on one processor, sends the probes and behind them a barrier: when that is seen on the host's end of the link,
/// all that came before it has met its fate. What crosses further pairs is appended to the same list again, hence a barrier
/// for each of them.
final class Prober {
    /// An agent's end of its link.
    final class Sender {
        let station: Station
        let socket: PacketSocket
        /// The host's end of its link, by index.
        fileprivate let port: Int32
        /// Nothing of this agent can be tested any more.
        fileprivate(set) var fault: String?

        init(_ station: Station, _ socket: PacketSocket, port: Int32) {
            self.station = station
            self.socket = socket
            self.port = port
        }
    }

    /// The receiving ends on the host.
    struct Host {
        /// Raw sockets behind the input hook, with the offset of the transport's header and its protocol. IPv6's raw sockets get
        /// no IP header.
        var raw: [(socket: PacketSocket, hasHeader: Bool, number: UInt8)] = []
        /// Sees probes and barriers as they come in, on whichever link but the bridge.
        var tap: PacketSocket
    }

    enum Place: Hashable {
        case host
        case agent(Int)
        case outside
    }

    struct Shot {
        let sender: Int32
        let attempt: Int32
        /// The other agent, or -1.
        let other: Int32
    }

    let magic: UInt32
    let attempts: [Attempt]
    let stations: [Station]
    /// By agent; nil where there is no namespace to send from.
    private(set) var senders: [Sender?]
    private let gateway: (mac: MACAddress, address: IPv4Address)
    private let host: Host
    /// The far end of a link of our own.
    private let outside: PacketSocket?
    private var polls: [pollfd] = []

    private(set) var shots: [Shot] = []
    /// By shot: where it was seen first.
    private(set) var arrivals: [UInt32: Place] = [:]
    /// Shots that an answer came back for.
    private(set) var answered: Set<UInt32> = []
    /// Shots that came out of the agent's link, on the host's end, octet for octet as they were sent: what an agent's own rules
    /// change or drop on the way is no test of ours.
    private(set) var emerged: Set<UInt32> = []
    /// Those of the portion under way that have not yet.
    private var underWay: [UInt32: [UInt8]] = [:]

    /// Barriers go by another word than probes.
    static func barrierMagic(_ magic: UInt32) -> UInt32 { ~magic }
    /// How many probes are under way at most: fewer than a socket's buffer holds, or the list of received packets
    /// (net.core.netdev_max_backlog, 1000).
    private static let portion = 128
    /// A barrier is seen at once, unless the machine is busy with something else.
    private static let patience: Int32 = 2000

    init(
        _ spec: NetworkSpec, magic: UInt32, attempts: [Attempt], stations: [Station], senders: [Sender?],
        host: Host, outside: PacketSocket?
    ) {
        self.magic = magic
        self.attempts = attempts
        self.stations = stations
        self.senders = senders
        self.host = host
        self.outside = outside
        gateway = (spec.bridgeMAC, spec.gateway4)
        let sockets =
            host.raw.map(\.socket) + [outside].compactMap(\.self) + senders.compactMap { $0?.socket }
        polls = sockets.map { pollfd(fd: $0.number, events: Int16(POLLIN), revents: 0) }
    }

    /// The sockets, which nothing is sent or received by from now on.
    func surrender() -> [PacketSocket] {
        polls = []
        return [host.tap] + host.raw.map(\.socket) + [outside].compactMap(\.self)
            + senders.compactMap { $0?.socket }
    }

    // MARK: Sending

    /// Sends probes of one agent and looks where they arrive.
    /// - Parameters:
    ///   - crossings: pairs that a probe, or an answer to it, can cross after the agent's own.
    /// - Returns: the shots; fewer than wanted where the agent's link no longer takes them.
    @discardableResult
    func fire(
        _ sender: Int, _ aims: [(attempt: Int, other: Int?)], crossings: Int = 2
    ) throws(KernelError) -> Range<Int> {
        let first = shots.count
        var next = 0
        while next < aims.count, let from = senders[sender], from.fault == nil {
            let start = shots.count
            for (attempt, other) in aims[next..<min(next + Self.portion, aims.count)] {
                let cookie = Cookie(magic: magic, index: UInt32(shots.count))
                let frame = attempts[attempt].build(
                    from.station, other.map { stations[$0] } ?? from.station, cookie)
                guard send(frame, from) else { break }
                underWay[cookie.index] = frame.octetsWithoutTag
                shots.append(
                    Shot(sender: Int32(sender), attempt: Int32(attempt), other: Int32(other ?? -1)))
            }
            next += Self.portion
            try settle(from, crossings)
            // What was answered outside comes back over the same two links.
            if try collect(since: start) {
                try settle(from, crossings)
                try collect(since: start)
            }
            underWay.removeAll(keepingCapacity: true)
        }
        return first..<shots.count
    }

    /// Returns when all that was sent on this processor, to this agent too, has been received or dropped.
    func settle(_ sender: Int) throws(KernelError) {
        guard let sender = senders[sender] else { return }
        try settle(sender, 2)
    }

    /// Waits for answers from where verify does not answer.
    /// - Parameters:
    ///   - range: the shots that answers may be for.
    ///   - real: those that are waited for.
    func wait(for range: Range<Int>, real: Set<UInt32>, milliseconds: Int) throws(KernelError) {
        let deadline = ContinuousClock.now + .milliseconds(milliseconds)
        while ContinuousClock.now < deadline, !real.isSubset(of: answered) {
            usleep(2_000)
            try collect(since: range.lowerBound)
        }
    }

    private func send(_ frame: Frame, _ sender: Sender) -> Bool {
        do throws(KernelError) {
            try sender.socket.send(frame)
            return true
        } catch {
            sender.fault = "its link takes no frames: \(error.description)"
            return false
        }
    }

    /// Returns when all that was sent has been received or dropped.
    private func settle(_ sender: Sender, _ crossings: Int) throws(KernelError) {
        for _ in 0...crossings {
            // Drawn at random: an agent sees what is sent on its link, and must not make up the next one.
            let wanted = UInt32.random(in: .min ... .max)
            let magic = Self.barrierMagic(magic)
            // What every agent may ask, and what counts as nothing: who the gateway is.
            var frame = Frame(to: gateway.mac, from: sender.station.mac, type: Frame.arpType)
            frame.arp(
                isRequest: true, sender: (sender.station.mac, sender.station.address4),
                target: (MACAddress(bits: 0), gateway.address))
            frame.append(magic)
            frame.append(wanted)
            guard sender.fault == nil, send(frame, sender) else { return }
            var isSeen = false
            repeat {
                try host.tap.receiveFrames { (frame, link) throws(KernelError) in
                    guard link == sender.port else { return true }
                    isSeen =
                        frame.count >= 50 && frame.number32(42) == magic && frame.number32(46) == wanted
                    if !isSeen { emerge(frame) }
                    return !isSeen
                }
            } while !isSeen && host.tap.wait(milliseconds: Self.patience)
            guard isSeen else {
                sender.fault = "what is sent in its namespace does not come out of its link on the host"
                return
            }
        }
    }

    // MARK: Receiving

    private func emerge(_ frame: UnsafeRawBufferPointer) {
        guard case .probe(let index) = Sighting(frame: frame, magic: magic), let sent = underWay[index],
            sent.elementsEqual(frame)
        else { return }
        emerged.insert(index)
        underWay[index] = nil
    }

    /// Looks at every receiving end, without waiting.
    /// - Returns: whether something was answered.
    @discardableResult
    private func collect(since start: Int) throws(KernelError) -> Bool {
        guard poll(&polls, nfds_t(polls.count), 0) > 0 else { return false }
        let readable = Set(polls.filter { $0.revents & Int16(POLLIN) != 0 }.map(\.fd))
        for (socket, hasHeader, number) in host.raw where readable.contains(socket.number) {
            try socket.receive { (packet) throws(KernelError) in
                note(
                    Sighting(packet, transport: hasHeader ? 20 : 0, number, magic), at: .host, since: start)
                return true
            }
        }
        for (index, sender) in senders.enumerated() {
            guard let socket = sender?.socket, readable.contains(socket.number) else { continue }
            try socket.receive { (frame) throws(KernelError) in
                note(Sighting(frame: frame, magic: magic), at: .agent(index), since: start)
                return true
            }
        }
        guard let outside, readable.contains(outside.number) else { return false }
        var answers: [Frame] = []
        try outside.receive { (frame) throws(KernelError) in
            let sighting = Sighting(frame: frame, magic: magic)
            note(sighting, at: .outside, since: start)
            if case .probe(let index) = sighting, isAllowed(index), let answer = Frame(answering: frame) {
                answers.append(answer)
            }
            return true
        }
        for answer in answers { try outside.send(answer) }
        return !answers.isEmpty
    }

    private func isAllowed(_ index: UInt32) -> Bool {
        Int(index) < shots.count && attempts[Int(shots[Int(index)].attempt)].target == .allowed
    }

    /// - Parameter start: the first shot that can be meant by a port.
    private func note(_ sighting: Sighting?, at place: Place, since start: Int) {
        switch sighting {
        case .probe(let index):
            guard Int(index) < shots.count else { return }
            // At its own sender it is an answer: whoever was asked repeated the cookie.
            if place == .agent(Int(shots[Int(index)].sender)) {
                answered.insert(index)
            } else if arrivals[index] == nil {
                arrivals[index] = place
            }
        case .answer(let port):
            guard case .agent(let agent) = place else { return }
            for index in start..<shots.count
            where Int(shots[index].sender) == agent && Cookie.port(UInt32(index)) == port {
                answered.insert(UInt32(index))
            }
        case nil: break
        }
    }
}
