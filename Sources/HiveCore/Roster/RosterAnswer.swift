import HiveWire

/// What a core daemon says of its agents, in one line of JSON:
/// `{"version":1,"ok":true,"agent_statuses":[{"name":"alpha","running":true}]}`.
///
/// The line is foreign. It is read by the parser that reads our own files, not by Foundation's decoder: of two equal keys that
/// one silently takes the last, and here an answer that can be read in two ways has to change nothing. (JSON5, which the parser
/// reads, holds all of JSON.) Keys that are not needed may hold anything.
public struct RosterAnswer: Equatable, Sendable {
    /// In the order of the alphabet, each a valid name and once.
    public let names: [String]
    /// What was set aside, in sentences without a full stop. At most `maximumCautions`.
    public let cautions: [String]

    /// The newest version of the protocol that is understood.
    public static let version = 1
    /// Of a line, in bytes.
    public static let maximumSize = 4 << 20
    public static let maximumAgents = 4096
    static let maximumCautions = 16

    /// - Parameters:
    ///   - line: without its line feed.
    ///   - socket: whose answer it is, for messages.
    /// - Throws: `dataError` for an answer that is not understood, or that says no.
    public init(_ line: [UInt8], from socket: String) throws(HiveError) {
        func error(_ text: String) -> HiveError {
            HiveError(.dataError, "the daemon at \(socket) \(text)")
        }
        guard line.count <= Self.maximumSize else {
            throw error("gave an answer of more than \(Self.maximumSize >> 20) MiB")
        }
        guard line.contains(where: { $0 > 0x20 }) else { throw error("gave an empty answer") }
        let answer: JSONObject
        do throws(HiveError) {
            let root = try JSONParser.parse(line, file: "answer")
            answer = try JSONObject(root, in: Source(file: "answer"), knowing: nil)
        } catch {
            throw HiveError(
                .dataError,
                "the daemon at \(socket) gave an answer that is not understood: \(error.description)")
        }
        // The version first: a newer one may mean something else by the same keys.
        if let version = answer.node("version"), !answer.isNull("version") {
            guard let number = version.integer else {
                throw error("gave an answer whose version is \(version.shown), which is not a whole number")
            }
            guard number <= Self.version else {
                throw error(
                    "speaks version \(number) of the protocol, but only version \(Self.version) is known here"
                )
            }
        }
        switch answer.node("ok")?.value {
        case .boolean(true): break
        case .boolean(false):
            if case .string(let words) = answer.node("error")?.value {
                throw error("refuses to answer: \(quoted(words))")
            }
            throw error("refuses to answer, and does not say why")
        default: throw error("gave an answer without \"ok\": true or false")
        }
        guard case .array(let entries) = answer.node("agent_statuses")?.value else {
            throw error("gave an answer without a list \"agent_statuses\"")
        }
        guard entries.count <= Self.maximumAgents else {
            throw error("names \(entries.count) agents, but at most \(Self.maximumAgents) are followed")
        }
        (names, cautions) = Self.sort(entries, error)
    }

    private static func sort(
        _ entries: [JSONNode], _ error: (String) -> HiveError
    ) -> (names: [String], cautions: [String]) {
        var names: Set<String> = []
        var cautions: [String] = []
        for (index, entry) in entries.enumerated() {
            switch name(of: entry) {
            case .string(let name)? where !AgentName.isValid(name):
                cautions.append(
                    "names \(quoted(name)), which is not a name for an agent: it must be \(AgentName.rule)")
            case .string(let name)?:
                if !names.insert(name).inserted { cautions.append("names the agent \(quoted(name)) twice") }
            default: cautions.append("gives agent_statuses[\(index)] no name")
            }
        }
        var sentences = cautions.prefix(maximumCautions).map { error($0).description }
        if cautions.count > maximumCautions {
            sentences[maximumCautions - 1] =
                error(
                    "has \(cautions.count - maximumCautions + 1) more entries that are set aside"
                ).description
        }
        return (names.sorted(), sentences)
    }

    private static func name(of entry: JSONNode) -> JSONNode.Value? {
        guard case .object(let members) = entry.value else { return nil }
        return members.first { $0.key == "name" }?.node.value
    }
}
