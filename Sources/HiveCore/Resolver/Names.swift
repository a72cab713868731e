public import HiveNet

/// What the names in egress policies stand for, as the host last heard: what `names.json` holds.
public struct Names: Equatable, Sendable {
    /// What is known of a name: the last good answer, the last trouble, or both.
    public struct Entry: Equatable, Sendable {
        /// Usable until it expires.
        public var resolved: ResolvedName?
        public var problem: Problem?
    }

    /// Why the last question brought nothing that can be used.
    public struct Problem: Equatable, Sendable {
        public enum Kind: String, Sendable, CaseIterable {
            /// Nobody could say. The answer before holds until it expires.
            case failed
            /// The answer cannot be right, and the one before is no longer trusted either.
            case refused
        }
        public var kind: Kind
        /// In words that follow "NAME: ".
        public var reason: String
        /// In seconds since 1970-01-01 UTC.
        public var when: Int64
    }

    public internal(set) var entries: [String: Entry] = [:]

    public init() {}

    /// In seconds. A name server that says "0" would have every apply change the rules, and one that says "a year" would keep
    /// an address allowed long after it has become somebody else's.
    static let lifetimes: ClosedRange<Int64> = 300...86_400
    static let maximumAddresses = 64

    /// Those that may be used.
    public func usable(at now: Int64) -> [String: ResolvedName] {
        entries.compactMapValues { entry in entry.resolved.flatMap { $0.isUsable(at: now) ? $0 : nil } }
    }

    // MARK: Asking

    /// Names of which nothing usable is known, or nothing for long. (Trouble is no knowledge: it is asked for again.)
    func due(_ names: [String], at now: Int64) -> [String] {
        names.filter { name in
            guard let entry = entries[name], entry.problem == nil, let resolved = entry.resolved,
                resolved.isUsable(at: now)
            else { return true }
            return (resolved.expires - now) * 3 < resolved.expires - resolved.resolved
        }
    }

    /// When somebody should ask again, in seconds since 1970-01-01 UTC: when a third of a lifetime is left, or a minute after trouble.
    /// Nil: there is nothing to ask for.
    public func nextLookup(of names: [String], at now: Int64) -> Int64? {
        names.map { name in
            guard let entry = entries[name] else { return now }
            if let problem = entry.problem { return problem.when + 60 }
            guard let resolved = entry.resolved else { return now }
            return resolved.expires - (resolved.expires - resolved.resolved) / 3 + 1
        }.min()
    }

    /// - Parameters:
    ///   - names: all that policies mention; others are forgotten.
    ///   - ask: answers for the names given to it; not called when none is due.
    ///   - objection: why an address cannot be what a name outside stands for; nil if it can.
    mutating func update(
        _ names: [String], at now: Int64, objection: Objection, ask: ([String]) -> [String: Resolver.Answer]
    ) {
        review(names, at: now, objection: objection)
        let due = due(names, at: now)
        guard !due.isEmpty else { return }
        let answers = ask(due)
        for name in due {
            take(answers[name] ?? .failure("no answer"), for: name, at: now, objection)
        }
    }

    /// What `update` does without asking anybody.
    mutating func review(_ names: [String], at now: Int64, objection: Objection) {
        let mentioned = Set(names)
        entries = entries.filter { mentioned.contains($0.key) }
        // What was fine may not be any more: the host has got that address, or the agents have another subnet.
        for (name, entry) in entries {
            guard let resolved = entry.resolved, let reason = objection.reason(resolved) else { continue }
            entries[name] = Entry(problem: Problem(kind: .refused, reason: reason, when: now))
        }
    }

