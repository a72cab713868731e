import HiveWire

extension Leases {
    static let version = 1
    /// Exactly representable everywhere, and no one counts that far.
    static let maximumReleases = 1 << 53

    /// Reads `leases.json`. No file means no leases.
    ///
    /// - Throws: `dataError`, with what to do, when the file is not as `save` writes it: addresses are never
    ///   given anew behind anybody's back.
    public static func load(_ directory: StateDirectory) throws(HiveError) -> Leases {
        let text: [UInt8]
        do throws(DurableFile.Failure) {
            text = try DurableFile.read(directory.leases, onlyRegular: true)
        } catch {
            if error.isMissing { return Leases() }
            throw error.error
        }
        do throws(HiveError) {
            return try Leases(text: text, file: directory.leases)
        } catch {
            throw HiveError(
                .dataError,
                "\(error.description). Nobody's address is changed for that: restore the file from a backup or correct it, "
                    + "or remove it, and then agents without addresses of their own get new ones")
        }
    }

    init(text: [UInt8], file: String) throws(HiveError) {
        let root = try JSONParser.parse(text, file: file)
        // The version first: another one may have other keys.
        let source = Source(file: file, root: root)
        guard
            let version = try JSONObject(root, in: source, knowing: nil).integer(
                "version", 1...Int(Int32.max))
        else {
            throw source.error("", "has no version")
        }
        guard version == Self.version else {
            throw source.error(
                "version", "is \(version), but this program knows only version \(Self.version)")
        }
        let object = try JSONObject(root, in: source, knowing: ["version", "releases", "leases"])
        guard let releases = try object.integer("releases", 0...Self.maximumReleases),
            let entries = try object.object("leases", knowing: nil)
        else { throw source.error("", "has no \(object.has("releases") ? "leases" : "releases")") }

        var byAgent: [String: Lease] = [:]
        var holders: [UInt32: String] = [:]
        for agent in entries.keys {
            guard AgentName.isValid(agent),
                let entry = try entries.object(agent, knowing: ["number", "released"])
            else {
                throw entries.error(agent, "is not a name for an agent")
            }
            guard
                let value = try entry.integer(
                    "number", Int(Self.numbers.lowerBound)...Int(Self.numbers.upperBound))
            else {
                throw entries.error(agent, "has no number")
            }
            let number = UInt32(value)
            if let other = holders.updateValue(agent, forKey: number) {
                throw entry.error(
                    "number", "is \(number), which is the number of \(entries.pathTo(other)) too")
            }
            let released = try entry.integer("released", 1...max(1, releases))
            byAgent[agent] = Lease(number: number, released: released.map { UInt64($0) })
        }
        self.init(byAgent: byAgent, releases: UInt64(releases))
    }

    /// Writes `leases.json` so that a crash leaves the old or the new file. The directory must exist, and the
    /// caller holds the hive's lock.
    public func save(_ directory: StateDirectory) throws(HiveError) {
        do throws(DurableFile.Failure) {
            try DurableFile.write(text, to: StateDirectory.leasesName, in: directory.path, replacing: true)
        } catch {
            throw error.error
        }
    }

    /// One line an agent, in the order of their names, so that equal leases are equal files.
    var text: String {
        var lines: [String] = []
        for (agent, lease) in byAgent.sorted(by: { $0.key < $1.key }) {
            let released = lease.released.map { ", \"released\": \($0)" } ?? ""
            lines.append("    \"\(agent)\": { \"number\": \(lease.number)\(released) }")
        }
        let leases = lines.isEmpty ? "{}" : "{\n\(lines.joined(separator: ",\n"))\n  }"
        return
            "{\n  \"version\": \(Self.version),\n  \"releases\": \(releases),\n  \"leases\": \(leases)\n}\n"
    }
}
