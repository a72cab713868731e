import Testing

@testable import HiveNet

struct RangesTests {
    private typealias Small = Ranges<UInt8>

    @Test func overlappingAndAdjacentOnesAreOne() {
        #expect(Small([1...3, 2...5, 6...7]).ranges == [1...7])
        #expect(Small([6...7, 1...3]).ranges == [1...3, 6...7])
        #expect(Small([0...255, 3...4]).ranges == [0...255])
        #expect(Small([255...255, 254...254, 0...0]).ranges == [0...0, 254...255])
    }

    @Test func whatIsTakenAwayLeavesTheRest() {
        #expect(Small([0...255]).subtracting(Small([0...0, 255...255])).ranges == [1...254])
        #expect(Small([0...255]).subtracting(.all).isEmpty)
        #expect(Small([1...3, 5...9]).subtracting(Small([2...6])).ranges == [1...1, 7...9])
        #expect(Small([1...3]).subtracting(Small([4...9])).ranges == [1...3])
    }

    /// Against sets of numbers.
    @Test func differenceAndUnionAreThoseOfSets() {
        var random = Seeded(21)
        func some() -> [ClosedRange<UInt8>] {
            (0..<Int.random(in: 0...6, using: &random)).map { _ in
                let first = UInt8.random(in: 0...255, using: &random)
                let most = ([0, 3, 255] as [UInt8]).randomElement(using: &random) ?? 0
                return first...UInt8.random(in: first...max(first, first | most), using: &random)
            }
        }
        for _ in 0..<2000 {
            let (left, right) = (some(), some())
            let result = Small(left).subtracting(Small(right))
            let expected = Set(left.flatMap { $0 }).subtracting(right.flatMap { $0 })
            #expect(Set(result.ranges.flatMap { $0 }) == expected)
            // Ascending, with a gap between each two.
            #expect(
                zip(result.ranges, result.ranges.dropFirst()).allSatisfy {
                    Int($0.upperBound) + 1 < Int($1.lowerBound)
                })
        }
    }
}

struct RegionTests {
    // MARK: The oracle: entries looked at one by one, as a person would.

    private func allows<Address: IPAddress>(
        _ egress: Egress, _ address: Address, _ number: UInt8, _ port: UInt16,
        _ names: [String: ResolvedName] = [:]
    ) -> Bool {
        func matches(_ destination: Destination) -> Bool {
            if let ports = destination.ports {
                guard ports.transport.number == number, ports.range.contains(port) else { return false }
            }
            switch destination.place {
            case .network4(let prefix): return (address as? IPv4Address).map(prefix.contains) ?? false
            case .network6(let prefix): return (address as? IPv6Address).map(prefix.contains) ?? false
            case .internet:
                if let address = address as? IPv4Address { return !SpecialAddresses.contains(address) }
                if let address = address as? IPv6Address { return !SpecialAddresses.contains(address) }
                return false
            case .name(let name):
                let resolved = names[name]
                return (address as? IPv4Address).map { resolved?.addresses4.contains($0) ?? false }
                    ?? (address as? IPv6Address).map { resolved?.addresses6.contains($0) ?? false } ?? false
            }
        }
        return egress.allow.contains(where: matches) && !egress.deny.contains(where: matches)
    }

    private func destination(_ text: String) throws -> Destination {
        try #require(Destination(text), "\(text)")
    }

    private func policy(allow: [String], deny: [String] = []) throws -> Egress {
        Egress(allow: try allow.map(destination), deny: try deny.map(destination))
    }

    /// What the set holds, from its elements as the kernel gets them: each field within its range.
    private func holds<Address: IPAddress>(
        _ boxes: [Region<Address>.Box], _ address: Address, _ number: UInt8, _ port: UInt16
    ) -> Bool {
        boxes.contains {
            $0.addresses.contains(address.bits) && $0.protocols.contains(number) && $0.ports.contains(port)
        }
    }

    /// nft_pipapo_insert refuses elements that overlap.
    private func areDisjoint<Address: IPAddress>(_ boxes: [Region<Address>.Box]) -> Bool {
        boxes.indices.allSatisfy { first in
            boxes.indices.suffix(from: first + 1).allSatisfy { second in
                !(boxes[first].addresses.overlaps(boxes[second].addresses)
                    && boxes[first].protocols.overlaps(boxes[second].protocols)
                    && boxes[first].ports.overlaps(boxes[second].ports))
            }
        }
    }

    // MARK: Edges

