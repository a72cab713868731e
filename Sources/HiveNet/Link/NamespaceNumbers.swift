internal import CNetlink

/// The attributes of RTM_*NSID messages, linux/net_namespace.h.
private enum NamespaceScope {}
extension Attribute where Scope == NamespaceScope, Value == UInt32 {
    fileprivate static var descriptor: Self { .init(NETNSA_FD, "NETNSA_FD") }
}
extension Attribute where Scope == NamespaceScope, Value == Int32 {
    fileprivate static var number: Self { .init(NETNSA_NSID, "NETNSA_NSID") }
}

extension NetlinkSocket {
    /// The number by which the socket's namespace knows another one, as in `IFLA_LINK_NETNSID`. (The number has no meaning
    /// anywhere else; the kernel gives one to a namespace when a link first leads there, peernet2id_alloc.)
    ///
    /// - Returns: nil if it has none: then no link of the socket's namespace leads there.
    mutating func number(of namespace: borrowing Descriptor) throws(KernelError) -> Int32? {
        let request = Batch(capacity: 1 << 11)
        let descriptor = UInt32(namespace.number)
        request.append(
            RTM_GETNSID, flags: 0, header: rtgenmsg(), "look for the number of a network namespace",
            of: NamespaceScope.self
        ) { $0.put(.descriptor, descriptor) }
        let found = try query(request) { message in
            message.parse(rtgenmsg.self, of: NamespaceScope.self)?.1[.number]
        }
        return found.first.flatMap { $0 == NETNSA_NSID_NOT_ASSIGNED ? nil : $0 }
    }
}
