internal import HiveNet
internal import HiveWire

/// Why a text is no destination. Those who write it usually make one of a few mistakes; each gets a sentence of its own, if
/// possible with what they should have written.
enum DestinationMistake {
    static let forms =
        "an address, a network, \"internet\" or a name of the DNS, with ports or without: \"203.0.113.0/24\", "
        + "\"198.51.100.7:443/tcp\", \"[2001:db8::]/32:8000-8010/udp\", \"internet:443/tcp\", \"api.example.org:443/tcp\""

    /// - Parameter text: of which `Destination` makes nothing.
    /// - Returns: words that follow `is "…", `.
    static func words(for text: String) -> String {
        if text.isEmpty || text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7f }) {
            return "but must be \(forms)"
        }
        if let words = url(text) ?? brackets(text) { return words }
        // (Without brackets more than one colon is an IPv6 address, and that is looked at above.)
        let close = text.lastIndex(of: "]")
        let rest = close.map { text[$0...] } ?? text[...]
        if let colon = rest.firstIndex(of: ":"), close != nil || text.count(of: ":") == 1 {
            let place = String(text[..<colon])
            let ports = String(text[text.index(after: colon)...])
            if let words = self.place(place, ":" + ports) { return words }
            if let words = self.ports(ports, place) { return words }
            return "but must be \(forms)"
        }
        return place(text, "") ?? "but must be \(forms)"
    }

    // MARK: The usual mistakes

    private static func url(_ text: String) -> String? {
        guard let scheme = text.firstRange(of: "://") else { return nil }
        let host = text[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let port = text.hasPrefix("http:") ? "80" : "443"
        let meant = host.contains(":") ? "\(host)/tcp" : "\(host):\(port)/tcp"
        let example = Destination(meant) == nil ? "api.example.org:443/tcp" : meant
        return "which is a URL: a policy knows only host and port, as in \"\(example)\""
    }

    /// An IPv6 address whose ports cannot be told from it, or whose length is in the wrong place.
    private static func brackets(_ text: String) -> String? {
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return "which has no closing bracket" }
            let inner = text[text.index(after: text.startIndex)..<close]
            let rest = text[text.index(after: close)...]
            if let slash = inner.firstIndex(of: "/") {
                let meant = "[\(inner[..<slash])]\(inner[slash...])\(rest)"
                return Destination(meant).map {
                    "whose length stands inside of the brackets: write \"\($0)\""
                }
            }
            return IPv6Address(String(inner)) == nil ? "whose brackets hold no IPv6 address" : nil
        }
        guard text.count(of: ":") > 1, let colon = text.lastIndex(of: ":"),
            PortRange(String(text[text.index(after: colon)...])) != nil
        else { return nil }
        let parts = text[..<colon].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let meant =
            "[\(parts[0])]" + (parts.count > 1 ? "/\(parts[1])" : "") + text[colon...]
        return Destination(meant).map {
            "in which the ports cannot be told from the IPv6 address: write \"\($0)\""
        }
    }

    private static func ports(_ text: String, _ place: String) -> String? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let isNumber = { (text: Substring) in !text.isEmpty && text.allSatisfy { $0.isASCII && $0.isNumber } }
        let bounds = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        if parts.count == 1, PortRange(text + "/tcp") != nil {
            return "which says no protocol: write \"\(place):\(text)/tcp\" or \"\(place):\(text)/udp\""
        }
        if parts.count == 2, Transport(rawValue: parts[1]) == nil {
            return "whose protocol is \(quoted(parts[1])), but only tcp and udp have ports here"
        }
        guard (1...2).contains(bounds.count), bounds.allSatisfy(isNumber) else {
            return
                "whose ports are \(quoted(text)), but must be a number or two, and the protocol: \"443/tcp\", \"8000-8010/udp\""
        }
        let numbers = bounds.compactMap { UInt16($0) }
        guard numbers.count == bounds.count, !numbers.contains(0) else {
            return "whose ports are \(quoted(text)), but there are only the ports 1 to 65535"
        }
        if numbers.count == 2, numbers[0] > numbers[1], parts.count == 2 {
            return
                "whose ports are the wrong way round: write \"\(place):\(numbers[1])-\(numbers[0])/\(parts[1])\""
        }
        return nil
    }

    /// - Parameter ports: what follows, with its colon.
    private static func place(_ text: String, _ ports: String) -> String? {
        let plain = String(text.filter { $0 != "[" && $0 != "]" })
        if let prefix = Prefix4(plain), !prefix.isNetwork { return network("\(prefix.network)", ports) }
        if let prefix = Prefix6(plain), !prefix.isNetwork {
            let network = prefix.network
            return self.network(
                ports.isEmpty ? "\(network)" : "[\(network.address)]/\(network.length)", ports)
        }
        let parts = plain.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        if parts.count == 2, IPv4Address(parts[0]) != nil, Prefix4(plain) == nil {
            return "whose length is \(quoted(parts[1])), but must be from /0 to /32"
        }
        if parts.count == 2, IPv6Address(parts[0]) != nil, Prefix6(plain) == nil {
            return "whose length is \(quoted(parts[1])), but must be from /0 to /128"
        }
        if parts[0].contains("."), parts[0].allSatisfy({ $0 == "." || $0.isASCII && $0.isNumber }),
            IPv4Address(parts[0]) == nil
        {
            return "which is not an IPv4 address: that is four numbers from 0 to 255, without leading zeros"
        }
        if parts.count == 1, plain.contains("*") {
            return "and no name with \"*\" can be looked up: write each name, or the networks"
        }
        if parts.count == 1, !plain.contains("."), !plain.contains(":"), text == plain {
            if let near = nearest(to: plain.lowercased(), among: [Destination.internet.description]) {
                return "which is not a destination; did you mean \"\(near)\(ports)\"?"
            }
            return "which is a single word: write \"internet\", an address, or a name with a dot in it"
        }
        return nil
    }

    private static func network(_ network: String, _ ports: String) -> String {
        let meant = Destination(network + ports).map(\.description) ?? network
        return "which is an address in a network: write \"\(meant)\""
    }
}

extension String {
    fileprivate func count(of character: Character) -> Int { filter { $0 == character }.count }
}
