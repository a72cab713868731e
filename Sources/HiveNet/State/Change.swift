/// One thing to do, and why.
public struct Change: Sendable, CustomStringConvertible {
    public enum Kind: String, Codable, Sendable {
        case add = "+"
        case change = "~"
        case remove = "-"
    }

    public let kind: Kind
    /// What is changed: `link hv-alpha`, `element`.
    public let object: String
    /// Which, or how: `10.77.0.2 6a:76:0a:4d:00:02`.
    public let detail: String
    /// `missing`, `not in the configuration`, `mtu 1500 -> 1400`.
    public let reason: String
    /// The agent that it is about, if it is about one.
    public let agent: String?
    let step: Step

    /// About what the boundary lets through: rules, elements, a port that is no agent's.
    var isOfTheRules: Bool {
        switch step {
        case .tables, .addElement, .removeElement, .evict: true
        default: false
        }
    }

    /// Is made in the tables.
    var needsTables: Bool {
        switch step {
        case .tables, .addElement, .removeElement, .renewElement: true
        default: false
        }
    }

    public var description: String {
        let what = [object, detail].filter { !$0.isEmpty }.joined(separator: " ")
        return "\(kind.rawValue) \(what)\(reason.isEmpty ? "" : " (\(reason))")"
    }
}

/// What carries a change out.
enum Step: Sendable {
    case tables(Tables)
    case addElement(SetElement)
    case removeElement(SetElement)
    /// The same element, good for longer.
    case renewElement(SetElement)
    case createBridge
    case configureBridge
    case deleteBridge
    /// A port that is no agent's.
    case evict(link: String)
    case addAddress(String)
    case removeAddress(String)
    /// To the network of one of the bridge's addresses.
    case addRoute(String)
    case addNeighbour(Neighbour)
    case removeNeighbour(Neighbour)
    case makeNamespace(agent: String)
    case removeNamespace(path: String)
    case makeLink(agent: String)
    case removeLink(name: String)
    case configurePort(agent: String)
    case addForwarding(agent: String, MACAddress)
    case removeForwarding(agent: String, MACAddress)
    case configureInside(agent: String)
    case raise(agent: String)
    case lower(agent: String)

    enum Tables: Sendable {
        /// Delete what there is and make everything anew, elements included.
        case replace
        /// Become the owner of what there is.
        case adopt
        /// Chains and rules anew; sets with their elements and counts stay, but for those of policies that come or go.
        case refresh(made: [AgentSet], gone: [AgentSet])
        case delete
    }
}

/// Compares two values of a type by their stored properties, by name and recursively.
/// - Returns: for each that differs its path (`ipv4.rpFilter`), what is wanted and what there is.
func differences<Value>(
    wanted: Value, actual: Value, path: String = ""
) -> [(path: String, wanted: String, actual: String)] {
    let wantedMirror = Mirror(reflecting: wanted)
    let actualMirror = Mirror(reflecting: actual)
    if wantedMirror.displayStyle == .optional, let wanted = wantedMirror.children.first?.value,
        let actual = actualMirror.children.first?.value
    {
        return differences(wanted: wanted, actual: actual, path: path)
    }
    guard wantedMirror.displayStyle == .struct, wantedMirror.children.count == actualMirror.children.count,
        !(wanted is any LosslessStringConvertible)
    else {
        let (wanted, actual) = (text(wanted), text(actual))
        return wanted == actual ? [] : [(path, wanted, actual)]
    }
    return zip(wantedMirror.children, actualMirror.children).flatMap { wanted, actual in
        let label = wanted.label ?? ""
        return differences(
            wanted: wanted.value, actual: actual.value, path: path.isEmpty ? label : "\(path).\(label)")
    }
}

/// A value as a person would write it: no quotes, no `Optional(…)`.
private func text(_ value: Any) -> String {
    let mirror = Mirror(reflecting: value)
    if mirror.displayStyle == .optional { return mirror.children.first.map { text($0.value) } ?? "none" }
    if mirror.displayStyle == .collection {
        return mirror.children.isEmpty
            ? "none" : mirror.children.map { text($0.value) }.joined(separator: " ")
    }
    if value is IPv4Settings || value is IPv6Settings { return "set" }
    if let neighbour = value as? Neighbour { return "\(neighbour.address) at \(neighbour.mac)" }
    return "\(value)"
}

extension [(path: String, wanted: String, actual: String)] {
    /// `mtu 1500 -> 1400, isolated false -> true`
    var reason: String { map { "\($0.path) \($0.actual) -> \($0.wanted)" }.joined(separator: ", ") }
}
