internal import CNetlink
internal import Glibc

/// A socket of the host that waits for connections or datagrams.
struct Listener: Hashable, Sendable {
    let transport: Transport
    let port: UInt16
    /// What it is bound to; 0.0.0.0 and :: stand for every address. A socket of IPv6 for every address may take IPv4 too.
    let addresses4: [IPv4Address]
    let addresses6: [IPv6Address]
    /// The name of a process that has it open (`/proc/PID/comm`). Nil: cannot be seen.
    var owner: String?
    let inode: UInt32
}

enum DiagnosisScope {}

/// Listeners of the network namespace of the thread that asks, by sock_diag(7).
enum Listeners {
    static func read() throws(KernelError) -> [Listener] {
        var socket = try NetlinkSocket(family: NETLINK_SOCK_DIAG)
        var listeners: [Listener] = []
        for family in [AF_INET, AF_INET6] {
            for transport in Transport.allCases {
                listeners += try socket.listeners(UInt8(family), transport)
            }
        }
        let owners = owners(of: Set(listeners.map(\.inode)))
        for index in listeners.indices { listeners[index].owner = owners[listeners[index].inode] }
        return listeners
    }

    /// Looks through the open files of all processes, as far as one may.
    static func owners(of inodes: Set<UInt32>) -> [UInt32: String] {
        var owners: [UInt32: String] = [:]
        for process in entries("/proc") {
            guard process.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) else { continue }
            for file in entries("/proc/\(process)/fd") {
                guard let inode = socketInode("/proc/\(process)/fd/\(file)"), inodes.contains(inode),
                    owners[inode] == nil
                else { continue }
                owners[inode] = textOfFile("/proc/\(process)/comm").map { $0.filter { $0 != "\n" } }
            }
            if owners.count == inodes.count { break }
        }
        return owners
    }

    /// A socket's link reads `socket:[4711]`.
    private static func socketInode(_ path: String) -> UInt32? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let count = readlink(path, start, buffer.count)
            guard count > 0 else { return nil }
            let text = String(
                decoding: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]),
                as: UTF8.self)
            guard text.hasPrefix("socket:["), text.hasSuffix("]") else { return nil }
            return UInt32(text.dropFirst("socket:[".count).dropLast())
        }
    }

    private static func entries(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }
}

extension NetlinkSocket {
    /// On a `NETLINK_SOCK_DIAG` socket.
    fileprivate mutating func listeners(
        _ family: UInt8, _ transport: Transport
    ) throws(KernelError) -> [Listener] {
        var request = inet_diag_req_v2()
        request.sdiag_family = family
        request.sdiag_protocol = transport.number
        // Of UDP: sockets that are connected to nobody, which are in the state of a closed connection of TCP.
        request.idiag_states = 1 << UInt32(transport == .tcp ? TCP_LISTEN : TCP_CLOSE)
        let batch = Batch(capacity: 1 << 12)
        batch.append(
            SOCK_DIAG_BY_FAMILY, flags: NLM_F_DUMP, header: request,
            "read who listens by \(transport.rawValue)",
            of: DiagnosisScope.self
        ) { _ in }
        return try query(batch) { message in
            guard let (found, _) = message.parse(inet_diag_msg.self, of: DiagnosisScope.self) else {
                return nil
            }
            let port = UInt16(bigEndian: found.id.idiag_sport)
            // A UDP socket that is bound to no port hears nothing.
            guard port != 0 else { return nil }
            let words = found.id.idiag_src
            let octets = withUnsafeBytes(of: words) { [UInt8]($0) }
            let address6 = Int32(family) == AF_INET ? nil : IPv6Address(octets: octets)
            // An address of IPv4 in the form of RFC 4291, section 2.5.5.2, is one.
            let isMapped = address6.map { $0.bits >> 32 == 0xffff } ?? false
            var address4 = address6 == nil ? IPv4Address(octets: octets.prefix(4)) : nil
            if isMapped { address4 = IPv4Address(octets: octets.suffix(4)) }
            // Whatever is bound to every address of IPv6 may take IPv4 as well: that is tried too.
            if address6?.bits == 0 { address4 = IPv4Address(bits: 0) }
            return Listener(
                transport: transport, port: port,
                addresses4: [address4].compactMap(\.self),
                addresses6: isMapped ? [] : [address6].compactMap(\.self), owner: nil,
                inode: found.idiag_inode)
        }
    }
}
