internal import FoundationEssentials
public import HiveCore
internal import HiveWire

/// The unguessable segments of agents' paths: `/agent/NAME/~TOKEN/…`.
///
/// Who has one may see the agent's page, so they change: the one that new pages get is replaced after a time, and the one before stays
/// good for as long again, so that pages which are open go on. `gateway.json` in the state directory keeps them, readable for root
/// alone: with a restart bookmarks and open pages stay as they are.
public struct Tokens: Equatable, Sendable {
    public struct Entry: Equatable, Sendable, Codable {
        /// The one that pages get now.
        public var current: String
        /// In seconds since 1970: when `current` was made.
        public var made: Int64
        /// Nil when it has had its time.
        public var previous: String?

        public init(current: String, made: Int64, previous: String? = nil) {
            self.current = current
            self.made = made
            self.previous = previous
        }
    }

    /// By agent.
    public var entries: [String: Entry]

    public init(_ entries: [String: Entry] = [:]) { self.entries = entries }

    /// 128 bits in hexadecimal: what `SystemRandomNumberGenerator` gives, which is getrandom(2).
    static let length = 32

    static func mint(using random: inout some RandomNumberGenerator) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: (0..<length).map { _ in digits[Int.random(in: 0..<16, using: &random)] }, as: UTF8.self)
    }

    static func isToken(_ text: String) -> Bool {
        text.utf8.count == length
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    /// Gives every agent a token, and replaces those that have had their time. Agents that are gone lose theirs.
    /// - Parameters:
    ///   - rotation: in seconds.
    ///   - now: in seconds since 1970.
    public mutating func renew(
        for agents: [String], rotation: Int, now: Int64,
        using random: inout some RandomNumberGenerator
    ) {
        var renewed: [String: Entry] = [:]
        for agent in agents {
            guard var entry = entries[agent] else {
                renewed[agent] = Entry(current: Self.mint(using: &random), made: now)
                continue
            }
            let age = now - entry.made
            // A clock that was set back would keep one for ever.
            if age >= Int64(rotation) || age < 0 {
                // After a long sleep the old one has had both its times.
                let isOver = age >= 2 * Int64(rotation)
                entry = Entry(
                    current: Self.mint(using: &random), made: now, previous: isOver ? nil : entry.current)
            }
            renewed[agent] = entry
        }
        entries = renewed
    }

    /// When `renew` would change something, in seconds since 1970; nil: there is none.
    public func nextChange(rotation: Int) -> Int64? {
        entries.values.map { $0.made + Int64(rotation) }.min()
    }

    // MARK: The file

    private struct File: Codable {
        var version: Int
        var agents: [String: Entry]
    }
    private static let version = 1

    /// Reads `gateway.json`. No file means no tokens; so does a damaged one, since all that is lost is that open pages have to be opened
    /// anew.
    /// - Returns: the tokens, and a sentence if something is wrong with the file.
    public static func load(_ directory: StateDirectory) -> (tokens: Tokens, caution: String?) {
        do {
            guard let bytes = try directory.read(private: fileName) else { return (Tokens(), nil) }
            let file = try JSONDecoder().decode(File.self, from: Data(bytes))
            let isSound = file.agents.allSatisfy { name, entry in
                AgentName.isValid(name) && isToken(entry.current) && entry.previous.map(isToken) != false
            }
            guard file.version == version, isSound else { return (Tokens(), damaged(directory)) }
            return (Tokens(file.agents), nil)
        } catch let error as HiveError {
            return (Tokens(), "\(error.description): pages that are open have to be opened anew.")
        } catch {
            return (Tokens(), damaged(directory))
        }
    }

    private static func damaged(_ directory: StateDirectory) -> String {
        "\(directory.path)/\(fileName) is damaged: pages that are open have to be opened anew."
    }

    static let fileName = "gateway.json"

    public func save(_ directory: StateDirectory) throws(HiveError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        let data: Data
        do {
            data = try encoder.encode(File(version: Self.version, agents: entries))
        } catch {
            throw HiveError(.ioError, "cannot write the tokens of agents' pages: \(error)")
        }
        try directory.write(String(decoding: data, as: UTF8.self) + "\n", private: Self.fileName)
    }
}
