internal import Glibc
internal import HiveCore
internal import HiveWire

/// The systemd that runs this machine, asked and told by its own programs. Blocking.
struct Systemd: Sendable {
    private let systemctl, run, journalctl: String
    /// Where systemd-nspawn is.
    let nspawn: String?

    /// Where root's programs are.
    private static let places = ["/usr/bin", "/bin", "/run/current-system/sw/bin", "/usr/local/bin"]
    /// Octets of its words that are told on.
    private static let mostWords = 600

    /// - Throws: `unavailable` where there is none, or where it does not run.
    init() throws(ServiceError) {
        // sd_booted(3).
        guard access("/run/systemd/system", F_OK) == 0 else {
            throw ServiceError(
                ServiceError.unavailable,
                "containers cannot be started or stopped here: systemd does not run (there is no /run/systemd/system)"
            )
        }
        systemctl = try Self.find("systemctl")
        run = try Self.find("systemd-run")
        journalctl = try Self.find("journalctl")
        nspawn = try? Self.find("systemd-nspawn")
    }

    private static func find(_ name: String) throws(ServiceError) -> String {
        guard let place = places.first(where: { access("\($0)/\(name)", X_OK) == 0 }) else {
            throw ServiceError(
                ServiceError.unavailable,
                "there is no program \(name) in \(places.joined(separator: ", "))")
        }
        return "\(place)/\(name)"
    }

    // MARK: Telling it

    /// What a time limit that has passed means for the caller.
    private func must(
        _ program: String, _ arguments: [String], seconds: Int, late: String
    ) throws(ServiceError) {
        let result = try start(program, arguments, seconds: seconds, keeping: .first(1 << 16))
        guard let status = result.status else { throw ServiceError(ServiceError.unavailable, late) }
        guard status == 0 else {
            let words = Self.sentence(result.words)
            throw ServiceError(
                ServiceError.software,
                words.isEmpty ? "\(program) ended with \(status), and said nothing" : words)
        }
    }

    private func start(
        _ program: String, _ arguments: [String], seconds: Int, keeping amount: Child.Amount
    ) throws(ServiceError) -> Child.Result {
        do {
            return try Child.run(program, arguments, seconds: seconds, keeping: amount)
        } catch {
            throw ServiceError(ServiceError.inputOutput, error.description)
        }
    }

    /// `systemctl VERB UNIT`, which waits until it is done.
    /// - Parameters:
    ///   - options: before the verb, such as `--no-block`.
    ///   - seconds: that it may take.
    ///   - late: the sentence for when it takes longer. systemd goes on with it.
    func control(
        _ verb: String, _ unit: String, options: [String] = [], seconds: Int, late: String
    ) throws(ServiceError) {
        try must(
            systemctl, ["--no-ask-password", "--no-pager"] + options + [verb, "--", unit],
            seconds: seconds, late: late)
    }

    /// Makes a transient service of a command, and waits until it is up.
    /// - Parameters:
    ///   - properties: such as `KillMode=mixed`.
    ///   - command: a program's absolute path and its arguments, which reach it as they are.
    func runService(
        _ unit: String, description: String, properties: [String], command: [String], seconds: Int,
        late: String
    ) throws(ServiceError) {
        // systemd puts variables of the environment for $NAME, and one dollar for two.
        let words = command.map {
            $0.split(separator: "$", omittingEmptySubsequences: false).joined(separator: "$$")
        }
        try must(
            run,
            ["--no-ask-password", "--quiet", "--unit=\(unit)", "--description=\(description)"]
                + properties.map { "--property=\($0)" } + ["--"] + words,
            seconds: seconds, late: late)
    }

    // MARK: Asking it

    /// - Returns: the properties of each unit, in the order of the units.
    func show(_ units: [String], _ properties: [String]) throws(ServiceError) -> [[String: String]] {
        guard !units.isEmpty else { return [] }
        let result = try start(
            systemctl,
            ["--no-pager", "--property=\(properties.joined(separator: ","))", "show", "--"] + units,
            seconds: 20, keeping: .first(16 << 20))
        guard let status = result.status else {
            throw ServiceError(
                ServiceError.unavailable, "systemd did not say within 20 seconds how its units are")
        }
        guard status == 0 else { throw ServiceError(ServiceError.software, Self.sentence(result.words)) }
        // A unit is some lines KEY=VALUE, and then comes an empty one.
        var found: [[String: String]] = [[:]]
        for line in result.words.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty {
                found.append([:])
            } else if let equals = line.firstIndex(of: "=") {
                found[found.count - 1][String(line[..<equals])] = String(line[line.index(after: equals)...])
            }
        }
        found.removeAll(where: \.isEmpty)
        guard found.count == units.count else {
            throw ServiceError(
                ServiceError.software,
                "systemd was asked about \(units.count) units, and spoke of \(found.count)")
        }
        return found
    }

    /// Lines of the journal are cut after so many octets, and the answer has at most so many: what a container writes it writes as it likes.
    private static let mostLine = 4096
    private static let mostJournal = 512 << 10

    /// The last lines that a unit, and what is in it, wrote, the oldest first.
    func journal(_ unit: String, lines: Int) throws(ServiceError) -> [String] {
        let result = try start(
            journalctl,
            [
                "--unit=\(unit)", "--lines=\(lines)", "--output=short-iso", "--no-pager", "--quiet",
                "--no-hostname",
            ], seconds: 20, keeping: .last(4 << 20))
        guard let status = result.status else {
            throw ServiceError(
                ServiceError.unavailable, "the journal of \(unit) could not be read within 20 seconds")
        }
        guard status == 0 else { throw ServiceError(ServiceError.software, Self.sentence(result.words)) }
        var kept: [String] = []
        var size = 0
        for line in result.words.split(separator: "\n").suffix(lines).reversed() {
            let text =
                line.utf8.count <= Self.mostLine
                ? String(line) : String(decoding: line.utf8.prefix(Self.mostLine), as: UTF8.self) + "…"
            size += text.utf8.count
            guard size <= Self.mostJournal else { break }
            kept.append(text)
        }
        return kept.reversed()
    }

    /// Its words as part of a sentence: on one line, without what a terminal would act on, and not long.
    static func sentence(_ words: String) -> String {
        var text = words.split(whereSeparator: \.isNewline).map { line in
            line.hasSuffix(".") ? String(line.dropLast()) : String(line)
        }.joined(separator: "; ")
        text.unicodeScalars.removeAll { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) }
        guard text.utf8.count > mostWords else { return text }
        return String(decoding: text.utf8.prefix(mostWords), as: UTF8.self) + "…"
    }
}