    @Test(arguments: [
        (["0.0.0.0/0"], [], ["0.0.0.0-255.255.255.255 0-255 0-65535"]),
        (["255.255.255.255"], [], ["255.255.255.255-255.255.255.255 0-255 0-65535"]),
        (["0.0.0.0/1", "128.0.0.0/1"], [], ["0.0.0.0-255.255.255.255 0-255 0-65535"]),
        (["10.0.0.0/8", "11.0.0.0/8"], [], ["10.0.0.0-11.255.255.255 0-255 0-65535"]),
        (["10.0.0.0/8", "10.1.0.0/16:443/tcp"], [], ["10.0.0.0-10.255.255.255 0-255 0-65535"]),
        (["0.0.0.0/0"], ["0.0.0.0/0"], []), (["10.0.0.1"], ["10.0.0.0/8"], []),
        (["9.9.9.9:53/udp"], [], ["9.9.9.9-9.9.9.9 17-17 53-53"]),
        (["9.9.9.9:1-65535/tcp"], [], ["9.9.9.9-9.9.9.9 6-6 1-65535"]),
        (
            ["9.9.9.8/31:80/tcp", "9.9.9.10/31:80/tcp", "9.9.9.9:81/tcp"], [],
            ["9.9.9.8-9.9.9.11 6-6 80-80", "9.9.9.9-9.9.9.9 6-6 81-81"]
        ),
        (
            ["255.255.255.254/31"], ["255.255.255.255:25/tcp"],
            [
                "255.255.255.254-255.255.255.254 6-6 25-25", "255.255.255.254-255.255.255.255 0-5 0-65535",
                "255.255.255.254-255.255.255.255 6-6 0-24", "255.255.255.254-255.255.255.255 6-6 26-65535",
                "255.255.255.254-255.255.255.255 7-255 0-65535",
            ]
        ),
    ])
    func isCutIntoDisjointElements(allow: [String], deny: [String], expected: [String]) throws {
        let boxes = try policy(allow: allow, deny: deny).region(IPv4Address.self).boxes
        let texts = boxes.map {
            "\(IPv4Address(bits: $0.addresses.lowerBound))-\(IPv4Address(bits: $0.addresses.upperBound)) "
                + "\($0.protocols.lowerBound)-\($0.protocols.upperBound) \($0.ports.lowerBound)-\($0.ports.upperBound)"
        }
        #expect(texts.sorted() == expected)
        #expect(areDisjoint(boxes))
    }

