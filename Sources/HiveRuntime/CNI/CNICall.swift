internal import HiveCore
internal import HiveWire

/// What a runtime calls the plugin with: variables of the environment (CNI specification 1.1.0, section 2, "Parameters").
struct CNICall: Equatable {
    enum Verb: String, CaseIterable {
        case add = "ADD"
        case del = "DEL"
        case check = "CHECK"
        case gc = "GC"
        case status = "STATUS"
        case version = "VERSION"
    }

    let verb: Verb
    var container = ""
    var namespace: String?
    var interface = ""
    /// `CNI_ARGS`: KEY=VALUE;KEY=VALUE.
    var arguments: [String: String] = [:]

    /// - Parameter variable: of the environment.
    init(_ variable: (String) -> String?) throws(RuntimeFault) {
        func value(_ name: String) -> String? { variable(name).flatMap { $0.isEmpty ? nil : $0 } }
        func demand(_ name: String) throws(RuntimeFault) -> String {
            guard let value = value(name) else { throw RuntimeFault(.environment, "\(name) is not set") }
            return value
        }
        let word = try demand("CNI_COMMAND")
        guard let verb = Verb(rawValue: word) else {
            let known = Verb.allCases.map(\.rawValue).joined(separator: ", ")
            throw RuntimeFault(.environment, "CNI_COMMAND is \(quoted(word)), but must be one of \(known)")
        }
        self.verb = verb
        guard [.add, .del, .check].contains(verb) else { return }

        container = try demand("CNI_CONTAINERID")
        guard Attachment.isIdentifier(container) else {
            throw RuntimeFault(
                .environment,
                "CNI_CONTAINERID is \(quoted(container)), but must begin with a letter or digit, and have nothing besides them but _ . and -"
            )
        }
        interface = try demand("CNI_IFNAME")
        if let objection = Self.objection(toLink: interface) {
            throw RuntimeFault(.environment, "CNI_IFNAME is \(quoted(interface)), but \(objection)")
        }
        // (What is gone has no namespace any more.)
        namespace = verb == .del ? value("CNI_NETNS") : try demand("CNI_NETNS")
        for pair in (value("CNI_ARGS") ?? "").split(separator: ";") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw RuntimeFault(
                    .environment, "CNI_ARGS has \(quoted(String(pair))), which is not KEY=VALUE")
            }
            arguments[String(parts[0])] = String(parts[1])
        }
    }

    /// `dev_valid_name` (net/core/dev.c), and libcni, which also refuses a colon.
    private static func objection(toLink name: String) -> String? {
        if name.utf8.count > 15 { return "the name of a link has at most 15 bytes" }
        if name == "." || name == ".." { return "no link can be called so" }
        let isPlain = name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != 0x2f && $0 != 0x3a }
        return isPlain ? nil : "the name of a link has no blank, slash or colon"
    }
}
