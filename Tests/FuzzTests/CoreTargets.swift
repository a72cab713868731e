import HiveWire

@testable import HiveDaemon
@testable import HiveWeb

// What the core and the web process hear, and what the core has kept.
extension Target {
    /// A line on a socket of hived's: an agent's, the operator's or the web process's.
    static let requests = Target(name: "requests") { line in
        try readAgain(AgentRequest.self, line)
        try readAgain(OperatorRequest.self, line)
        try readAgain(CoreRequest.self, line)
    }

    /// What is written of what was read is read as the same.
    private static func readAgain<Request: WireRequest & Encodable & Equatable>(
        _: Request.Type, _ line: [UInt8]
    ) throws {
        let request: Request
        do throws(ServiceError) { request = try Request(line: line) } catch {
            return try check(sentence: error.description)
        }
        let written = try JSONLine.encode(request)
        guard written.last == UInt8(ascii: "\n"), written.dropLast().allSatisfy({ $0 >= 0x20 }) else {
            throw Wrong("more than a line: \(String(decoding: written, as: UTF8.self))")
        }
        guard try Request(line: Array(written.dropLast())) == request else {
            throw Wrong("is not read again: \(String(decoding: written, as: UTF8.self))")
        }
    }

    /// A request as nginx passes it on: the same whether it comes at once or octet by octet.
    static let scgi = Target(name: "scgi") { input in
        var parser = SCGIParser()
        var taken = 0
        let whole = parser.read(input, taken: &taken)
        guard (0...input.count).contains(taken) else { throw Wrong("\(taken) of \(input.count) taken") }
        var slow = SCGIParser()
        var rest: [UInt8] = []
        var last = SCGIParser.Progress.incomplete
        for byte in input {
            guard case .incomplete = last else { break }
            rest.append(byte)
            var count = 0
            last = slow.read(rest, taken: &count)
            rest.removeFirst(count)
        }
        // (More than a request is seen in time only if it comes in time.)
        if case .request = last, case .refused = whole { return }
        guard last == whole else { throw Wrong("\(last) and at once \(whole)") }
        guard case .request(let request) = whole else { return }
        _ = Form(request.body)
        _ = Form(request["QUERY_STRING"].utf8)
        for method in ["GET", "POST", request["REQUEST_METHOD"]] {
            try look(Route(method: method, path: request["REQUEST_URI"]), at: request["REQUEST_URI"])
        }
    }

    private static func look(_ route: Route, at path: String) throws(Wrong) {
        guard case .act(let action) = route else { return }
        // There is one way to say each of them.
        guard action.path == path, Route(method: "POST", path: path) == route else {
            throw Wrong("\(path) is \(action)")
        }
        guard case .otherMethod = Route(method: "GET", path: path) else { throw Wrong("\(path) by GET") }
    }

    /// A form's body, and a link in it.
    static let form = Target(name: "form") { text in
        guard let form = Form(text) else { return }
        let written = form.fields.map { "\(Form.encode($0))=\(Form.encode($1))" }.joined(separator: "&")
        guard Form(written.utf8) == form else { throw Wrong("is not read again: \(written)") }
        for value in form.fields.values {
            guard let path = Link(from: value)?.path else { continue }
            guard path == "/" || path.hasPrefix("/agents/"), path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x5c })
            else {
                throw Wrong("leads to \(path)")
            }
        }
    }

    /// A journal, as it is on the disk; and what is in one that is whole.
    static let journal = Target(name: "journal") { bytes in
        try scan(bytes)
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            _ = try? JSONLine.decode(Record.self, Array(line))
        }
        let first = Frame.encode(.snapshot, sequence: 1, previous: 0, payload: bytes)
        let second = Frame.encode(.records, sequence: 2, previous: first.checksum, payload: bytes)
        let whole = first.bytes + second.bytes
        guard FrameScan(whole).frames.count == 2, FrameScan(whole).end == .whole else {
            throw Wrong("two frames are not two frames")
        }
        // What was being written last is cut off, wherever it ends. (It is JSON: no frame is in it, which begins as no UTF-8 does.)
        guard !bytes.contains(Frame.magic[0]) else { return }
        try scan(whole + bytes)
        let cut = whole.prefix(first.bytes.count + bytes.count % second.bytes.count)
        guard FrameScan(Array(cut)).frames.count == 1, !FrameScan(Array(cut)).isDamaged else {
            throw Wrong("a frame that was cut off is not cut off")
        }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            _ = try? JSONLine.decode(Record.self, Array(line))
        }
    }

    private static func scan(_ bytes: [UInt8]) throws(Wrong) {
        let found = FrameScan(bytes)
        var place = 0
        for frame in found.frames {
            guard frame.offset == place, frame.payload.upperBound <= bytes.count else {
                throw Wrong("a gap at \(place)")
            }
            place = frame.payload.upperBound
        }
        if case .tail(let offset) = found.end {
            let rest = FrameScan(Array(bytes[..<offset]))
            guard rest.frames == found.frames, rest.end == .whole else {
                throw Wrong("it cannot be cut at \(offset)")
            }
        }
        let saved = FrameScan.salvage(bytes)
        guard found.frames.allSatisfy(saved.contains) else { throw Wrong("less is saved than was whole") }
    }

    /// The path of an agent's file, as the web process asks for it.
    static let statePath = Target(name: "state-path") { bytes in
        let path = String(decoding: bytes, as: UTF8.self)
        do throws(ServiceError) { try AgentFiles.check(path) } catch {
            return try check(sentence: error.description)
        }
        guard !path.isEmpty, !path.hasPrefix("/"), !path.utf8.contains(0),
            !path.split(separator: "/").contains("..")
        else {
            throw Wrong("may be opened: \(path)")
        }
    }
}
