internal import HiveWire

/// What is answered, and what every answer says besides.
struct Response: Equatable, Sendable {
    var status: Int
    var type: String
    var body: [UInt8]
    /// Further headers, of our own making: a line feed in one would begin another.
    var headers: [(name: String, value: String)] = []
    var policy = Self.strictPolicy
    var caching = "no-store"

    static let strictPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        + "frame-src 'self'; form-action 'self'; base-uri 'none'"

    init(_ status: Int, type: String, body: [UInt8] = []) {
        self.status = status
        self.type = type
        self.body = body
    }

    static func == (left: Response, right: Response) -> Bool { left.bytes() == right.bytes() }

    static func page(_ status: Int, _ html: HTML) -> Response {
        Response(status, type: "text/html; charset=utf-8", body: html.bytes)
    }

    static func json(_ status: Int, _ value: some Encodable) -> Response {
        let body =
            (try? JSONLine.encode(value)) ?? Array("{\"ok\":false,\"error\":\"cannot be written\"}\n".utf8)
        return Response(status, type: "application/json", body: body)
    }

    static func seeOther(_ link: Link) -> Response {
        var response = Response(303, type: "text/plain; charset=utf-8")
        response.headers = [("Location", link.path)]
        return response
    }

    /// As nginx wants it of a server of SCGI: headers as of CGI (RFC 3875, 6), and the body.
    func bytes(withBody: Bool = true) -> [UInt8] {
        var lines = ["Status: \(status) \(Self.reason(status))"]
        if !type.isEmpty { lines.append("Content-Type: \(type)") }
        lines.append("Content-Security-Policy: \(policy)")
        lines.append("Cache-Control: \(caching)")
        lines.append("X-Content-Type-Options: nosniff")
        lines += headers.map { "\($0.name): \($0.value)" }
        let head = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        return withBody ? head + body : head
    }

    static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 303: "See Other"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 409: "Conflict"
        case 413: "Content Too Large"
        case 431: "Request Header Fields Too Large"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        default: "Error"
        }
    }
}

/// An answer of `/api` that is none.
struct Failure: Encodable {
    let ok = false
    let error: String
}
