internal import CNetlink
internal import Glibc

// Addresses, routes, neighbours and FDB entries: linux/if_addr.h, linux/rtnetlink.h, linux/neighbour.h.

enum NeighbourScope {}
extension Attribute where Scope == NeighbourScope, Value == MACAddress {
    static var linkAddress: Self { .init(NDA_LLADDR, "NDA_LLADDR") }
}
extension Attribute where Scope == NeighbourScope, Value: IPAddress {
    static var destination: Self { .init(NDA_DST, "NDA_DST") }
}
extension Attribute where Scope == NeighbourScope, Value == UInt32 {
    static var interfaceIndex: Self { .init(NDA_IFINDEX, "NDA_IFINDEX") }
    static var master: Self { .init(NDA_MASTER, "NDA_MASTER") }
}

extension Batch {
    /// An address that always is at that MAC: nothing that a neighbour says changes it (`NUD_PERMANENT`).
    func addNeighbour(
        _ neighbour: Neighbour, link index: Int32, _ operation: @escaping @autoclosure () -> String
    ) {
        changeNeighbour(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, neighbour, index, operation)
    }

    func removeNeighbour(
        _ neighbour: Neighbour, link index: Int32, _ operation: @escaping @autoclosure () -> String
    ) {
        changeNeighbour(RTM_DELNEIGH, 0, neighbour, index, operation)
    }

    private func changeNeighbour(
        _ type: Int, _ flags: Int32, _ neighbour: Neighbour, _ index: Int32,
        _ operation: @escaping () -> String
    ) {
        if let address = IPv4Address(neighbour.address) {
            change(type, flags, address, neighbour.mac, index, operation)
        } else if let address = IPv6Address(neighbour.address) {
            change(type, flags, address, neighbour.mac, index, operation)
        }
    }

    private func change<Address: IPAddress & AttributeValue>(
        _ type: Int, _ flags: Int32, _ address: Address, _ mac: MACAddress, _ index: Int32,
        _ operation: @escaping () -> String
    ) {
        var header = ndmsg()
        header.ndm_family = Address.family
        header.ndm_ifindex = index
        header.ndm_state = UInt16(NUD_PERMANENT)
        append(type, flags: flags, header: header, operation(), of: NeighbourScope.self) {
            $0.put(.destination, address)
            $0.put(.linkAddress, mac)
        }
    }

    /// A static entry of the bridge's forwarding database: frames for that MAC go to this port, and the port may send with
    /// it (`NUD_NOARP`; `bridge fdb add … master static`).
    func addForwarding(_ mac: MACAddress, port index: Int32, _ operation: @escaping @autoclosure () -> String)
    {
        append(
            RTM_NEWNEIGH, flags: NLM_F_CREATE | NLM_F_REPLACE, header: Self.forwarding(index), operation(),
            of: NeighbourScope.self
        ) { $0.put(.linkAddress, mac) }
    }

    func removeForwarding(
        _ mac: MACAddress, port index: Int32, _ operation: @escaping @autoclosure () -> String
    ) {
        append(RTM_DELNEIGH, flags: 0, header: Self.forwarding(index), operation(), of: NeighbourScope.self) {
            $0.put(.linkAddress, mac)
        }
    }

    private static func forwarding(_ index: Int32) -> ndmsg {
        var header = ndmsg()
        header.ndm_family = UInt8(PF_BRIDGE)
        header.ndm_ifindex = index
        header.ndm_state = UInt16(NUD_NOARP)
        header.ndm_flags = UInt8(NTF_MASTER)
        return header
    }
}

extension NetlinkSocket {
    /// The permanent neighbours of a link, sorted by address.
    mutating func permanentNeighbours(link index: Int32) throws(KernelError) -> [Neighbour] {
        let request = Batch(capacity: 1 << 12)
        request.append(
            RTM_GETNEIGH, flags: NLM_F_DUMP, header: ndmsg(), "read the neighbours", of: NeighbourScope.self
        ) { $0.put(.interfaceIndex, UInt32(index)) }
        let found: [Neighbour] = try query(request) { message in
            Neighbour(permanent: message, link: index)
        }
        return found.sorted()
    }

    /// The permanent entry for one address, or nil.
    ///
    /// The kernel has one neighbour table for all its namespaces (`nd_tbl`), so that a dump in each of a thousand namespaces
    /// walks a thousand times over everybody's entries. A look-up does not.
    mutating func permanentNeighbour<Address: IPAddress & AttributeValue>(
        _ address: Address, link index: Int32
    ) throws(KernelError) -> Neighbour? {
        let request = Batch(capacity: 1 << 11)
        var header = ndmsg()
        header.ndm_ifindex = index
        header.ndm_family = Address.family
        request.append(
            RTM_GETNEIGH, flags: 0, header: header, "read the neighbour \(address)", of: NeighbourScope.self
        ) { $0.put(.destination, address) }
        do {
            let found: [Neighbour] = try query(request) { message in
                guard let (header, attributes) = message.parse(ndmsg.self, of: NeighbourScope.self),
                    header.ndm_state & UInt16(NUD_PERMANENT) != 0, let mac = attributes[.linkAddress]
                else { return nil }
                return Neighbour(address: address.description, mac: mac)
            }
            return found.first
        } catch  where error.isNotFound {
            return nil
        }
    }

    /// The forwarding entries of a bridge, static or learnt, by port: those of its own addresses (`NUD_PERMANENT`) are not among them.
    mutating func forwarding(bridge index: Int32) throws(KernelError) -> [Int32: [MACAddress]] {
        let request = Batch(capacity: 1 << 12)
        var header = ndmsg()
        header.ndm_family = UInt8(PF_BRIDGE)
        request.append(
            RTM_GETNEIGH, flags: NLM_F_DUMP, header: header, "read the forwarding database",
            of: NeighbourScope.self
        ) { $0.put(.master, UInt32(index)) }
        let found: [(Int32, MACAddress)] = try query(request) { message in
            Self.forwarding(message, bridge: index)
        }
        return Dictionary(grouping: found, by: \.0).mapValues { $0.map(\.1).sorted { $0.bits < $1.bits } }
    }

    /// - Returns: the port and the address of an entry, or nil for another bridge's and for an address of the bridge's own.
    static func forwarding(_ message: Message, bridge index: Int32) -> (Int32, MACAddress)? {
        guard let (header, attributes) = message.parse(ndmsg.self, of: NeighbourScope.self),
            header.ndm_state & UInt16(NUD_PERMANENT) == 0,
            attributes[.master] == UInt32(bitPattern: index), let mac = attributes[.linkAddress]
        else { return nil }
        return (header.ndm_ifindex, mac)
    }
}

extension Neighbour {
    /// Nil for one that is not permanent, or another link's.
    init?(permanent message: NetlinkSocket.Message, link index: Int32) {
        guard let (header, attributes) = message.parse(ndmsg.self, of: NeighbourScope.self),
            header.ndm_ifindex == index, header.ndm_state & UInt16(NUD_PERMANENT) != 0,
            let mac = attributes[.linkAddress]
        else { return nil }
        switch Int32(header.ndm_family) {
        case AF_INET:
            guard let address: IPv4Address = attributes[.destination] else { return nil }
            self.init(address: address.description, mac: mac)
        case AF_INET6:
            guard let address: IPv6Address = attributes[.destination] else { return nil }
            self.init(address: address.description, mac: mac)
        default: return nil
        }
    }
}
