import Testing

@testable import HiveWeb

@Suite(.timeLimit(.minutes(10))) struct SCGITests {
    private func parse(_ pieces: [[UInt8]]) -> SCGIParser.Progress {
        var parser = SCGIParser()
        var input: [UInt8] = []
        var progress = SCGIParser.Progress.incomplete
        for piece in pieces {
            input += piece
            var taken = 0
            progress = parser.read(input, taken: &taken)
            input.removeFirst(taken)
            if progress != .incomplete { break }
        }
        return progress
    }

    private func status(_ progress: SCGIParser.Progress) -> Int? {
        if case .refused(let status, _) = progress { status } else { nil }
    }

    @Test func aRequestMayComeInAnyPieces() {
        let whole = RunningServer.encode([("REQUEST_METHOD", "POST"), ("X", "")], Array("a=b".utf8))
        let expected = SCGIRequest(
            headers: ["CONTENT_LENGTH": "3", "SCGI": "1", "REQUEST_METHOD": "POST", "X": ""],
            body: Array("a=b".utf8))
        #expect(parse([whole]) == .request(expected))
        for cut in 1..<whole.count {
            #expect(parse([Array(whole[..<cut])]) == .incomplete)
            #expect(parse([Array(whole[..<cut]), Array(whole[cut...])]) == .request(expected))
        }
        #expect(parse(whole.map { [$0] }) == .request(expected))
    }

    @Test(arguments: ["x", ":", "0:,", "012:", "12;", "-1:", "9999999", "GET / HTTP/1.1\r\n\r\n"])
    func whatIsNoNetstringIsRefused(_ text: String) { #expect(status(parse([Array(text.utf8)])) == 400) }

    @Test func headersAreThereOnceAndWhole() {
        #expect(status(parse([netstring([("CONTENT_LENGTH", "0"), ("SCGI", "1")])])) == nil)
        for headers in [
            [("CONTENT_LENGTH", "0"), ("CONTENT_LENGTH", "0"), ("SCGI", "1")],
            [("CONTENT_LENGTH", "0"), ("SCGI", "1"), ("HTTP_ORIGIN", "a"), ("HTTP_ORIGIN", "b")],
            [("CONTENT_LENGTH", "0")], [("SCGI", "1")], [("CONTENT_LENGTH", "0"), ("SCGI", "2")],
            [("CONTENT_LENGTH", "+1"), ("SCGI", "1")], [("CONTENT_LENGTH", "-1"), ("SCGI", "1")],
            [("CONTENT_LENGTH", ""), ("SCGI", "1")], [("CONTENT_LENGTH", "9999999999999"), ("SCGI", "1")],
            [("CONTENT_LENGTH", "0"), ("SCGI", "1"), ("", "x")],
        ] { #expect(status(parse([netstring(headers)])) == 400, "\(headers)") }
        #expect(status(parse([Array("7:SCGI\u{0}1x,".utf8)])) == 400)
        #expect(status(parse([Array("7:SCGI\u{0}1\u{0}x".utf8)])) == 400)
    }

    @Test func whatIsTooLongIsRefused() {
        let padding = String(repeating: "x", count: SCGIRequest.mostHeaders - 40)
        let full = [("CONTENT_LENGTH", "0"), ("SCGI", "1"), ("P", String(padding.dropLast(0)))]
        #expect(status(parse([netstring(full)])) == nil)
        #expect(status(parse([netstring(full + [("Q", padding)])])) == 431)

        let most = [UInt8](repeating: 65, count: SCGIRequest.mostBody)
        #expect(status(parse([RunningServer.encode([], most)])) == nil)
        let more = RunningServer.encode([], most + [65])
        // (It is not refused before it has all come: nginx would not hear it.)
        #expect(parse([Array(more.dropLast())]) == .incomplete)
        #expect(status(parse([more])) == 413)
        #expect(status(parse([netstring([("CONTENT_LENGTH", "999999999999"), ("SCGI", "1")])])) == 413)
        // What follows the body is nobody's.
        #expect(status(parse([RunningServer.encode([], [65]) + [66]])) == 400)
    }
}
