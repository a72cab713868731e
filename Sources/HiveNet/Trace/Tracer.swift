internal import CNetlink
internal import CNftables
internal import Glibc

/// Has the kernel tell what becomes of chosen packets, rule by rule.
///
/// Two tables of our own mark the packets, and have an empty chain at both ends of every hook: a chain that ends tells that the
/// packet came so far, also where nobody has a rule. The tables belong to the socket (`NFT_TABLE_F_OWNER`, Linux 5.12) and go
/// with it, also when the process is killed (nft_rcv_nl_event). No other table is touched.
struct Tracer: ~Copyable {
    private var socket: NetlinkSocket
    /// Of both tables. Another one may be at work at the same time.
    let table: String

    /// Which packets.
    enum Choice {
        /// The one with this cookie, which comes in by this link: from an agent, or from elsewhere.
        case one(Cookie, from: String, isAgent: Bool)
        /// All that come in by an agent's link, but no more than that each second.
        case all(from: String, perSecond: UInt64)
    }

    /// In the calling thread's namespace.
    init(_ choice: Choice) throws(KernelError) {
        var socket = try NetlinkSocket(family: NETLINK_NETFILTER, sendBuffer: 1 << 18)
        let table = "hive_trace_" + String(UInt32.random(in: .min ... .max), radix: 16)
        var room: Int32 = 1 << 21
        if setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &room, 4) != 0 {
            _ = setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVBUF, &room, 4)
        }
        let transaction = Transaction(generation: nil)
        for made in Self.tables(table, choice) {
            try transaction.create(made, flags: UInt32(NFT_TABLE_F_OWNER.rawValue))
        }
        try transaction.commit(on: &socket)
        var group = UInt32(NFNLGRP_NFTRACE.rawValue)
        guard setsockopt(socket.descriptor, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, 4) == 0 else {
            throw .last("listen for traces of packets")
        }
        self.socket = socket
        self.table = table
    }

    /// Hands over what has been told until now, without waiting.
    /// - Throws: ENOBUFS where more was told than there is room for.
    mutating func read(_ body: (TraceEvent) -> Void) throws(KernelError) {
        while wait(milliseconds: 0) {
            try socket.receive("read the trace of a packet") { message in
                if let event = TraceEvent(message) { body(event) }
            }
        }
    }

    /// Waits until something has been told.
    func wait(milliseconds: Int32) -> Bool {
        var request = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, milliseconds) > 0
    }

    /// The end of a hook that one of our chains stands for.
    struct Milestone: Equatable {
        let family: Table.Family
        let hook: Hook
        let isLast: Bool
    }

    enum Hook: UInt32, CaseIterable {
        // The numbers of `NF_INET_…`, which are those of `NF_BR_…`.
        case prerouting, input, forward, output, postrouting

        var name: String { "\(self)" }
    }

    /// Nil: the event is of somebody else's chain.
    func milestone(_ event: TraceEvent) -> Milestone? {
        guard event.table == table, let family = Table.Family(rawValue: UInt16(event.family)) else {
            return nil
        }
        let words = event.chain.split(separator: "_")
        guard words.count == 2, let hook = Hook.allCases.first(where: { $0.name == words[1] }) else {
            return nil
        }
        return Milestone(family: family, hook: hook, isLast: words[0] == "last")
    }

    /// Before and behind everything else: the first of those with the same priority are the ones that came last
    /// (nf_hook_entries_grow).
    private static func tables(_ name: String, _ choice: Choice) -> [Table] {
        Table.Family.allCases.map { family in
            var table = Table(family: family, name: name)
            for hook in Hook.allCases {
                var first = Chain("first_\(hook.name)", .init(number: hook.rawValue, priority: .min)) {}
                if hook == .prerouting { first.rules = rules(choice, family) }
                table.chains.append(first)
                table.chains.append(
                    Chain("last_\(hook.name)", .init(number: hook.rawValue, priority: .max)) {})
            }
            return table
        }
    }

    private static func rules(_ choice: Choice, _ family: Table.Family) -> [Rule] {
        let mark: Match = [.load([1], .first), .trace(.first)]
        switch choice {
        case .one(let cookie, let link, let isAgent):
            guard isAgent == (family == .bridge) else { return [] }
            return Cookie.transportPlaces.map { place in
                Rule(
                    "hivectl net why: its one packet", .input(link),
                    [
                        .payload(.transport, offset: UInt32(place), length: 8),
                        .compare(.equal, cookie.octets),
                    ], mark)
            }
        case .all(let link, let rate):
            guard family == .bridge else { return [] }
            return [
                Rule(
                    "hivectl net why: an agent's", .input(link),
                    [.limit(packets: rate, burst: UInt32(clamping: rate))], mark)
            ]
        }
    }
}
