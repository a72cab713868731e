internal import CNetlink
internal import CNftables

// The attributes of nfnetlink_log, linux/netfilter/nfnetlink_log.h. Numbers are in network byte order.

enum LogConfigurationScope {}
enum LogScope {}
enum LogVLANScope {}

extension Attribute where Scope == LogConfigurationScope, Value == UInt8 {
    /// `NFULNL_CFG_CMD_BIND`
    static var command: Self { .init(NFULA_CFG_CMD.rawValue, "NFULA_CFG_CMD") }
}
extension Attribute where Scope == LogConfigurationScope, Value == LogCopyMode {
    static var mode: Self { .init(NFULA_CFG_MODE.rawValue, "NFULA_CFG_MODE") }
}
extension Attribute where Scope == LogConfigurationScope, Value == UInt32 {
    /// In hundredths of a second.
    static var timeout: Self { .init(NFULA_CFG_TIMEOUT.rawValue, "NFULA_CFG_TIMEOUT") }
    /// Packets.
    static var threshold: Self { .init(NFULA_CFG_QTHRESH.rawValue, "NFULA_CFG_QTHRESH") }
}
extension Attribute where Scope == LogConfigurationScope, Value == UInt16 {
    static var flags: Self { .init(NFULA_CFG_FLAGS.rawValue, "NFULA_CFG_FLAGS") }
}

extension Attribute where Scope == LogScope, Value == String {
    static var prefix: Self { .init(NFULA_PREFIX.rawValue, "NFULA_PREFIX") }
}
extension Attribute where Scope == LogScope, Value == UInt16 {
    /// `ARPHRD_ETHER` and so on.
    static var hardwareType: Self { .init(NFULA_HWTYPE.rawValue, "NFULA_HWTYPE") }
    /// Of `nfulnl_msg_packet_hdr`, which begins with it: the packet's EtherType as the kernel has it.
    static var packetType: Self { .init(NFULA_PACKET_HDR.rawValue, "NFULA_PACKET_HDR") }
}
extension Attribute where Scope == LogScope, Value == UInt32 {
    /// Links' indexes. In the bridge's hooks, and with br_netfilter, the first of each pair is the bridge and the second the port.
    static var inputLink: Self { .init(NFULA_IFINDEX_INDEV.rawValue, "NFULA_IFINDEX_INDEV") }
    static var inputPort: Self { .init(NFULA_IFINDEX_PHYSINDEV.rawValue, "NFULA_IFINDEX_PHYSINDEV") }
    static var outputLink: Self { .init(NFULA_IFINDEX_OUTDEV.rawValue, "NFULA_IFINDEX_OUTDEV") }
    static var outputPort: Self { .init(NFULA_IFINDEX_PHYSOUTDEV.rawValue, "NFULA_IFINDEX_PHYSOUTDEV") }
    /// Of the user whose socket sent it.
    static var user: Self { .init(NFULA_UID.rawValue, "NFULA_UID") }
    /// Counts the packets of the group.
    static var sequence: Self { .init(NFULA_SEQ.rawValue, "NFULA_SEQ") }
}
extension Attribute where Scope == LogScope, Value == LogTime {
    static var time: Self { .init(NFULA_TIMESTAMP.rawValue, "NFULA_TIMESTAMP") }
}
extension Attribute where Scope == LogScope, Value == Nested<LogVLANScope> {
    static var vlan: Self { .init(NFULA_VLAN.rawValue, "NFULA_VLAN") }
}
extension Attribute where Scope == LogVLANScope, Value == UInt16 {
    /// The tag's priority and VLAN.
    static var tag: Self { .init(NFULA_VLAN_TCI.rawValue, "NFULA_VLAN_TCI") }
}

/// `nfulnl_msg_config_mode`: so many octets of each packet.
struct LogCopyMode: AttributeValue {
    var length: UInt32

    func withAttributeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let mode = nfulnl_msg_config_mode(
            copy_range: length.bigEndian, copy_mode: UInt8(NFULNL_COPY_PACKET), _pad: 0)
        return withUnsafeBytes(of: mode, body)
    }

    init(length: UInt32) { self.length = length }

    init?(attribute payload: UnsafeRawBufferPointer) {
        guard payload.count >= MemoryLayout<nfulnl_msg_config_mode>.size else { return nil }
        length = UInt32(bigEndian: payload.loadUnaligned(as: UInt32.self))
    }
}

/// `nfulnl_msg_packet_timestamp`: seconds and microseconds, 64 bits each.
struct LogTime: AttributeValue {
    var microseconds: Int64

    func withAttributeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let time = nfulnl_msg_packet_timestamp(
            sec: UInt64(microseconds / 1_000_000).bigEndian,
            usec: UInt64(microseconds % 1_000_000).bigEndian)
        return withUnsafeBytes(of: time, body)
    }

    init(microseconds: Int64) { self.microseconds = microseconds }

    /// - Returns: nil too for a time that is none.
    init?(attribute payload: UnsafeRawBufferPointer) {
        guard payload.count >= MemoryLayout<nfulnl_msg_packet_timestamp>.size else { return nil }
        let seconds = UInt64(bigEndian: payload.loadUnaligned(as: UInt64.self))
        let part = UInt64(bigEndian: payload.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        guard seconds < 1 << 40, part < 1_000_000 else { return nil }
        microseconds = Int64(seconds) * 1_000_000 + Int64(part)
    }
}
