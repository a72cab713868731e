internal import CNetlink

/// Requests, one behind the other in one buffer, to be sent with one `sendmsg`.
///
/// Every request carries the words for what it does, so that an error that comes back for it can name it.
/// The buffer grows as needed; messages are built by libmnl.
final class Batch {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    /// Bytes of finished messages.
    private(set) var count = 0
    private(set) var requests: [Request] = []
    /// Where each attribute begins, and its C name: the kernel names a bad attribute by its offset.
    private var attributes: [(offset: Int, name: StaticString)] = []

    struct Request {
        /// Where the message begins.
        let offset: Int
        /// In the imperative: `create veth hv-alpha`. A closure: the words are needed only on error.
        let operation: () -> String
        /// The agent that it is for.
        let agent: String?
    }

    /// The agent that the requests appended from now on are for.
    var agent: String?

    init(capacity: Int = 1 << 14) {
        self.capacity = capacity
        base = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { base.deallocate() }

    /// The finished messages.
    var bytes: UnsafeMutableRawBufferPointer { .init(start: base, count: count) }

    func removeAll() {
        count = 0
        requests.removeAll(keepingCapacity: true)
        attributes.removeAll(keepingCapacity: true)
    }

    /// The header of a finished message.
    func header(of request: Request) -> UnsafeMutablePointer<nlmsghdr> {
        (base + request.offset).assumingMemoryBound(to: nlmsghdr.self)
    }

    /// The C name of the attribute that begins `offset` bytes into a request, as `NLMSGERR_ATTR_OFFS` counts.
    func attribute(at offset: Int, in request: Request) -> String? {
        attributes.first { $0.offset == request.offset + offset }?.name.description
    }

    /// Appends a request.
    /// - Parameters:
    ///   - type: `RTM_NEWLINK` and so on.
    ///   - flags: besides `NLM_F_REQUEST`: `NLM_F_CREATE`, `NLM_F_EXCL`, `NLM_F_DUMP` …
    ///   - header: the family's own header: `ifinfomsg`, `rtmsg` …
    ///   - operation: what it does, for errors.
    ///   - body: puts the attributes.
    func append<Header: BitwiseCopyable, Scope>(
        _ type: some BinaryInteger, flags: some BinaryInteger, header: Header,
        _ operation: @escaping @autoclosure () -> String,
        of scope: Scope.Type = Scope.self,
        _ body: (AttributeWriter<Scope>) -> Void
    ) {
        begin(type: UInt16(type), flags: UInt16(flags), operation)
        putHeader(header)
        body(AttributeWriter(batch: self))
        count += Int(current.pointee.nlmsg_len)
    }

    /// Appends a message that a C library builds.
    /// - Parameters:
    ///   - reserve: an upper bound of its length in bytes: the library does not check.
    ///   - build: writes the message at the given place, header included.
    func append(
        reserve: Int, _ operation: @escaping @autoclosure () -> String,
        _ build: (UnsafeMutablePointer<nlmsghdr>) -> Void
    ) {
        makeRoom(reserve)
        requests.append(Request(offset: count, operation: operation, agent: agent))
        build(current)
        count += Int(current.pointee.nlmsg_len + 3) & ~3
    }

    // MARK: Building one message

    private var current: UnsafeMutablePointer<nlmsghdr> {
        (base + (requests.last?.offset ?? 0)).assumingMemoryBound(to: nlmsghdr.self)
    }

    private func begin(type: UInt16, flags: UInt16, _ operation: @escaping () -> String) {
        makeRoom(1024)
        requests.append(Request(offset: count, operation: operation, agent: agent))
        let message: UnsafeMutablePointer<nlmsghdr> = mnl_nlmsg_put_header(base + count)
        message.pointee.nlmsg_type = type
        message.pointee.nlmsg_flags = UInt16(NLM_F_REQUEST) | flags
    }

    /// Appends a fixed header to the message: after the netlink header, or inside a nest.
    fileprivate func putHeader<Header: BitwiseCopyable>(_ header: Header) {
        makeRoom(MemoryLayout<Header>.size)
        let place: UnsafeMutableRawPointer = mnl_nlmsg_put_extra_header(current, MemoryLayout<Header>.size)
        place.storeBytes(of: header, as: Header.self)
    }

    fileprivate func put(_ type: UInt16, _ name: StaticString, _ payload: UnsafeRawBufferPointer) {
        makeRoom(payload.count + 8)
        mark(name)
        if payload.count % 4 != 0 {
            // The padding is ours to clear: libmnl 1.0.4 does not.
            let end = Int(current.pointee.nlmsg_len) + MemoryLayout<nlattr>.size + payload.count & ~3
            (UnsafeMutableRawPointer(current) + end).storeBytes(of: 0, as: UInt32.self)
        }
        mnl_attr_put(current, type, payload.count, payload.baseAddress)
    }

    fileprivate func nest(_ type: UInt16, _ name: StaticString, _ body: () -> Void) {
        makeRoom(8)
        mark(name)
        let offset = Int(current.pointee.nlmsg_len)
        _ = mnl_attr_nest_start(current, type)
        body()
        // The buffer may have moved meanwhile: find the start by its offset.
        let start = UnsafeMutableRawPointer(current) + offset
        mnl_attr_nest_end(current, start.assumingMemoryBound(to: nlattr.self))
    }

    private func mark(_ name: StaticString) {
        attributes.append((count + Int(current.pointee.nlmsg_len), name))
    }

    /// Makes room behind the message under construction.
    private func makeRoom(_ more: Int) {
        let used =
            count + (requests.last.map { $0.offset == count } == true ? Int(current.pointee.nlmsg_len) : 0)
        guard used + more + 64 > capacity else { return }
        capacity = max(capacity * 2, used + more + 64)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        larger.copyMemory(from: base, byteCount: used)
        base.deallocate()
        base = larger
    }
}

/// Puts attributes into the message under construction: `writer.put(.name, "hv-alpha")`.
///
/// Only keys of the scope are accepted, and a nest is closed (its length patched) when its closure returns.
struct AttributeWriter<Scope> {
    fileprivate let batch: Batch

    func put<Value: AttributeValue>(_ key: Attribute<Scope, Value>, _ value: Value) {
        value.withAttributeBytes { batch.put(key.type, key.name, $0) }
    }

    func put<Inner>(_ key: Attribute<Scope, Nested<Inner>>, _ body: (AttributeWriter<Inner>) -> Void) {
        batch.nest(key.type, key.name) { body(AttributeWriter<Inner>(batch: batch)) }
    }

    /// A nest that begins with a fixed header, as `VETH_INFO_PEER` does with `ifinfomsg`.
    func put<Inner, Header: BitwiseCopyable>(
        _ key: Attribute<Scope, Nested<Inner>>, header: Header, _ body: (AttributeWriter<Inner>) -> Void
    ) {
        batch.nest(key.type, key.name) {
            batch.putHeader(header)
            body(AttributeWriter<Inner>(batch: batch))
        }
    }
}
