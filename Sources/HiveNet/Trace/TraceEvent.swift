internal import CNetlink
internal import CNftables

/// What the kernel says of a traced packet at one rule or at a chain's end: `NFT_MSG_TRACE` of linux/netfilter/nf_tables.h,
/// sent by nft_trace_notify().
struct TraceEvent {
    /// The same for one packet within a family; the bridge's and IP's differ, since the packet comes in on another link then
    /// (nft_trace_init hashes `skb_iif`).
    let id: UInt32
    /// `NFPROTO_…`, of the table.
    let family: UInt8
    let table: String
    let chain: String
    let kind: Kind
    /// What is decided here; of a chain's end, the policy.
    let verdict: Verdict
    /// Indexes of links; 0 where there is none. Told at the first event of each base chain alone, as are the headers.
    let input: Int32
    let output: Int32
    /// From the Ethernet header. Nil: the packet has none here.
    let etherType: UInt16?
    /// Up to 40 octets.
    let networkHeader: [UInt8]?
    /// Up to 20 octets.
    let transportHeader: [UInt8]?

    enum Kind: Equatable {
        /// All of the rule's conditions held.
        case rule(RuleHandle)
        /// A chain that was jumped to ends.
        case ending
        /// A base chain ends, and its policy says.
        case policy
    }

    enum Verdict: Equatable {
        case accept, drop, goOn
        case jump(String), goto(String)
        case back
        /// Handed to a program, or taken away by the kernel itself.
        case queue, stolen

        /// As nft writes it.
        var words: String {
            switch self {
            case .accept: "accept"
            case .drop: "drop"
            case .goOn: "continue"
            case .jump(let chain): "jump \(chain)"
            case .goto(let chain): "goto \(chain)"
            case .back: "return"
            case .queue: "queue"
            case .stolen: "stolen"
            }
        }

        /// - Parameter code: `NF_…` or `NFT_…`; of a queue, with its number in the upper half.
        init(code: UInt32, chain: String?) {
            switch (Int32(bitPattern: code), chain) {
            case (NF_DROP, _): self = .drop
            case (NF_ACCEPT, _): self = .accept
            case (NF_STOLEN, _): self = .stolen
            case (NFT_JUMP.rawValue, let chain?): self = .jump(chain)
            case (NFT_GOTO.rawValue, let chain?): self = .goto(chain)
            case (NFT_RETURN.rawValue, _): self = .back
            case (let code, _): self = code > 0 && code & 0xff == NF_QUEUE ? .queue : .goOn
            }
        }
    }

    /// What the kernel would say.
    init(family: UInt8, table: String, chain: String, kind: Kind, verdict: Verdict) {
        id = 0
        self.family = family
        self.table = table
        self.chain = chain
        self.kind = kind
        self.verdict = verdict
        (input, output) = (0, 0)
        (etherType, networkHeader, transportHeader) = (nil, nil, nil)
    }

    /// Nil: the message is no trace.
    init?(_ message: NetlinkSocket.Message) {
        let type = UInt16(UInt32(NFNL_SUBSYS_NFTABLES) << 8 | NFT_MSG_TRACE.rawValue)
        guard message.type == type, let (header, trace) = message.parse(nfgenmsg.self, of: TraceScope.self),
            let table = trace[.table], let chain = trace[.chain], let id = trace[.id]
        else { return nil }
        self.id = id
        family = header.nfgen_family
        self.table = table
        self.chain = chain
        switch trace[.type].map({ UInt32(bigEndian: $0) }) {
        case NFT_TRACETYPE_RULE.rawValue:
            guard let handle = trace[.handle] else { return nil }
            kind = .rule(handle)
        case NFT_TRACETYPE_RETURN.rawValue: kind = .ending
        case NFT_TRACETYPE_POLICY.rawValue: kind = .policy
        default: return nil
        }
        if kind == .policy {
            verdict = Verdict(code: UInt32(bigEndian: trace[.policy] ?? 0), chain: nil)
        } else {
            let told = trace[.verdict]
            verdict = Verdict(code: UInt32(bigEndian: told[.code] ?? .max), chain: told[.chain])
        }
        input = Int32(bitPattern: UInt32(bigEndian: trace[.input] ?? 0))
        output = Int32(bitPattern: UInt32(bigEndian: trace[.output] ?? 0))
        etherType = trace.payload(Attributes<TraceScope>.linkHeader).flatMap {
            $0.count >= Frame.headerLength ? $0.number16(12) : nil
        }
        networkHeader = trace.payload(Attributes<TraceScope>.networkHeader).map { [UInt8]($0) }
        transportHeader = trace.payload(Attributes<TraceScope>.transportHeader).map { [UInt8]($0) }
    }

