internal import CNetlink
internal import Glibc

enum AddressScope {}
extension Attribute where Scope == AddressScope, Value: IPAddress {
    /// The address itself. `IFA_ADDRESS` is the peer's on point-to-point links, and the same elsewhere. (The kernel takes
    /// IPv6 addresses in either, and reports them in `IFA_ADDRESS` unless there is a peer: inet6_fill_ifaddr.)
    static var local: Self { .init(IFA_LOCAL, "IFA_LOCAL") }
    static var address: Self { .init(IFA_ADDRESS, "IFA_ADDRESS") }
}
extension Attribute where Scope == AddressScope, Value == UInt32 {
    /// All 32 bits of the flags, of which the header has eight.
    static var flags: Self { .init(IFA_FLAGS, "IFA_FLAGS") }
}

/// Addresses of one or more links.
struct AddressRecord {
    let link: Int32
    let address4: Prefix4?
    let address6: Prefix6?
    /// Made by the kernel for the link itself (fe80::/10).
    let isLinkLocal: Bool
}

extension Batch {
    /// IPv6 without duplicate address detection: the address is usable at once, and nobody else can have it.
    func addAddress<Address: IPAddress & AttributeValue>(
        _ prefix: Prefix<Address>, link index: Int32, _ operation: @escaping @autoclosure () -> String
    ) {
        append(
            RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_REPLACE, header: ifaddrmsg(prefix, index), operation(),
            of: AddressScope.self
        ) {
            $0.put(.local, prefix.address)
            $0.put(.address, prefix.address)
            if Address.family == UInt8(AF_INET6) { $0.put(.flags, UInt32(IFA_F_NODAD)) }
        }
    }

    func removeAddress<Address: IPAddress & AttributeValue>(
        _ prefix: Prefix<Address>, link index: Int32, _ operation: @escaping @autoclosure () -> String
    ) {
        append(
            RTM_DELADDR, flags: 0, header: ifaddrmsg(prefix, index), operation(), of: AddressScope.self
        ) {
            $0.put(.local, prefix.address)
            // Without it the prefix length is not looked at, and another address may go (inet_rtm_deladdr).
            $0.put(.address, prefix.address)
        }
    }

    private func ifaddrmsg<Address>(_ prefix: Prefix<Address>, _ index: Int32) -> CNetlink.ifaddrmsg {
        var header = CNetlink.ifaddrmsg()
        header.ifa_family = Address.family
        header.ifa_prefixlen = UInt8(prefix.length)
        header.ifa_index = UInt32(index)
        return header
    }
}

extension NetlinkSocket {
    /// The addresses of all links, or of one.
    mutating func addresses(link index: Int32? = nil) throws(KernelError) -> [AddressRecord] {
        let request = Batch(capacity: 1 << 12)
        request.append(
            RTM_GETADDR, flags: NLM_F_DUMP, header: ifaddrmsg(), "read the addresses", of: AddressScope.self
        ) { _ in }
        return try query(request) { message in
            AddressRecord(message).flatMap { index == nil || $0.link == index ? $0 : nil }
        }
    }
}

extension AddressRecord {
    init?(_ message: NetlinkSocket.Message) {
        guard let (header, attributes) = message.parse(ifaddrmsg.self, of: AddressScope.self) else {
            return nil
        }
        link = Int32(bitPattern: header.ifa_index)
        let length = Int(header.ifa_prefixlen)
        switch Int32(header.ifa_family) {
        case AF_INET:
            guard let address: IPv4Address = attributes[.local] ?? attributes[.address] else { return nil }
            (address4, address6) = (Prefix(address, length: length), nil)
            isLinkLocal = false
        case AF_INET6:
            guard let address: IPv6Address = attributes[.local] ?? attributes[.address] else { return nil }
            (address4, address6) = (nil, Prefix(address, length: length))
            isLinkLocal = address.bits >> 118 == 0x3fa
        default: return nil
        }
    }
}
