internal import Glibc
public import HiveCore
public import HiveNet

/// An agent's egress policy, as the configuration says it, in JSON.
public struct ShownPolicy: Codable, Equatable, Sendable {
    /// As in the table: `none`, `internet`, or `policy-` and a fingerprint of the destinations.
    public let label: String
    public let allow: [String]
    public let deny: [String]
    public let host: [String]
    public let connections: UInt32
    /// Bits per second; absent: no limit.
    public let rate: UInt64?
    /// For people.
    public let words: String
    /// It says more than its label.
    public var isSpecial: Bool { self != ShownPolicy(.none) && self != ShownPolicy(.internet) }

    public init(_ egress: Egress) {
        label = egress.label
        allow = egress.allow.map(\.description)
        deny = egress.deny.map(\.description)
        host = egress.services.map(\.description)
        connections = egress.connections
        rate = egress.rate
        words = egress.words
    }
}

/// What a name in a policy stands for, in JSON and for people. Times are seconds since 1970-01-01 UTC.
public struct ShownName: Codable, Equatable, Sendable {
    /// `usable`, `expired`, `refused`, `failed`, or `unknown`: not looked up yet.
    public let state: String
    public let addresses: [String]
    public let resolved: Int64?
    public let expires: Int64?
    /// Why the last question brought nothing, and when that was.
    public let reason: String?
    public let asked: Int64?

    public init(_ entry: Names.Entry?, now: Int64) {
        let resolved = entry?.resolved
        addresses =
            (resolved?.addresses4.map(\.description) ?? []) + (resolved?.addresses6.map(\.description) ?? [])
        self.resolved = resolved?.resolved
        expires = resolved?.expires
        reason = entry?.problem?.reason
        asked = entry?.problem?.when
        if let resolved {
            state = resolved.isUsable(at: now) ? "usable" : "expired"
        } else {
            state = entry?.problem?.kind.rawValue ?? "unknown"
        }
    }

    public var words: String {
        var words: String
        switch state {
        case "unknown": return "not looked up yet, and reaches nothing: 'hivectl net apply' does that"
        case "usable", "expired":
            words =
                addresses.joined(separator: ", ")
                + "; looked up \(Self.time(resolved)), \(state == "usable" ? "good until" : "expired") \(Self.time(expires))"
            if let reason {
                words += "; since then it could not be looked up (\(Self.time(asked))): \(reason)"
            }
        default:
            words = "\(state), and reaches nothing: \(reason ?? "") (\(Self.time(asked)))"
        }
        return words
    }

    /// `2026-01-31 12:00:00 UTC`.
    public static func time(_ seconds: Int64?) -> String {
        guard let seconds else { return "never" }
        var (time, parts) = (time_t(seconds), tm())
        guard gmtime_r(&time, &parts) != nil else { return "\(seconds)" }
        let two = { (number: Int32) in number < 10 ? "0\(number)" : "\(number)" }
        return
            "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) UTC"
    }
}
