/// A dropped packet with everybody's names: what `hivectl net drops` prints, and as JSON one line of it (docs/json.md).
public struct Drop: Codable, Equatable, Sendable {
    /// Seconds since 1970-01-01 UTC, to the microsecond.
    public var time: Double
    public var reason: DropReason
    /// The agent that it came from; if it came from none, the one that it was for.
    public var agent: String?
    /// `tcp`, `udp`, `sctp`, `icmp`, `icmpv6`, `arp`; `protocol 47`, `ethertype 0x88cc`, `llc`.
    public var `protocol`: String
    public var source: String?
    public var sourcePort: UInt16?
    public var destination: String?
    public var destinationPort: UInt16?
    /// The type of an ICMP message, the operation of an ARP message.
    public var type: UInt16?
    /// The agent that has the destination's address.
    public var destinationAgent: String?
    /// What listens on the host at that address and port: the name of a process.
    public var service: String?
    /// The link that it came in by; if it came from the host itself, the one that it was to leave by.
    public var link: String?
    /// The Ethernet address that it came from.
    public var mac: MACAddress?
    public var vlan: UInt16?
    /// The id of the host's user whose packet it was.
    public var user: UInt32?

    /// It comes from that agent, or is for it.
    public func concerns(agent name: String) -> Bool { agent == name || destinationAgent == name }

    /// For people; control characters of a process's name are not taken out.
    ///
    ///     2026-11-25T06:40:00.123Z  alpha  host    tcp 10.77.0.2:41234 -> 10.77.0.1:7000 (hived)
    public var line: String {
        let time = UTC.text(milliseconds: Int64((time * 1000).rounded(.down)))
        let name = Self.padded(agent ?? "-", 12)
        var text = "\(time)  \(name)  \(Self.padded(reason.rawValue, 7))  \(`protocol`)"
        if let type { text += " \(words(of: type))" }
        if let vlan { text += " in VLAN \(vlan)" }
        let addresses = [endpoint(source, sourcePort), endpoint(destination, destinationPort)]
        if addresses != ["", ""] { text += " \(addresses[0]) -> \(addresses[1])" }
        let names = [destinationAgent == agent ? nil : destinationAgent, service].compactMap(\.self)
        if !names.isEmpty { text += " (\(names.joined(separator: ", ")))" }
        if let user { text += " of user \(user)" }
        // What is forged is told by where it came from.
        if reason == .spoof || source == nil {
            text += [link.map { " on \($0)" }, mac.map { " from \($0)" }].compactMap(\.self).joined()
        }
        return text
    }

    private func words(of type: UInt16) -> String {
        switch (`protocol`, type) {
        case ("arp", 1): "request"
        case ("arp", 2): "reply"
        case ("arp", _): "operation \(type)"
        default: "type \(type)"
        }
    }

    private func endpoint(_ address: String?, _ port: UInt16?) -> String {
        guard let address, let port else { return address ?? "" }
        return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.utf8.count))
    }
}
