/// One entry of an egress policy: where to, and by which ports. As text: `203.0.113.0/24`, `198.51.100.7:443/tcp`,
/// `[2001:db8::]/32:8000-8010/udp`, `internet:443/tcp`, `api.example.org:443/tcp`.
public struct Destination: Hashable, Sendable {
    public enum Place: Hashable, Sendable {
        case network4(Prefix4)
        case network6(Prefix6)
        /// Every public address.
        case internet
        /// A name of the DNS, in lower case, without the final dot.
        case name(String)
    }

    public var place: Place
    /// Nil: every protocol, and every port.
    public var ports: PortRange?

    public init(_ place: Place, ports: PortRange? = nil) {
        self.place = place
        self.ports = ports
    }

    public static let internet = Destination(.internet)
}

extension Destination: LosslessStringConvertible {
    /// - Returns: nil for what is none. Networks must have no host bits: `10.0.0.1/8` is a mistake.
    public init?(_ text: String) {
        guard let (place, ports) = Self.split(text) else { return nil }
        var range: PortRange?
        if let ports {
            guard let read = PortRange(ports) else { return nil }
            range = read
        }
        guard let place = Place(place) else { return nil }
        self.init(place, ports: range)
    }

    /// Takes the ports off. An IPv6 address with ports stands in brackets, as in a URL (RFC 3986, section 3.2.2).
    private static func split(_ text: String) -> (place: String, ports: String?)? {
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return nil }
            let address = String(text[text.index(after: text.startIndex)..<close])
            let rest = text[text.index(after: close)...].split(
                separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard IPv6Address(address) != nil, let length = rest.first,
                length.isEmpty || length.hasPrefix("/")
            else { return nil }
            return (address + length, rest.count > 1 ? String(rest[1]) : nil)
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        switch parts.count {
        case 1: return (text, nil)
        case 2: return (String(parts[0]), String(parts[1]))
        default: return (text, nil)
        }
    }

    public var description: String {
        let ports = ports.map { ":\($0)" } ?? ""
        switch place {
        case .network4(let prefix): return (prefix.length == 32 ? "\(prefix.address)" : "\(prefix)") + ports
        case .network6(let prefix):
            let length = prefix.length == 128 ? "" : "/\(prefix.length)"
            return ports.isEmpty ? "\(prefix.address)\(length)" : "[\(prefix.address)]\(length)\(ports)"
        case .internet: return "internet" + ports
        case .name(let name): return name + ports
        }
    }
}

extension Destination.Place {
    fileprivate init?(_ text: String) {
        if text == "internet" {
            self = .internet
        } else if let address = IPv4Address(text) {
            self = .network4(Prefix4(host: address))
        } else if let address = IPv6Address(text) {
            self = .network6(Prefix6(host: address))
        } else if let prefix = Prefix4(text), prefix.isNetwork {
            self = .network4(prefix)
        } else if let prefix = Prefix6(text), prefix.isNetwork {
            self = .network6(prefix)
        } else if let name = Self.name(text) {
            self = .name(name)
        } else {
            return nil
        }
    }

    /// A host name of two labels or more (RFC 1123, section 2.1), with underscores besides.
    private static func name(_ text: String) -> String? {
        var text = text.lowercased()
        if text.hasSuffix(".") { text.removeLast() }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard text.utf8.count <= 253, labels.count > 1,
            labels.allSatisfy({ label in
                (1...63).contains(label.utf8.count) && label.utf8.first != UInt8(ascii: "-")
                    && label.utf8.last != UInt8(ascii: "-")
                    && label.utf8.allSatisfy {
                        letters.contains($0) || digits.contains($0) || $0 == UInt8(ascii: "-")
                            || $0 == UInt8(ascii: "_")
                    }
            }),
            // An address with a mistake in it is no name.
            labels.last?.utf8.contains(where: letters.contains) == true
        else { return nil }
        return text
    }
}

/// Ports of one transport protocol: `443/tcp`, `8000-8010/udp`.
public struct PortRange: Hashable, Sendable {
    public var transport: Transport
    /// Within 1 to 65535.
    public var range: ClosedRange<UInt16>

    public init(_ range: ClosedRange<UInt16>, _ transport: Transport) {
        self.range = range
        self.transport = transport
    }
}

extension PortRange: LosslessStringConvertible {
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let transport = Transport(rawValue: String(parts[1])) else { return nil }
        let bounds = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        let ports = bounds.compactMap { bound in
            // Digits alone: Swift's integers take "+1" too.
            bound.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains(_:)) ? UInt16(bound) : nil
        }
        guard ports.count == bounds.count, (1...2).contains(ports.count), ports[0] >= 1,
            ports[ports.count - 1] >= ports[0]
        else { return nil }
        self.init(ports[0]...ports[ports.count - 1], transport)
    }

    public var description: String {
        let ports = range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
        return "\(ports)/\(transport.rawValue)"
    }
}
