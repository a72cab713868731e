/// Where the one packet of `HostNetwork.why` is to go, as it is written: `10.0.0.5:443/tcp`, `[2001:db8::1]:53/udp`, `host:7000`,
/// `beta`.
public struct WhyTarget: Equatable, Sendable {
    public enum Place: Equatable, Sendable {
        /// The bridge's own address.
        case host
        /// Somebody by that name.
        case agent(String)
        case address(Outward.Address)
    }

    public var place: Place
    /// Nil: an echo request.
    public var service: Service?

    public init(_ place: Place, _ service: Service?) {
        self.place = place
        self.service = service
    }
}

extension WhyTarget: LosslessStringConvertible {
    public init?(_ text: String) {
        guard let (place, service) = Self.split(text) else { return nil }
        if let service {
            guard let read = Self.service(service) else { return nil }
            self.service = read
        }
        if place == "host" {
            self.place = .host
        } else if let address = IPv4Address(place) {
            self.place = .address(.v4(address))
        } else if let address = IPv6Address(place) {
            self.place = .address(.v6(address))
        } else {
            // A name that an agent can have; those of the DNS are for whoever looks them up.
            let isName = place.utf8.allSatisfy { octet in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(octet)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) || octet == UInt8(ascii: "-")
            }
            guard isName, let first = place.utf8.first,
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first)
            else { return nil }
            self.place = .agent(place)
        }
    }

    /// An IPv6 address with a port stands in brackets (RFC 3986, section 3.2.2).
    private static func split(_ text: String) -> (place: String, service: String?)? {
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return nil }
            let place = String(text[text.index(after: text.startIndex)..<close])
            let rest = text[text.index(after: close)...]
            guard IPv6Address(place) != nil, rest.isEmpty || rest.hasPrefix(":") else { return nil }
            return (place, rest.isEmpty ? nil : String(rest.dropFirst()))
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 ? (String(parts[0]), String(parts[1])) : (text, nil)
    }

    /// `443/tcp`, or `443`, which is TCP.
    private static func service(_ text: String) -> Service? {
        guard let ports = PortRange(text.contains("/") ? text : text + "/tcp"), ports.range.count == 1 else {
            return nil
        }
        return Service(ports.range.lowerBound, ports.transport)
    }

    public var description: String {
        let service = service.map { ":\($0.port)/\($0.transport.rawValue)" } ?? ""
        switch place {
        case .host: return "host" + service
        case .agent(let name): return name + service
        case .address(.v4(let address)): return "\(address)" + service
        case .address(.v6(let address)): return service.isEmpty ? "\(address)" : "[\(address)]" + service
        }
    }
}

extension Outward.Address: CustomStringConvertible {
    public var description: String {
        switch self {
        case .v4(let address): "\(address)"
        case .v6(let address): "\(address)"
        }
    }
}
