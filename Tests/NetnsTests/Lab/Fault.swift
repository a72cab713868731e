import CNetlink
import Glibc
import Synchronization

@testable import HiveNet

/// One thing that goes wrong between a netlink socket and the kernel, or many at random.
final class Fault: TransportFaults {
    enum Kind: CaseIterable {
        // A datagram is not sent.
        case sendInterrupted, sendBusy, sendWithoutMemory, sendWithoutBuffers
        // A datagram is not received, and stays.
        case receiveInterrupted, receiveWithoutMemory
        /// The queue was full, and an answer is lost.
        case receiveOverrun
        /// An answer is lost, and nobody says so.
        case answerLost
        /// It ends in the middle of its last message, or in the middle of that one's header.
        case cut, cutInHeader
        /// An attribute is longer than its message.
        case attributeTooLong
        /// An error comes first that answers a request of somebody else's.
        case foreignAnswerFirst
        /// The answer is to a request that nobody made.
        case foreignAnswerInstead
        /// A dump is marked as one during which something changed.
        case dumpInterrupted
        // The kernel did what it was told, and says that it did not.
        case refusedBusy, refusedWithoutMemory

        /// What the transport has to cope with by itself.
        var isHarmless: Bool {
            switch self {
            case .sendInterrupted, .receiveInterrupted, .foreignAnswerFirst, .dumpInterrupted: true
            default: false
            }
        }
        /// What has to be noticed wherever it happens.
        var isDamage: Bool { [.cut, .cutInHeader, .attributeTooLong].contains(self) }
        /// What is noticed by waiting in vain, which takes its time.
        var isSilent: Bool { self == .answerLost || self == .foreignAnswerInstead }
    }

    private enum When {
        /// At the one that has so many fitting ones before it.
        case point(Int)
        case random(SeededGenerator, oneOutOf: Int)
    }
    private struct State {
        var when: When
        /// How often it could have happened.
        var occasions = 0
        var fired: [Kind] = []
        var isOver = false
    }
    private let kinds: [Kind]
    private let state: Mutex<State>

    /// - Parameter point: how many occasions are left out before.
    init(_ kind: Kind, at point: Int) {
        kinds = [kind]
        state = Mutex(State(when: .point(point)))
    }

    init(_ kinds: [Kind], seed: UInt64, oneOutOf: Int) {
        self.kinds = kinds
        state = Mutex(State(when: .random(SeededGenerator(seed: seed), oneOutOf: oneOutOf)))
    }

    var occasions: Int { state.withLock(\.occasions) }
    var fired: [Kind] { state.withLock(\.fired) }
    /// Nothing goes wrong any more.
    func end() { state.withLock { $0.isOver = true } }

    /// The kind that is due, of those that fit.
    private func due(_ fitting: (Kind) -> Bool) -> Kind? {
        let fitting = kinds.filter(fitting)
        guard !fitting.isEmpty else { return nil }
        return state.withLock { state in
            defer { state.occasions += 1 }
            guard !state.isOver else { return nil }
            let kind: Kind?
            switch state.when {
            case .point(let point): kind = state.occasions == point ? fitting[0] : nil
            case .random(var random, let oneOutOf):
                kind =
                    Int.random(in: 0..<oneOutOf, using: &random) == 0
                    ? fitting.randomElement(using: &random) : nil
                state.when = .random(random, oneOutOf: oneOutOf)
            }
            if let kind { state.fired.append(kind) }
            return kind
        }
    }

    // MARK: The seam

    func send() -> Int32 {
        let codes: [Kind: Int32] = [
            .sendInterrupted: EINTR, .sendBusy: EBUSY, .sendWithoutMemory: ENOMEM,
            .sendWithoutBuffers: ENOBUFS,
        ]
        return due { codes[$0] != nil }.flatMap { codes[$0] } ?? 0
    }

