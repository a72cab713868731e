import CNetlink
import CNftables
import Glibc

@testable import HiveNet

extension Target {
    /// A datagram of rtnetlink, or of nf_tables as it is read without libnftnl. (That has parsers in C which end the process, by
    /// exit(3), where an attribute has another size than they know: `abi_breakage`. They are not tried here.)
    static let netlink = Target(name: "netlink") { datagram in
        try messages(datagram) { (message) throws(KernelError) in
            switch Int(message.type) {
            case RTM_NEWLINK: _ = LinkRecord(message) { _, _ in true }
            case RTM_NEWADDR: _ = AddressRecord(message)
            case RTM_NEWROUTE: _ = RouteRecord(message)
            case RTM_NEWNEIGH:
                guard let (header, attributes) = message.parse(ndmsg.self, of: NeighbourScope.self) else {
                    return
                }
                _ = Neighbour(permanent: message, link: header.ndm_ifindex)
                _ = NetlinkSocket.forwarding(message, bridge: Int32(bitPattern: attributes[.master] ?? 0))
            case Int(NLMSG_ERROR), Int(NLMSG_DONE):
                if let error = NetlinkSocket.error(in: message, of: request.requests[0], request) {
                    throw error
                }
            case nftables(NFT_MSG_NEWCHAIN):
                _ = message.parse(nfgenmsg.self, of: ChainScope.self).flatMap {
                    ForeignChain($0.nfgen_family, $1)
                }
            case nftables(NFT_MSG_NEWRULE):
                guard let (_, attributes) = message.parse(nfgenmsg.self, of: RuleScope.self) else { return }
                var powers = RulePowers()
                var targets: Set<String> = []
                _ = UserData.comment(in: message.payload)
                attributes[.expressions].forEach { _, payload in
                    Attributes<ExpressionScope>(bytes: payload).add(to: &powers, &targets)
                }
            case nftables(NFT_MSG_NEWFLOWTABLE):
                _ = message.parse(nfgenmsg.self, of: FlowtableScope.self).map { $1[.hook][.devices].names }
            default: break
            }
        }
    }

    private static func nftables(_ type: nf_tables_msg_types) -> Int {
        Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(type.rawValue)
    }

    /// What an error is an answer to. Nobody changes it.
    nonisolated(unsafe) private static let request: Batch = {
        let batch = Batch(capacity: 256)
        batch.append(RTM_GETLINK, flags: 0, header: ifinfomsg(), "ask", of: LinkScope.self) {
            $0.put(.mtu, 1)
        }
        return batch
    }()

    /// Takes a datagram apart as a socket does, from memory of exactly its size.
    static func messages(
        _ datagram: [UInt8], _ body: (NetlinkSocket.Message) throws(KernelError) -> Void
    ) throws {
        // (Of a size that the kernel never exceeds.)
        guard datagram.count <= NetlinkSocket.ReceiveBuffer.size else { return }
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: datagram.count, alignment: 16)
        defer { bytes.deallocate() }
        bytes.copyBytes(from: datagram)
        do throws(KernelError) {
            try NetlinkSocket.messages(in: UnsafeRawBufferPointer(bytes), for: 0, nil, { "read" }, body)
        } catch {
            // (The kernel's own words are printed as they are.)
            if error.code == EBADMSG { try check(sentence: error.description) }
        }
    }
}
