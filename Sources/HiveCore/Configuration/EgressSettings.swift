public import HiveNet
import HiveWire

extension Egress {
    private static let words = [Egress.none, .internet].map(\.label)
    private static let forms =
        "\(words.map { "\"\($0)\"" }.joined(separator: " or ")), or an object such as { allow: [\"203.0.113.0/24:443/tcp\"] }"

    /// The key of an object: `"none"`, `"internet"`, or an object with lists.
    /// - Returns: nil when it is not written.
    init?(_ object: JSONObject, _ key: String) throws(HiveError) {
        guard let node = object.node(key) else { return nil }
        switch node.value {
        case .string(let text):
            guard let egress = [Egress.none, .internet].first(where: { $0.label == text }) else {
                let near = nearest(to: text, among: Self.words).map { "; did you mean \"\($0)\"?" }
                // Somebody who has a destination in mind has forgotten the list.
                let list = Destination(text).map { "; write { allow: [\"\($0)\"] } for that" }
                throw object.error(key, "is \(quoted(text)), but must be \(Self.forms)\(near ?? list ?? "")")
            }
            self = egress
        case .object:
            guard let policy = try object.object(key, knowing: EgressText.keys) else { return nil }
            var text = EgressText()
            text.allow = try policy.strings("allow") ?? []
            text.deny = try policy.strings("deny") ?? []
            text.host = try policy.strings("host") ?? []
            text.connections = try policy.integer("connections", EgressText.connections)
            text.rate = try policy.string("rate", Rate.forms)
            self = try text.egress { place, words in
                policy.source.error(
                    policy.pathTo(place.key) + (place.index.map { "[\($0)]" } ?? ""), words)
            }
        default: throw object.error(key, "is \(node.shown), but must be \(Self.forms)")
        }
    }

    /// What `init(_:_:)` reads as the same policy, in the shortest form.
    var json: String {
        if let word = [Egress.none, .internet].first(where: { $0 == self })?.label { return "\"\(word)\"" }
        var members: [String] = []
        let lists = [
            ("allow", allow.map(\.description)), ("deny", deny.map(\.description)),
            ("host", services.map(\.description)),
        ]
        for (key, entries) in lists where !entries.isEmpty {
            // (No entry has a character that JSON would have to escape.)
            members.append("\"\(key)\": [\(entries.map { "\"\($0)\"" }.joined(separator: ", "))]")
        }
        if connections != Egress.standardConnections { members.append("\"connections\": \(connections)") }
        if let rate { members.append("\"rate\": \"\(Rate.text(rate))\"") }
        return "{ \(members.joined(separator: ", ")) }"
    }

    /// The policy for people: `to 203.0.113.0/24, but not 203.0.113.7; 53/udp of the host; at most 256 connections`.
    public var words: String {
        var parts: [String] = []
        let list = { (values: [String]) in values.joined(separator: ", ") }
        parts.append(
            allow.isEmpty
                ? "to nothing outside"
                : "to \(list(allow.map(\.description)))"
                    + (deny.isEmpty ? "" : ", but not \(list(deny.map(\.description)))"))
        if !services.isEmpty { parts.append("\(list(services.map(\.description))) of the host") }
        parts.append("at most \(counted(connections, "connection"))")
        if let rate { parts.append("\(Rate.text(rate)) each way") }
        return parts.joined(separator: "; ")
    }
}
