import HiveWire

/// What a container runtime calls one container's place in one network: by these three together it finds it again
/// (CNI specification 1.1.0, section 2; netavark's plugins have the same).
public struct Attachment: Hashable, Sendable {
    /// The network's name, as the runtime's configuration has it.
    public let network: String
    /// The container's id.
    public let container: String
    /// The link's name inside.
    public let interface: String

    public init(network: String, container: String, interface: String) {
        self.network = network
        self.container = container
        self.interface = interface
    }

    static let keys = ["network", "container", "interface"]
    /// A runtime's ids are 64 digits long or shorter.
    public static let longest = 255

    /// Networks' names and containers' ids: a letter or digit, and then these, `_`, `.` and `-`
    /// (CNI specification 1.1.0, "Network configuration" and "Parameters").
    public static func isIdentifier(_ text: String) -> Bool {
        func isWord(_ byte: UInt8) -> Bool {
            (0x61...0x7a).contains(byte) || (0x41...0x5a).contains(byte) || (0x30...0x39).contains(byte)
        }
        guard (1...longest).contains(text.utf8.count), text.utf8.first.map(isWord) == true else {
            return false
        }
        return text.utf8.allSatisfy { isWord($0) || "_.-".utf8.contains($0) }
    }

    /// What the agent is called: words that people know it by, and a number that tells it from all others that they know by the same.
    /// Depends on nothing but the arguments.
    ///
    /// - Parameter hint: the container's name; nil: its id stands for it. Anything, since others choose it.
    public func agentName(hint: String?) -> String {
        // 40 bits of FNV-1a, stirred. (Two that are alike are told apart by `AgentDirectory.add`, which refuses the second.)
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for part in [network, container, interface] {
            for byte in Array(part.utf8) + [0] { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        }
        hash = (hash ^ hash >> 33) &* 0xff51_afd7_ed55_8ccd
        hash ^= hash >> 33
        let digits = String(hash & 0xff_ffff_ffff, radix: 16)
        let number = String(repeating: "0", count: 10 - digits.count) + digits

        var words = ""
        for byte in (hint ?? String(container.prefix(12))).utf8 {
            let small = (0x41...0x5a).contains(byte) ? byte + 0x20 : byte
            let isKept = (0x61...0x7a).contains(small) || (0x30...0x39).contains(small)
            if isKept {
                words.unicodeScalars.append(Unicode.Scalar(small))
            } else if words.last != "-" {
                words += "-"
            }
        }
        if words.first.map({ !("a"..."z").contains($0) }) ?? true { words = "c-" + words }
        words = String(words.prefix(AgentName.maximumLength - number.count - 1))
        while words.last == "-" { words.removeLast() }
        return "\(words)-\(number)"
    }

    init(_ object: JSONObject) throws(HiveError) {
        func text(_ key: String) throws(HiveError) -> String {
            guard let text = try object.string(key) else {
                throw object.error(key, "is missing: an attachment has network, container and interface")
            }
            guard (1...Self.longest).contains(text.utf8.count),
                text.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7f })
            else { throw object.error(key, "is \(quoted(text)), but must be a word") }
            return text
        }
        self.init(
            network: try text("network"), container: try text("container"), interface: try text("interface"))
    }

    /// JSON that reads back as the same.
    var json: String {
        func member(_ key: String, _ value: String) -> String { "\"\(key)\": \(JSONNode.string(value))" }
        return
            "{ \(member("network", network)), \(member("container", container)), \(member("interface", interface)) }"
    }
}
