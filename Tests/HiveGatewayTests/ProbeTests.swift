import Testing

@testable import HiveGateway

/// What nginx, and agents, may say to our questions.
@Suite struct ProbeTests {
    @Test(
        arguments: [
            ("HTTP/1.1 200 OK", 200), ("HTTP/1.0 404", 404), ("HTTP/1.1 204 \r", 204),
            ("HTTP/1.1 2000 OK", nil), ("HTTP/1.1 -20 OK", nil),
            ("HTTP/1.1 +20 OK", nil), ("HTTP/1.1", nil), ("", nil), (" ", nil), ("200 OK", nil),
            ("HTTP/1.1 \u{0}00", nil),
            ("HTTP/1.1  200", 200),
        ] as [(String, Int?)])
    func aStatusLine(_ line: String, _ status: Int?) { #expect(Probe.status(line) == status) }

    @Test func anAnswer() {
        #expect(Probe.parse("HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody\n") == .init(status: 200, body: "body"))
        #expect(Probe.parse("HTTP/1.1 200 OK\r\n\r\n") == .init(status: 200, body: ""))
        for text in ["HTTP/1.1 200 OK\r\nA: b\r\n", "\r\n\r\n", "x\r\n\r\ny", "HTTP/1.1 200 OK\n\nx"] {
            #expect(Probe.parse(text) == nil)
        }
    }
}
