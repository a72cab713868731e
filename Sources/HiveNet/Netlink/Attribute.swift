internal import CNetlink

/// A netlink attribute's type, declared once: where it may stand (`Scope`), what it holds (`Value`), its
/// number and its C name. The same key writes the attribute and reads it.
struct Attribute<Scope, Value>: Sendable {
    let type: UInt16
    /// The C constant's name, for errors.
    let name: StaticString

    /// - Parameter type: the C constant, as clang imports it.
    init(_ type: some BinaryInteger, _ name: StaticString) {
        self.type = UInt16(type)
        self.name = name
    }
}

/// The `Value` of an attribute that holds further attributes.
enum Nested<Scope> {}

/// What an attribute can hold: knows its own encoding in the kernel's ABI.
protocol AttributeValue {
    /// Host byte order unless the type says otherwise.
    func withAttributeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result
    /// - Parameter payload: the attribute's payload without padding.
    /// - Returns: nil if the payload is too short.
    init?(attribute payload: UnsafeRawBufferPointer)
}

extension AttributeValue where Self: FixedWidthInteger {
    func withAttributeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeBytes(of: self, body)
    }
    init?(attribute payload: UnsafeRawBufferPointer) {
        guard payload.count >= MemoryLayout<Self>.size else { return nil }
        self = payload.loadUnaligned(as: Self.self)
    }
}

extension UInt8: AttributeValue {}
extension UInt16: AttributeValue {}
extension UInt32: AttributeValue {}
extension Int32: AttributeValue {}

/// NUL-terminated, as NLA_NUL_STRING and NLA_STRING both take it.
extension String: AttributeValue {
    func withAttributeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withCString { body(UnsafeRawBufferPointer(start: $0, count: utf8.count + 1)) }
    }
    init?(attribute payload: UnsafeRawBufferPointer) {
        self = String(decoding: payload.prefix { $0 != 0 }, as: UTF8.self)
    }
}

extension MACAddress: AttributeValue {
    func withAttributeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeBytes(of: (bits << 16).bigEndian) { body(UnsafeRawBufferPointer(rebasing: $0.prefix(6))) }
    }
    init?(attribute payload: UnsafeRawBufferPointer) { self.init(octets: payload) }
}

/// Network byte order.
extension AttributeValue where Self: IPAddress {
    func withAttributeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeBytes(of: bits.bigEndian, body)
    }
    init?(attribute payload: UnsafeRawBufferPointer) { self.init(octets: payload) }
}

extension IPv4Address: AttributeValue {}
extension IPv6Address: AttributeValue {}

/// A run of attributes as the kernel sent it: a message's, or those inside a nested one. Valid only while
/// the receive buffer is, that is, inside the closure that got it.
struct Attributes<Scope> {
    let bytes: UnsafeRawBufferPointer

    /// Every attribute fits into what is left, up to the end.
    var areWhole: Bool {
        var offset = 0
        while let next = entry(at: offset) { offset = next.end }
        // (The last one's padding may be missing, or be all that is left.)
        return offset + MemoryLayout<nlattr>.size > bytes.count
    }

    /// The payload of the first attribute of that type, or nil.
    func payload(_ type: UInt16) -> UnsafeRawBufferPointer? {
        var offset = 0
        while let next = entry(at: offset) {
            if next.type == type { return next.payload }
            offset = next.end
        }
        return nil
    }

    /// Each attribute in order, with its type number.
    func forEach(_ body: (UInt16, UnsafeRawBufferPointer) -> Void) {
        var offset = 0
        while let next = entry(at: offset) {
            body(next.type, next.payload)
            offset = next.end
        }
    }

    /// nil at the end, and where a length does not fit into what is left.
    private func entry(at offset: Int) -> (type: UInt16, payload: UnsafeRawBufferPointer, end: Int)? {
        let header = MemoryLayout<nlattr>.size
        guard offset + header <= bytes.count else { return nil }
        let length = Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
        let type = bytes.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self)
        guard length >= header, offset + length <= bytes.count else { return nil }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[(offset + header)..<(offset + length)])
        return (type & typeMask, payload, offset + (length + 3) & ~3)
    }

    subscript<Value: AttributeValue>(_ key: Attribute<Scope, Value>) -> Value? {
        payload(key.type).flatMap { Value(attribute: $0) }
    }

    /// Empty where the attribute is absent, so that look-ups can be chained.
    subscript<Inner>(_ key: Attribute<Scope, Nested<Inner>>) -> Attributes<Inner> {
        Attributes<Inner>(bytes: payload(key.type) ?? UnsafeRawBufferPointer(start: nil, count: 0))
    }
}

/// `NLA_TYPE_MASK`: clang does not import a macro made of others with `~`.
private let typeMask = ~(UInt16(NLA_F_NESTED) | UInt16(NLA_F_NET_BYTEORDER))
