internal import FoundationEssentials
internal import HiveCore
internal import HiveWire

/// One line from whoever asks the watcher for something. Unknown keys are passed over.
public struct ControlRequest: Codable, Sendable {
    public enum Verb: String, Codable, CaseIterable, Sendable {
        case apply, plan, show, add, rm, events, drops, verify
    }

    /// The highest version of the protocol that is spoken here.
    public static let version = 1
    /// In octets: an agent's settings may be long lists.
    public static let longest = 1 << 20

    public var version = Self.version
    public let cmd: Verb
    /// The configuration and the state directory that are meant. A watcher that keeps another hive refuses. Nil: whichever it keeps.
    public var config: String?
    public var state: String?
    /// Of an agent.
    public var name: String?
    /// With `add`: the agent's settings, as JSON5, as in `agents.d/NAME.json`.
    public var settings: String?
    /// With `events` and `drops`: go on with those to come.
    public var follow: Bool?
    /// With `events` and `drops`: at most so many of the past.
    public var last: Int?

    /// With `show`: take over first what has been written to the files, though whoever writes may not have ended.
    public var fresh: Bool?
    /// With `verify`: the agents that send what is forbidden. Nil: all.
    public var agents: [String]?

    public init(_ cmd: Verb) { self.cmd = cmd }

    /// - Throws: `ServiceError` with a sentence for whoever sent it.
    init(line: [UInt8]) throws(ServiceError) {
        struct Envelope: Decodable {
            var version: Int?
            var cmd: String
        }
        let data = Data(line)
        guard let envelope = try? JSONDecoder().decode(Envelope.self, from: data) else {
            throw ServiceError(
                ServiceError.usage, "a request is one line of JSON, such as {\"version\":1,\"cmd\":\"show\"}")
        }
        if let version = envelope.version, version > Self.version {
            throw ServiceError(
                ServiceError.unavailable,
                "the request is of version \(version), but this watcher knows version \(Self.version)")
        }
        guard Verb(rawValue: envelope.cmd) != nil else {
            let known = Verb.allCases.map(\.rawValue).joined(separator: ", ")
            throw ServiceError(
                ServiceError.usage, "there is no command \(quoted(envelope.cmd)); there are \(known)")
        }
        do {
            self = try JSONDecoder().decode(Self.self, from: data)
        } catch let DecodingError.typeMismatch(_, context) {
            let key = context.codingPath.last?.stringValue ?? ""
            throw ServiceError(ServiceError.usage, "the value of \(quoted(key)) is of the wrong type")
        } catch {
            throw ServiceError(ServiceError.usage, "the request cannot be read")
        }
    }

    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        version = try keys.decodeIfPresent(Int.self, forKey: .version) ?? Self.version
        cmd = try keys.decode(Verb.self, forKey: .cmd)
        config = try keys.decodeIfPresent(String.self, forKey: .config)
        state = try keys.decodeIfPresent(String.self, forKey: .state)
        name = try keys.decodeIfPresent(String.self, forKey: .name)
        settings = try keys.decodeIfPresent(String.self, forKey: .settings)
        follow = try keys.decodeIfPresent(Bool.self, forKey: .follow)
        last = try keys.decodeIfPresent(Int.self, forKey: .last)
        agents = try keys.decodeIfPresent([String].self, forKey: .agents)
        fresh = try keys.decodeIfPresent(Bool.self, forKey: .fresh)
    }
}

/// One line from the watcher. After a good answer to `events` or `drops` further lines follow, one each.
public struct ControlAnswer: Codable, Sendable {
    public private(set) var version = ControlRequest.version
    public let ok: Bool
    /// What went wrong: sentences.
    public var error: String?
    /// The status that a command should exit with (sysexits.h).
    public var exit: Int32?
    /// What was changed, or would be.
    public var changes: [ChangeReport.Item]?
    /// Sentences that everybody should read.
    public var notes: [String]?
    /// With `show`: what `net show --json` prints.
    public var shown: ShownNetwork?

    public init(ok: Bool) { self.ok = ok }

    static func failure(_ explanation: Explanation) -> ControlAnswer {
        var answer = ControlAnswer(ok: false)
        answer.error = explanation.sentences.joined(separator: "\n")
        answer.exit = explanation.code
        return answer
    }
}

extension Encodable {
    /// One line, with its line feed.
    func line() throws -> [UInt8] { try JSONLine.encode(self) }
}
