internal import FoundationEssentials

/// What all requests have in common: a line of JSON with a version and one of a closed set of verbs.
public protocol WireRequest: Codable, Sendable {
    associatedtype Verb: RawRepresentable<String> & CaseIterable
    /// The key of the verb.
    static var verbKey: String { get }
    /// The newest version that is understood.
    static var version: Int { get }
    /// A line that would be right, for messages.
    static var example: String { get }
}

extension AgentRequest: WireRequest {
    public typealias Verb = AgentVerb
    public static let verbKey = "cmd"
    public static let example = #"{"version":1,"cmd":"loose_ends"}"#
}

extension OperatorRequest: WireRequest {
    public typealias Verb = OperatorVerb
    public static let verbKey = "cmd"
    public static let example = #"{"version":1,"cmd":"agent_status"}"#
}

extension CoreRequest: WireRequest {
    public typealias Verb = CoreVerb
    public static let verbKey = "request"
    public static let example = #"{"version":1,"request":"Agents"}"#
}

extension WireRequest {
    /// Reads a line. Unknown keys are passed over; of equal ones one counts.
    /// - Throws: a sentence for whoever sent it.
    public init(line: [UInt8]) throws(ServiceError) {
        let data = Data(line)
        let decoder = JSONDecoder()
        guard let envelope = try? decoder.decode(Envelope.self, from: data) else {
            throw ServiceError(ServiceError.usage, "a request is one line of JSON, such as \(Self.example)")
        }
        if let version = envelope.version, version > Self.version {
            throw ServiceError(
                ServiceError.unavailable,
                "the request is of version \(version), but version \(Self.version) is spoken here")
        }
        guard let verb = envelope.verbs[Self.verbKey] else {
            throw ServiceError(
                ServiceError.usage, "a request needs \(quoted(Self.verbKey)), as in \(Self.example)")
        }
        guard Verb(rawValue: verb) != nil else {
            let known = Verb.allCases.map(\.rawValue).joined(separator: ", ")
            throw ServiceError(ServiceError.usage, "there is no request \(quoted(verb)); there are \(known)")
        }
        do {
            self = try decoder.decode(Self.self, from: data)
        } catch let DecodingError.typeMismatch(_, context) {
            throw Self.wrong(context)
        } catch let DecodingError.dataCorrupted(context) {
            throw Self.wrong(context)
        } catch {
            throw ServiceError(ServiceError.usage, "the request cannot be read")
        }
    }

    private static func wrong(_ context: DecodingError.Context) -> ServiceError {
        let key = context.codingPath.map(\.stringValue).last ?? ""
        return ServiceError(ServiceError.usage, "the value of \(quoted(key)) is not one that it can have")
    }
}

/// What is looked at first: a newer version may mean something else by the other keys.
private struct Envelope: Decodable {
    var version: Int?
    var verbs: [String: String] = [:]

    struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: Key.self)
        version = try keys.decodeIfPresent(Int.self, forKey: Key(stringValue: "version"))
        for name in ["cmd", "request"] {
            if let verb = try? keys.decode(String.self, forKey: Key(stringValue: name)) { verbs[name] = verb }
        }
    }
}
