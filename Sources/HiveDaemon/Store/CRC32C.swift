/// CRC-32C, as iSCSI has it (RFC 3720, appendix B.4): finds every burst of errors of at most 32 bits.
struct CRC32C {
    private var register: UInt32 = 0xffff_ffff

    /// Of what was added so far.
    var value: UInt32 { ~register }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var crc = register
        Self.table.withUnsafeBufferPointer { table in
            for byte in bytes { crc = table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ (crc >> 8) }
        }
        register = crc
    }

    /// For each octet, what eight steps with Castagnoli's polynomial, its bits reversed, make of it.
    private static let table: [UInt32] = (0..<256).map { octet in
        (0..<8).reduce(UInt32(octet)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
    }
}
