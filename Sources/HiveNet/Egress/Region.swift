/// A set of packets by destination address, protocol and destination port: what an egress policy allows.
///
/// Protocol and port are one number, `protocol << 16 | port`, so that "every protocol", "TCP" and "TCP to 443" are all ranges of
/// it; protocols without ports have all of theirs. The set is cut into slices of that number, each with the addresses that are
/// in it. So union and difference need no case analysis of overlapping boxes, and what comes out is disjoint, as
/// nft_set_pipapo demands of its elements (`nft_pipapo_insert` refuses what overlaps).
struct Region<Address: IPAddress>: Hashable, Sendable {
    typealias Addresses = Ranges<Address.Bits>
    /// Protocol and port.
    typealias Services = ClosedRange<UInt32>

    struct Slice: Hashable, Sendable {
        var services: Services
        var addresses: Addresses
    }

    /// One element of a set: what lies within all three ranges.
    struct Box: Hashable, Sendable {
        var addresses: ClosedRange<Address.Bits>
        var protocols: ClosedRange<UInt8>
        var ports: ClosedRange<UInt16>
    }

    /// Ascending, disjoint, none empty, and no two alike next to each other.
    private(set) var slices: [Slice] = []

    var isEmpty: Bool { slices.isEmpty }

    static func services(_ ports: PortRange?) -> Services {
        guard let ports else { return 0...0xff_ffff }
        let base = UInt32(ports.transport.number) << 16
        return base | UInt32(ports.range.lowerBound)...base | UInt32(ports.range.upperBound)
    }

    /// The union of some.
    init(_ parts: [(services: Services, addresses: Addresses)] = []) {
        slices = Self.cut(parts.map(\.services)) { services in
            Addresses(parts.filter { $0.services.overlaps(services) }.flatMap(\.addresses.ranges))
        }
    }

    func union(_ other: Region) -> Region {
        Region((slices + other.slices).map { ($0.services, $0.addresses) })
    }

    func subtracting(_ other: Region) -> Region {
        var rest = Region()
        rest.slices = Self.cut((slices + other.slices).map(\.services)) { services in
            addresses(of: services).subtracting(other.addresses(of: services))
        }
        return rest
    }

    /// - Parameter services: within one slice, or within none.
    private func addresses(of services: Services) -> Addresses {
        slices.first { $0.services.overlaps(services) }?.addresses ?? Addresses()
    }

    /// Cuts the numbers wherever a range begins or ends, asks for each piece's addresses, and puts alike ones together again.
    private static func cut(_ ranges: [Services], _ addresses: (Services) -> Addresses) -> [Slice] {
        let cuts = Set(ranges.flatMap { [$0.lowerBound, $0.upperBound + 1] }).sorted()
        var slices: [Slice] = []
        for (start, end) in zip(cuts, cuts.dropFirst()) {
            let found = addresses(start...(end - 1))
            if found.isEmpty { continue }
            if let last = slices.last, last.addresses == found, last.services.upperBound + 1 == start {
                slices[slices.count - 1].services = last.services.lowerBound...(end - 1)
            } else {
                slices.append(Slice(services: start...(end - 1), addresses: found))
            }
        }
        return slices
    }

    /// As elements of a set: disjoint, in no order that means anything.
    var boxes: [Box] {
        slices.flatMap { slice in
            Self.rectangles(slice.services).flatMap { rectangle in
                slice.addresses.ranges.map {
                    Box(addresses: $0, protocols: rectangle.protocols, ports: rectangle.ports)
                }
            }
        }
    }

    /// A range of the joint number as at most three rectangles: the end of its first protocol, whole protocols, the beginning of
    /// its last.
    private static func rectangles(
        _ services: Services
    ) -> [(protocols: ClosedRange<UInt8>, ports: ClosedRange<UInt16>)] {
        var first = services.lowerBound >> 16
        var last = services.upperBound >> 16
        let start = UInt16(truncatingIfNeeded: services.lowerBound)
        let end = UInt16(truncatingIfNeeded: services.upperBound)
        func protocols(_ first: UInt32, _ last: UInt32) -> ClosedRange<UInt8> {
            UInt8(truncatingIfNeeded: first)...UInt8(truncatingIfNeeded: last)
        }
        if first == last { return [(protocols(first, first), start...end)] }
        var rectangles: [(ClosedRange<UInt8>, ClosedRange<UInt16>)] = []
        if start > 0 {
            rectangles.append((protocols(first, first), start ... .max))
            first += 1
        }
        if end < .max {
            rectangles.append((protocols(last, last), 0...end))
            last -= 1
        }
        if first <= last { rectangles.append((protocols(first, last), 0 ... .max)) }
        return rectangles
    }

    func contains(_ address: Address, protocol number: UInt8, port: UInt16) -> Bool {
        let service = UInt32(number) << 16 | UInt32(port)
        return slices.contains { slice in
            slice.services.contains(service) && slice.addresses.ranges.contains { $0.contains(address.bits) }
        }
    }
}
