import HiveNet
import Testing

@testable import HiveCore

/// What is written is read as the same.
@Suite struct EgressTextTests {
    private static func random(_ random: inout Seeded) -> Destination {
        let low = UInt16.random(in: 1...65535, using: &random)
        let ports: PortRange? =
            Bool.random(using: &random)
            ? nil
            : PortRange(
                low...(Bool.random(using: &random) ? low : UInt16.random(in: low...65535, using: &random)),
                Bool.random(using: &random) ? .tcp : .udp)
        switch Int.random(in: 0...3, using: &random) {
        case 0:
            // 1 to 126 in front: no special range is hit whole.
            let bits = UInt32.random(in: 1 << 24..<127 << 24, using: &random)
            let length = Int.random(in: 8...32, using: &random)
            return Destination(
                .network4(Prefix4(network: bits & (UInt32.max << (32 - length)), length: length)),
                ports: ports)
        case 1:
            let bits = UInt128.random(in: 0x2 << 124..<0x4 << 124, using: &random)
            let length = Int.random(in: 4...128, using: &random)
            return Destination(
                .network6(Prefix6(network: bits & (UInt128.max << (128 - length)), length: length)),
                ports: ports)
        case 2: return Destination(.internet, ports: ports)
        default:
            let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789_")
            let labels = (0...Int.random(in: 1...3, using: &random)).map { _ in
                String(
                    (0...Int.random(in: 0...20, using: &random)).map { _ in
                        letters.randomElement(using: &random) ?? "a"
                    })
            }
            return Destination(.name(labels.joined(separator: ".") + "x"), ports: ports)
        }
    }

    @Test func aDestinationIsReadAsItIsWritten() {
        var random = Seeded(state: 2026)
        for _ in 0..<20_000 {
            let destination = Self.random(&random)
            #expect(Destination(destination.description) == destination, "\(destination)")
        }
    }

    /// Whatever is typed, there is a sentence, and nothing crashes.
    @Test func noTextIsTooStrange() {
        var random = Seeded(state: 3)
        let pieces = [
            "[", "]", ":", "/", "-", ".", "::", "10.0.0.1", "2001:db8::", "443", "tcp", "/tcp", "internet",
            "a.example",
            "://", "*", " ", "\u{0}", "é", "99999999999999999999", "0",
        ]
        var good = 0
        for _ in 0..<20_000 {
            let text = (0...Int.random(in: 0...6, using: &random)).map { _ in
                pieces.randomElement(using: &random) ?? ""
            }.joined()
            if let destination = Destination(text) {
                good += 1
                #expect(Destination(destination.description) == destination)
            } else {
                #expect(DestinationMistake.words(for: text).count > 10, "\(text)")
            }
        }
        #expect(good > 100)
    }

    @Test func settingsAreReadAsTheyAreWritten() throws {
        var random = Seeded(state: 7)
        for _ in 0..<500 {
            var egress = Egress()
            var seen: Set<Destination> = []
            egress.allow = (0..<Int.random(in: 0...5, using: &random)).map { _ in Self.random(&random) }
                .filter { seen.insert($0).inserted && !Self.isAgents($0) }
            if !egress.allow.isEmpty {
                seen = []
                egress.deny = (0..<Int.random(in: 0...3, using: &random)).map { _ in Self.random(&random) }
                    .filter { if case .name = $0.place { false } else { seen.insert($0).inserted } }
            }
            egress.services = (0..<UInt16.random(in: 0...3, using: &random)).map { Service($0 + 1, .udp) }
            if Bool.random(using: &random) {
                egress.connections = UInt32.random(in: 1...1_000_000, using: &random)
            }
            if Bool.random(using: &random) {
                egress.rate = UInt64.random(in: 8...1_000_000, using: &random) * 1000
            }
            let settings = AgentSettings(webPort: 80, egress: egress)
            let read = try Declaration(name: "a", text: Array(settings.text.utf8), file: "a.json").settings
            #expect(read == settings, "\(settings.text)")
        }
    }

    private static func isAgents(_ destination: Destination) -> Bool {
        guard case .network4(let place) = destination.place else { return false }
        return NetworkSettings().subnet4.contains(place.first)
    }

    @Test func theShortestFormIsWritten() {
        #expect(AgentSettings().text == "{}\n")
        #expect(AgentSettings(egress: .internet).text == "{\n  \"egress\": \"internet\"\n}\n")
        #expect(
            AgentSettings(egress: Egress(allow: [.internet], rate: 8000)).text
                == "{\n  \"egress\": { \"allow\": [\"internet\"], \"rate\": \"8kbit\" }\n}\n")
        #expect(
            AgentSettings(egress: Egress(services: [Service(53, .udp)], connections: 5)).text
                == "{\n  \"egress\": { \"host\": [\"53/udp\"], \"connections\": 5 }\n}\n")
    }

    @Test func ratesAreThoseOfTc() throws {
        for (text, bits) in [
            ("8000bit", 8000), ("8kbit", 8000), ("10mbit", 10_000_000), ("10Mbit", 10_000_000),
            ("1gbit", 1_000_000_000),
            ("12345bit", 12345),
        ] as [(String, UInt64)] { #expect(try Rate.read(text) == bits) }
        #expect(
            [8000, 12345, 1_500_000, 2_000_000_000].map(Rate.text) == [
                "8kbit", "12345bit", "1500kbit", "2gbit",
            ])
        var random = Seeded(state: 1)
        for _ in 0..<1000 {
            let rate = UInt64.random(in: Rate.bounds, using: &random)
            #expect(try Rate.read(Rate.text(rate)) == rate)
        }
    }
}
