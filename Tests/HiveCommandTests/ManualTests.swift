import FoundationEssentials
import Testing

@testable import HiveCommand
@testable import HiveCore
@testable import hivectl

@Suite struct ManualTests {
    /// Whatever words are, on the page they are themselves.
    @Test func wordsAreNotRequests() {
        #expect(Roff.escaped(".SH x") == "\\&.SH x")
        #expect(Roff.escaped("'br") == "\\(aqbr")
        #expect(Roff.escaped("a\\fBb") == "a\\efBb")
        #expect(Roff.literal("--json 'x' ~ ^ `") == "\\-\\-json \\(aqx\\(aq \\(ti \\(ha \\(ga")
        #expect(Roff.quoted("a \"b\"") == "\"a \\(dqb\\(dq\"")
        var roff = Roff()
        roff.section("X")
        roff.paragraphs(".first\n.second\n\n  .kept\n  'kept\n\n'last")
        for line in roff.text.split(separator: "\n") where line.hasPrefix(".") {
            #expect([".SH", ".PP", ".nf", ".RS", ".RE", ".fi"].contains { line.hasPrefix($0) }, "\(line)")
        }
        #expect(roff.text.contains("\n\\&.first .second\n"))
    }

    /// hive.json(5) has every key that is read, and no other; and so has the README, as far as it goes.
    @Test func everyKeyIsInTheManual() throws {
        let entries = ConfigurationKeys.sections.flatMap(\.entries)
        let known = Set(entries.map(\.key))
        #expect(known.count == entries.count, "each once")
        var read: Set<String> = []
        func add(_ place: String, _ keys: [String]) { for key in keys { read.insert("\(place).\(key)") } }
        add("network", NetworkSettings.keys)
        add("gateway", GatewaySettings.keys)
        add("gateway.limits", GatewayLimits.keys)
        add("gateway.tls", ["certificate", "key"])
        add("gateway.auth", ["basicFile", "clientCertificates"])
        add("roster", RosterSettings.keys)
        add("agents.NAME", AgentSettings.keys)
        add("agents.NAME.web", ["port", "socket"])
        add("agents.NAME.egress", EgressText.keys)
        add("agents.NAME.container", ContainerSettings.keys)
        read.insert("agents.NAME")
        // Objects of which there is nothing to say but what is in them.
        let objects: Set = ["gateway.tls", "gateway.auth", "gateway.limits", "agents.NAME.web"]
        #expect(read.subtracting(known) == objects)
        #expect(known.subtracting(read) == [])

        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../README.md")
        let readme = String(decoding: try Data(contentsOf: file), as: UTF8.self)
        var count = 0
        for line in readme.split(separator: "\n") where line.hasPrefix("| `") {
            let cell = line.dropFirst(2).prefix { $0 != "|" }
            for word in cell.split(separator: "`").map(String.init)
            where word.contains(".") && !word.contains("/") && !word.contains(" ") {
                guard ["network", "gateway", "agents", "roster"].contains(String(word.prefix { $0 != "." }))
                else { continue }
                #expect(known.contains(word) || objects.contains(word), "README.md: \(word)")
                count += 1
            }
        }
        #expect(count > 25)
    }

    @Test func daysAreOfTheSource() {
        #expect(Program.day { $0 == "SOURCE_DATE_EPOCH" ? "1767225600" : nil } == "2026-01-01")
    }
}
