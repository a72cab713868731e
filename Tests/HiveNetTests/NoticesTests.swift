import CNetlink
import Glibc
import Testing

@testable import HiveNet

@Suite struct NoticesTests {
    /// A message as the kernel would send it.
    private func withMessage<Header: BitwiseCopyable, Scope, Result>(
        _ type: some BinaryInteger, _ header: Header, from port: UInt32 = 0, of scope: Scope.Type,
        _ attributes: (AttributeWriter<Scope>) -> Void, _ body: (NetlinkSocket.Message) -> Result?
    ) -> Result? {
        let batch = Batch()
        batch.append(type, flags: 0, header: header, "tell", of: scope, attributes)
        batch.header(of: batch.requests[0]).pointee.nlmsg_pid = port
        var result: Result?
        let whole = NetlinkSocket.Message.forEach(in: UnsafeRawBufferPointer(batch.bytes)) {
            result = body($0)
        }
        #expect(whole)
        return result
    }

    @Test func whatANoticeIsAbout() {
        var link = ifinfomsg()
        link.ifi_index = 7
        let found = withMessage(RTM_NEWLINK, link, from: 4711, of: LinkScope.self) {
            $0.put(.name, "hv-alpha")
            $0.put(.group, 5)
            $0.put(.master, 3)
        } _: {
            RouteNotice($0, namespace: nil)
        }
        #expect(
            found?.subject == .link(index: 7, name: "hv-alpha", group: 5, master: 3, elsewhere: nil)
                && found?.isRemoval == false && found?.requester == 4711)
        var neighbour = ndmsg()
        neighbour.ndm_ifindex = 9
        neighbour.ndm_family = UInt8(PF_BRIDGE)
        let entry = withMessage(RTM_DELNEIGH, neighbour, of: NeighbourScope.self, { _ in }) {
            RouteNotice($0, namespace: 4)
        }
        #expect(entry?.subject == .forwarding(port: 9) && entry?.isRemoval == true && entry?.namespace == 4)
        neighbour.ndm_family = UInt8(AF_INET)
        #expect(
            withMessage(RTM_NEWNEIGH, neighbour, of: NeighbourScope.self, { _ in }) {
                RouteNotice($0, namespace: nil)
            }?.subject == .neighbour(link: 9))
    }

    @Test func whatIsTooShortOrOfAnotherKindIsNone() {
        #expect(
            withMessage(RTM_NEWLINK, UInt16(0), of: LinkScope.self, { _ in }) {
                RouteNotice($0, namespace: nil)
            } == nil)
        #expect(
            withMessage(RTM_NEWQDISC, ifinfomsg(), of: LinkScope.self, { _ in }) {
                RouteNotice($0, namespace: nil)
            }
                == nil)
        #expect(
            withMessage(RTM_NEWLINK, ifinfomsg(), of: LinkScope.self, { _ in }) { RulesetNotice($0) } == nil)
    }

    /// The filter in the kernel: of neighbours only those of the bridge's own link, and all of its forwarding database.
    @Test func neighboursOfOthersWakeNobodyUp() throws {
        var ends: [Int32] = [-1, -1]
        #expect(socketpair(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0, &ends) == 0)
        let inside = Descriptor(adopting: ends[0])
        let outside = Descriptor(adopting: ends[1])
        try PacketFilter.notices(link: 9).attach(to: inside.number)
        func passes(_ type: some BinaryInteger, family: Int32, link: Int32) -> Bool {
            var header = ndmsg()
            header.ndm_family = UInt8(family)
            header.ndm_ifindex = link
            let batch = Batch()
            batch.append(type, flags: 0, header: header, "tell", of: NeighbourScope.self) { _ in }
            let bytes = batch.bytes
            // (Refused where the filter does not take it.)
            _ = send(outside.number, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT))
            var buffer = [UInt8](repeating: 0, count: 256)
            return recv(inside.number, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0
        }
        #expect(passes(RTM_NEWNEIGH, family: AF_INET, link: 9))
        #expect(!passes(RTM_NEWNEIGH, family: AF_INET, link: 8))
        #expect(!passes(RTM_NEWNEIGH, family: AF_INET6, link: 10))
        #expect(passes(RTM_NEWNEIGH, family: Int32(PF_BRIDGE), link: 8))
        #expect(passes(RTM_NEWLINK, family: AF_INET, link: 8))
        #expect(passes(RTM_DELNEIGH, family: AF_INET, link: 8))
    }

    @Test func inotifysBytesAreTakenApart() {
        func event(_ watch: Int32, _ name: String) -> [UInt8] {
            let octets = name.isEmpty ? [] : Array(name.utf8) + [0, 0]
            return withUnsafeBytes(of: (watch, UInt32(8), UInt32(0), UInt32(octets.count))) { [UInt8]($0) }
                + octets
        }
        func names(_ bytes: [UInt8]) -> [String] {
            var names: [String] = []
            bytes.withUnsafeBytes { FileWatch.forEach(in: $0) { names.append("\($0) \($2)") } }
            return names
        }
        let bytes = event(1, "hive.json") + event(2, "") + event(3, "x")
        #expect(names(bytes) == ["1 hive.json", "2 ", "3 x"])
        for length in 0..<bytes.count { #expect(names(Array(bytes[..<length])).count < 3) }
    }
}
