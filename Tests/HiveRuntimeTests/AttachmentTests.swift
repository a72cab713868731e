import HiveCore
import HiveNet
import HiveWire
import Testing

@testable import HiveRuntime

struct AttachmentTests {
    /// Whatever a container is called, its agent has a name that an agent can have, of its own.
    @Test func namesOfAgents() {
        let hints: [String?] = [
            nil, "", "alpha", "Web_Front", "-", "--", "1", "ünïcode", "a\u{0}b", "../../etc/passwd",
            "x/y;rm -rf",
            String(repeating: "a", count: 300), String(repeating: "-", count: 300), "a--", "\n",
        ]
        var names: Set<String> = []
        var count = 0
        for hint in hints {
            for network in ["red", "blue"] {
                for container in ["0", "abc123", "A.b_c-d", String(repeating: "f", count: 64)] {
                    let attachment = Attachment(network: network, container: container, interface: "eth0")
                    let name = attachment.agentName(hint: hint)
                    #expect(AgentName.isValid(name), "\(hint ?? "nil"): \(name)")
                    #expect(name == attachment.agentName(hint: hint))
                    names.insert(name)
                    count += 1
                }
            }
        }
        // Hints that come to the same words do not make the same container another one.
        #expect(Set(names.map { $0.suffix(10) }).count == 8)
        #expect(names.count > count / 2)
        let attachment = Attachment(network: "red", container: "abc", interface: "eth0")
        #expect(attachment.agentName(hint: "Web_Front").hasPrefix("web-front-"))
        // What one part ends with is not what the next begins with.
        #expect(
            Attachment(network: "ab", container: "c", interface: "eth0").agentName(hint: "x")
                != Attachment(network: "a", container: "bc", interface: "eth0").agentName(hint: "x"))
    }

    @Test func identifiers() {
        for good in ["a", "0", "A1_.-", String(repeating: "f", count: 64)] {
            #expect(Attachment.isIdentifier(good), "\(good)")
        }
        for bad in ["", "-a", ".", "_a", "a b", "a/b", "ä", "a\n", String(repeating: "f", count: 256)] {
            #expect(!Attachment.isIdentifier(bad), "\(bad)")
        }
    }

    /// The file of an agent keeps it, and hive.json does not take it.
    @Test func itIsKeptInTheAgentsFile() throws {
        let attachment = Attachment(network: "red", container: "A.b", interface: "eth0")
        let settings = AgentSettings(webPort: 8080, namespace: .path("/run/netns/x"), attachment: attachment)
        #expect(try AgentSettings(text: settings.text, file: "file") == settings)
        #expect(throws: HiveError.self) {
            try AgentSettings(text: #"{ attachment: { network: "red" } }"#, file: "file")
        }
        let error = #expect(throws: HiveError.self) {
            try Configuration(
                text: Array(
                    #"{ agents: { a: { attachment: { network: "r", container: "c", interface: "eth0" } } } }"#
                        .utf8),
                file: "hive.json")
        }
        #expect(
            error?.description.contains("agents.a.attachment is not a known key") == true,
            "\(error?.description ?? "")")
    }
}
