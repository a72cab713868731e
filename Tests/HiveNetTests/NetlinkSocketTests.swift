import CNetlink
import Glibc
import Testing

@testable import HiveNet

extension Attribute where Scope == LinkScope, Value == UInt8 {
    /// A key of the wrong type: the kernel wants four octets.
    fileprivate static var shortMask: Self { .init(IFLA_EXT_MASK, "IFLA_EXT_MASK") }
}

/// The kernel itself, but only what everybody may ask of it, and nothing that changes anything.
struct NetlinkSocketTests {
    private func lookUp(_ name: String, in batch: Batch) {
        batch.append(RTM_GETLINK, flags: 0, header: ifinfomsg(), "read the link \(name)", of: LinkScope.self)
        {
            $0.put(.name, name)
            $0.put(.extendedMask, UInt32(RTEXT_FILTER_SKIP_STATS))
        }
    }

    /// A message type that the kernel skips, and acknowledges if so asked (`netlink_rcv_skb`).
    private func doNothing(_ batch: Batch, octets: Int = 0) {
        batch.append(NLMSG_NOOP, flags: 0, header: UInt32(0), "do nothing", of: LinkScope.self) {
            $0.put(.alias, String(repeating: "x", count: octets))
        }
    }

    private func failure(_ body: () throws(KernelError) -> Void) -> KernelError? {
        do throws(KernelError) {
            try body()
            return nil
        } catch {
            return error
        }
    }

    /// libc asks the same kernel in its own way.
    private func names() -> Set<String> {
        guard let list = if_nameindex() else { return [] }
        defer { if_freenameindex(list) }
        var names: Set<String> = []
        var entry = list
        while let name = entry.pointee.if_name {
            names.insert(String(cString: name))
            entry += 1
        }
        return names
    }

    @Test func dumpsTheLinks() throws {
        var socket = try NetlinkSocket(family: NETLINK_ROUTE)
        let before = names()
        let links = try socket.links { _, _ in true }
        let after = names()
        let found = Set(links.map(\.name))
        #expect(found.isSuperset(of: before.intersection(after)))
        #expect(found.isSubset(of: before.union(after)))
        for link in links where after.contains(link.name) {
            #expect(if_nametoindex(link.name) == UInt32(link.index))
        }
        #expect(try socket.links { _, _ in false }.isEmpty)
        #expect(try socket.links { name, _ in name == "lo" }.map(\.name) == ["lo"])
    }

    @Test func readsOneLinkByName() throws {
        var socket = try NetlinkSocket(family: NETLINK_ROUTE)
        let loopback = try #require(try socket.link(named: "lo"))
        #expect(loopback.index == 1)
        #expect(loopback.mac == MACAddress(bits: 0))
        #expect(loopback.master == nil && loopback.bridgePort == nil && loopback.bridge == nil)
        #expect(loopback.ipv4 != nil)
        #expect(try socket.link(named: "nope") == nil)
    }

    @Test func readsTheLoopbacksAddress() throws {
        var socket = try NetlinkSocket(family: NETLINK_ROUTE)
        guard try #require(try socket.link(named: "lo")).isUp else { return }
        let addresses = try socket.addresses(link: 1).compactMap(\.address4)
        #expect(addresses.contains(try value("127.0.0.1/8")))
        #expect(try socket.addresses().count >= addresses.count)
    }

