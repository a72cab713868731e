internal import HiveNet
internal import HiveWire

extension Names {
    static let version = 1

    /// Reads `names.json`. No file means that nothing is known.
    ///
    /// A damaged one means so too: whatever was in it is asked for again.
    /// - Returns: the names, and a sentence if something is wrong with the file.
    public static func load(_ directory: StateDirectory) -> (names: Names, caution: String?) {
        do throws(HiveError) {
            let text: [UInt8]
            do throws(DurableFile.Failure) {
                text = try DurableFile.read(directory.names, onlyRegular: true)
            } catch {
                if error.isMissing { return (Names(), nil) }
                throw error.error
            }
            return (try Names(text: text, file: directory.names), nil)
        } catch {
            return (Names(), "\(error.description): the names in egress policies are looked up anew.")
        }
    }

    init(text: [UInt8], file: String) throws(HiveError) {
        let root = try JSONParser.parse(text, file: file)
        let source = Source(file: file, root: root)
        // The version first: another one may have other keys.
        let version = try JSONObject(root, in: source, knowing: nil).integer("version", 1...Int(Int32.max))
        guard version == Self.version else {
            throw source.error("version", "is not \(Self.version)")
        }
        let object = try JSONObject(root, in: source, knowing: ["version", "names"])
        guard let names = try object.object("names", knowing: nil) else {
            throw source.error("", "has no names")
        }
        for name in names.keys {
            guard case .name(name) = Destination(name)?.place,
                let entry = try names.object(name, knowing: ["addresses", "resolved", "expires", "problem"])
            else { throw names.error(name, "is not a name") }
            entries[name] = Entry(
                resolved: try Self.resolved(entry),
                problem: try entry.object("problem", knowing: ["kind", "reason", "when"]).map {
                    problem throws(HiveError) in
                    guard let kind = Problem.Kind(rawValue: try problem.string("kind") ?? ""),
                        let reason = try problem.string("reason"), let when = try problem.time("when")
                    else { throw entry.error("problem", "is incomplete") }
                    return Problem(kind: kind, reason: reason, when: when)
                })
        }
    }

    private static func resolved(_ entry: JSONObject) throws(HiveError) -> ResolvedName? {
        guard let node = entry.node("addresses") else { return nil }
        guard case .array(let elements) = node.value, let resolved = try entry.time("resolved"),
            let expires = try entry.time("expires"), expires > resolved,
            expires - resolved <= lifetimes.upperBound, (1...maximumAddresses).contains(elements.count)
        else { throw entry.error("addresses", "cannot have been written by Hive") }
        var addresses4: Set<IPv4Address> = []
        var addresses6: Set<IPv6Address> = []
        for element in elements {
            guard case .string(let text) = element.value else {
                throw entry.error("addresses", "holds \(element.shown)")
            }
            if let address = IPv4Address(text) {
                addresses4.insert(address)
            } else if let address = IPv6Address(text) {
                addresses6.insert(address)
            } else {
                throw entry.error("addresses", "holds \(quoted(text)), which is not an address")
            }
        }
        return ResolvedName(
            addresses4: addresses4.sorted(), addresses6: addresses6.sorted(), resolved: resolved,
            expires: expires)
    }

    /// Writes `names.json`. The directory must exist, and the caller holds the hive's lock.
    public func save(_ directory: StateDirectory) throws(HiveError) {
        do throws(DurableFile.Failure) {
            try DurableFile.write(text, to: StateDirectory.namesName, in: directory.path, replacing: true)
        } catch {
            throw error.error
        }
    }

    /// One line a name, in order, so that equal names are equal files.
    var text: String {
        let lines = entries.sorted { $0.key < $1.key }.map { name, entry in
            var members: [String] = []
            if let resolved = entry.resolved {
                let addresses =
                    resolved.addresses4.map { "\"\($0)\"" } + resolved.addresses6.map { "\"\($0)\"" }
                members.append("\"addresses\": [\(addresses.joined(separator: ", "))]")
                members.append("\"resolved\": \(resolved.resolved), \"expires\": \(resolved.expires)")
            }
            if let problem = entry.problem {
                members.append(
                    "\"problem\": { \"kind\": \"\(problem.kind.rawValue)\", \"reason\": \(JSONNode.string(problem.reason)), "
                        + "\"when\": \(problem.when) }")
            }
            return "    \"\(name)\": { \(members.joined(separator: ", ")) }"
        }
        let names = lines.isEmpty ? "{}" : "{\n\(lines.joined(separator: ",\n"))\n  }"
        return "{\n  \"version\": \(Self.version),\n  \"names\": \(names)\n}\n"
    }
}

extension JSONObject {
    /// Seconds since 1970-01-01 UTC; the bound is that of JSON's whole numbers.
    fileprivate func time(_ key: String) throws(HiveError) -> Int64? {
        try integer(key, 0...1 << 53).map { Int64($0) }
    }
}

extension StateDirectory {
    /// `STATE/names.json`.
    public var names: String { "\(path)/\(Self.namesName)" }

    static let namesName = "names.json"
}
