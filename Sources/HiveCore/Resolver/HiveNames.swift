internal import CResolver
internal import HiveNet

#if canImport(Glibc)
    internal import Glibc
#endif

extension Hive {
    /// The names in all egress policies, sorted.
    public var names: [String] { Set(agents.flatMap(\.egress.names)).sorted() }

    /// What the names stand for now: known from before where that will do, and asked for where not.
    ///
    /// - Parameter known: what `names.json` holds.
    public func resolve(_ known: Names) -> Names {
        resolve(known, at: Self.now, ask: Resolver.addresses(ofAll:))
    }

    /// What of the names can be used without asking anybody, and whether somebody has to be asked about others.
    public func review(_ known: Names) -> (names: Names, isComplete: Bool) {
        var names = known
        let now = Self.now
        names.review(self.names, at: now, objection: objection)
        return (names, names.due(self.names, at: now).isEmpty)
    }

    func resolve(_ known: Names, at now: Int64, ask: ([String]) -> [String: Resolver.Answer]) -> Names {
        var names = known
        names.update(self.names, at: now, objection: objection, ask: ask)
        return names
    }

    /// Seconds since 1970-01-01 UTC.
    public static var now: Int64 { Int64(time(nil)) }

    private var objection: Objection {
        let network = configuration.network
        let host = names.isEmpty ? ([], []) : Self.ownAddresses()
        return Objection(
            subnet4: network.subnet4, subnet6: network.subnet6, host4: host.0, host6: host.1)
    }

    /// Of every link of this network namespace, by getifaddrs(3).
    private static func ownAddresses() -> (Set<IPv4Address>, Set<IPv6Address>) {
        var addresses: (Set<IPv4Address>, Set<IPv6Address>) = ([], [])
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return addresses }
        defer { freeifaddrs(list) }
        var next = list
        while let entry = next {
            next = entry.pointee.ifa_next
            guard let address = entry.pointee.ifa_addr else { continue }
            if let address = SocketAddress.address4(address) { addresses.0.insert(address) }
            if let address = SocketAddress.address6(address) { addresses.1.insert(address) }
        }
        return addresses
    }
}

/// The addresses in C's `sockaddr`.
enum SocketAddress {
    static func address4(_ address: UnsafePointer<sockaddr>) -> IPv4Address? {
        guard Int32(address.pointee.sa_family) == AF_INET else { return nil }
        let raw = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in.self)
        return IPv4Address(bits: UInt32(bigEndian: raw.sin_addr.s_addr))
    }

    static func address6(_ address: UnsafePointer<sockaddr>) -> IPv6Address? {
        guard Int32(address.pointee.sa_family) == AF_INET6 else { return nil }
        let raw = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in6.self)
        return withUnsafeBytes(of: raw.sin6_addr) {
            IPv6Address(bits: UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)))
        }
    }
}
