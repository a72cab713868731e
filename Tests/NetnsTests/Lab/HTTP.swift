import CNetlink
import Foundation
import Glibc

/// A request to nginx, as it is written, and all that comes back until the connection ends.
struct HTTP {
    var status = 0
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
    /// All of it.
    var bytes: [UInt8] = []

    var text: String { String(decoding: body, as: UTF8.self) }
    subscript(name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    /// What browsers send with what the user opens.
    static let navigation = [
        "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: none", "Sec-Fetch-Dest: document",
    ]

    /// - Parameter place: `127.0.0.1:8420`, or `unix:` and a path; on the host of a lab.
    static func ask(
        _ lab: Lab, _ target: String, method: String = "GET", headers: [String] = [], body: [UInt8] = [],
        host: String = "localhost", at place: String = "127.0.0.1:8420", seconds: Double = 20
    ) throws -> HTTP {
        var lines = ["\(method) \(target) HTTP/1.1", "Host: \(host)", "Connection: close"] + headers
        if !body.isEmpty { lines.append("Content-Length: \(body.count)") }
        let head = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        return try send(lab, head + body, at: place, seconds: seconds)
    }

    static func send(
        _ lab: Lab, _ bytes: [UInt8], at place: String = "127.0.0.1:8420", seconds: Double = 20
    ) throws -> HTTP {
        let connection = try connect(lab, place, seconds)
        defer { close(connection) }
        _ = bytes.withUnsafeBytes {
            Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(connection, &chunk, chunk.count, 0)
            guard count > 0 else { break }
            received += chunk[..<count]
            if received.count > 64 << 20 { break }
        }
        return HTTP(received)
    }

    /// - Returns: a socket of the lab's host, whose every wait has a bound.
    static func connect(_ lab: Lab, _ place: String, _ seconds: Double = 20) throws -> Int32 {
        try lab.host {
            func opened<Name>(_ family: Int32, _ name: Name) throws -> Int32 {
                let number = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
                var time = timeval(tv_sec: Int(seconds), tv_usec: 0)
                for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
                    setsockopt(number, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
                }
                let code = withUnsafePointer(to: name) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        Glibc.connect(number, $0, socklen_t(MemoryLayout<Name>.size))
                    }
                }
                guard code == 0 else {
                    let error = LabError.last("connect to \(place)")
                    close(number)
                    throw error
                }
                return number
            }
            if place.hasPrefix("unix:") {
                var name = sockaddr_un()
                name.sun_family = sa_family_t(AF_UNIX)
                withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: place.dropFirst(5).utf8) }
                return try opened(AF_UNIX, name)
            }
            let parts = place.split(separator: ":")
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = (UInt16(parts.last ?? "") ?? 0).bigEndian
            inet_pton(AF_INET, String(parts[0]), &name.sin_addr)
            return try opened(AF_INET, name)
        }
    }

    /// Takes an answer apart; chunks are joined.
    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        let end = Array("\r\n\r\n".utf8)
        guard let head = bytes.indices.first(where: { bytes[$0...].starts(with: end) }) else { return }
        let lines = String(decoding: bytes[..<head], as: UTF8.self).components(separatedBy: "\r\n")
        status = Int(lines[0].split(separator: " ").dropFirst().first ?? "") ?? 0
        headers = lines.dropFirst().compactMap { line in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return (
                String(line[..<colon]),
                line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            )
        }
        body = Array(bytes[(head + 4)...])
        if self["Transfer-Encoding"] == "chunked" { body = Self.joined(body) }
    }

    private static func joined(_ bytes: [UInt8]) -> [UInt8] {
        var (rest, body): (ArraySlice<UInt8>, [UInt8]) = (bytes[...], [])
        while let line = rest.firstIndex(of: 10),
            let size = Int(String(decoding: rest[..<line].dropLast(), as: UTF8.self), radix: 16), size > 0
        {
            body += rest[(line + 1)...].prefix(size)
            rest = rest[(line + 1)...].dropFirst(size + 2)
        }
        return body
    }
}
