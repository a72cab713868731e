public import HiveNet
import HiveWire

/// The section `network`: the bridge and the agents' subnets.
public struct NetworkSettings: Equatable, Sendable {
    /// The bridge's name.
    public var bridge = "hive0"
    /// What the names of agents' links on the host begin with, at most 5 bytes.
    public var interfacePrefix = "hv-"
    /// 10.77.0.0/16 by default.
    public var subnet4 = Prefix4(network: 10 << 24 | 77 << 16, length: 16)
    /// fd77:6869:7665::/64 by default; nil for no IPv6 at all on agents' links.
    public var subnet6: Prefix6? = Prefix6(network: 0xfd77_6869_7665 << 80, length: 64)
    /// In bytes.
    public var mtu: UInt32 = 1500
    /// The group of nfnetlink_log that denied packets go to; nil for no log. (104 is "h" in ASCII.)
    public var logGroup: UInt16? = 104

    public init() {}

    static let keys = ["bridge", "interfacePrefix", "subnet4", "subnet6", "mtu", "logGroup"]

    /// Lengths that leave an address for the host and at least one for an agent, and of which no one needs more.
    static let lengths4 = 8...30
    static let lengths6 = 32...126

    /// - Parameter object: nil when the section is not written.
    init(_ object: JSONObject?) throws(HiveError) {
        self.init()
        guard let object else { return }
        try readNames(object)
        if let subnet: Prefix4 = try object.value("subnet4", "an IPv4 network such as 10.77.0.0/16") {
            try Self.check(subnet, "subnet4", lengths: Self.lengths4, special: Self.special4, object)
            subnet4 = subnet
        }
        if object.isNull("subnet6") {
            subnet6 = nil
        } else if let subnet: Prefix6 = try object.value(
            "subnet6", "an IPv6 network such as fd77:6869:7665::/64 (or null, for no IPv6)")
        {
            try Self.check(subnet, "subnet6", lengths: Self.lengths6, special: Self.special6, object)
            subnet6 = subnet
        }
        // 1280: below it the kernel takes IPv6 off a link, with the settings that keep it silent (addrconf_notify; RFC 8200).
        // 65535: ETH_MAX_MTU, a veth's limit (drivers/net/veth.c).
        if let mtu = try object.integer("mtu", 1280...65535) { self.mtu = UInt32(mtu) }
        if object.isNull("logGroup") {
            logGroup = nil
        } else if let group = try object.integer("logGroup", 0...Int(UInt16.max)) {
            logGroup = UInt16(group)
        }
    }

    private mutating func readNames(_ object: JSONObject) throws(HiveError) {
        if let name = try object.string("bridge", "the name of an interface") {
            if let wrong = Self.wrong(name, maximum: LinkName.maximumLength) {
                throw object.error(
                    "bridge", "is \(quoted(name)), which is not a name for an interface: \(wrong)")
            }
            bridge = name
        }
        if let prefix = try object.string("interfacePrefix", "the beginning of interface names") {
            if let wrong = Self.wrong(prefix, maximum: 5) {
                throw object.error(
                    "interfacePrefix",
                    "is \(quoted(prefix)), with which names of interfaces cannot begin: \(wrong)")
            }
            // Rules tell agents' frames from others by this prefix.
            if "lo".hasPrefix(prefix) {
                throw object.error(
                    "interfacePrefix", "is \(quoted(prefix)), with which the loopback interface \"lo\" begins"
                )
            }
            interfacePrefix = prefix
        }
        if bridge.hasPrefix(interfacePrefix) {
            let key = object.has("interfacePrefix") ? "interfacePrefix" : "bridge"
            throw object.error(
                key,
                "cannot be: the bridge's name \(quoted(bridge)) must not begin with \(quoted(interfacePrefix)), "
                    + "by which agents' links are told apart")
        }
    }

    /// What is wrong with a name. The kernel (`dev_valid_name`, net/core/dev.c) refuses some of this; the rest
    /// would be read as something else by tools (`-x`, `%d`) or by /proc/sys/net (`all`, `default`).
    private static func wrong(_ name: String, maximum: Int) -> String? {
        let isAlphanumeric = { (scalar: Unicode.Scalar) in
            scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
        }
        guard (1...maximum).contains(name.utf8.count) else { return "it must be 1 to \(maximum) bytes long" }
        guard name.unicodeScalars.allSatisfy({ isAlphanumeric($0) || "._-".unicodeScalars.contains($0) }),
            name.unicodeScalars.first.map(isAlphanumeric) == true
        else {
            return "it must be of letters, digits, \".\", \"_\" and \"-\", and begin with a letter or digit"
        }
        return reserved.contains(name) ? "the kernel uses it for something else" : nil
    }

    /// Names that an interface of ours cannot have: loopback, and two directories of /proc/sys/net/ipv4/conf.
    static let reserved: Set<String> = ["lo", "all", "default"]
}

extension NetworkSettings {
    private typealias Special<Address: IPAddress> = (prefix: Prefix<Address>, what: String)

    /// Addresses that no agent can have, from the IANA special-purpose registry.
    private static var special4: [Special<IPv4Address>] {
        [
            (Prefix4(network: 0, length: 8), "means \"this host\""),
            (Prefix4(network: 127 << 24, length: 8), "is loopback"),
            (Prefix4(network: 169 << 24 | 254 << 16, length: 16), "is link-local"),
            (Prefix4(network: 224 << 24, length: 4), "is multicast"),
            (Prefix4(network: 240 << 24, length: 4), "is reserved"),
        ]
    }

    private static var special6: [Special<IPv6Address>] {
        [
            (Prefix6(network: 0, length: 8), "holds loopback, mapped and translated addresses"),
            (Prefix6(network: 0xfe80 << 112, length: 10), "is link-local"),
            (Prefix6(network: 0xff << 120, length: 8), "is multicast"),
        ]
    }

    private static func check<Address: IPAddress>(
        _ subnet: Prefix<Address>, _ key: String, lengths: ClosedRange<Int>, special: [Special<Address>],
        _ object: JSONObject
    ) throws(HiveError) {
        guard lengths.contains(subnet.length) else {
            throw object.error(
                key,
                "is \(subnet), but its length must be from /\(lengths.lowerBound) to /\(lengths.upperBound), "
                    + "so that the host and at least one agent have an address")
        }
        guard subnet.isNetwork else {
            throw object.error(
                key,
                "is \(subnet), which is an address in the network \(subnet.network): write \(subnet.network)")
        }
        for (prefix, what) in special where prefix.overlaps(subnet) {
            throw object.error(key, "is \(subnet), which overlaps \(prefix), and that \(what)")
        }
    }
}

extension Prefix {
    /// - Parameters:
    ///   - bits: an address without host bits.
    ///   - length: 0 to the address's width; another one is clamped.
    init(network bits: Address.Bits, length: Int) {
        let address = Address(bits: bits)
        self = Prefix(address, length: length) ?? Prefix(host: address)
    }
}