    @Test func whatDoesNotExistIsNotFound() throws {
        var socket = try NetlinkSocket(family: NETLINK_ROUTE)
        let request = Batch()
        lookUp("nope", in: request)
        let error = try #require(
            failure { () throws(KernelError) in _ = try socket.query(request) { _ in true } })
        #expect(error.isNotFound)
        #expect(error.operation == "read the link nope")
        #expect(error.code == ENODEV)
        #expect(error.description == "read the link nope: No such device (ENODEV)")
        // The socket is none the worse for it.
        #expect(try socket.link(named: "lo") != nil)
    }

    @Test func theKernelsOwnWordsAndTheAttributeReachTheCaller() throws {
        var socket = try NetlinkSocket(family: NETLINK_ROUTE)
        let request = Batch()
        request.append(RTM_GETLINK, flags: 0, header: ifinfomsg(), "read the link lo", of: LinkScope.self) {
            $0.put(.name, "lo")
            $0.put(.shortMask, 1)
        }
        let error = try #require(
            failure { () throws(KernelError) in _ = try socket.query(request) { _ in true } })
        #expect(error.attribute == "IFLA_EXT_MASK")
        #expect(error.explanation == "Attribute failed policy validation")
        #expect(
            error.description
                == "read the link lo: Attribute failed policy validation (ERANGE, attribute IFLA_EXT_MASK)")
        #expect(!error.isNotFound && !error.alreadyExists && !error.isPermission && !error.isConflict)
    }

    @Test func ofManyRequestsTheOneThatFailedIsNamed() throws {
        var socket = try NetlinkSocket(family: NETLINK_ROUTE)
        for position in [0, 1, 17, 39] {
            let batch = Batch()
            for number in 0..<40 { lookUp(number == position ? "nope\(number)" : "lo", in: batch) }
            let error = failure { () throws(KernelError) in try socket.execute(batch) }
            #expect(error?.operation == "read the link nope\(position)")
        }
        let batch = Batch()
        for _ in 0..<40 { lookUp("lo", in: batch) }
        #expect(failure { () throws(KernelError) in try socket.execute(batch) } == nil)
        #expect(failure { () throws(KernelError) in try socket.execute(Batch()) } == nil)
    }

    @Test func ofSeveralFailuresTheFirstIsTold() throws {
        var socket = try NetlinkSocket(family: NETLINK_ROUTE)
        let batch = Batch()
        for name in ["lo", "nope1", "lo", "nope2", "nope3"] { lookUp(name, in: batch) }
        #expect(
            failure { () throws(KernelError) in try socket.execute(batch) }?.operation
                == "read the link nope1")
        // No answer is left over to be taken for one to the next request.
        #expect(try socket.link(named: "lo")?.name == "lo")
    }

    /// More than one `sendmsg` can carry goes out in several, each with an acknowledgement of its own.
    @Test func aBatchMayBeLongerThanTheSocketTakesAtOnce() throws {
        var socket = try NetlinkSocket(family: NETLINK_ROUTE)
        let size = socket.sendLimit * 3
        for position in [nil, 0.0, 0.5, 1.0] as [Double?] {
            let batch = Batch()
            var asked = false
            while batch.count < size {
                if let position, !asked, Double(batch.count) >= position * Double(size) - 2000 {
                    lookUp("nope", in: batch)
                    asked = true
                }
                doNothing(batch, octets: 900)
            }
            #expect(batch.requests.count > 150)
            let error = failure { () throws(KernelError) in try socket.execute(batch) }
            #expect(error?.operation == (position == nil ? nil : "read the link nope"))
            #expect(try socket.link(named: "lo") != nil)
        }
    }

    /// Nothing of a transaction goes out if not all of it can.
    @Test func aTransactionThatDoesNotFitIsRefused() throws {
        var socket = try NetlinkSocket(family: NETLINK_ROUTE)
        let batch = Batch()
        while batch.count <= socket.sendLimit { doNothing(batch, octets: 4000) }
        let count = batch.count
        let error = failure { () throws(KernelError) in try socket.transact(batch, acknowledged: 0) }
        #expect(error?.code == EMSGSIZE)
        #expect(error?.operation == "send \(count) bytes of nftables requests in one transaction")
        #expect(try socket.link(named: "lo") != nil)
    }

    @Test func aLargerSendBufferTakesMore() throws {
        let small = try NetlinkSocket(family: NETLINK_ROUTE, sendBuffer: 1 << 12)
        let large = try NetlinkSocket(family: NETLINK_ROUTE, sendBuffer: 1 << 16)
        #expect(small.sendLimit < large.sendLimit)
        #expect(large.sendLimit >= 1 << 16)
    }

    @Test func severalSocketsMayShareABufferInTurn() throws {
        let buffer = NetlinkSocket.ReceiveBuffer()
        var one = try NetlinkSocket(family: NETLINK_ROUTE, receiveBuffer: buffer)
        var other = try NetlinkSocket(family: NETLINK_ROUTE, sendBuffer: 1 << 16, receiveBuffer: buffer)
        for _ in 0..<20 {
            #expect(try one.link(named: "lo")?.index == 1)
            #expect(try other.link(named: "lo")?.index == 1)
        }
    }

    @Test func descriptorsAreClosedOnExec() throws {
        let descriptor = try Descriptor(path: "/dev/null", flags: O_RDONLY, "open")
        #expect(fcntl(descriptor.number, F_GETFD) & FD_CLOEXEC != 0)
        let error = failure { () throws(KernelError) in
            _ = try Descriptor(path: "/does/not/exist", flags: O_RDONLY, "open the file")
        }
        #expect(error?.description == "open the file: No such file or directory (ENOENT)")
    }

    @Test func aProtocolThatDoesNotExistIsAnError() {
        let error = failure { () throws(KernelError) in _ = try NetlinkSocket(family: 99) }
        #expect(error?.operation == "open a netlink socket")
        #expect(error?.code == EPROTONOSUPPORT)
    }
}

struct KernelErrorTests {
    @Test func isASentence() {
        #expect(
            KernelError("raise link x", code: EPERM).description
                == "raise link x: Operation not permitted (EPERM)")
        #expect(
            KernelError("create veth x", code: ERANGE, explanation: "Bad thing", attribute: "IFLA_MTU")
                .description
                == "create veth x: Bad thing (ERANGE, attribute IFLA_MTU)")
        #expect(KernelError("x", code: 9999).description.contains("errno 9999"))
    }

    @Test func answersWhatCallersAsk() {
        func error(_ code: Int32) -> KernelError { KernelError("x", code: code) }
        for code in [ENOENT, ENODEV, ESRCH, EADDRNOTAVAIL, ENXIO] { #expect(error(code).isNotFound) }
        for code in [EPERM, EACCES] { #expect(error(code).isPermission) }
        for code in [ERESTART, EINTR, EBUSY, EAGAIN] { #expect(error(code).isConflict) }
        #expect(error(EEXIST).alreadyExists)
        let other = error(EINVAL)
        #expect(!other.isNotFound && !other.isPermission && !other.isConflict && !other.alreadyExists)
    }
}
