@testable import HiveRuntime

// What container runtimes have on standard input.
extension Target {
    /// A network's configuration, or a call of netavark's: whatever it is, it is read by both.
    static let runtime = Target(name: "runtime") { input in
        let json: JSONValue
        do throws(RuntimeFault) { json = try JSONValue(input) } catch {
            return try check(sentence: error.message)
        }
        for verb in CNICall.Verb.allCases {
            do throws(RuntimeFault) { _ = try CNINetwork(json, for: verb) } catch {
                try check(sentence: error.message)
            }
        }
        for network in [json, json["network"] ?? .null] {
            do throws(RuntimeFault) { _ = try NetavarkNetwork(network) } catch {
                try check(sentence: error.message)
            }
        }
        do throws(RuntimeFault) { _ = try NetavarkCall(json).settings() } catch {
            try check(sentence: error.message)
        }
        // What is handed on is what came.
        guard try JSONValue(Array(JSONValue.text(json).utf8)) == json else {
            throw Wrong("is not handed on as it came")
        }
    }
}
