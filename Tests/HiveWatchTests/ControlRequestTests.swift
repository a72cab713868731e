import HiveWire
import Testing

@testable import HiveWatch

@Suite struct ControlRequestTests {
    private func request(_ text: String) throws -> ControlRequest {
        try ControlRequest(line: Array(text.utf8))
    }

    private func refusal(_ text: String) -> ServiceError? {
        do throws(ServiceError) {
            _ = try ControlRequest(line: Array(text.utf8))
            return nil
        } catch {
            return error
        }
    }

    @Test func whatAClientWritesIsRead() throws {
        var written = ControlRequest(.add)
        written.name = "delta"
        written.settings = "{\n  \"web\": { \"port\": 80 }\n}\n"
        written.config = "/etc/hive/hive.json"
        let line = try written.line()
        #expect(line.last == UInt8(ascii: "\n") && line.count { $0 == UInt8(ascii: "\n") } == 1)
        let read = try ControlRequest(line: line)
        #expect(read.cmd == .add && read.name == "delta" && read.settings == written.settings)
        #expect(read.config == written.config && read.state == nil && read.version == 1)
    }

    @Test func aVersionMayBeMissingAndUnknownKeysArePassedOver() throws {
        let read = try request(#"{"cmd":"events","follow":true,"last":3,"colour":{"of":["money"]}}"#)
        #expect(read.cmd == .events && read.follow == true && read.last == 3 && read.version == 1)
    }

    @Test func whatIsWrongIsSaidInASentence() {
        #expect(refusal(#"{"version":2,"cmd":"show"}"#)?.description.contains("version 2") == true)
        #expect(refusal(#"{"version":2,"cmd":"show"}"#)?.code == ServiceError.unavailable)
        #expect(refusal(#"{"cmd":"approve"}"#)?.description.contains("approve") == true)
        #expect(refusal(#"{"cmd":"rm","name":7}"#)?.description.contains("\"name\"") == true)
        for text in [
            "", "{", "null", "[]", "7", "\"show\"", "{}", #"{"cmd":null}"#, "\u{0}", #"{"cmd":"show"}}"#,
        ] {
            #expect(refusal(text)?.code == ServiceError.usage, "\(text)")
        }
        #expect(refusal(String(repeating: "[", count: 100_000)) != nil)
    }

    /// Nothing that belongs to an operator's authority over agents is among these words.
    @Test func theVocabularyIsTheNetworks() {
        #expect(
            Set(ControlRequest.Verb.allCases.map(\.rawValue))
                == ["apply", "plan", "show", "add", "rm", "events", "drops", "verify"])
    }
}
