internal import CNftables

/// What an nf_tables table holds, as values: made by `Boundary`, written by `Transaction`, read back as text lines by
/// `RulesetReader`.
struct Table: Sendable {
    let family: Family
    let name: String
    var counters: [String] = []
    var sets: [SetDefinition] = []
    var chains: [Chain] = []

    enum Family: UInt16, Sendable, CaseIterable {
        /// `NFPROTO_INET`: IPv4 and IPv6 alike.
        case inet = 1
        /// `NFPROTO_BRIDGE`
        case bridge = 7

        var name: String { self == .inet ? "inet" : "bridge" }
    }
}

/// A named set, or a map to verdicts.
struct SetDefinition: Sendable {
    let name: String
    /// More than one: a concatenation.
    let fields: [Field]
    var holdsVerdicts = false
    /// What every element does when a packet matches it.
    var statement: Statement?
    /// Elements are ranges in every field, of which there are several (nft_set_pipapo, Linux 5.6). Ranges of one field
    /// (nft_set_rbtree) would be pairs of elements, a beginning and an end, which none of ours are.
    var isInterval = false
    /// Elements can have a lifetime.
    var hasTimeouts = false
    /// Elements that belong to the ruleset. Nil: they are the agents', and come and go.
    var constants: [Element]?

    /// An element's own expression. A set says of which kind those of its elements are; of all but counters each element has
    /// its own limit, and what is within it ends the rule (`NFT_BREAK`), as if the element were not there.
    enum Statement: Equatable, Sendable {
        /// Counts packets: `counter`.
        case counter
        /// Goes on where more connections than that are open: `ct count over N`.
        case connections
        /// Goes on where more octets a second come than that: `limit rate over N bytes/second`.
        case rate
        /// Goes on where no more packets a second come than that: `limit rate N/second`. Unlike the two above, what is more
        /// ends the rule.
        case packets
    }

    enum Field: Sendable {
        case linkName, etherAddress, ipv4Address, ipv6Address, port, addressType, icmpv6Type,
            transportProtocol

        /// Octets. In a concatenation each field is padded to a multiple of four.
        var length: Int {
            switch self {
            case .linkName: Int(IFNAMSIZ)
            case .etherAddress: 6
            case .ipv4Address, .addressType: 4
            case .ipv6Address: 16
            case .port: 2
            case .icmpv6Type, .transportProtocol: 1
            }
        }

        /// nft's own number for the type (`enum datatypes` in its include/datatype.h), by which `nft list` knows how to
        /// print an element. No header of the kernel or of libnftnl has it; the kernel only stores it.
        var nftType: UInt32 {
            switch self {
            case .ipv4Address: 7
            case .ipv6Address: 8
            case .etherAddress: 9
            case .transportProtocol: 12
            case .port: 13
            case .icmpv6Type: 29
            case .addressType: 38
            case .linkName: 41
            }
        }
    }

    struct Element: Equatable, Sendable {
        let key: [UInt8]
        /// Of a set of ranges: each field's last value, padded as the key is.
        var end: [UInt8]?
        /// Of a verdict map: the chain to go to.
        var target: String?
        /// Of a set with limits: connections, or octets or packets a second.
        var limit: UInt64?
        /// Milliseconds that it is good for; nil: for ever.
        var lifetime: UInt64?
    }

    /// Octets of a key.
    var keyLength: Int {
        fields.count == 1 ? fields[0].length : fields.reduce(0) { $0 + ($1.length + 3) & ~3 }
    }

    /// A concatenation's type is its fields' types, six bits each (nft's `concat_type_alloc`).
    var keyType: UInt32 { fields.reduce(0) { $0 << 6 | $1.nftType } }

    /// A single field that the kernel keeps in host byte order.
    var isHostOrdered: Bool {
        switch fields {
        case [.linkName], [.addressType]: true
        default: false
        }
    }

    var flags: UInt32 {
        var flags: UInt32 = 0
        if holdsVerdicts { flags |= UInt32(NFT_SET_MAP.rawValue) }
        if isInterval { flags |= UInt32(NFT_SET_INTERVAL.rawValue | NFT_SET_CONCAT.rawValue) }
        if hasTimeouts { flags |= UInt32(NFT_SET_TIMEOUT.rawValue) }
        return flags
    }

    /// The flags that we set; the kernel adds others of its own.
    static var knownFlags: UInt32 {
        UInt32(
            NFT_SET_MAP.rawValue | NFT_SET_INTERVAL.rawValue | NFT_SET_CONCAT.rawValue
                | NFT_SET_TIMEOUT.rawValue)
    }
}

struct Chain: Sendable {
    let name: String
    /// Nil: not a base chain, only reached by `goto`.
    var hook: Hook?
    var rules: [Rule] = []

    struct Hook: Sendable {
        /// `NF_INET_PRE_ROUTING` … or `NF_BR_PRE_ROUTING` …, which have the same numbers.
        let number: UInt32
        let priority: Int32
        /// `filter` or `nat`
        var type = "filter"

        static func prerouting(_ priority: Int32) -> Hook { Hook(number: 0, priority: priority) }
        static func input(_ priority: Int32) -> Hook { Hook(number: 1, priority: priority) }
        static func forward(_ priority: Int32) -> Hook { Hook(number: 2, priority: priority) }
        static func output(_ priority: Int32) -> Hook { Hook(number: 3, priority: priority) }
        static func sourceNAT(_ priority: Int32) -> Hook { Hook(number: 4, priority: priority, type: "nat") }
    }

    init(_ name: String, _ hook: Hook? = nil, @RuleBuilder _ rules: () -> [Rule]) {
        self.name = name
        self.hook = hook
        self.rules = rules()
    }
}

/// Lets a chain's rules be written one below the other.
@resultBuilder
enum RuleBuilder {
    static func buildExpression(_ rule: Rule) -> [Rule] { [rule] }
    static func buildExpression(_ rules: [Rule]) -> [Rule] { rules }
    static func buildBlock(_ rules: [Rule]...) -> [Rule] { rules.flatMap(\.self) }
    static func buildArray(_ rules: [[Rule]]) -> [Rule] { rules.flatMap(\.self) }
    static func buildOptional(_ rules: [Rule]?) -> [Rule] { rules ?? [] }
}

struct Rule: Sendable {
    /// For whoever reads `nft list ruleset`: at most 128 octets.
    let comment: String
    let expressions: [Expression]

    init(_ comment: String, _ statements: [Expression]...) {
        self.comment = comment
        expressions = statements.flatMap(\.self)
    }
}

/// FNV-1a, 64 bits: tells two texts apart, no defence against somebody who wants them alike.
func fingerprint(_ text: some Sequence<UInt8>) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for octet in text { hash = (hash ^ UInt64(octet)) &* 0x100_0000_01b3 }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
