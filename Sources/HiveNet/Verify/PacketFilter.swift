internal import CNetlink
internal import Glibc

/// A program of the classic packet filter, as `SO_ATTACH_FILTER` takes it: it runs in the kernel for every packet that a
/// socket would get, so that a busy host's traffic wakes nobody up.
///
/// See Documentation/networking/filter.rst of the kernel's source.
struct PacketFilter {
    private(set) var instructions: [sock_filter] = []

    init(instructions: [sock_filter]) { self.instructions = instructions }

    /// Lets pass what has one of these words, in network byte order, at its place. A packet that ends before a place does
    /// not pass (bpf_internal_load_pointer_neg_helper, `ret 0`), so places are tried from the front to the back.
    ///
    /// - Parameter link: by index; what comes in on it does not pass.
    init(anyOf words: [(offset: Int32, word: UInt32)], exceptOn link: Int32? = nil) {
        let words = words.sorted { $0.offset < $1.offset }
        if let link {
            append(BPF_LD | BPF_W | BPF_ABS, UInt32(bitPattern: SKF_AD_OFF + SKF_AD_IFINDEX))
            // Over all that follows but the refusal.
            append(
                BPF_JMP | BPF_JEQ | BPF_K, UInt32(bitPattern: link), then: UInt8(2 * words.count))
        }
        for (index, (offset, word)) in words.enumerated() {
            append(BPF_LD | BPF_W | BPF_ABS, UInt32(bitPattern: offset))
            // Over the rest, two instructions each, and over the refusal, to the end.
            append(BPF_JMP | BPF_JEQ | BPF_K, word, then: UInt8(2 * (words.count - 1 - index) + 1))
        }
        append(BPF_RET | BPF_K, 0)
        append(BPF_RET | BPF_K, .max)
    }

    private mutating func append(_ code: Int32, _ value: UInt32, then: UInt8 = 0, else other: UInt8 = 0) {
        instructions.append(sock_filter(code: UInt16(code), jt: then, jf: other, k: value))
    }

    /// Has a socket see only what passes.
    func attach(to socket: Int32) throws(KernelError) {
        var instructions = instructions
        let code = instructions.withUnsafeMutableBufferPointer { buffer in
            var program = sock_fprog(len: UInt16(buffer.count), filter: buffer.baseAddress)
            return setsockopt(
                socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, socklen_t(MemoryLayout<sock_fprog>.size))
        }
        guard code == 0 else { throw .last("attach a packet filter") }
    }

    // MARK: The filters

    /// Probes and answers to them, for a packet socket.
    static func frames(_ magic: UInt32) -> PacketFilter {
        PacketFilter(
            anyOf: Cookie.places.map { (Int32($0), magic) }
                + Cookie.answerPlaces.map { (Int32($0), magic &+ 1) })
    }

    /// Probes, for a raw socket of IPv4 or IPv6: where the data begins differs, hence relative to the IP header.
    static func packets(_ magic: UInt32) -> PacketFilter {
        PacketFilter(
            anyOf: Cookie.places.map { (SKF_NET_OFF + Int32($0 - Cookie.networkOffset), magic) })
    }

    /// Probes, and barriers, as they come out of agents' links. Not on the bridge, where they would be seen once more.
    static func framesAndBarriers(
        _ magic: UInt32, _ barrier: UInt32, exceptOn bridge: Int32
    ) -> PacketFilter {
        PacketFilter(
            anyOf: Cookie.places.map { (Int32($0), magic) } + [(42, barrier)], exceptOn: bridge)
    }

    /// Barriers, which are ARP messages.
    static func barriers(_ magic: UInt32) -> PacketFilter { PacketFilter(anyOf: [(42, magic)]) }

    /// TCP segments and UDP datagrams with these two ports, for a packet socket.
    static func ports(_ ports: [(isIPv6: Bool, word: UInt32)]) -> PacketFilter {
        PacketFilter(anyOf: ports.map { ($0.isIPv6 ? 54 : 34, $0.word) })
    }
}
