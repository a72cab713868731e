public import HiveNet
import HiveWire

/// Where nginx takes connections from whoever may be the operator.
public enum GatewayListener: Equatable, Hashable, Sendable, CustomStringConvertible {
    case ipv4(IPv4Address, port: UInt16)
    case ipv6(IPv6Address, port: UInt16)
    /// The absolute path of a unix socket.
    case unix(String)

    public static let standard = GatewayListener.ipv4(IPv4Address(bits: 127 << 24 | 1), port: 8420)

    /// As nginx has it: `127.0.0.1:8420`, `[::1]:8420`, `unix:/run/hive/gateway.sock`.
    public var description: String {
        switch self {
        case .ipv4(let address, let port): "\(address):\(port)"
        case .ipv6(let address, let port): "[\(address)]:\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    static let rule =
        "an address with its port, such as 127.0.0.1:8420 or [::1]:8420, or unix: and the absolute path of a socket"

    /// Nil for what is none: names, ports without an address, paths that nginx would read as something else.
    public init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst("unix:".count))
            guard HostPath.isPlain(path), path.utf8.count <= HostPath.maximumSocketLength else { return nil }
            self = .unix(path)
            return
        }
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), digits.first != "0",
            let port = UInt16(digits)
        else { return nil }
        let host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]"),
            let address = IPv6Address(String(host.dropFirst().dropLast()))
        {
            self = .ipv6(address, port: port)
        } else if let address = IPv4Address(String(host)) {
            self = .ipv4(address, port: port)
        } else {
            return nil
        }
    }

    /// Everybody who reaches it is on this host.
    public var isLocal: Bool {
        switch self {
        case .ipv4(let address, _): address.bits >> 24 == 127
        case .ipv6(let address, _): address.bits == 1
        case .unix: true
        }
    }
}

/// Paths of the host that a configuration names.
enum HostPath {
    /// `sizeof(sun_path)` - 1, of include/uapi/linux/un.h.
    static let maximumSocketLength = 107

    static let rule = "an absolute path of letters, digits and . _ - + @ /, without \"..\""

    /// Nothing in it means something else to nginx, which has variables in many paths and no way to escape a dollar.
    static func isPlain(_ path: String) -> Bool {
        guard path.hasPrefix("/"), path.utf8.count <= 4095, path.utf8.count > 1 else { return false }
        let isKnown = path.unicodeScalars.allSatisfy { scalar in
            scalar.isASCII
                && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                    || "._-+@/".unicodeScalars.contains(scalar))
        }
        return isKnown && !path.split(separator: "/").contains { $0 == ".." || $0 == "." }
    }
}

extension JSONObject {
    /// A path that can stand in a configuration of nginx.
    func path(_ key: String) throws(HiveError) -> String? {
        guard let path = try string(key, "a path") else { return nil }
        guard HostPath.isPlain(path) else {
            throw error(key, "is \(quoted(path)), but must be \(HostPath.rule)")
        }
        return path
    }

    /// The path of a unix socket that can stand there.
    func socket(_ key: String) throws(HiveError) -> String? {
        guard let path = try path(key) else { return nil }
        guard path.utf8.count <= HostPath.maximumSocketLength else {
            throw error(
                key,
                "is \(quoted(path)), but the path of a unix socket may have at most \(HostPath.maximumSocketLength) bytes"
            )
        }
        return path
    }
}