    /// The packet carries this cookie, in either of the places that it can be in.
    func carries(_ cookie: [UInt8]) -> Bool {
        guard let transportHeader else { return false }
        return Cookie.transportPlaces.contains { place in
            transportHeader.count >= place + cookie.count
                && transportHeader[place..<(place + cookie.count)].elementsEqual(cookie)
        }
    }
}

extension Cookie {
    /// Behind the beginning of the transport's header: TCP's, and everything else's.
    static let transportPlaces = [4, 8]

    var octets: [UInt8] {
        withUnsafeBytes(of: magic.bigEndian) { [UInt8]($0) }
            + withUnsafeBytes(of: index.bigEndian) { [UInt8]($0) }
    }
}

/// A rule's number in its table, in network byte order.
struct RuleHandle: Hashable, AttributeValue {
    let number: UInt64

    init(number: UInt64) { self.number = number }

    func withAttributeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeBytes(of: number.bigEndian, body)
    }
    init?(attribute payload: UnsafeRawBufferPointer) {
        guard payload.count >= MemoryLayout<UInt64>.size else { return nil }
        number = UInt64(bigEndian: payload.loadUnaligned(as: UInt64.self))
    }
}

/// Numbers are in network byte order.
enum TraceScope {}
extension Attribute where Scope == TraceScope, Value == String {
    fileprivate static var table: Self { .init(NFTA_TRACE_TABLE.rawValue, "NFTA_TRACE_TABLE") }
    fileprivate static var chain: Self { .init(NFTA_TRACE_CHAIN.rawValue, "NFTA_TRACE_CHAIN") }
}
extension Attribute where Scope == TraceScope, Value == UInt32 {
    fileprivate static var id: Self { .init(NFTA_TRACE_ID.rawValue, "NFTA_TRACE_ID") }
    fileprivate static var type: Self { .init(NFTA_TRACE_TYPE.rawValue, "NFTA_TRACE_TYPE") }
    fileprivate static var policy: Self { .init(NFTA_TRACE_POLICY.rawValue, "NFTA_TRACE_POLICY") }
    fileprivate static var input: Self { .init(NFTA_TRACE_IIF.rawValue, "NFTA_TRACE_IIF") }
    fileprivate static var output: Self { .init(NFTA_TRACE_OIF.rawValue, "NFTA_TRACE_OIF") }
}
extension Attribute where Scope == TraceScope, Value == RuleHandle {
    fileprivate static var handle: Self { .init(NFTA_TRACE_RULE_HANDLE.rawValue, "NFTA_TRACE_RULE_HANDLE") }
}
extension Attribute where Scope == TraceScope, Value == Nested<VerdictScope> {
    fileprivate static var verdict: Self { .init(NFTA_TRACE_VERDICT.rawValue, "NFTA_TRACE_VERDICT") }
}
extension Attributes where Scope == TraceScope {
    fileprivate static var linkHeader: UInt16 { UInt16(NFTA_TRACE_LL_HEADER.rawValue) }
    fileprivate static var networkHeader: UInt16 { UInt16(NFTA_TRACE_NETWORK_HEADER.rawValue) }
    fileprivate static var transportHeader: UInt16 { UInt16(NFTA_TRACE_TRANSPORT_HEADER.rawValue) }
}