    private mutating func take(
        _ answer: Resolver.Answer, for name: String, at now: Int64, _ objection: Objection
    ) {
        switch answer {
        case .failure(let reason):
            // Only what can still be used is kept.
            let resolved = entries[name]?.resolved.flatMap { $0.isUsable(at: now) ? $0 : nil }
            entries[name] = Entry(
                resolved: resolved, problem: Problem(kind: .failed, reason: reason, when: now))
        case .addresses(let addresses4, let addresses6, let lifetime):
            var resolved = ResolvedName(
                addresses4: addresses4, addresses6: addresses6, resolved: now,
                expires: now + min(max(Int64(lifetime), Self.lifetimes.lowerBound), Self.lifetimes.upperBound)
            )
            if let reason = objection.reason(resolved) {
                entries[name] = Entry(problem: Problem(kind: .refused, reason: reason, when: now))
                return
            }
            // (The checks come first: they are about all addresses.) The lowest, so that the choice stays the same.
            resolved.addresses4 = Array(addresses4.prefix(Self.maximumAddresses))
            resolved.addresses6 = Array(
                addresses6.prefix(Self.maximumAddresses - resolved.addresses4.count))
            entries[name] = Entry(resolved: resolved)
        }
    }

    // MARK: Putting together

    /// Takes what others have found meanwhile: of each name the latest that was heard. Nothing is forgotten.
    ///
    /// Two may ask at the same time, and the one who began first, when no name server answered, be done last.
    public mutating func merge(_ other: Names, at now: Int64) {
        for (name, entry) in other.entries {
            entries[name] = entries[name].map { Entry.latest($0, entry, at: now) } ?? entry
        }
    }

    // MARK: Telling

    /// A sentence for each name with trouble, in the order of the names.
    ///
    /// - Parameter mentioned: nil for all.
    public func cautions(about mentioned: [String]? = nil, at now: Int64) -> [String] {
        entries.sorted { $0.key < $1.key }.compactMap { name, entry in
            guard mentioned?.contains(name) != false else { return nil }
            guard let problem = entry.problem else {
                guard let resolved = entry.resolved, !resolved.isUsable(at: now) else { return nil }
                return
                    "\(name): what it stood for has expired, so it reaches nothing until the next 'net apply'."
            }
            switch problem.kind {
            case .refused: return "\(name) is refused, and reaches nothing: \(problem.reason)."
            case .failed where entry.resolved?.isUsable(at: now) == true:
                return
                    "\(name) cannot be looked up: \(problem.reason). What it stood for before is used until it expires."
            case .failed: return "\(name) cannot be looked up, and reaches nothing: \(problem.reason)."
            }
        }
    }
}

extension Names.Entry {
    /// When that was asked for. What is of a time to come, since the clock was put back, is older than everything.
    private func asked(at now: Int64) -> Int64 {
        let when = max(resolved?.resolved ?? .min, problem?.when ?? .min)
        return when > now ? .min : when
    }

    fileprivate static func latest(_ known: Self, _ found: Self, at now: Int64) -> Self {
        let (older, newer) =
            found.asked(at: now) < known.asked(at: now) ? (found, known) : (known, found)
        // A later failure does not take away what an earlier answer has brought.
        guard newer.problem?.kind == .failed, let before = older.resolved, before.isUsable(at: now),
            before.resolved >= newer.resolved?.resolved ?? .min
        else { return newer }
        return Self(resolved: before, problem: newer.problem)
    }
}

extension ResolvedName {
    /// Not expired, and not of a time to come: a clock that was put back would make it last too long.
    public func isUsable(at now: Int64) -> Bool { resolved <= now && now < expires }
}

/// What a name outside cannot stand for. A mixed answer is refused as a whole: whoever put one such address in it made the rest.
struct Objection {
    let subnet4: Prefix4
    let subnet6: Prefix6?
    /// The host's own addresses.
    let host4: Set<IPv4Address>
    let host6: Set<IPv6Address>

    func reason(_ name: ResolvedName) -> String? {
        for address in name.addresses4 {
            if subnet4.contains(address) {
                return "it resolves to \(address), an address of the agents' subnet"
            }
            if host4.contains(address) { return "it resolves to \(address), an address of this host" }
            if SpecialAddresses.contains(address) {
                return "it resolves to \(address), which is not a public address"
            }
        }
        for address in name.addresses6 {
            if subnet6?.contains(address) == true {
                return "it resolves to \(address), an address of the agents' subnet"
            }
            if host6.contains(address) { return "it resolves to \(address), an address of this host" }
            if SpecialAddresses.contains(address) {
                return "it resolves to \(address), which is not a public address"
            }
        }
        return nil
    }
}