    @Test func theLastIPv6AddressIsInAndOut() throws {
        let last = IPv6Address(bits: .max)
        let all = try policy(allow: ["::/0"], deny: ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"])
        let region = all.region(IPv6Address.self)
        #expect(!region.contains(last, protocol: 6, port: 1))
        #expect(region.contains(IPv6Address(bits: .max - 1), protocol: 6, port: 1))
        #expect(region.contains(IPv6Address(bits: 0), protocol: 255, port: .max))
        #expect(region.boxes.count == 1)
        #expect(all.region(IPv4Address.self).isEmpty)
    }

    // MARK: Random policies

    private func check<Address: IPAddress>(_: Address.Type, seed: UInt64) throws {
        var random = Seeded(seed)
        var (allowed, denied) = (0, 0)
        func place() throws -> Destination.Place {
            if Int.random(in: 0..<8, using: &random) == 0 { return .internet }
            // Close to each other and to both ends, so that they overlap and touch.
            var bits = Address.Bits.random(in: 0...255, using: &random)
            if Bool.random(using: &random) { bits = ~bits }
            let length = Address.width - Int.random(in: 0...9, using: &random)
            let prefix = try #require(Prefix(Address(bits: bits), length: length)).network
            if let prefix = prefix as? Prefix4 { return .network4(prefix) }
            return .network6(try #require(prefix as? Prefix6))
        }
        func ports() -> PortRange? {
            if Int.random(in: 0..<3, using: &random) == 0 { return nil }
            let first = ([1, 80, 443, 65534] as [UInt16]).randomElement(using: &random) ?? 1
            let last = Bool.random(using: &random) ? first : UInt16.random(in: first ... .max, using: &random)
            return PortRange(first...last, Bool.random(using: &random) ? .tcp : .udp)
        }
        func some(_ most: Int) throws -> [Destination] {
            try (0..<Int.random(in: 0...most, using: &random)).map { _ in
                Destination(try place(), ports: ports())
            }
        }
        for _ in 0..<150 {
            let egress = Egress(allow: try some(6), deny: try some(4))
            let region = egress.region(Address.self)
            let boxes = region.boxes
            #expect(areDisjoint(boxes), "\(egress)")
            var wrong: [String] = []
            for _ in 0..<150 {
                var bits = Address.Bits.random(in: 0...300, using: &random)
                if Bool.random(using: &random) { bits = ~bits }
                if Int.random(in: 0..<6, using: &random) == 0 {
                    bits = .random(in: 0 ... .max, using: &random)
                }
                let address = Address(bits: bits)
                let number = ([6, 6, 17, 17, 1, 0, 5, 7, 255] as [UInt8]).randomElement(using: &random) ?? 6
                let port =
                    ([0, 1, 79, 80, 81, 443, 444, 65534, 65535] as [UInt16]).randomElement(using: &random)
                    ?? 0
                let expected = allows(egress, address, number, port)
                if expected { allowed += 1 } else { denied += 1 }
                if holds(boxes, address, number, port) != expected
                    || region.contains(address, protocol: number, port: port) != expected
                {
                    wrong.append("\(address) \(number) \(port)")
                }
            }
            #expect(wrong.isEmpty, "\(egress)")
        }
        // Both answers were asked for.
        #expect(allowed > 300 && denied > 1000, "\(allowed) \(denied)")
    }

    @Test func elementsHoldWhatThePolicySays() throws {
        try check(IPv4Address.self, seed: 31)
        try check(IPv6Address.self, seed: 32)
    }

    // MARK: Names

    @Test func whatNamesAddOverlapsWithNothing() throws {
        let egress = try policy(
            allow: [
                "9.9.9.0/24:80/tcp", "api.example.org:1-100/tcp", "cdn.example.org:80-443/tcp",
                "other.example.org",
            ], deny: ["8.8.8.8", "7.7.7.7:80/tcp"])
        func resolved(_ addresses: [String], _ expires: Int64) throws -> ResolvedName {
            ResolvedName(
                addresses4: try addresses.map { try value($0) }, addresses6: [], resolved: 0, expires: expires
            )
        }
        let names = [
            "api.example.org": try resolved(["9.9.9.9", "8.8.8.8", "7.7.7.7", "6.6.6.6"], 100),
            "cdn.example.org": try resolved(["6.6.6.6", "9.9.9.9"], 200),
            "unused.example.org": try resolved(["5.5.5.5"], 300),
        ]
        let permanent = egress.region(IPv4Address.self)
        let named = egress.regions(IPv4Address.self, of: names)
        #expect(named.map(\.name) == ["cdn.example.org", "api.example.org"])
        #expect(areDisjoint(permanent.boxes + named.flatMap(\.region.boxes)))
        for address in ["9.9.9.9", "8.8.8.8", "7.7.7.7", "6.6.6.6", "5.5.5.5", "9.9.9.8"] {
            for port in [UInt16(1), 79, 80, 81, 100, 101, 443, 444] {
                for number in [UInt8(6), 17] {
                    let address: IPv4Address = try value(address)
                    let found = [permanent] + named.map(\.region)
                    let isIn = found.contains { $0.contains(address, protocol: number, port: port) }
                    #expect(
                        isIn == allows(egress, address, number, port, names), "\(address) \(number) \(port)")
                }
            }
        }
        // Where two names say the same, the one that is good for longer says it.
        let shared: IPv4Address = try value("6.6.6.6")
        #expect(named[0].expires == 200 && named[0].region.contains(shared, protocol: 6, port: 90))
        #expect(!named[1].region.contains(shared, protocol: 6, port: 90))
        #expect(egress.regions(IPv4Address.self, of: [:]).isEmpty)
    }

    // MARK: Labels

    @Test func aLabelIsThatOfTheDestinationsAlone() throws {
        #expect(Egress.none.label == "none" && Egress.internet.label == "internet")
        let one = try policy(allow: ["9.9.9.9", "8.8.8.8:53/udp"], deny: ["7.7.7.7"])
        var same = try policy(allow: ["8.8.8.8:53/udp", "9.9.9.9", "9.9.9.9"], deny: ["7.7.7.7"])
        same.connections = 3
        same.rate = 8000
        same.services = [Service(53, .udp)]
        #expect(one.label == same.label)
        #expect(one.label.hasPrefix("policy-"))
        #expect(try policy(allow: ["9.9.9.9", "8.8.8.8:53/udp"]).label != one.label)
        #expect(try policy(allow: ["7.7.7.7"], deny: ["9.9.9.9", "8.8.8.8:53/udp"]).label != one.label)
        var limited = Egress.internet
        limited.connections = 5
        #expect(limited.label == "internet")
    }
}
