/// A request as nginx passes it on: the Simple Common Gateway Interface, https://python.ca/scgi/protocol.txt.
struct SCGIRequest: Equatable, Sendable {
    var headers: [String: String]
    var body: [UInt8]

    /// Of the header block, in octets.
    static let mostHeaders = 64 << 10
    /// Of the body, in octets: an answer of as many characters as the page lets one write, each of which may be nine octets in a form.
    static let mostBody = 192 << 10
    /// As many octets of a body that is too long are read and forgotten: nginx hears nothing before it has sent all.
    static let mostForgotten = 2 << 20

    subscript(_ name: String) -> String { headers[name] ?? "" }
}

/// Reads a request that comes piece by piece.
struct SCGIParser {
    enum Progress: Equatable {
        case incomplete
        case request(SCGIRequest)
        /// The status, and a sentence.
        case refused(Int, String)
    }

    private var headers: [String: String]?
    private var length = 0
    private var forgotten = 0

    /// Looks at what has come.
    /// - Parameters:
    ///   - input: what has come since the last time that something was taken.
    ///   - taken: how much of it is done with.
    mutating func read(_ input: [UInt8], taken: inout Int) -> Progress {
        var rest = input[...]
        defer { taken = input.count - rest.count }
        if headers == nil {
            switch Self.block(rest) {
            case nil: return .incomplete
            case .failure(let error): return .refused(error.status, error.sentence)
            case .success(let block):
                rest = rest[block.end...]
                guard let found = Self.headers(block.text), let length = Self.length(found) else {
                    return .refused(400, "The request's header block is not one of SCGI.")
                }
                headers = found
                self.length = length
            }
        }
        guard let headers else { return .incomplete }
        if length > SCGIRequest.mostBody {
            forgotten += rest.count
            rest = rest[rest.endIndex...]
            guard forgotten >= length || length > SCGIRequest.mostForgotten else { return .incomplete }
            return .refused(413, "A request has at most \(SCGIRequest.mostBody >> 10) KiB.")
        }
        guard rest.count >= length else { return .incomplete }
        guard rest.count == length else { return .refused(400, "More follows than the request says.") }
        let body = Array(rest)
        rest = rest[rest.endIndex...]
        return .request(SCGIRequest(headers: headers, body: body))
    }

    private struct Refusal: Error {
        let status: Int
        let sentence: String
    }

    /// The first netstring, `LENGTH:TEXT,`; nil: it is not all there.
    private static func block(_ input: ArraySlice<UInt8>) -> Result<
        (text: ArraySlice<UInt8>, end: Int), Refusal
    >? {
        let crooked = Refusal(status: 400, sentence: "The request does not begin as one of SCGI does.")
        let digits = input.prefix { (0x30...0x39).contains($0) }
        guard digits.count <= 6, digits.first != 0x30 else { return .failure(crooked) }
        guard digits.endIndex < input.endIndex else { return nil }
        let count = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        guard count > 0, input[digits.endIndex] == UInt8(ascii: ":") else { return .failure(crooked) }
        guard count <= SCGIRequest.mostHeaders else {
            let words = "A request's headers have at most \(SCGIRequest.mostHeaders >> 10) KiB."
            return .failure(Refusal(status: 431, sentence: words))
        }
        let start = digits.endIndex + 1
        guard input.endIndex - start > count else { return nil }
        guard input[start + count] == UInt8(ascii: ",") else { return .failure(crooked) }
        return .success((input[start..<start + count], start + count + 1))
    }

    /// Names and values, each with a NUL behind it. Each name once: which of two was meant, nobody has to guess.
    private static func headers(_ text: ArraySlice<UInt8>) -> [String: String]? {
        guard text.last == 0 else { return nil }
        let parts = text.dropLast().split(separator: 0, omittingEmptySubsequences: false)
        guard parts.count.isMultiple(of: 2) else { return nil }
        var headers: [String: String] = [:]
        for index in stride(from: 0, to: parts.count, by: 2) {
            guard let name = String(validating: parts[index], as: UTF8.self), !name.isEmpty else {
                return nil
            }
            // (What a client sends need not be UTF-8. None of what is looked at is anything else.)
            guard headers.updateValue(String(decoding: parts[index + 1], as: UTF8.self), forKey: name) == nil
            else { return nil }
        }
        return headers["SCGI"] == "1" ? headers : nil
    }

    private static func length(_ headers: [String: String]) -> Int? {
        guard let text = headers["CONTENT_LENGTH"], (1...12).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        return Int(text)
    }
}
