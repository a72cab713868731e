import FoundationEssentials

@testable import HiveNet

/// Every run draws the same numbers (splitmix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    mutating func octets(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in .random(in: 0...255, using: &self) }
    }
}

/// What a value is after it was written as JSON and read again.
func throughJSON<Value: Codable>(_ value: Value) throws -> Value {
    try JSONDecoder().decode(Value.self, from: JSONEncoder().encode(value))
}

func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

extension NetworkSpec {
    /// A hive with agents that differ in everything in which agents can differ.
    static func sample(ipv6: Bool = true) throws -> NetworkSpec {
        let alpha = Agent(
            name: "alpha", address4: IPv4Address(bits: 0x0a4d_0002),
            address6: ipv6 ? IPv6Address("fd77:6869:7665::2") : nil, webPort: 8080, egress: .internet)
        let beta = Agent(
            name: "beta", address4: IPv4Address(bits: 0x0a4d_0014),
            address6: ipv6 ? IPv6Address("fd77:6869:7665::14") : nil)
        let gamma = Agent(
            name: "gamma", address4: IPv4Address(bits: 0x0a4d_0003),
            address6: ipv6 ? IPv6Address("fd77:6869:7665::3") : nil, namespace: .path("/run/netns/mine"),
            webPort: 80)
        return NetworkSpec(
            bridge: "hive0", interfacePrefix: "hv-", subnet4: try value("10.77.0.0/16"),
            subnet6: ipv6 ? try value("fd77:6869:7665::/64") as Prefix6 : nil, mtu: 1500, gatewayUsers: [33],
            agents: [alpha, beta, gamma])
    }

    /// Agents `a0`, `a1` …, with consecutive addresses.
    static func many(_ count: Int) throws -> NetworkSpec {
        var spec = try sample()
        spec.agents = (0..<UInt32(count)).map { number in
            Agent(
                name: "a\(number)", address4: IPv4Address(bits: 0x0a4d_0002 + number),
                address6: IPv6Address(bits: spec.subnet6.map { $0.first.bits + 2 + UInt128(number) } ?? 0),
                webPort: 8080, egress: number % 2 == 0 ? .internet : .none)
        }
        return spec
    }
}

struct NotAValue: Error {
    let text: String
}

/// The value that a text spells.
func value<Value: LosslessStringConvertible>(_ text: String) throws -> Value {
    guard let value = Value(text) else { throw NotAValue(text: text) }
    return value
}

extension NetworkObservation {
    /// A kernel that holds exactly this state, on a host that does nothing else.
    init(_ state: NetworkState) {
        self.init(
            state: state, blocked: [:], blockedInAll: [:], host: HostFacts(), generation: 1, bridgeIndex: nil,
            linkIndexes: [:], freeIndex: 100, chains: [:])
    }
}

extension Boundary {
    /// How a plan words that the tables are made anew, all elements with them.
    var tables: String {
        "tables bridge hive, inet hive with \(rules.count { $0.hasPrefix("rule ") }) rules and \(elements.count) elements"
    }
}