    func receive(
        into start: UnsafeMutableRawPointer, _ read: () -> (count: Int, code: Int32)
    ) -> (count: Int, code: Int32) {
        switch due({
            [.receiveInterrupted, .receiveWithoutMemory, .receiveOverrun, .foreignAnswerFirst].contains($0)
        }) {
        case .receiveInterrupted: return (-1, EINTR)
        case .receiveWithoutMemory: return (-1, ENOMEM)
        case .receiveOverrun:
            _ = read()
            return (-1, ENOBUFS)
        case .foreignAnswerFirst:
            var error = nlmsgerr()
            error.error = -EPERM
            let length = MemoryLayout<nlmsghdr>.size + MemoryLayout<nlmsgerr>.size
            var header = nlmsghdr()
            header.nlmsg_len = UInt32(length)
            header.nlmsg_type = UInt16(NLMSG_ERROR)
            // Far ahead and far behind of those that are used.
            header.nlmsg_seq = 1 << 31
            start.storeBytes(of: header, as: nlmsghdr.self)
            (start + MemoryLayout<nlmsghdr>.size).storeBytes(of: error, as: nlmsgerr.self)
            return (length, 0)
        default: break
        }
        var (count, code) = read()
        guard count > 0 else { return (count, code) }
        let messages = Self.messages(start, count)
        let kind = due { kind in
            switch kind {
            case .answerLost, .cut, .cutInHeader, .foreignAnswerInstead: true
            case .attributeTooLong: messages.contains { Self.attribute(in: $0) != nil }
            case .dumpInterrupted: messages.contains { $0.pointee.nlmsg_flags & UInt16(NLM_F_MULTI) != 0 }
            case .refusedBusy, .refusedWithoutMemory: messages.contains { Self.isSuccess($0) }
            default: false
            }
        }
        switch kind {
        case .answerLost: (count, code) = read()
        case .cut: count -= 1
        case .cutInHeader:
            if let last = messages.last { count = UnsafeRawPointer(last) - UnsafeRawPointer(start) + 6 }
        case .foreignAnswerInstead: for message in messages { message.pointee.nlmsg_seq = 1 << 31 }
        case .attributeTooLong:
            messages.lazy.compactMap(Self.attribute).first?.pointee.nla_len += 1 << 14
        case .dumpInterrupted:
            for message in messages { message.pointee.nlmsg_flags |= UInt16(NLM_F_DUMP_INTR) }
        case .refusedBusy, .refusedWithoutMemory:
            for message in messages where Self.isSuccess(message) {
                (UnsafeMutableRawPointer(message) + MemoryLayout<nlmsghdr>.size)
                    .storeBytes(of: kind == .refusedBusy ? -EBUSY : -ENOMEM, as: Int32.self)
            }
        default: break
        }
        return (count, code)
    }

    // MARK: What is in a datagram

    private static func messages(
        _ start: UnsafeMutableRawPointer, _ count: Int
    ) -> [UnsafeMutablePointer<nlmsghdr>] {
        var messages: [UnsafeMutablePointer<nlmsghdr>] = []
        var offset = 0
        while offset + MemoryLayout<nlmsghdr>.size <= count {
            let message = (start + offset).assumingMemoryBound(to: nlmsghdr.self)
            messages.append(message)
            offset += (Int(message.pointee.nlmsg_len) + 3) & ~3
        }
        return messages
    }

    /// The first attribute of an object.
    private static func attribute(in message: UnsafeMutablePointer<nlmsghdr>) -> UnsafeMutablePointer<nlattr>?
    {
        let header: Int
        switch Int(message.pointee.nlmsg_type) {
        case RTM_NEWLINK: header = MemoryLayout<ifinfomsg>.size
        case RTM_NEWADDR: header = MemoryLayout<ifaddrmsg>.size
        case RTM_NEWROUTE: header = MemoryLayout<rtmsg>.size
        case RTM_NEWNEIGH: header = MemoryLayout<ndmsg>.size
        // NFNL_SUBSYS_NFTABLES, with nfgenmsg before the attributes (linux/netfilter/nfnetlink.h).
        case let type where type >> 8 == 10: header = 4
        default: return nil
        }
        let offset = MemoryLayout<nlmsghdr>.size + header
        guard offset + MemoryLayout<nlattr>.size <= Int(message.pointee.nlmsg_len) else { return nil }
        return (UnsafeMutableRawPointer(message) + offset).assumingMemoryBound(to: nlattr.self)
    }

    private static func isSuccess(_ message: UnsafeMutablePointer<nlmsghdr>) -> Bool {
        message.pointee.nlmsg_type == UInt16(NLMSG_ERROR)
            && (UnsafeRawPointer(message) + MemoryLayout<nlmsghdr>.size).loadUnaligned(as: Int32.self) == 0
    }
}
