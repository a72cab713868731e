public import HiveNet
import HiveWire

/// An egress policy in the words of people, who write it in a file or on the command line, and what is checked of it without
/// knowing the network. Whether it fits the agents' subnets `HiveChecks` tells.
public struct EgressText: Equatable, Sendable {
    public var allow: [String] = []
    public var deny: [String] = []
    public var host: [String] = []
    public var connections: Int?
    public var rate: String?

    public init() {}

    static let keys = ["allow", "deny", "host", "connections", "rate"]
    static let maximumDestinations = 256
    static let maximumServices = 64
    /// `nf_conntrack_max` of a large host.
    public static let connections = 1...1_000_000

    /// Where something is wrong: a key, and for a list the index in it.
    struct Place {
        let key: String
        var index: Int?
    }

    /// The policy.
    ///
    /// - Throws: `usage`, with the names of the command line's options.
    public func egress() throws(HiveError) -> Egress {
        try egress { place, words in HiveError(.usage, "--\(place.key) \(words)") }
    }

    /// - Parameter fault: an error for a place, and words that follow the place's name.
    func egress(_ fault: (Place, String) -> HiveError) throws(HiveError) -> Egress {
        var egress = Egress()
        egress.allow = try list(allow, "allow", Self.maximumDestinations, fault, Self.allowed)
        egress.deny = try list(deny, "deny", Self.maximumDestinations, fault, Self.denied)
        egress.services = try list(host, "host", Self.maximumServices, fault, Self.service)
        guard deny.isEmpty || !allow.isEmpty else {
            throw fault(
                Place(key: "deny"), "takes away from allow, which is empty: then nothing is allowed anyway")
        }
        if let connections {
            guard Self.connections.contains(connections) else {
                let (least, most) = (Self.connections.lowerBound, Self.connections.upperBound)
                throw fault(
                    Place(key: "connections"),
                    "is \(connections), but must be a whole number from \(least) to \(most)")
            }
            egress.connections = UInt32(connections)
        }
        if let rate {
            do throws(Mistake) {
                egress.rate = try Rate.read(rate)
            } catch {
                throw fault(Place(key: "rate"), "is \(quoted(rate)), \(error.words)")
            }
        }
        return egress
    }

    private func list<Value: Hashable>(
        _ texts: [String], _ key: String, _ most: Int, _ fault: (Place, String) -> HiveError,
        _ read: (String) throws(Mistake) -> Value
    ) throws(HiveError) -> [Value] {
        guard texts.count <= most else {
            throw fault(Place(key: key), "has \(texts.count) entries, but may have at most \(most)")
        }
        var seen: [Value: String] = [:]
        var values: [Value] = []
        for (index, text) in texts.enumerated() {
            let place = Place(key: key, index: index)
            let value: Value
            do throws(Mistake) {
                value = try read(text)
            } catch {
                throw fault(place, "is \(quoted(text)), \(error.words)")
            }
            if let other = seen.updateValue(text, forKey: value) {
                let same = other == text ? "" : ", as \(quoted(other))"
                throw fault(place, "is \(quoted(text)), which is in the list already\(same)")
            }
            values.append(value)
        }
        return values
    }

    // MARK: Entries

    private static func allowed(_ text: String) throws(Mistake) -> Destination {
        guard let destination = Destination(text) else {
            throw Mistake(DestinationMistake.words(for: text))
        }
        switch destination.place {
        case .network4(let network):
            for (prefix, what) in unreachable4
            where prefix.contains(network.first) && prefix.contains(network.last) {
                throw Mistake("which can never be reached: \(prefix) is \(what)")
            }
        case .network6(let network):
            for (prefix, what) in unreachable6
            where prefix.contains(network.first) && prefix.contains(network.last) {
                throw Mistake("which can never be reached: \(prefix) is \(what)")
            }
        case .internet, .name: break
        }
        return destination
    }

    /// What is denied may be unreachable anyway: whoever writes it wants to be sure.
    private static func denied(_ text: String) throws(Mistake) -> Destination {
        guard let destination = Destination(text) else {
            throw Mistake(DestinationMistake.words(for: text))
        }
        if case .name = destination.place {
            throw Mistake("but a name is no boundary, since others choose its addresses: write addresses")
        }
        return destination
    }

    private static func service(_ text: String) throws(Mistake) -> Service {
        guard let service = Service(text) else {
            throw Mistake(
                "but must be a port from 1 to 65535 with its protocol, tcp or udp: \"53/udp\", \"53/tcp\"")
        }
        return service
    }

    /// What no router forwards.
    private static let unreachable4 = [
        (Prefix4(network: 0, length: 8), "\"this host\" (RFC 1122)"),
        (Prefix4(network: 127 << 24, length: 8), "loopback"),
        (Prefix4(network: 224 << 24, length: 4), "multicast"),
        (Prefix4(network: .max, length: 32), "broadcast"),
    ]
    private static let unreachable6 = [
        (Prefix6(network: 0, length: 127), "loopback, or no address at all"),
        (Prefix6(network: 0xffff << 32, length: 96), "IPv4 addresses as programs write them: write those"),
        (Prefix6(network: 0xfe80 << 112, length: 10), "link-local"),
        (Prefix6(network: 0xff << 120, length: 8), "multicast"),
    ]
}
